"""Hold a state_dict against a table of keys, as load_state_dict(strict=True) does.

Enters: expected tensors, and names with shapes. Leaves: `KeyDifferences`. The rules are those of
`torch.nn.Module._load_from_state_dict` (torch 2.4 to 2.13), `torch.nn.modules.batchnorm` for the
counters, and `consume_prefix_in_state_dict_if_present` for prefixes.

torch visits the modules of the network outermost first. Each reports its own missing keys and
mismatched shapes, and those keys of the file that lie within it and within none of its children; so
unexpected keys come in the order of the network's modules, and of the file within one. The table
knows the modules that hold tensors; where a key of the file lies within a module that holds none
(a ReLU of a Sequential), torch may print it a little later than it stands here.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

from ckptscope.facts.differences import AxisMismatch, KeyDifferences, ShapeMismatch
from ckptscope.facts.expected import ExpectedTensor

#: Since this version a BatchNorm has `num_batches_tracked`; of older or unrecorded ones a missing
#: counter is filled in.
_COUNTED_SINCE = 2
#: What `nn.Module.set_extra_state` is saved under; a module looks for it before its other keys.
_EXTRA_STATE = "_extra_state"

T = TypeVar("T")


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
        versions: Module versions that the state_dict's `_metadata` records, by module name as in
            `found`; None if it has no `_metadata`, and then no version is known.
    """
    missing: list[str] = []
    tolerated: list[str] = []
    mismatched: list[ShapeMismatch] = []
    wanted: dict[str, None] = {}
    for tensor in expected:
        key = prefix + tensor.key
        wanted[key] = None
        shape = found.get(key)
        if shape is None:
            fills_in = tensor.is_counter and _version(key, versions) < _COUNTED_SINCE
            (tolerated if fills_in else missing).append(key)
        elif shape != tensor.shape and not _is_scalar_of_old(shape, tensor.shape):
            mismatched.append(mismatch(key, shape, tensor))
    unexpected = [key for key in found if key not in wanted]
    if len(unexpected) > 1:
        unexpected = _by_module(unexpected, wanted)
    return KeyDifferences(
        missing=tuple(missing),
        unexpected=tuple(unexpected),
        mismatched=tuple(mismatched),
        tolerated=tuple(tolerated),
    )


def mismatch(key: str, found: tuple[int, ...], tensor: ExpectedTensor) -> ShapeMismatch:
    """Say where a shape differs from the expected one.

    Args:
        key: Name as the network has it.
        found: Shape in the file.
        tensor: What the network has.
    """
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


def strip_prefix(found: Mapping[str, T], prefix: str) -> dict[str, T]:
    """Cut a prefix off the keys that have it, as torch does: those come last, and replace others.

    Args:
        found: Anything by key, in the order of the file.
        prefix: It ends with a dot, or is empty.
    """
    if not prefix:
        return dict(found)
    stripped = {key: value for key, value in found.items() if not key.startswith(prefix)}
    for key, value in found.items():
        if key.startswith(prefix):
            stripped[key[len(prefix) :]] = value
    return stripped


def strip_versions(versions: Mapping[str, int] | None, prefix: str) -> dict[str, int] | None:
    """Cut a prefix off the module names of `_metadata`; the wrapped module becomes the root."""
    if versions is None or not prefix:
        return None if versions is None else dict(versions)
    stripped = strip_prefix(versions, prefix)
    if prefix[:-1] in versions:
        stripped[""] = stripped.pop(prefix[:-1])
    return stripped


def _version(counter: str, versions: Mapping[str, int] | None) -> int:
    """Return the recorded version of the module that a counter belongs to, 0 for none."""
    return (versions or {}).get(counter.rpartition(".")[0], 0)


def _is_scalar_of_old(found: tuple[int, ...], expected: tuple[int, ...]) -> bool:
    """Before 0.4, torch saved numbers as tensors of one element; they still load."""
    return found == (1,) and expected == ()


def _by_module(unexpected: Sequence[str], wanted: Iterable[str]) -> list[str]:
    """Put keys into the order in which the network's modules report them."""
    modules: dict[str, int] = {"": 0}
    last = ""
    for key in wanted:
        module = key.rpartition(".")[0]
        if module != last:
            last = module
            _enter(module, modules)
    ranks = {key: (_innermost(key, modules)) for key in unexpected}
    return sorted(unexpected, key=lambda key: ranks[key])


def _enter(module: str, modules: dict[str, int]) -> None:
    """Number a module and those around it, the outermost first."""
    dot = module.find(".")
    while dot >= 0:
        modules.setdefault(module[:dot], len(modules))
        dot = module.find(".", dot + 1)
    modules.setdefault(module, len(modules))


def _innermost(key: str, modules: Mapping[str, int]) -> tuple[int, bool]:
    """Return the number of the innermost module that a key lies in, and whether it comes later."""
    rank, start = 0, 0
    while (dot := key.find(".", start)) >= 0:
        inner = modules.get(key[:dot])
        if inner is None:
            break
        rank, start = inner, dot + 1
    return rank, key[start:] != _EXTRA_STATE
