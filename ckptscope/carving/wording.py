"""What the sizes say, in sentences.

Enters: a `Judgement`. Leaves: text.
"""

from collections.abc import Sequence
from typing import Any

from ckptscope.carving.alignment import Fit
from ckptscope.carving.judging import NEAR_BITS, Judgement
from ckptscope.carving.shelf import Shelf
from ckptscope.facts.carving import Slot

#: What no size can tell, of any file.
_CAVEAT = (
    "Names that no pickle tells are assumed from the table; their dialect and any prefix before "
    "them are undetermined"
)
#: Settings that a network is introduced by, as families' attributes call them.
_SHOWN = ("backbone", "dims", "depths", "head_out_channels", "final_channels", "classes")


def verdict(judged: Judgement, shelf: Shelf, doubts: Sequence[str] = ()) -> str:
    """Say what the storages were, or why that cannot be said.

    Args:
        judged: What the sizes say.
        shelf: What is left.
        doubts: What values, and the names that are left, say against it.
    """
    count = len(shelf)
    if judged.best is None:
        text = f"no table fits: none of {judged.tried:,} tables explains {count:,} storages"
        near = judged.runner_up
        if near is not None:
            text += (
                f"; the nearest, {title(near)}, has the sizes of {near.explained:,}, and other "
                f"ones for {near.contradicted:,}"
            )
        return text + "."
    best = judged.best
    text = (
        f"{title(best)} ({_traits(best)}): {best.explained:,} of {count:,} storages have its sizes"
    )
    if best.contradicted:
        text += f", {best.contradicted:,} have others"
    text += f", {judged.bits:,.0f} bits more than chance"
    return f"{text}; {_doubts(judged, best, doubts)}. {_CAVEAT}."


def title(fit: Fit) -> str:
    """Return what a table is called: `ConvNeXtPose XS`."""
    return " ".join((fit.table.family.title, " or ".join(fit.table.variants))).strip()


def _traits(fit: Fit) -> str:
    attributes: dict[str, Any] = fit.table.family.attributes(fit.table.configuration)
    shown = []
    for name in _SHOWN:
        value = attributes.get(name)
        if value is None or (value == 0 and name == "classes") or value == ():
            continue
        if isinstance(value, tuple):
            value = "-".join(map(str, value))
        shown.append(f"{name.replace('_', ' ')} {value}")
    return ", ".join(shown)


def _doubts(judged: Judgement, best: Fit, others: Sequence[str]) -> str:
    """Say what keeps it from being certain."""
    doubts = [*others]
    if judged.alike:
        doubts.append(f"{judged.alike:,} other tables explain as many")
    elif not judged.is_certain and judged.runner_up is not None:
        behind = best.bits - judged.runner_up.bits
        if judged.runner_up.contradicted <= best.contradicted and behind < NEAR_BITS:
            doubts.append(f"{title(judged.runner_up)} of other settings comes near")
    if judged.open_settings:
        doubts.append(f"no storage shows {', '.join(judged.open_settings)}")
    if judged.has_room:
        doubts.append("what is taken for the network may be a copy behind one that is lost")
    average = any(slot is Slot.EMA for _, slot in best.entries())
    if average:
        doubts.append("of two copies of the network, the later one is taken for an average")
    if judged.is_certain:
        return "; ".join(("no other table comes near", *doubts))
    return "; ".join(("that is likely and not certain", *doubts))
