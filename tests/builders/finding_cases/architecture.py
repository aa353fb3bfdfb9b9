"""Cases of `ARC`: files of true shapes under names that fit, and under names that do not."""

import msgspec

from builders.convnextpose import shapes
from builders.finding_cases.case import Case, Subject
from builders.finding_cases.files import Write, a_file
from builders.paper_files import entries_of, write_sparse
from builders.training_files import Storages, checkpoint
from ckptscope.facts.findings import Code
from ckptscope.policies.policy import Policy
from fixtures.convnextpose import Entry


def row(name: str, file: str, *, policy: Policy | None = None, drop: str = "") -> Write:
    """Write a file of a row's shapes."""

    def write(folder: object) -> Subject:
        entries: list[Entry] = [one for one in entries_of(name) if not drop or drop not in one.key]
        path = write_sparse(folder / file, entries)  # type: ignore[operator]
        subject = Subject(path=path)
        return msgspec.structs.replace(subject, policy=policy) if policy else subject

    return write


def configured(**values: object) -> Write:
    """Write a torch zip of XS's shapes, scaled down to kilobytes, with its configuration."""
    storages = Storages()
    network = storages.network({f"module.{key}": shape for key, shape in NARROW.items()})
    return a_file(checkpoint({"network": network, "cfg": dict(values)}, storages))


def unknown() -> Write:
    """Write a network that no family knows."""
    storages = Storages()
    return a_file(checkpoint(storages.network(), storages))


NARROW = shapes()
NO_NAME = "weights.safetensors"

CASES: dict[Code, Case] = {
    Code.LABEL_CONTRADICTED: Case(
        trips=row("S", "ConvNeXtPose_M.safetensors"), passes=row("S", "ConvNeXtPose_S.safetensors")
    ),
    Code.SPEC_CONTRADICTED: Case(
        trips=row("S", NO_NAME, policy=Policy(variant="M")),
        passes=row("S", NO_NAME, policy=Policy(variant="S")),
    ),
    Code.CONFIGURATION_CONTRADICTED: Case(
        trips=configured(joint_num=17, depth_dim=64), passes=configured(joint_num=18, depth_dim=32)
    ),
    Code.LABEL_UNDECIDED: Case(
        trips=row("S", "ConvNeXtPose_S_or_M.safetensors"),
        passes=row("S", "ConvNeXtPose_S.safetensors"),
    ),
    Code.FAMILY_UNKNOWN: Case(
        trips=unknown(),
        passes=row("XS", NO_NAME),
    ),
    Code.FAMILY_MISFIT: Case(
        trips=row("XS", NO_NAME, drop="stages.2.3."), passes=row("XS", NO_NAME)
    ),
}
