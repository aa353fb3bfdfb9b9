"""Values of facts → words: `dims 48, 96, 192, 384`, `18 joints`, `7,438,976 parameters (7.44 M)`.

Enters: a fact's name and value. Leaves: short text. Facts of families that are not known here are
said by their names.
"""

from collections.abc import Callable, Sequence
from typing import Final

from ckptscope.facts.architecture import FactItem, FactValue
from ckptscope.reports.numerals import count_text

_MOST_ITEMS: Final = 12
_MOST_CHARACTERS: Final = 400
_TIMES: Final = "\N{MULTIPLICATION SIGN}"
_GIGA, _MEGA = 10**9, 10**6
#: Larger counts come from shapes that nobody can allocate, and have no room on a line.
_MOST_BITS: Final = 128


def phrase(name: str, value: FactValue) -> str:
    """Return what a fact says, its name included."""
    if value is None:
        return f"{words_of(name)} undetermined"
    say = _SAYS.get(name)
    said = say(value) if say is not None else None
    return said if said is not None else f"{words_of(name)} {value_text(value)}"


def absence(name: str) -> str | None:
    """Return what it means that a fact has no value though it is known; None for nothing."""
    return _ABSENCES.get(name)


def value_text(value: FactValue) -> str:
    """Return a value alone: lists without brackets, truth values as yes and no."""
    if value is None:
        return "undetermined"
    if not isinstance(value, tuple):
        return _item(value)
    shown = ", ".join(_item(item) for item in value[:_MOST_ITEMS])
    more = len(value) - _MOST_ITEMS
    return f"{shown}, … {more:,} more" if more > 0 else shown or "none"


def plain_value(name: str, value: FactValue) -> str:
    """Return a value alone, as one of this name is written: heights and widths as `32×32`."""
    said = _plane("")(value) if name in _PLANES else None
    return said.strip() if said is not None else value_text(value)


def words_of(name: str) -> str:
    """Return the name of a fact or setting as words."""
    return name.replace("_", " ")


def macs_text(macs: int) -> str:
    """Return multiply-accumulates in billions: `1.738 G`; few of them in millions."""
    if macs.bit_length() > _MOST_BITS:
        return _item(macs)
    if macs >= _GIGA // 10:
        return f"{macs / _GIGA:,.3f} G"
    return f"{macs / _MEGA:,.3f} M"


def _item(item: FactItem) -> str:
    if isinstance(item, bool):
        return "yes" if item else "no"
    if isinstance(item, int):
        bits = item.bit_length()
        return f"{item:,}" if bits <= _MOST_BITS else f"about 2^{bits - 1}"
    if isinstance(item, float):
        return f"{item:g}"
    if isinstance(item, tuple):
        return _TIMES.join(map(str, item[:_MOST_ITEMS]))
    return item if len(item) <= _MOST_CHARACTERS else f"{item[:_MOST_CHARACTERS]}…"


_Say = Callable[[FactValue], str | None]


def _behind(word: str) -> _Say:
    """`18 joints`."""
    return lambda value: f"{value_text(value)} {word}"


def _before(word: str) -> _Say:
    """`in 384, 256, 256`."""
    return lambda value: f"{word} {value_text(value)}"


def _alone(value: FactValue) -> str:
    return value_text(value)


def _layers(value: FactValue) -> str | None:
    """`1 layer`, `3 layers`."""
    if not _is_count(value):
        return None
    return count_text(value, "layers", rounded=False)  # type: ignore[arg-type]


def _whether(word: str) -> _Say:
    """`GRN`, `no GRN`."""

    def say(value: FactValue) -> str | None:
        if not isinstance(value, bool):
            return None
        return word if value else f"no {word}"

    return say


def _kernels(value: FactValue) -> str | None:
    """`kernels 7×7`; of several layers once, if all are alike."""
    sides = value if isinstance(value, tuple) else (value,)
    shown = [_kernel(side) for side in sides[: _MOST_ITEMS + 1]]
    if len(set(sides)) == 1:
        return f"kernels {shown[0]}"
    return f"kernels {value_text(tuple(shown))}"


def _kernel(side: object) -> str:
    if isinstance(side, int) and not isinstance(side, bool):
        return f"{side}{_TIMES}{side}"
    return _item(side) if isinstance(side, str | float | bool | tuple) else "?"


def _plane(word: str) -> _Say:
    """`heatmap 32×32`."""

    def say(value: FactValue) -> str | None:
        if not isinstance(value, tuple) or not all(_is_count(side) for side in value):
            return None
        return f"{word} {_TIMES.join(f'{side:,}' for side in value[:_MOST_ITEMS])}"

    return say


def _upsampling(value: FactValue) -> str | None:
    """`layers 1 and 2 of 3 upsample`."""
    if not isinstance(value, tuple) or not all(isinstance(one, bool) for one in value):
        return None
    if not value:
        return "no layer"
    chosen = [str(number) for number, one in enumerate(value, 1) if one]
    if len(chosen) in (0, len(value)):
        which = "every one" if chosen else "none"
        return f"{which} of {count_text(len(value), 'layers', rounded=False)}"
    shown = chosen[:_MOST_ITEMS] + ([f"… {len(chosen) - _MOST_ITEMS:,} more"] * (len(chosen) > 12))
    return f"{'layer' if len(chosen) == 1 else 'layers'} {_listed(shown)} of {len(value):,}"


def _listed(words: Sequence[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)


def _counted(word: str) -> _Say:
    """`7,438,976 parameters (7.44 M)`."""

    def say(value: FactValue) -> str | None:
        if not _is_count(value):
            return None
        return count_text(value, word)  # type: ignore[arg-type]

    return say


def _macs(value: FactValue) -> str | None:
    return f"{value:,} ({macs_text(value)})" if _is_count(value) else None  # type: ignore[arg-type]


def _shares(value: FactValue) -> str | None:
    """`non-zero 100 %, 99.9987 %`: only what is whole is said to be."""
    if not isinstance(value, tuple) or not all(isinstance(one, float | int) for one in value):
        return None
    return ", ".join(_share(float(one)) for one in value[:_MOST_ITEMS])  # type: ignore[arg-type]


def _share(share: float) -> str:
    if share in (0.0, 1.0):
        return f"{share * 100:.0f} %"
    shown = f"{share * 100:.4f}"
    return f"{min(max(float(shown), 0.0001), 99.9999):g} %"


def _is_count(value: object) -> bool:
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    return is_whole and value.bit_length() <= _MOST_BITS  # type: ignore[attr-defined]


#: Facts whose lack of a value is an answer.
_ABSENCES: Final = {"backbone": "none of the named ones"}
#: Heights and widths.
_PLANES: Final = frozenset({"heatmap", "input_size", "head_input"})
#: How the facts of the families that come along are said; others go by their names.
_SAYS: Final[dict[str, _Say]] = {
    "backbone": _alone,
    "version": _alone,
    "stem": _before("stem"),
    "kernel_size": _kernels,
    "norm": _before("norm"),
    "layer_scale": _whether("layer scale"),
    "grn": _whether("GRN"),
    "head_layers": _layers,
    "head_in_channels": _before("channels in"),
    "head_out_channels": _before("out"),
    "head_kernels": _kernels,
    "final_channels": _behind("channels"),
    "joints": _behind("joints"),
    "depth_bins": _behind("depth bins"),
    "classes": _behind("classes"),
    "upsampling": _upsampling,
    "heatmap": _plane("heatmap"),
    "input_size": _plane("input"),
    "head_input": _plane("head's input"),
    "input_channels": _behind("channels"),
    "parameters": _counted("parameters"),
    "buffers": _counted("buffers"),
    "state_elements": _counted("elements"),
    "macs": _macs,
    "head_nonzero": _shares,
}
