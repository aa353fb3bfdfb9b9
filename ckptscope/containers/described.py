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


def as_layout(
    shape: object, stride: object, key: str, member: str, limits: Limits
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return shape and stride of a tensor.

    Raises:
        ContainerFormatError: They do not belong together.
        LimitError: More dimensions or elements than a tensor may have.
    """
    sizes = as_sizes(shape, f"the shape of {key[:100]!r}", member, limits)
    steps = as_sizes(stride, f"the stride of {key[:100]!r}", member, limits)
    if len(sizes) != len(steps):
        raise ContainerFormatError(
            f"expected as many strides as sizes for {key[:100]!r}, found {len(steps)} and "
            f"{len(sizes)}",
            member=member,
        )
    elements = 1
    for size in sizes:
        elements *= size
    if elements > limits.tensor_elements:
        raise LimitError(
            "tensor_elements", allowed=limits.tensor_elements, actual=elements, member=member
        )
    return sizes, steps


def contiguous_stride(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the stride of a tensor whose elements stand in a row."""
    strides = []
    step = 1
    for size in reversed(shape):
        strides.append(step)
        step *= max(size, 1)
    return tuple(reversed(strides))
