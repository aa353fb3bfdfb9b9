"""Imports → findings.

Enters: what the pickles of a file name. Leaves: findings `SAF001` to `SAF003`. Names that are known
to be harmless are passed over at the cost of a look into a table; what else there is to know is
imported only when another name is met.
"""

from collections.abc import Iterable

from ckptscope.checks.safety.harmless import HARMLESS
from ckptscope.facts.findings import Finding
from ckptscope.facts.pickled import Import, Naming

_PLAIN = (Naming.SPELLED, Naming.COMPUTED, Naming.LOOKED_UP)


def check_imports(imports: Iterable[Import], *, allowed: Iterable[str] = ()) -> tuple[Finding, ...]:
    """Judge every name that the pickles of a file import.

    Args:
        imports: In the order of the file; those that a damaged pickle had reached count as well.
        allowed: Names of unknown classes that the user trusts: `mylab.models.PoseNet`, or with
            `*` at the end for everything below: `mylab.models.*`. What is dangerous stays so.
    """
    harmless = HARMLESS.get
    odd = [
        one
        for one in imports
        if one.name not in harmless(one.module, ()) or one.naming not in _PLAIN
    ]
    if not odd:
        return ()
    from ckptscope.checks.safety.findings import find_in

    return find_in(odd, tuple(allowed))
