"""Normalisations, and what has a weight of one dimension like them.

Enters: a `Layer`. Leaves: a `Guess`. Running statistics tell a BatchNorm, never how many dimensions
its input has; weight and bias alone are those of LayerNorm, GroupNorm and others alike.

Source: `torch/nn/modules/batchnorm.py`, `instancenorm.py`, `normalization.py`, `activation.py`
(PReLU).
"""

from ckptscope.facts.modules import Reading
from ckptscope.facts.tensors import Origin
from ckptscope.tensors.module_layers import (
    Guess,
    Layer,
    Shape,
    Surroundings,
    sizes_text,
    telling_words,
)

_BATCH_NORM = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")


def _readings(*kinds: str) -> tuple[Reading, ...]:
    return tuple(Reading(kind=kind) for kind in kinds)


#: Others with the tensors of a BatchNorm, by its dimensions; InstanceNorm if it tracks statistics.
_LIKE_BATCH_NORM = {
    1: _readings("BatchNorm2d", "BatchNorm3d", "SyncBatchNorm", "InstanceNorm1d"),
    2: _readings("BatchNorm1d", "BatchNorm3d", "SyncBatchNorm", "InstanceNorm2d"),
    3: _readings("BatchNorm2d", "BatchNorm1d", "SyncBatchNorm", "InstanceNorm3d"),
}
_ANY_BATCH_NORM = _readings(
    *(f"BatchNorm{n}d" for n in (1, 2, 3)),
    "SyncBatchNorm",
    *(f"InstanceNorm{n}d" for n in (1, 2, 3)),
)
_UNTRACKED = _readings(*(f"{name}Norm{n}d" for name in ("Instance", "Batch") for n in (1, 2, 3)))
_LAYER_NORM, _GROUP_NORM = _readings("LayerNorm", "GroupNorm")
_RMS_NORM, _PRELU, _GRN = _readings("RMSNorm", "PReLU", "GRN")
_NAMES_OF_NORMS = frozenset({"norm", "ln", "layernorm", "rms", "rmsnorm", "batchnorm"})
_NAMES_OF_ACTIVATIONS = frozenset({"prelu", "act", "relu", "activation", "nonlinearity"})


def recognise_batch_norm(layer: Layer, around: Surroundings) -> Guess | None:
    """BatchNorm1d to BatchNorm3d, by running statistics."""
    mean = layer.shapes.get("running_mean")
    if mean is None or len(mean) != 1 or not layer.has("running_var", *mean):
        return None
    if not (layer.fits("weight", *mean) and layer.fits("bias", *mean)):
        return None
    kind, origin, reason = "BatchNorm", Origin.UNDETERMINED, "no layer of its width is near"
    alternatives = _ANY_BATCH_NORM
    met = next(around.meeting(layer, mean[0]), None)
    if met is not None:
        dimensions = max(len(met.weight) - 2, 1)
        kind, origin = f"BatchNorm{dimensions}d", Origin.ASSUMED
        alternatives = _LIKE_BATCH_NORM.get(dimensions, _ANY_BATCH_NORM)
        what = f"{dimensions}d convolution" if len(met.weight) > 2 else "Linear layer"
        reason = f"the nearest layer of its width is a {what}"
    if "num_batches_tracked" not in layer.shapes and layer.weight:
        alternatives = (*alternatives, Reading(kind="FrozenBatchNorm2d"))
    detail = str(mean[0]) if layer.weight else f"{mean[0]} without weights"
    return Guess(
        kind=kind,
        detail=detail,
        origin=origin,
        reason=reason,
        alternatives=alternatives,
        claims=layer.claim(*_BATCH_NORM),
    )


def recognise_affine_norm(layer: Layer, around: Surroundings) -> Guess | None:
    """LayerNorm, GroupNorm and others with a weight and a bias of one shape."""
    if "running_mean" in layer.shapes:
        return None
    for claims in (("weight", "bias"), ("gamma", "beta")):
        shape = layer.shapes.get(claims[0])
        if shape and shape == layer.shapes.get(claims[1]):
            return _affine_norm(layer, around, shape, claims)
    return None


def _affine_norm(
    layer: Layer, around: Surroundings, shape: Shape, claims: tuple[str, ...]
) -> Guess:
    first, alternatives = _LAYER_NORM, (_GROUP_NORM, *_UNTRACKED)
    origin, reason = Origin.UNDETERMINED, "both have a weight and a bias of one shape"
    told = telling_words(layer)
    if "grn" in told or (claims[0] == "gamma" and _is_one_axis(shape)):
        first, alternatives = _GRN, (_LAYER_NORM, *alternatives)
        origin, reason = Origin.ASSUMED, "its name" if "grn" in told else "its shape and names"
    elif _is_one_axis(shape):
        alternatives, reason = (_GRN,), "its weight has several dimensions but one size"
    elif len(shape) > 1:
        alternatives, origin, reason = (), Origin.OBSERVED, "its weight has several dimensions"
    elif _says(told, "group", "gn"):
        first, alternatives = _GROUP_NORM, (_LAYER_NORM, *_UNTRACKED)
        origin, reason = Origin.ASSUMED, "its name; a LayerNorm looks the same"
    elif _says(told, "layer", "ln"):
        origin, reason = Origin.ASSUMED, "its name; a GroupNorm looks the same"
    elif _is_among_matrices(layer, around, shape[0]):
        origin, reason = Origin.ASSUMED, "it stands among Linear layers, as no GroupNorm would"
    detail = sizes_text((max(shape),) if first is _GRN else shape)
    return _guess(first.kind, detail, origin, reason, alternatives, claims)


def _is_one_axis(shape: Shape) -> bool:
    """Whether several dimensions have but one size above 1, as in [1, 1, 1, c]."""
    return len(shape) > 1 and shape.count(1) == len(shape) - 1


def _says(told: list[str], kind: str, short: str) -> bool:
    return short in told or f"{kind}norm" in told or (kind in told and "norm" in told)


def _is_among_matrices(layer: Layer, around: Surroundings, width: int) -> bool:
    """Whether the layers of its width are Linear; those of the same module count more."""
    met = list(around.meeting(layer, width))
    inside = [one for one in met if layer.parent and one.path.startswith(f"{layer.parent}.")]
    return bool(met) and all(len(one.weight) == 2 for one in inside or met)


def recognise_weight_norm(layer: Layer, around: Surroundings) -> Guess | None:
    """RMSNorm and PReLU, which have a weight alone."""
    shape = layer.weight
    if len(shape) != 1 or "bias" in layer.shapes:
        return None
    told = frozenset(telling_words(layer))
    origin, first, alternatives = Origin.ASSUMED, _RMS_NORM, (_LAYER_NORM, _PRELU)
    if shape == (1,) or told & _NAMES_OF_ACTIVATIONS:
        reason = "its name" if told & _NAMES_OF_ACTIVATIONS else "a single slope"
        first, alternatives = _PRELU, (_RMS_NORM, _LAYER_NORM)
    elif told & _NAMES_OF_NORMS:
        reason = "its name; a LayerNorm without bias looks the same"
    else:
        origin, reason = Origin.UNDETERMINED, "all have one weight a channel"
        if any(len(one.weight) > 2 for one in around.meeting(layer, shape[0])):
            first, alternatives = _PRELU, (_RMS_NORM, _LAYER_NORM)
    return _guess(first.kind, sizes_text(shape), origin, reason, alternatives, ("weight",))


def recognise_layer_scale(layer: Layer, around: Surroundings) -> Guess | None:
    """A module that holds one factor a channel and nothing else."""
    if len(layer.shapes) != 1 or layer.below:
        return None
    name, shape = next(iter(layer.shapes.items()))
    told = frozenset(telling_words(layer))
    named = told & {"ls", "layerscale"} or told >= {"layer", "scale"}
    if name not in ("gamma", "scale", "lambda", "lambda1") or not named or not shape:
        return None
    detail = str(max(shape))
    return _guess("LayerScale", detail, Origin.ASSUMED, "its name", (), (name,))


def _guess(
    kind: str,
    detail: str,
    origin: Origin,
    reason: str,
    alternatives: tuple[Reading, ...],
    claims: tuple[str, ...],
) -> Guess:
    return Guess(
        kind=kind,
        detail=detail,
        origin=origin,
        reason=reason,
        alternatives=alternatives,
        claims=claims,
    )
