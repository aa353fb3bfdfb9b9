"""JSON of a member, parsed under bounds.

Enters: a source. Leaves: plain Python values; pairs keep their order and repeated keys are handed
to the caller. Numbers longer than any size or offset, and nesting without end, are refused.
"""

from collections.abc import Callable

from ckptscope.errors import ContainerFormatError, LimitError
from ckptscope.sources import ByteSource

#: Digits of a number; sizes and offsets have at most 19.
_MOST_DIGITS = 40
#: Repeated keys that are told one by one.
_MOST_REPEATED = 100


def read_json(
    source: ByteSource,
    limit_bytes: int,
    *,
    start: int = 0,
    size: int | None = None,
    repeated: Callable[[str], None] | None = None,
) -> object:
    """Parse the JSON in a source.

    Args:
        source: Where it stands.
        limit_bytes: The longest text that is taken up.
        start: First byte.
        size: Bytes; None for all that follow.
        repeated: Called with each key that stands twice in one object; the last value counts.

    Raises:
        ContainerFormatError: It is no JSON.
        LimitError: It is too long.
    """
    import json

    length = source.size - start if size is None else size
    if length > limit_bytes:
        raise LimitError("header_bytes", allowed=limit_bytes, actual=length, member=source.name)

    noted: list[str] = []

    def keep_pairs(pairs: list[tuple[str, object]]) -> dict[str, object]:
        made: dict[str, object] = {}
        for key, value in pairs:
            if key in made and repeated is not None and len(noted) < _MOST_REPEATED:
                noted.append(key)
                repeated(key)
            made[key] = value
        return made

    try:
        text = source.read(start, length).decode("utf-8")
        return json.loads(text, object_pairs_hook=keep_pairs, parse_int=_parse_int)
    except RecursionError as error:
        raise _no_json("nesting without end", source, start) from error
    except ValueError as error:
        raise _no_json(str(error), source, start) from error


def _parse_int(digits: str) -> int:
    if len(digits) > _MOST_DIGITS:
        raise ValueError(f"a number of {len(digits):,} digits")
    return int(digits)


def _no_json(reason: str, source: ByteSource, start: int) -> ContainerFormatError:
    return ContainerFormatError(
        f"expected JSON, found something else: {reason:.120}",
        member=source.name,
        offset_bytes=start,
    )
