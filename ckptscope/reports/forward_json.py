"""A pass → JSON, under a versioned schema.

Enters: a `ForwardReport`. Leaves: UTF-8 bytes of one JSON object, `ckptscope/forward/1`. Numbers
that are not finite are null; how many there were is counted beside them.
"""

from typing import Literal

import msgspec

from ckptscope.facts.architecture import FactValue
from ckptscope.facts.tensors import Origin
from ckptscope.facts.trace import (
    ClassScore,
    Coordinates,
    ForwardReport,
    LayerRow,
    MacCount,
    NormMemory,
    PassInput,
    RootPlace,
)
from ckptscope.facts.upsampling import Upsampling
from ckptscope.facts.values import Values
from ckptscope.reports.json import encode

FORWARD_SCHEMA: Literal["ckptscope/forward/1"] = "ckptscope/forward/1"


class LayerOut(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the trace, with its factor."""

    name: str
    kind: str
    part: str
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    factor: str
    parameters: int
    macs: int
    counted_macs: int
    upsampling: bool | None
    values: Values | None
    seconds: float | None
    share: float | None


class MacsOut(msgspec.Struct, frozen=True, kw_only=True):
    """Multiply-accumulates of one input, and whether the ways to count them agree."""

    closed_form: int | None
    layers: int
    counter: int
    counted_by: str
    what: str
    agree: bool


class ForwardFileOut(msgspec.Struct, frozen=True, kw_only=True):
    """One file's network and its pass."""

    path: str
    state_dict: str
    prefix: str
    family: str
    title: str
    dialect: str
    settings: dict[str, FactValue]
    origins: dict[str, Origin]
    device: str
    dtype: str
    threads: int | None
    torch: str
    shapes_only: bool
    input: PassInput
    layers: tuple[LayerOut, ...]
    output_shape: tuple[int, ...]
    output: Values | None
    macs: MacsOut
    parameters: int
    mapped_bytes: int
    read_bytes: int
    label: str
    contradictions: tuple[str, ...]
    upsampling: Upsampling | None
    coordinates: tuple[Coordinates, ...]
    volume: tuple[int, int, int] | None
    root: tuple[RootPlace, ...]
    scores: tuple[ClassScore, ...]
    batch_norms: tuple[NormMemory, ...]
    saved_to: str | None
    notes: tuple[str, ...]
    failures: tuple[str, ...]
    seconds: float | None


class ForwardOut(msgspec.Struct, frozen=True, kw_only=True):
    """The whole object."""

    schema: Literal["ckptscope/forward/1"] = FORWARD_SCHEMA
    files: tuple[ForwardFileOut, ...]


def render_forward_json(report: ForwardReport) -> bytes:
    """Return the report as JSON with a newline at its end."""
    return encode(ForwardOut(files=(_file(report),))) + b"\n"


def forward_json_schema() -> bytes:
    """Return the JSON schema of the output, indented."""
    schema = msgspec.json.schema(ForwardOut)
    schema["$id"] = FORWARD_SCHEMA
    return msgspec.json.format(msgspec.json.encode(schema), indent=2) + b"\n"


def _file(report: ForwardReport) -> ForwardFileOut:
    return ForwardFileOut(
        path=report.path,
        state_dict=report.state_dict,
        prefix=report.prefix,
        family=report.family,
        title=report.title,
        dialect=report.dialect,
        settings=report.settings,
        origins=report.origins,
        device=report.device,
        dtype=report.dtype,
        threads=report.threads,
        torch=report.torch,
        shapes_only=report.output is None,
        input=report.given,
        layers=tuple(_layer(row) for row in report.rows),
        output_shape=report.output_shape,
        output=report.output,
        macs=_macs(report.macs),
        parameters=report.parameters,
        mapped_bytes=report.mapped_bytes,
        read_bytes=report.read_bytes,
        label=report.label,
        contradictions=report.contradictions,
        upsampling=report.upsampling,
        coordinates=report.coordinates,
        volume=report.volume,
        root=report.root,
        scores=report.scores,
        batch_norms=report.norms,
        saved_to=report.saved_to,
        notes=report.notes,
        failures=report.failures,
        seconds=report.seconds,
    )


def _layer(row: LayerRow) -> LayerOut:
    return LayerOut(
        name=row.name,
        kind=row.kind,
        part=row.part,
        input_shape=row.input_shape,
        output_shape=row.output_shape,
        factor=row.factor,
        parameters=row.parameters,
        macs=row.macs,
        counted_macs=row.counted_macs,
        upsampling=row.upsampling,
        values=row.values,
        seconds=row.seconds,
        share=row.share,
    )


def _macs(macs: MacCount) -> MacsOut:
    return MacsOut(
        closed_form=macs.closed_form,
        layers=macs.layers,
        counter=macs.counter,
        counted_by=macs.counted_by,
        what=macs.what,
        agree=macs.agree,
    )
