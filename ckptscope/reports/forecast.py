"""The forecast of torch.load(weights_only=True) → one line.

Enters: a `WeightsOnly`. Leaves: a block that names the versions of torch and, if some refuse the
file, the first thing that stops them.
"""

from collections.abc import Iterator

from ckptscope.facts.weights_only import Because, Obstacle, WeightsOnly
from ckptscope.reports.blocks import Block, Name, Part, Words, field


def describe_forecast(answer: WeightsOnly) -> Iterator[Block]:
    """Say which versions of torch load the file with weights_only."""
    parts: list[Part] = [Words("weights_only=True ")]
    stop = answer.obstacle
    if stop is None:
        parts.append(Words(f"is accepted by torch {answer.accepted_by}"))
    elif not answer.accepted_by:
        parts.append(Words(f"is refused by every known version, {answer.refused_by}: "))
        parts += _reason(stop, answer)
    else:
        parts.append(Words(f"is accepted by torch {answer.accepted_by}, "))
        parts.append(Words(f"refused by {answer.refused_by}: "))
        parts += _reason(stop, answer)
    if answer.wrapped:
        parts.append(Words("; once it is taken out of what it lies in"))
    yield field("torch.load", *parts)


def _reason(stop: Obstacle, answer: WeightsOnly) -> list[Part]:
    if stop.because is not Because.NAME:
        return [Words(stop.sentence)]
    more = len(answer.unlisted) - 1
    rest = f" and {more:,} more names" if more > 1 else " and 1 more name" if more == 1 else ""
    verb = "are" if rest else "is"
    return [Name(stop.subject), Words(f"{rest} {verb} not on its list")]
