"""Sizes as people type them, and the limits that one of them sets."""

from typing import TYPE_CHECKING

from ckptscope.facts.sizes import parse_size

if TYPE_CHECKING:
    from ckptscope.facts.limits import Limits

__all__ = ["limits_of", "parse_size"]


def limits_of(max_spool: str | None) -> "Limits":
    """Return the limits of the run; who names a size trusts the file to unpack to it.

    Raises:
        UsageError: It is no size.
    """
    from ckptscope.facts.limits import DEFAULT_LIMITS

    if max_spool is None:
        return DEFAULT_LIMITS
    import msgspec

    size = parse_size(max_spool)
    return msgspec.structs.replace(DEFAULT_LIMITS, spool_bytes=size, unpack_floor_bytes=size)
