"""Report → JSON, under a versioned schema.

Enters: a report. Leaves: UTF-8 bytes of one JSON object, `ckptscope/inspect/1`, whatever the number
of files. Numbers that JSON cannot say (NaN, infinities) are texts; a lone surrogate in a name stays
an escape.
"""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING, Literal

import msgspec

from ckptscope.facts.containers import ContainerKind
from ckptscope.facts.findings import Finding
from ckptscope.facts.modules import ModuleNode
from ckptscope.facts.pickled import Import
from ckptscope.facts.report import Failure, FileReport, InspectReport, Skipped
from ckptscope.facts.tensors import (
    ArrayInfo,
    Manifest,
    Optimizer,
    Origin,
    PickleInfo,
    Role,
    Spending,
    StateDict,
    TreeNode,
)
from ckptscope.facts.values import TensorValues
from ckptscope.facts.weights_only import Obstacle, WeightsOnly
from ckptscope.reports.architecture_json import ArchitectureOut, architecture_out
from ckptscope.reports.values_json import TensorOut, tensors_out, values_by_tensor

if TYPE_CHECKING:
    from ckptscope.facts.carving import Carving

INSPECT_SCHEMA: Literal["ckptscope/inspect/1"] = "ckptscope/inspect/1"


class RootsOut(msgspec.Struct, frozen=True, kw_only=True):
    """What the content of a state_dict is known by; empty where a tensor could not be read."""

    root: str
    root_up_to_names: str


class StateDictOut(msgspec.Struct, frozen=True, kw_only=True):
    """A state_dict as the JSON shows it: counts beside the list of tensors."""

    path: str
    prefix: str
    role: Role
    role_evidence: str
    class_name: str | None
    parameters: int
    buffers: int
    elements: int
    shared_elements: int
    kind_origin: Origin
    kind_evidence: str
    versions: dict[str, int] | None
    tensors: tuple[TensorOut, ...]
    modules: ModuleNode | None = None
    identity: RootsOut | None = None


class ScalarOut(msgspec.Struct, frozen=True, kw_only=True):
    """A plain value of the training record."""

    path: str
    value: int | float | bool | str


class StorageOut(msgspec.Struct, frozen=True, kw_only=True):
    """How many storages there are, and their bytes."""

    count: int
    size_bytes: int
    stored_bytes: int


class WeightsOnlyOut(msgspec.Struct, frozen=True, kw_only=True):
    """What torch.load(weights_only=True) says of a file; versions in words, empty for none."""

    accepted_by: str
    refused_by: str
    because: Obstacle | None
    unlisted: tuple[str, ...]
    advice: str
    default_since: str


class FileOut(msgspec.Struct, frozen=True, kw_only=True):
    """One checkpoint, or the failure to read one."""

    path: str
    location: tuple[str, ...] = ()
    containers: tuple[ContainerKind, ...] = ()
    size_bytes: int | None = None
    byteorder: str | None = None
    format: dict[str, str] = {}
    state_dicts: tuple[StateDictOut, ...] = ()
    optimizers: tuple[Optimizer, ...] = ()
    arrays: tuple[ArrayInfo, ...] = ()
    scalars: tuple[ScalarOut, ...] = ()
    tree: TreeNode | None = None
    storages: StorageOut | None = None
    spending: tuple[Spending, ...] = ()
    pickles: tuple[PickleInfo, ...] = ()
    imports: tuple[Import, ...] = ()
    unclaimed_members: tuple[str, ...] = ()
    metadata: dict[str, str] = {}
    weights_only: WeightsOnlyOut | None = None
    architecture: ArchitectureOut | None = None
    more_architectures: tuple[ArchitectureOut, ...] = ()
    findings: tuple[Finding, ...] = ()
    failure: Failure | None = None
    carved: "Carving | None" = None


class InspectOut(msgspec.Struct, frozen=True, kw_only=True):
    """The whole object."""

    schema: Literal["ckptscope/inspect/1"] = INSPECT_SCHEMA
    files: tuple[FileOut, ...]
    skipped: tuple[Skipped, ...] = ()


def render_json(report: InspectReport) -> bytes:
    """Return the report as JSON with a newline at its end."""
    out = InspectOut(files=tuple(_file(one) for one in report.files), skipped=report.skipped)
    return encode(out) + b"\n"


def encode(value: object) -> bytes:
    """Encode as JSON; names with lone surrogates, which UTF-8 cannot hold, are escaped."""
    try:
        return msgspec.json.encode(value)
    except UnicodeEncodeError:
        plain = msgspec.to_builtins(value, str_keys=True)
        return json.dumps(plain, ensure_ascii=True, allow_nan=False, separators=(",", ":")).encode(
            "ascii"
        )


def inspect_json_schema() -> bytes:
    """Return the JSON schema of the output, indented."""
    from ckptscope.facts.carving import Carving  # noqa: PLC0415 - of a sound file nothing is carved

    # Types by name are looked up among the names of this module.
    globals()["Carving"] = Carving
    schema = msgspec.json.schema(InspectOut)
    schema["$id"] = INSPECT_SCHEMA
    return msgspec.json.format(msgspec.json.encode(schema), indent=2) + b"\n"


def _file(report: FileReport) -> FileOut:
    manifest = report.manifest
    if manifest is None:
        return FileOut(path=report.path, failure=report.failure, carved=report.carved)
    networks = tuple(architecture_out(one) for one in report.identified)
    values = values_by_tensor(report.values)
    return FileOut(
        path=report.path,
        location=manifest.location,
        containers=manifest.containers,
        size_bytes=manifest.size_bytes,
        byteorder=manifest.byteorder,
        format=dict(manifest.format_facts),
        state_dicts=tuple(
            _state_dict(one, modules, values, roots)
            for one, modules, roots in zip_longest(
                manifest.state_dicts, report.modules, _roots(report)
            )
        ),
        optimizers=manifest.optimizers,
        arrays=manifest.arrays,
        scalars=tuple(
            ScalarOut(path=one.path, value=_sayable(one.value)) for one in manifest.scalars
        ),
        tree=manifest.tree,
        storages=_storages(manifest),
        spending=manifest.spending,
        pickles=manifest.pickles,
        imports=manifest.imports,
        unclaimed_members=manifest.unclaimed_members,
        metadata=dict(manifest.metadata),
        weights_only=_weights_only(report.weights_only),
        architecture=networks[0] if networks else None,
        more_architectures=networks[1:],
        findings=manifest.findings,
    )


def _state_dict(
    one: StateDict,
    modules: ModuleNode | None,
    values: Mapping[tuple[str, str], Sequence[TensorValues]],
    roots: RootsOut | None,
) -> StateDictOut:
    return StateDictOut(
        path=one.path,
        prefix=one.prefix,
        role=one.role,
        role_evidence=one.role_evidence,
        class_name=one.class_name,
        parameters=one.parameters,
        buffers=one.buffers,
        elements=one.elements,
        shared_elements=one.shared_elements,
        kind_origin=one.kind_origin,
        kind_evidence=one.kind_evidence,
        versions=one.versions,
        tensors=tensors_out(one, values),
        modules=modules,
        identity=roots,
    )


def _roots(report: FileReport) -> Iterator[RootsOut]:
    """Yield what the content of each state_dict is known by; nothing where that was not asked."""
    for one in report.identity.state_dicts if report.identity is not None else ():
        yield RootsOut(root=one.root, root_up_to_names=one.root_up_to_names)


def _weights_only(answer: WeightsOnly | None) -> WeightsOnlyOut | None:
    if answer is None:
        return None
    return WeightsOnlyOut(
        accepted_by=answer.accepted_by,
        refused_by=answer.refused_by,
        because=answer.obstacle,
        unlisted=answer.unlisted,
        advice=answer.advice,
        default_since=answer.default_since,
    )


def _sayable(value: float | bool | str) -> int | float | bool | str:
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _storages(manifest: Manifest) -> StorageOut:
    held = manifest.storages.values()
    return StorageOut(
        count=len(held),
        size_bytes=sum(storage.size_bytes for storage in held),
        stored_bytes=sum(storage.stored_bytes for storage in held),
    )
