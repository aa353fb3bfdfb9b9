"""What of this machine a pass may use.

Enters: names of devices, numbers of threads. Leaves: torch's objects; or a refusal in one line.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from ckptscope.errors import UsageError

#: Multiply-accumulates of one pass; a few minutes of a small machine. More are asked for by
#: mistake, or by a file that declares what nobody trained.
MOST_MACS = 10**13
_GIB = 1 << 30
_ADVICE = "--device meta follows the shapes alone, and --size or --batch may be smaller"
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


def require_bearable(macs: int, size_bytes: int) -> None:
    """Refuse passes that would take too long, or more memory than there is.

    Args:
        macs: Multiply-accumulates of the whole pass.
        size_bytes: What it needs of memory, about.

    Raises:
        UsageError: It is too much.
    """
    if macs > MOST_MACS:
        raise UsageError(
            f"expected at most {MOST_MACS / 1e9:,.0f} GMACs in a pass, found {macs / 1e9:,.0f}; "
            f"{_ADVICE}"
        )
    held = memory_bytes()
    if held is not None and size_bytes > held:
        raise UsageError(
            f"the pass needs about {size_bytes / _GIB:,.0f} GiB of memory, the machine has "
            f"{held / _GIB:,.0f}; {_ADVICE}"
        )


def memory_bytes() -> int | None:
    """Return the memory of this machine; None where the system does not say."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None


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
