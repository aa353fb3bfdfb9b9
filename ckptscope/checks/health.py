"""Are the weights sound?

Enters: a manifest and the statistics of its tensors. Leaves: findings `VAL...`.
"""

from collections.abc import Sequence

from ckptscope.facts.findings import Finding
from ckptscope.facts.tensors import Manifest
from ckptscope.facts.values import TensorValues


def check_values(manifest: Manifest, values: Sequence[TensorValues]) -> tuple[Finding, ...]:
    """Judge the values of every tensor, alone and beside its siblings."""
    return ()
