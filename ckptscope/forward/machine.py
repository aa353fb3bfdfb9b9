"""What of this machine a pass may use.

Enters: names of devices, numbers of threads. Leaves: torch's objects; or a refusal in one line.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from ckptscope.errors import UsageError

#: Multiply-accumulates of one pass; a few minutes of a small machine. More are asked for by
#: mistake, or by a file that declares what nobody trained.
MOST_MACS = 10**13
#: Words of torch's errors about more memory than there is, or than numbers can say.
_TOO_MUCH = ("allocate", "out of memory", "not enough memory", "overflow", "too large")


def require_device(name: str) -> torch.device:
    """Return a device that is there.

    Raises:
        UsageError: There is none of that name.
    """
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise UsageError(f"expected the device cpu, cuda or meta, found {name!r}") from error
    if device.type not in {"cpu", "cuda", "meta"}:
        raise UsageError(f"expected the device cpu, cuda or meta, found {name!r}")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise UsageError(f"no device {name!r}: torch {torch.__version__} finds no such GPU")
    return device


@contextmanager
def with_threads(count: int | None) -> Iterator[None]:
    """Let torch use so many threads; None for its own choice."""
    before = torch.get_num_threads()
    if count is not None:
        torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def require_bearable(macs: int | None, batch: int) -> None:
    """Refuse passes that would take too long.

    Raises:
        UsageError: It has too many multiply-accumulates.
    """
    if macs is not None and macs * batch > MOST_MACS:
        raise UsageError(
            f"expected at most {MOST_MACS / 1e9:,.0f} GMACs in a pass, found "
            f"{macs * batch / 1e9:,.0f}; --device meta follows the shapes alone, and --size or "
            "--batch may be smaller"
        )


@contextmanager
def refusing_too_much() -> Iterator[None]:
    """Turn torch's errors about memory into ours; all others pass.

    Raises:
        UsageError: There is not enough memory.
    """
    try:
        yield
    except RuntimeError as error:
        first = str(error).partition("\n")[0]
        if any(word in first.lower() for word in _TOO_MUCH):
            raise UsageError(f"torch refuses, for want of memory: {first[:200]}") from error
        raise
