"""One size that many tensors tell: most of them decide, the others are named.

Enters: what single tensors say. Leaves: the value that most of them say, evidence for it, and a
sentence about those that say otherwise.
"""

from collections.abc import Collection, Hashable, Iterable
from typing import Generic, TypeVar

from ckptscope.facts.architecture import Evidence
from ckptscope.facts.tensors import TensorInfo

V = TypeVar("V", bound=Hashable)

#: Tensors that a sentence names.
_SHOWN = 3


class Ballot(Generic[V]):
    """What tensors say of one setting.

    Attributes:
        name: The setting: `dims[2]`.
        votes: For each value the tensors that say it, with the axis that does; both in the order in
            which they were added.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.votes: dict[V, list[tuple[TensorInfo, int | None]]] = {}

    def add(self, value: V, tensor: TensorInfo, axis: int | None = None) -> None:
        """Let a tensor say a value, by its size along an axis, or by being there."""
        said = self.votes.get(value)
        if said is None:
            said = self.votes[value] = []
        said.append((tensor, axis))

    @property
    def value(self) -> V | None:
        """What most tensors say, of equals what was said first; None if none says anything."""
        return max(self.votes, key=lambda value: len(self.votes[value]), default=None)

    def evidence(self, text: str = "") -> tuple[Evidence, ...]:
        """Return the first tensor that says so, and how many do; nothing if none does.

        Args:
            text: What it says, instead of `name = value`.
        """
        value = self.value
        if value is None:
            return ()
        said = self.votes[value]
        tensor, axis = said[0]
        text = text or f"{self.name} = {value}"
        if len(said) > 1:
            text += f", as {len(said):,} tensors say"
        others = sum(len(votes) for votes in self.votes.values()) - len(said)
        if others:
            text += f", {others:,} {'says' if others == 1 else 'say'} otherwise"
        return (Evidence(text=text, key=tensor.key, axis=axis, shape=tensor.shape),)

    def assumptions(self) -> tuple[str, ...]:
        """Return what believing most of them assumes; nothing if all agree."""
        if len(self.votes) < 2:
            return ()
        return (f"{self.name} is what most of its tensors say",)

    def dissent(self) -> str | None:
        """Return a sentence about the tensors that do not agree with most; None if all do."""
        value = self.value
        others = [
            f"{other} by {len(votes):,} ({_named(tensor for tensor, _ in votes)})"
            for other, votes in self.votes.items()
            if other != value
        ]
        if value is None or not others:
            return None
        more = ", ..." if len(others) > _SHOWN else ""
        agree = len(self.votes[value])
        what = "tensor" if agree == 1 else "tensors"
        return f"{self.name} is {value} by {agree:,} {what}, {', '.join(others[:_SHOWN])}{more}"


def numbered(noun: str, numbers: Collection[int]) -> str:
    """Return numbers behind their noun: `block 4`, `blocks 4 to 6, 9`."""
    return f"{noun}{'' if len(numbers) == 1 else 's'} {number_ranges(numbers)}"


def number_ranges(numbers: Iterable[int]) -> str:
    """Return numbers in words, runs of them as ranges: `4 to 6, 9`; the first few of many."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    shown = [f"{a}" if a == b else f"{a} to {b}" for a, b in runs[: 2 * _SHOWN]]
    return ", ".join(shown) + (", ..." if len(runs) > 2 * _SHOWN else "")


def _named(tensors: Iterable[TensorInfo]) -> str:
    keys = [repr(tensor.key) for tensor in tensors]
    return ", ".join(keys[:_SHOWN]) + (", ..." if len(keys) > _SHOWN else "")
