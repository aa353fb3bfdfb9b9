"""Pairs of tensors with numbers written by hand: no file, no bytes."""

from ckptscope.comparisons.subject import Subject
from ckptscope.facts.comparison import ComparedTensor, Difference, Structure, TensorPair


def difference(elements: int, **given: object) -> Difference:
    """Two tensors that are the same but for what is given."""
    wanted: dict[str, object] = {
        "equal_bits": elements,
        "equal_numbers": elements,
        "equal_cast": elements,
        "within": elements,
        "squares_left": float(elements),
        "squares_right": float(elements),
        "products": float(elements),
        "squares_apart": 0.0,
        "largest": 0.0,
    }
    return Difference(elements=elements, **{**wanted, **given})  # type: ignore[arg-type]


def moved(elements: int, distance: float) -> Difference:
    """Two tensors without an equal element, a relative L2 apart, of the same norm."""
    apart = elements * distance**2
    return difference(
        elements,
        equal_bits=0,
        equal_numbers=0,
        equal_cast=0,
        within=0,
        products=elements - apart / 2,
        squares_apart=apart,
        largest=distance,
    )


def pair(
    key: str,
    found: Difference | None = None,
    *,
    shape: tuple[int, ...] | None = None,
    right_shape: tuple[int, ...] | None = None,
    dtype: str = "float32",
    right_dtype: str | None = None,
    unread: str = "",
) -> TensorPair:
    """A tensor and its counterpart of the same name; a row of a matrix unless shaped."""
    shape = (1, found.elements if found else 4) if shape is None else shape
    return TensorPair(
        left=ComparedTensor(key=key, dtype=dtype, shape=shape),
        right=ComparedTensor(
            key=key, dtype=right_dtype or dtype, shape=shape if right_shape is None else right_shape
        ),
        difference=found,
        unread=unread,
    )


def subject(*pairs: TensorPair, **given: object) -> Subject:
    """What conclusions are drawn from, with nothing but pairs unless given."""
    wanted: dict[str, object] = {"structure": Structure(), "ways": ()}
    return Subject(pairs=pairs, **{**wanted, **given})  # type: ignore[arg-type]
