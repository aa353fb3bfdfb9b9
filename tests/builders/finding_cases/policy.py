"""Cases of `POL`: one checkpoint before two policies, or two checkpoints before one.

The networks have the true shapes of the released files and no weights to speak of.
"""

import datetime
import struct
from collections.abc import Callable
from pathlib import Path

from builders.finding_cases.case import TODAY, Case, Subject
from builders.finding_cases.files import Write, saved
from builders.paper_files import entries_of, write_sparse
from builders.pickles import tensor
from ckptscope.facts.containers import ContainerKind
from ckptscope.facts.findings import Code
from ckptscope.policies.policy import FROM_NAME, Policy, Waiver

#: A table that only networks with these channels are in.
TABLE = """\
schema = "ckptscope/spec/1"
name = "ours"
family = "convnextpose"
title = "Ours"
source = "a page"
[variants.one.claims]
final_channels = {channels}
"""
VALUES = struct.pack("<2f", 1, 2)
TREE: dict[str, object] = {"w": tensor("0", (2,)), "epoch": 3, "notes": ""}


def network(policy: Policy, name: str = "ConvNeXtPose_S.safetensors", row: str = "S") -> Write:
    """Write the network of a row, and put it before a policy."""
    return lambda folder: Subject(path=write_sparse(folder / name, entries_of(row)), policy=policy)


def unknown(policy: Policy) -> Write:
    """Write a network that no family knows, and put it before a policy."""
    return under(policy, saved(TREE, {"0": VALUES}))


def under(policy: Policy, write: Write) -> Write:
    """Put a checkpoint before a policy."""

    def judged(folder: Path) -> Subject:
        return Subject(path=write(folder).path, policy=policy)

    return judged


def in_table(channels: int) -> Write:
    """Write a network of 576 channels, and a table that asks for so many."""

    def write(folder: Path) -> Subject:
        table = folder.parent / f"{folder.name}.toml"
        table.write_text(TABLE.format(channels=channels))
        return network(Policy(specs=(str(table),)))(folder)

    return write


def waived(expires: datetime.date, code: str = "TEN005") -> Write:
    """Write a storage that no tensor uses, and excuse it until a day."""
    waiver = Waiver(code=code, reason="known", expires=expires, line=7)
    policy = Policy(waivers=(waiver,), source="ckptscope.toml")
    return under(policy, saved(TREE, {"0": VALUES, "1": VALUES}))


def case(trips: Write, passes: Write) -> Case:
    """Pair two subjects."""
    return Case(trips=trips, passes=passes)


def policies(ask: Callable[[Policy], Write], trips: Policy, passes: Policy) -> Case:
    """Put one checkpoint before two policies."""
    return Case(trips=ask(trips), passes=ask(passes))


TOMORROW = TODAY + datetime.timedelta(days=1)
YESTERDAY = TODAY - datetime.timedelta(days=1)
CASES: dict[Code, Case] = {
    Code.FAMILY_REQUIRED: policies(network, Policy(family="resnet"), Policy(family="convnextpose")),
    Code.VARIANT_REQUIRED: policies(network, Policy(variant="XS"), Policy(variant=FROM_NAME)),
    Code.CONTAINER_REFUSED: policies(
        network,
        Policy(containers=(ContainerKind.TORCH_ZIP,)),
        Policy(containers=(ContainerKind.SAFETENSORS,)),
    ),
    Code.FILE_TOO_LARGE: policies(network, Policy(max_bytes=20 << 20), Policy(max_bytes=40 << 20)),
    Code.METADATA_REQUIRED: policies(
        unknown, Policy(metadata=("epoch", "notes")), Policy(metadata=("epo*",))
    ),
    # The values of a storage that is not there cannot be gone over.
    Code.VALUES_REQUIRED: case(
        under(Policy(values=True), saved(TREE, {})),
        under(Policy(values=True), saved(TREE, {"0": VALUES})),
    ),
    Code.SPEC_REQUIRED: case(in_table(1152), in_table(576)),
    Code.SETTING_REQUIRED: policies(
        network,
        Policy(family="convnextpose", config={"dims": (40, 80, 160, 320)}),
        Policy(family="convnextpose", config={"dims": (48, 96, 192, 384)}),
    ),
    Code.NOT_DECIDED: case(
        unknown(Policy(family="convnextpose")), network(Policy(family="convnextpose"))
    ),
    Code.WAIVER_EXPIRED: case(waived(YESTERDAY), waived(TODAY)),
    Code.WAIVER_UNUSED: case(waived(TOMORROW, "TEN003"), waived(TOMORROW)),
}
