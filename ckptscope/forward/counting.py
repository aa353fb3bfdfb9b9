"""torch's own counter of operations, without the second that its first use takes.

Enters: nothing. Leaves: a `FlopCounterMode`, or on the meta device its formulas. Both count 2 for
each multiply-accumulate, which is why their counts are halved elsewhere.
"""

from types import TracebackType
from typing import Protocol

from torch.utils import flop_counter
from torch.utils.flop_counter import FlopCounterMode

from ckptscope.forward.shapes import ShapeRules


class Counter(Protocol):
    """A context that counts what runs in it."""

    def get_total_flops(self) -> int:
        """Return 2 for each multiply-accumulate so far."""

    def __enter__(self) -> object:
        """Begin to count."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
        /,
    ) -> object:
        """Stop counting."""


def torch_counter(*, shapes_only: bool = False) -> Counter:
    """Return a counter; on shapes alone, one that also answers in torch's place."""
    if shapes_only:
        return ShapeRules()
    _spare_the_compiler()
    return FlopCounterMode(display=False)


def _spare_the_compiler() -> None:
    """Let the counter run without importing torch's compiler, which nothing here uses.

    torch guards every dispatch mode against being compiled (`torch._disable_dynamo`): at its first
    call it imports the compiler to wrap the mode's function, and keeps the wrapped one in an
    attribute of it. That attribute is set to the bare function here. A torch that keeps it
    elsewhere ignores this, and takes a second longer.
    """
    mode = getattr(flop_counter, "_FlopCounterMode", None)
    guarded = getattr(mode, "__torch_dispatch__", None)
    bare = getattr(guarded, "__wrapped__", None)
    if bare is not None:
        bare.__dict__.setdefault("__dynamo_disable", bare)
