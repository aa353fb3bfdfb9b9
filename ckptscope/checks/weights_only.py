"""Does `torch.load(weights_only=True)` accept it?

Enters: the pickles of a checkpoint. Leaves: findings `SAF010` and `SAF011`.
"""

from ckptscope.containers import Contents
from ckptscope.facts.findings import Finding
from ckptscope.facts.tensors import Manifest


def check_weights_only(contents: Contents, manifest: Manifest) -> tuple[Finding, ...]:
    """Say which versions of torch refuse the file, because of what, and what to change."""
    return ()
