"""Is it the network that it is said to be?

Enters: a file held against the row of its label. Leaves: findings `ARC...`.
"""

from ckptscope.facts.findings import Finding
from ckptscope.facts.paper import PaperFile


def check_architecture(file: PaperFile) -> tuple[Finding, ...]:
    """Say what contradicts the label, the table or the configuration, and what is not decided."""
    return ()
