"""Imports → findings.

Enters: what the pickles of a file name. Leaves: findings `SAF001` to `SAF003`.
"""

from collections.abc import Iterable

from ckptscope.facts.findings import Finding
from ckptscope.facts.pickled import Import


def check_imports(imports: Iterable[Import], *, allowed: Iterable[str] = ()) -> tuple[Finding, ...]:
    """Judge every name that the pickles of a file import.

    Args:
        imports: In the order of the file.
        allowed: Names of unknown classes that the user trusts: `mylab.models.PoseNet`, or with
            `*` at the end for everything below: `mylab.models.*`. What is dangerous stays so.
    """
    return ()
