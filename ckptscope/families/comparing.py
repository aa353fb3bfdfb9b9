"""Hold a state_dict against a table of keys, as load_state_dict(strict=True) does.

Enters: expected tensors, and names with shapes. Leaves: `KeyDifferences`. The rules are those of
`torch.nn.Module._load_from_state_dict` (torch 2.4 to 2.13), `torch.nn.modules.batchnorm` for the
counters.
"""

from collections.abc import Iterable, Mapping

from ckptscope.facts.differences import AxisMismatch, KeyDifferences, ShapeMismatch
from ckptscope.facts.expected import ExpectedTensor

#: Since this version a BatchNorm has `num_batches_tracked`; of older or unrecorded ones a missing
#: counter is filled in.
_COUNTED_SINCE = 2


def compare_keys(
    expected: Iterable[ExpectedTensor],
    found: Mapping[str, tuple[int, ...]],
    *,
    prefix: str = "",
    versions: Mapping[str, int] | None = None,
) -> KeyDifferences:
    """Compare what a network has with what a file holds.

    Args:
        expected: The network's table, in its order.
        found: Shapes by key, in the order of the file; keys as the network would see them.
        prefix: What stands before every key of `expected` in `found`.
        versions: Module versions that the state_dict's `_metadata` records, by module name; None
            if it has no `_metadata`, and then no version is known.
    """
    missing: list[str] = []
    tolerated: list[str] = []
    mismatched: list[ShapeMismatch] = []
    wanted: set[str] = set()
    for tensor in expected:
        key = prefix + tensor.key
        wanted.add(key)
        shape = found.get(key)
        if shape is None:
            fills_in = tensor.is_counter and _version(key, versions) < _COUNTED_SINCE
            (tolerated if fills_in else missing).append(key)
        elif shape != tensor.shape and not _is_scalar_of_old(shape, tensor.shape):
            mismatched.append(_mismatch(key, shape, tensor))
    return KeyDifferences(
        missing=tuple(missing),
        unexpected=tuple(key for key in found if key not in wanted),
        mismatched=tuple(mismatched),
        tolerated=tuple(tolerated),
    )


def _version(counter: str, versions: Mapping[str, int] | None) -> int:
    """Return the recorded version of the module that a counter belongs to, 0 for none."""
    return (versions or {}).get(counter.rpartition(".")[0], 0)


def _is_scalar_of_old(found: tuple[int, ...], expected: tuple[int, ...]) -> bool:
    """Before 0.4, torch saved numbers as tensors of one element; they still load."""
    return found == (1,) and expected == ()


def _mismatch(key: str, found: tuple[int, ...], tensor: ExpectedTensor) -> ShapeMismatch:
    axes: tuple[AxisMismatch, ...] = ()
    if len(found) == len(tensor.shape):
        axes = tuple(
            AxisMismatch(axis=axis, found=have, expected=want, settings=terms)
            for axis, (have, want, terms) in enumerate(
                zip(found, tensor.shape, tensor.terms, strict=True)
            )
            if have != want
        )
    return ShapeMismatch(key=key, found=found, expected=tensor.shape, axes=axes)
