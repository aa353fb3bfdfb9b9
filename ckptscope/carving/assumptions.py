"""What a carving rests on beside sizes, and what nothing tells, in sentences.

Enters: a `Carving` with a table that fits. Leaves: sentences, for reports and for records.
"""

from typing import Final

from ckptscope.facts.carving import Carving, Found, Slot, TableFit

#: How a BatchNorm is known among the names.
_MEAN: Final = ".running_mean"
_MOST_OPEN: Final = 8


def table_title(fit: TableFit) -> str:
    """Return what a table is called: `ConvNeXtPose XS`."""
    return f"{fit.title} {fit.variant}".strip()


def assumptions_of(carving: Carving, best: TableFit) -> tuple[str, ...]:
    """Return what the names and values rest on beside the sizes."""
    names = (
        f"names and shapes are those that the table of {table_title(best)} gives, in the order in "
        "which state_dict() lists them"
    )
    if carving.observed:
        names += ", where the pickle did not tell them"
    found = [names, "a storage holds one tensor, its elements in row-major order"]
    if any(one.key.endswith(_MEAN) for one in carving.tensors):
        found.append(
            "weight, bias, mean and variance of a BatchNorm, which have one size, lie in that order"
        )
    if any(one.slot is Slot.EMA for one in carving.tensors):
        found.append("of two copies of the network, the later one is the averaged one")
    return tuple(found)


def open_questions(carving: Carving, best: TableFit) -> tuple[str, ...]:
    """Return what stays undetermined."""
    network = [one.found for one in carving.tensors if one.slot is Slot.NETWORK]
    found: list[str] = []
    if any(one is not Found.OBSERVED for one in network):
        whose = "the keys that the pickle did not tell" if Found.OBSERVED in network else "the keys"
        dialect = f" (those shown are of the dialect {best.dialect!r:.60})" if best.dialect else ""
        found = [
            f"in which dialect {whose} were named{dialect}",
            f"what prefix stood before {whose}, such as 'module.' (none is shown)",
        ]
    if best.open_settings:
        shown = ", ".join(one.replace("_", " ") for one in best.open_settings[:_MOST_OPEN])
        more = len(best.open_settings) - _MOST_OPEN
        shown += f" and {more:,} more" if more > 0 else ""
        found.append(f"{shown}: no storage shows it, and usual values stand for it")
    return tuple(found)
