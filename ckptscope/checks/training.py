"""Does the training record fit the network, and itself?

Enters: a manifest. Leaves: findings `TRN...`.
"""

from ckptscope.facts.findings import Finding
from ckptscope.facts.tensors import Manifest


def check_training(manifest: Manifest) -> tuple[Finding, ...]:
    """Hold optimizer, averaged copies, counters and texts of a checkpoint against each other."""
    return ()
