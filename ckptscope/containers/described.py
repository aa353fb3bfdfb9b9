"""What several JSON-described formats share: sizes, strides and tensors from plain values.

Enters: values of a parsed JSON. Leaves: mappings, lists, sizes, or a `ContainerFormatError` that
names the member.
"""

from ckptscope.errors import ContainerFormatError, LimitError
from ckptscope.facts.limits import Limits

_MOST = (1 << 63) - 1


def as_mapping(value: object, what: str, member: str | None) -> dict[str, object]:
    """Return a JSON object.

    Raises:
        ContainerFormatError: It is something else.
    """
    if not isinstance(value, dict):
        raise ContainerFormatError(
            f"expected an object for {what}, found a {type(value).__name__}", member=member
        )
    return value


def as_list(value: object, what: str, member: str | None) -> list[object]:
    """Return a JSON list.

    Raises:
        ContainerFormatError: It is something else.
    """
    if not isinstance(value, list):
        raise ContainerFormatError(
            f"expected a list for {what}, found a {type(value).__name__}", member=member
        )
    return value


def as_number(value: object, what: str, member: str | None) -> int:
    """Return a size or offset: a number, digits, or `{"as_int": number}`.

    Raises:
        ContainerFormatError: It is something else, or negative.
    """
    if isinstance(value, dict) and "as_int" in value:
        value = value["as_int"]
    if isinstance(value, str) and value.isdecimal() and len(value) < 20:
        value = int(value)
    if type(value) is not int or not 0 <= value <= _MOST:
        raise ContainerFormatError(
            f"expected a size for {what}, found {value!r:.60}", member=member
        )
    return value


def as_sizes(value: object, what: str, member: str | None, limits: Limits) -> tuple[int, ...]:
    """Return a shape or stride.

    Raises:
        ContainerFormatError: It is no list of sizes.
        LimitError: More dimensions, or more elements, than a tensor may have.
    """
    items = as_list(value, what, member)
    if len(items) > limits.tensor_dims:
        raise LimitError(
            "tensor_dims", allowed=limits.tensor_dims, actual=len(items), member=member
        )
    return tuple(as_number(item, what, member) for item in items)


def contiguous_stride(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the stride of a tensor whose elements stand in a row."""
    strides = []
    step = 1
    for size in reversed(shape):
        strides.append(step)
        step *= max(size, 1)
    return tuple(reversed(strides))
