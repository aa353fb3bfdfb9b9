"""A pass through a network → blocks.

Enters: a `ForwardReport`. Leaves: what every renderer for people lays out: the trace, the picture
of the planes, what upsamples, values, joints, what BatchNorm remembers.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from ckptscope.facts.trace import ForwardReport, LayerRow
from ckptscope.reports.blocks import (
    Block,
    Heading,
    Name,
    Part,
    Tone,
    Words,
    entry,
    field,
    line,
    section,
)
from ckptscope.reports.forward_norms import describe_norms
from ckptscope.reports.forward_upsampling import describe_upsampling
from ckptscope.reports.numerals import shape_text, share_text, size_text
from ckptscope.reports.tables import Align, Column, Table, number

#: Columns of a bar for the widest plane; a terminal of 60 has room for it.
_BAR: Final = 32
_EIGHTHS: Final = " ▏▎▍▌▋▊▉█"
#: Columns that hold what a layer is made of; it is shown whole or not at all.
_WHOLE: Final = 48
_SHAPES_ONLY: Final = "shapes only"
#: Images whose joints or classes are shown; all are in the JSON.
_MOST_IMAGES: Final = 1


def describe_forward(report: ForwardReport) -> Iterator[Block]:
    """Describe one pass."""
    yield Heading(1, (Name(report.path, Tone.STRONG),))
    yield from _describe_pass(report)
    yield section("Layer by layer")
    yield _trace_table(report)
    yield line(_macs_text(report))
    yield section("Planes")
    yield _plane_table(report.rows)
    if report.upsampling is not None:
        yield from describe_upsampling(report, report.upsampling)
    elif report.label:
        yield section("Claims")
        yield from _describe_claims(report)
    yield section("Values that left each layer")
    if report.output is None:
        yield line(_SHAPES_ONLY)
    else:
        yield _value_table(report.rows)
    yield from _describe_output(report)
    yield from describe_norms(report)
    if report.notes:
        yield section("Decided on the way")
        for note in report.notes:
            yield line(note)
    if report.failures:
        yield section("What is wrong")
        for failure in report.failures:
            yield line(Words(failure, Tone.ERROR))


def _describe_pass(report: ForwardReport) -> Iterator[Block]:
    parts: list[Part | str] = [f"{report.title}, {report.parameters:,} parameters"]
    if report.state_dict:
        parts += [", state_dict ", Name(report.state_dict)]
    if report.prefix:
        parts += [", prefix ", Name(report.prefix)]
    parts.append(f", dialect {report.dialect}")
    yield line(*parts)
    yield field("built from", _settings_text(report))
    given: list[Part | str] = [f"{shape_text(report.given.shape)} (N×C×H×W)"]
    if report.given.path is not None:
        given += [", ", Name(report.given.path)]
    given.append(f", {report.given.description or _SHAPES_ONLY}")
    yield field("input", *given)
    ran = [report.device, report.dtype]
    if report.threads is not None:
        ran.append("1 thread" if report.threads == 1 else f"{report.threads} threads")
    ran.append(f"torch {report.torch}")
    if report.seconds is not None:
        ran.append(f"{report.seconds * 1e3:,.0f} ms")
    yield field("pass", ", ".join(ran))
    if report.output is not None:
        held = []
        if report.mapped_bytes:
            held.append(f"{size_text(report.mapped_bytes)} mapped, without a copy")
        if report.read_bytes:
            held.append(f"{size_text(report.read_bytes)} read or converted into memory")
        yield field("weights", "; ".join(held) or "none")


def _describe_claims(report: ForwardReport) -> Iterator[Block]:
    if not report.contradictions:
        yield line(f"nothing in the tensors contradicts row {report.label}")
        return
    yield field("verdict", Words("contradicts", Tone.ERROR), f" row {report.label}")
    for contradiction in report.contradictions:
        yield entry(contradiction)


def _settings_text(report: ForwardReport) -> str:
    told = []
    for name, value in report.settings.items():
        if value is None:
            continue
        origin = report.origins.get(name)
        mark = f" ({origin.value})" if origin is not None and origin.value not in _PLAIN else ""
        told.append(f"{name} {_value_text(value)}{mark}")
    return "; ".join(told)


#: Origins that need no word: the file says it.
_PLAIN: Final = frozenset({"observed", "derived"})


def _value_text(value: object) -> str:
    if isinstance(value, tuple):
        return ",".join(_value_text(item) for item in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def _trace_table(report: ForwardReport) -> Table:
    rows = report.rows
    total = sum(row.parameters for row in rows)
    return Table(
        columns=(
            Column(title="layer"),
            Column(title="made of", flexible=True, least=_WHOLE, drop=1),
            number("in"),
            number("out"),
            number("factor"),
            number("parameters"),
            number("MACs"),
        ),
        rows=[
            (
                row.name,
                row.kind,
                shape_text(row.input_shape),
                shape_text(row.output_shape),
                row.factor,
                f"{row.parameters:,}",
                macs_text(row.macs),
            )
            for row in rows
        ],
        closing=(("total", "", "", "", "", f"{total:,}", macs_text(report.macs.layers)),),
        may_tighten=True,
    )


def macs_text(macs: int) -> str:
    """Return multiply-accumulates in millions."""
    return f"{macs / 1e6:,.1f} M"


def _macs_text(report: ForwardReport) -> str:
    macs = report.macs
    counts = [f"{macs.layers:,} by layers", f"{macs.counter:,} by {macs.counted_by}"]
    if macs.closed_form is not None:
        counts.insert(0, f"{macs.closed_form:,} in closed form")
    if macs.agree:
        ways = "three ways" if macs.closed_form is not None else "two ways"
        return f"MACs count {macs.what}. Counted {ways}: {', '.join(counts)}: they agree."
    return f"MACs count {macs.what}. The counts do not agree: {', '.join(counts)}."


def _plane_table(rows: Sequence[LayerRow]) -> Table:
    """Draw each plane as a bar as wide as it is; the input first."""
    first = rows[0]
    planes = [("input", first.input_shape), *((row.name, row.output_shape) for row in rows)]
    planes = [(name, shape) for name, shape in planes if len(shape) == 3]
    widest = max(shape[2] for _, shape in planes)
    return Table(
        columns=(
            Column(title="behind"),
            Column(title="plane", align=Align.RIGHT),
            Column(pictorial=True),
        ),
        rows=[(name, shape_text(shape[1:]), _bar(shape[2], widest)) for name, shape in planes],
    )


def _bar(width: int, widest: int) -> str:
    """Return a bar in eighths of a column; what is there is never drawn as nothing."""
    eighths = max(round(width * _BAR * 8 / widest), 1)
    return "█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()


def _value_table(rows: Sequence[LayerRow]) -> Table:
    told = [(row, row.values) for row in rows]
    return Table(
        columns=(
            Column(title="layer"),
            number("min"),
            number("mean"),
            number("max"),
            Column(title="finite"),
            number("time"),
        ),
        rows=[
            (
                row.name,
                number_text(values.least),
                number_text(values.mean),
                number_text(values.greatest),
                "yes" if values.is_finite else f"{values.not_finite:,} not",
                "" if row.share is None else share_text(row.share),
            )
            for row, values in told
            if values is not None
        ],
    )


def number_text(value: float | None) -> str:
    """Return a number in five digits; `none` where there is none."""
    return "none" if value is None else f"{value:.5g}"


def _describe_output(report: ForwardReport) -> Iterator[Block]:
    yield section("Output")
    parts: list[Part | str] = [shape_text(report.output_shape)]
    if report.output is None:
        parts.append(f", {_SHAPES_ONLY}")
    elif report.output.is_finite:
        parts.append(", every element finite")
    if report.saved_to is not None:
        parts += [", written to ", Name(report.saved_to)]
    yield line(*parts)
    if report.coordinates:
        yield from _describe_joints(report)
    if report.root:
        yield line("where the root is, in cells of the heatmap, and the correction of its depth")
        yield _root_table(report)
    if report.scores:
        yield line("classes that score best, by index")
        yield _score_table(report)


def _describe_joints(report: ForwardReport) -> Iterator[Block]:
    outside = sum(not one.is_inside for one in report.coordinates)
    told = "every joint lies inside" if not outside else f"{outside:,} joints do not lie inside"
    volume = ""
    if report.volume is not None:
        depth_bins, height, width = report.volume
        volume = f" the volume of {width}×{height} cells and {depth_bins} depth bins"
    yield line(f"soft-argmax: the expectation of each joint's place, in cells; {told}{volume}")
    shown = [one for one in report.coordinates if one.image < _MOST_IMAGES]
    yield Table(
        columns=(number("joint"), number("x"), number("y"), number("z")),
        rows=[
            (str(one.joint), *(_place_text(place) for place in (one.x, one.y, one.z)))
            for one in shown
        ],
    )
    images = report.given.shape[0]
    if images > _MOST_IMAGES:
        yield line(f"of the first of {images} images; --format json lists all")


def _place_text(place: float | None) -> str:
    return "none" if place is None else f"{place:.3f}"


def _root_table(report: ForwardReport) -> Table:
    return Table(
        columns=(number("image"), number("x"), number("y"), number("depth")),
        rows=[
            (str(one.image), *(_place_text(place) for place in (one.x, one.y, one.depth)))
            for one in report.root
        ],
    )


def _score_table(report: ForwardReport) -> Table:
    shown = [one for one in report.scores if one.image < _MOST_IMAGES]
    return Table(
        columns=(number("class"), number("logit"), number("probability")),
        rows=[
            (str(one.index), number_text(one.logit), share_text(one.probability)) for one in shown
        ],
    )
