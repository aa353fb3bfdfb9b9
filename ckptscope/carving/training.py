"""How long a carved checkpoint was trained.

Enters: a `Carving`, the file's name and a way to read its counters. Leaves: `Fact`s: steps, epochs,
iterations per epoch, and what does not follow from them.
"""

import re
from collections import Counter
from collections.abc import Callable
from typing import Final

from ckptscope.carving.values import counters_of
from ckptscope.facts.architecture import Alternative, Evidence, Fact
from ckptscope.facts.carving import Carving
from ckptscope.facts.tensors import Origin

#: Words before a number that count epochs in names of checkpoints.
_EPOCH: Final = re.compile(
    r"(?:^|[^a-z])(?:snapshot|epochs?|ep)[_\-. =]{0,2}(\d{1,6})(?!\d)", re.IGNORECASE
)


def training_record(
    carving: Carving, name: str, read: Callable[[str], bytes | None] | None
) -> tuple[Fact, ...]:
    """Return what the counters say of the training, and the file's name.

    Args:
        carving: With its tensors.
        name: Of the file or folder: `snapshot_68.pth`.
        read: Returns the bytes of a storage; None if none can be read.
    """
    if read is None:
        return ()
    kinds = counters_of(carving.tensors, read)
    if not kinds:
        return ()
    # The optimizer's own counter, where it has one: BatchNorm counts what it was shown.
    what, counters = kinds[-1]
    steps = _steps(what, counters)
    if steps.value is None:
        return (steps,)
    total = int(str(steps.value))
    epochs = _epochs(name, total)
    return (steps, epochs, *_rates(total, epochs))


def _steps(what: str, counters: Counter[float]) -> Fact:
    (value, count), *others = counters.most_common()
    evidence = Evidence(text=f"{count:,} of {sum(counters.values()):,} {what} are {value:,.0f}")
    is_whole = value == int(value) if abs(value) < 1 << 62 else False
    if 2 * count <= sum(counters.values()) or not is_whole or value < 1:
        return Fact(
            name="steps",
            value=None,
            origin=Origin.UNDETERMINED,
            evidence=(evidence,),
            decided_by="counters that agree with each other",
        )
    return Fact(
        name="steps",
        value=int(value),
        origin=Origin.DERIVED,
        evidence=(evidence,),
        alternatives=tuple(Alternative(value=one) for one, _ in others[:3]),
    )


def _epochs(name: str, steps: int) -> Fact:
    """Read the epoch that a name tells: counted from 0, unless only the other divides the steps."""
    found = list(_EPOCH.finditer(name))
    if not found:
        return Fact(
            name="epochs",
            value=None,
            origin=Origin.UNDETERMINED,
            evidence=(Evidence(text="the name tells no epoch"),),
            decided_by="the epoch, which the pickle would have held",
        )
    index = int(found[-1].group(1))
    counted = [one for one in (index + 1, index) if one > 0]
    exact = [one for one in counted if not steps % one]
    chosen = (exact or counted)[0]
    text = f"{found[-1].group(0).strip()!r:.60} in the name"
    how = f"epochs are counted from {0 if chosen > index else 1}, and {index} is the last one"
    divides = "divides" if chosen in exact else "does not divide"
    return Fact(
        name="epochs",
        value=chosen,
        origin=Origin.ASSUMED,
        evidence=(Evidence(text=text), Evidence(text=f"{chosen:,} {divides} {steps:,} steps")),
        assumptions=(f"the name tells the epoch, {how}",),
        alternatives=tuple(
            Alternative(
                value=one,
                speaks_for=("it divides the steps",) if one in exact else (),
                speaks_against=() if one in exact else ("it does not divide the steps",),
            )
            for one in counted
            if one != chosen
        ),
        decided_by="the epoch, which the pickle would have held",
    )


def _rates(steps: int, epochs: Fact) -> tuple[Fact, ...]:
    """Return iterations per epoch, if the epochs divide the steps, and what stays open."""
    count = epochs.value
    if not isinstance(count, int) or steps % count:
        why = "the epochs are not known" if count is None else "the epochs do not divide the steps"
        iterations = Fact(
            name="iterations_per_epoch",
            value=None,
            origin=Origin.UNDETERMINED,
            evidence=(Evidence(text=why),),
            decided_by="the epoch, or the training's log",
        )
        return (iterations,)
    each = steps // count
    iterations = Fact(
        name="iterations_per_epoch",
        value=each,
        origin=Origin.ASSUMED,
        evidence=(Evidence(text=f"{steps:,} = {count:,} × {each:,}"),),
        assumptions=(*epochs.assumptions, "every epoch had as many iterations"),
        decided_by="the training's log",
    )
    sizes = ", ".join(
        f"{batch} of {batch * (each - 1) + 1:,} to {batch * each:,}" for batch in (16, 32, 64)
    )
    batch = Fact(
        name="batch_size",
        value=None,
        origin=Origin.UNDETERMINED,
        evidence=(
            Evidence(
                text=f"{each:,} iterations are batches of 1 from {each:,} examples, or any number "
                f"B from B × {each - 1:,} + 1 to B × {each:,} of them: {sizes}"
            ),
        ),
        decided_by="the number of examples in the training set",
    )
    return iterations, batch
