"""What BatchNorm remembers → blocks.

Enters: the memories of a `ForwardReport`. Leaves: a table of stored and met statistics, flags, and
what they can prove.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from ckptscope.facts.trace import ForwardReport, NormMemory
from ckptscope.reports.blocks import Block, Tone, Words, line, section
from ckptscope.reports.tables import Table, name, number

#: Layers up to which all are shown; of more, those that are farthest off.
_MOST_ROWS: Final = 40
#: Columns of a layer's name that other columns are given up for; all numbers are in the JSON.
_NAME: Final = 34
_COLUMNS: Final = (
    "mean and variance over the channels, as stored and as met here; distance: median of "
    "|mean here - mean stored| / deviation stored; ratio: median of variance here / stored"
)
_MEANING: Final = (
    "Running means and variances are those of the images that the network was trained on, as they "
    "arrived at each layer. Where an image of that kind meets the same weights, what arrives now "
    "is near to them: distances well below 1, ratios around 1."
)
_LIMITS: Final = (
    "Nearness cannot prove that the architecture is right: upsampling changes these statistics "
    "little. Distance cannot prove that it is wrong, for the input may be of another kind."
)
_NOISE: Final = "Noise is of another kind than any image, so here distances prove nothing at all."


def describe_norms(report: ForwardReport) -> Iterator[Block]:
    """Describe the memories, if there are any."""
    norms = report.norms
    if not norms:
        return
    yield section("What BatchNorm remembers")
    yield line(_COLUMNS)
    yield _table(_shown(norms))
    if len(norms) > _MOST_ROWS:
        yield line(f"the {_MOST_ROWS} of {len(norms)} layers that are farthest off, in order")
    untrained = [norm for norm in norms if norm.is_untrained]
    if untrained:
        yield line(Words(untrained_text(untrained, len(norms)), Tone.WARNING))
    yield line(_MEANING)
    yield line(_LIMITS if report.given.kind == "image" else f"{_LIMITS} {_remark(report)}".strip())


def untrained_text(untrained: Sequence[NormMemory], of: int) -> str:
    """Return a sentence about layers that were never trained."""
    shown = ", ".join(repr(norm.key) for norm in untrained[:3])
    more = ", ..." if len(untrained) > 3 else ""
    return (
        f"{len(untrained)} of {of} layers were never trained (mean 0, variance 1, no batch "
        f"counted): {shown}{more}"
    )


def _remark(report: ForwardReport) -> str:
    return _NOISE if report.given.kind == "seeded noise" else ""


def _shown(norms: Sequence[NormMemory]) -> Sequence[NormMemory]:
    if len(norms) <= _MOST_ROWS:
        return norms
    far = sorted(norms, key=lambda norm: norm.mean_distance or 0.0, reverse=True)
    kept = {norm.key for norm in far[:_MOST_ROWS]}
    return [norm for norm in norms if norm.key in kept]


def _table(norms: Sequence[NormMemory]) -> Table:
    return Table(
        columns=(
            name("layer", least=_NAME),
            number("batches", drop=2),
            number("stored mean", drop=3),
            number("mean here", drop=3),
            number("stored var.", drop=4),
            number("var. here", drop=4),
            number("distance"),
            number("ratio"),
        ),
        rows=[
            (
                norm.key,
                "none" if norm.batches is None else f"{norm.batches:,}",
                _text(norm.stored_mean),
                _text(norm.pass_mean),
                _text(norm.stored_variance),
                _text(norm.pass_variance),
                _text(norm.mean_distance),
                _text(norm.variance_ratio),
            )
            for norm in norms
        ],
        may_tighten=True,
    )


def _text(value: float | None) -> str:
    return "none" if value is None else f"{value:.3g}"
