"""Groups of tensors → state_dicts: role, prefix, parameters and buffers, with what says so.

Enters: the groups and optimizers of a walk. Leaves: `StateDict`s, networks first.
"""

import re
from collections.abc import Sequence

import msgspec

from ckptscope.facts.tensors import Kind, Optimizer, Origin, Role, StateDict, TensorInfo
from ckptscope.tensors.groups import Group, join

#: What wrappers put before every key: DataParallel and DistributedDataParallel; torch.compile.
_WRAPPER_SEGMENTS = ("module", "_orig_mod")
#: Words in a path that stand for an averaged copy of the weights.
_EMA_WORDS = re.compile(r"(^|[^a-z])(ema|swa|shadow|avg|averaged?|polyak)([^a-z]|$)")
#: Last segments of the names that modules give their tensors.
_MODULE_NAMES = frozenset(
    [
        "weight",
        "bias",
        "running_mean",
        "running_var",
        "num_batches_tracked",
        "gamma",
        "beta",
        "weight_g",
        "weight_v",
        "weight_ih_l0",
        "weight_hh_l0",
        "bias_ih_l0",
        "bias_hh_l0",
        "in_proj_weight",
        "in_proj_bias",
    ]
)
_ROLE_ORDER = (Role.NETWORK, Role.EMA, Role.OTHER, Role.OPTIMIZER)


def build_state_dicts(groups: Sequence[Group], optimizers: Sequence[Optimizer]) -> list[StateDict]:
    """Judge every group; networks come first, optimizers last, each in the order of the file."""
    merged = _merged(groups)
    _mark_shared_views(merged)
    made = [_state_dict(group, optimizers) for group in merged]
    return sorted(made, key=lambda one: _ROLE_ORDER.index(one.role))


def _merged(groups: Sequence[Group]) -> list[Group]:
    """Join what one object holds outside its state_dict (plain attributes that are tensors)."""
    merged: dict[tuple[str, str], Group] = {}
    for group in groups:
        if not group.tensors:
            continue
        known = merged.setdefault((group.path, group.source), group)
        if known is not group:
            known.tensors += group.tensors
            known.others += group.others
    return list(merged.values())


def _mark_shared_views(groups: Sequence[Group]) -> None:
    """Name the first tensor that is the same view of the same storage, as tied weights are."""
    keys = [one.storage for group in groups for one in group.tensors if one.storage is not None]
    if len(set(keys)) == len(keys):
        return
    first: dict[tuple[object, ...], str] = {}
    storages: set[str | None] = set()
    for group in groups:
        for index, tensor in enumerate(group.tensors):
            view = (tensor.storage, tensor.offset, tensor.shape, tensor.stride)
            name = join(group.path, tensor.key)
            if tensor.storage is None:
                continue
            if tensor.storage in storages and tensor.alias_of is None and view in first:
                group.tensors[index] = msgspec.structs.replace(tensor, alias_of=first[view])
            storages.add(tensor.storage)
            first.setdefault(view, name)


def _state_dict(group: Group, optimizers: Sequence[Optimizer]) -> StateDict:
    role, evidence = _role(group)
    tensors = group.tensors
    parameters = sum(t.elements for t in tensors if t.kind is Kind.PARAMETER)
    buffers = sum(t.elements for t in tensors if t.kind is Kind.BUFFER)
    origin, words = _kind_evidence(group, role, optimizers)
    return StateDict(
        path=group.path,
        prefix=find_prefix([tensor.key for tensor in tensors]),
        role=role,
        role_evidence=evidence,
        tensors=tuple(tensors),
        parameters=parameters,
        buffers=buffers,
        kind_evidence=words,
        kind_origin=origin,
        shared_elements=_shared_elements(tensors),
        class_name=group.class_name,
        versions=group.versions,
    )


def _role(group: Group) -> tuple[Role, str]:
    if group.source == "optimizer":
        return Role.OPTIMIZER, "a mapping with state and param_groups"
    if group.source == "non-persistent":
        return Role.OTHER, "buffers that state_dict() leaves out"
    if group.source == "attributes" and group.class_name is None:
        return Role.OTHER, "plain attributes of a module"
    if group.source == "gradients":
        return Role.OTHER, "gradients saved with their parameters"
    if group.source != "module" and not _looks_like_network(group):
        return Role.OTHER, "tensors without the names that modules give"
    if _EMA_WORDS.search(group.path.lower()):
        return Role.EMA, f"assumed from the word in {group.path!r}"
    if group.source == "module":
        return Role.NETWORK, "a pickled module"
    return Role.NETWORK, "a mapping of names to tensors"


def _looks_like_network(group: Group) -> bool:
    """A mapping of nothing but tensors, or one with the names that modules give."""
    if group.source == "single":
        return False
    if any(t.key.rpartition(".")[2] in _MODULE_NAMES for t in group.tensors):
        return True
    trainable = any(t.kind is Kind.PARAMETER for t in group.tensors)
    return group.source in ("mapping", "header") and group.others == 0 and trainable


def find_prefix(keys: Sequence[str]) -> str:
    """Return what wrappers put before every key.

    Any run of `module` and `_orig_mod` that all keys share counts, also behind one common first
    segment (`network.module.`).
    """
    if not keys:
        return ""
    first = keys[0].split(".")
    start = 0
    if first[0] not in _WRAPPER_SEGMENTS and len(first) > 1 and first[1] in _WRAPPER_SEGMENTS:
        start = 1
    end = start
    while end < len(first) - 1 and first[end] in _WRAPPER_SEGMENTS:
        end += 1
    prefix = ".".join(first[:end]) + "." if end > start else ""
    while prefix and not all(key.startswith(prefix) for key in keys):
        prefix = prefix[: prefix.rstrip(".").rfind(".") + 1]
    segments = prefix.rstrip(".").split(".")
    return prefix if segments[-1] in _WRAPPER_SEGMENTS else ""


def _shared_elements(tensors: Sequence[TensorInfo]) -> int:
    """Elements that a sum over all names counts again: the same view under a further name."""
    if len({tensor.storage for tensor in tensors}) == len(tensors):
        return 0
    seen: set[tuple[object, ...]] = set()
    again = 0
    for tensor in tensors:
        view = (tensor.storage, tensor.offset, tensor.shape, tensor.stride)
        if tensor.storage is not None and view in seen:
            again += tensor.elements
        seen.add(view)
    return again


def _kind_evidence(group: Group, role: Role, optimizers: Sequence[Optimizer]) -> tuple[Origin, str]:
    """Say what the division into parameters and buffers rests on."""
    tensors = group.tensors
    if all(tensor.kind_origin is Origin.OBSERVED for tensor in tensors):
        return Origin.OBSERVED, "the file names each as Parameter or buffer"
    if role is Role.OPTIMIZER:
        return Origin.ASSUMED, "training state, neither parameters nor buffers of a network"
    parameters = [tensor for tensor in tensors if tensor.kind is Kind.PARAMETER]
    shapes = tuple(tensor.shape for tensor in parameters if tensor.alias_of is None)
    for optimizer in optimizers:
        listed = sum(entry.parameters for entry in optimizer.groups)
        if listed != len(shapes):
            continue
        known = optimizer.parameter_shapes
        if len(known) == len(shapes) and all(
            one is None or one == other for one, other in zip(known, shapes, strict=True)
        ):
            return (
                Origin.DERIVED,
                f"the optimizer at {optimizer.path!r} lists {listed:,} parameters of the same "
                "shapes in the same order",
            )
    return (
        Origin.ASSUMED,
        "running_mean, running_var, num_batches_tracked and tensors of whole numbers are taken "
        "for buffers, all others for parameters",
    )
