"""What upsamples, and what speaks for it → blocks.

Enters: the rows of a trace and an `Upsampling`. Leaves: the head layer by layer, all patterns side
by side, the verdict.
"""

from collections.abc import Iterator

from ckptscope.facts.claims import Verdict
from ckptscope.facts.tensors import Origin
from ckptscope.facts.trace import ForwardReport, LayerRow
from ckptscope.facts.upsampling import Hypothesis, Pattern, Upsampling
from ckptscope.reports.blocks import Block, Tone, Words, entry, field, line, section
from ckptscope.reports.numerals import shape_text
from ckptscope.reports.tables import Column, Table, number

#: Patterns up to which all are shown; of more, those that were run or fit.
_MOST_ROWS = 16
_TONES = {Verdict.MATCHES: Tone.STRONG, Verdict.CONTRADICTS: Tone.ERROR}


def describe_upsampling(report: ForwardReport, found: Upsampling) -> Iterator[Block]:
    """Describe the head and the hypotheses about it."""
    yield section("Upsampling, which no weight tells")
    for row in report.rows:
        if row.upsampling is not None:
            yield entry(layer_sentence(row))
    yield line(_ran_text(found))
    yield _table(found)
    height, width = found.input_size
    ran = report.given.shape[2:]
    elsewhere = f"; run at {shape_text(ran)}" if ran != found.input_size else ""
    yield line(f"counted in closed form for a {height}×{width} input{elsewhere}{_left_out(found)}")
    said = Words(found.verdict.value, _TONES.get(found.verdict, Tone.PLAIN))
    yield field("verdict", said, f" row {found.label}" if found.label else "")
    for sentence in found.sentences:
        yield entry(sentence)


def layer_sentence(row: LayerRow) -> str:
    """Return `head layer 3: 256×32×32 → 256×32×32, ×1, no upsampling`."""
    shapes = f"{shape_text(row.input_shape)} → {shape_text(row.output_shape)}"
    what = "upsampling" if row.upsampling else "no upsampling"
    return f"{row.name}: {shapes}, {row.factor}, {what}"


def pattern_text(pattern: Pattern) -> str:
    """Return `up, up, no`."""
    return ", ".join("up" if is_doubled else "no" for is_doubled in pattern)


def _ran_text(found: Upsampling) -> str:
    why = {
        Origin.UNDETERMINED: "chosen for the pass, since nothing says it",
        Origin.ASSUMED: "assumed, as inspect --evidence explains",
        Origin.STATED: "as stated",
    }.get(found.origin, found.origin.value)
    return f"the pass above was made with {pattern_text(found.ran)}: {why}"


def _left_out(found: Upsampling) -> str:
    shown = len(_shown(found))
    hidden = len(found.hypotheses) - shown + found.left_out
    return f"; {hidden:,} further patterns are not shown" if hidden else ""


def _shown(found: Upsampling) -> tuple[Hypothesis, ...]:
    if len(found.hypotheses) <= _MOST_ROWS:
        return found.hypotheses
    return tuple(one for one in found.hypotheses if one.is_plausible or one.is_met)


def _table(found: Upsampling) -> Table:
    claim = next(
        (c.claimed for one in found.hypotheses for c in one.checks if c.deviation is not None), ""
    )
    return Table(
        columns=(
            Column(title="layers"),
            number("heatmap"),
            number("bins"),
            Column(title="cube"),
            number("GMACs"),
            number(f"of {claim}" if claim else ""),
            Column(title="claims"),
            number("output, run"),
        ),
        rows=[_row(one, found) for one in _shown(found)],
        may_tighten=True,
    )


def _row(one: Hypothesis, found: Upsampling) -> tuple[str, ...]:
    cube = "" if one.is_cube is None else "yes" if one.is_cube else "no"
    deviation = next((c.deviation for c in one.checks if c.deviation is not None), None)
    met = ""
    if one.is_met is not None:
        met = "met" if one.is_met else "near" if one.is_near else "not met"
    return (
        pattern_text(one.upsampling),
        shape_text(one.heatmap),
        "" if found.depth_bins is None else str(found.depth_bins),
        cube,
        f"{one.macs / 1e9:.3f}",
        "" if deviation is None else f"{deviation * 100:+.1f} %",
        met,
        "" if one.output_shape is None else shape_text(one.output_shape),
    )
