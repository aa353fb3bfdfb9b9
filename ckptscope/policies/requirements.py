"""What a policy asks of a checkpoint beside the checks.

Enters: a policy, a file's manifest and what its network was found to be. Leaves: findings `POL...`.
"""

from collections.abc import Sequence

from ckptscope.facts.findings import Finding
from ckptscope.facts.gate import CheckRun
from ckptscope.facts.paper import PaperFile
from ckptscope.facts.standing import Identified
from ckptscope.facts.tensors import Manifest
from ckptscope.policies.policy import Policy


def check_requirements(
    policy: Policy,
    manifest: Manifest,
    identified: Sequence[Identified],
    held: PaperFile | None,
    runs: Sequence[CheckRun],
    *,
    file_bytes: int,
) -> tuple[Finding, ...]:
    """Say which demands of a policy are not met, and which could not be decided.

    Args:
        policy: The policy.
        manifest: What the checkpoint holds.
        identified: Its networks, as far as a family knows them.
        held: The file against the row of its label; None where that was not asked for.
        runs: Which checks were made.
        file_bytes: Size of the file on disk; of a folder, of what belongs to the checkpoint.
    """
    return ()
