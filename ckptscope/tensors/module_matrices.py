"""Layers whose weights are matrices: Linear, Embedding, MultiheadAttention, quantized ones.

Enters: a `Layer`. Leaves: a `Guess`. A matrix without a bias is that of a Linear [out, in] or of an
Embedding [entries, width]: only a name tells.

Source: `torch/nn/modules/linear.py`, `sparse.py`, `activation.py` (MultiheadAttention);
`torch/ao/quantization/fake_quantize.py` and `observer.py`.
"""

from ckptscope.facts.modules import Reading
from ckptscope.facts.tensors import Origin
from ckptscope.tensors.module_layers import (
    TIMES,
    Guess,
    Layer,
    Surroundings,
    flow_text,
    telling_words,
)

#: Words in the names of tables that are looked up.
_TABLES = frozenset(
    [
        "emb",
        "embed",
        "embeds",
        "embedder",
        "embedding",
        "embeddings",
        "wte",
        "wpe",
        "tok",
        "token",
        "tokens",
        "vocab",
        "lookup",
    ]
)
_TABLES_IN_PARTS = (frozenset({"relative", "attention", "bias"}), frozenset({"shared"}))
#: Words in the names of matrices that are multiplied with.
_MATRICES = frozenset(
    [
        "fc",
        "linear",
        "lin",
        "proj",
        "projection",
        "dense",
        "head",
        "classifier",
        "query",
        "key",
        "value",
        "q",
        "k",
        "v",
        "qkv",
        "kv",
        "o",
        "out",
        "output",
        "w",
        "wq",
        "wk",
        "wv",
        "wo",
        "gate",
        "up",
        "down",
        "lora",
        "decoder",
        "cls",
        "logits",
        "score",
        "attn",
        "mlp",
        "in",
        "c",
        "reduction",
        "router",
        "mixer",
        "predictor",
        "adapter",
    ]
)
_BITS_OF_A_WORD = 32


def recognise_linear(layer: Layer, around: Surroundings) -> Guess | None:
    """Linear with a bias; stored as [in, out] if only that fits the bias."""
    bias = layer.shapes.get("bias")
    if len(layer.weight) != 2 or bias is None or len(bias) != 1:
        return None
    first, second = layer.weight
    origin, reason = Origin.OBSERVED, "a matrix with a bias as long as its first dimension"
    detail = flow_text(second, first)
    alternatives: tuple[Reading, ...] = ()
    if bias[0] != first or (first == second and around.has_transposed_matrices):
        if bias[0] != second:
            return None
        detail = f"{flow_text(first, second)} stored [in, out]"
        origin, alternatives = Origin.ASSUMED, (Reading(kind="Conv1D"),)
        reason = "a matrix with a bias as long as its second dimension, as in Conv1D of GPT-2"
    return Guess(
        kind="Linear",
        detail=detail,
        origin=origin,
        reason=reason,
        alternatives=alternatives,
        claims=("weight", "bias"),
    )


def recognise_matrix(layer: Layer, around: Surroundings) -> Guess | None:
    """A matrix alone: Linear without bias, or Embedding."""
    if len(layer.weight) != 2 or "bias" in layer.shapes:
        return None
    first, second = layer.weight
    linear = Reading(kind="Linear", detail=f"{flow_text(second, first)} no bias")
    table = Reading(kind="Embedding", detail=f"{first}{TIMES}{second}")
    bag = Reading(kind="EmbeddingBag", detail=table.detail)
    readings, origin, reason = (linear, table, bag), Origin.ASSUMED, "its name"
    is_table = _names_a_table(telling_words(layer))
    if is_table is None:
        origin, reason = Origin.UNDETERMINED, "both hold a matrix alone, and no name tells"
    elif is_table:
        readings = (table, bag, linear)
    return Guess(
        kind=readings[0].kind,
        detail=readings[0].detail,
        origin=origin,
        reason=reason,
        alternatives=readings[1:],
        claims=("weight",),
    )


def _names_a_table(told: list[str]) -> bool | None:
    """Whether words name a table that is looked up; the last that says anything counts."""
    if any(part <= {*told} for part in _TABLES_IN_PARTS):
        return True
    for word in reversed(told):
        if word in _TABLES or word in _MATRICES:
            return word in _TABLES
    return None


def recognise_attention(layer: Layer, around: Surroundings) -> Guess | None:
    """MultiheadAttention, its three projections in one matrix or apart."""
    joined, query = layer.shapes.get("in_proj_weight"), layer.shapes.get("q_proj_weight")
    widths = ""
    if joined is not None and len(joined) == 2 and joined[0] == 3 * joined[1]:
        width = joined[1]
    elif query is not None and len(query) == 2 and query[0] == query[1]:
        width = query[0]
        keys, values = (layer.shapes.get(f"{name}_proj_weight", ()) for name in "kv")
        if keys[:1] != (width,) or values[:1] != (width,) or len(keys) != 2 or len(values) != 2:
            return None
        widths = f", keys {keys[1]}, values {values[1]}"
    else:
        return None
    heads = layer.settings.get("num_heads", 0)
    whole = layer.fits("in_proj_bias", 3 * width)
    whole = whole and layer.below.get("out_proj", {}).get("weight") == (width, width)
    return Guess(
        kind="MultiheadAttention",
        detail=f"{width}{widths}{f', {heads} heads' if heads > 0 else ''}",
        origin=Origin.OBSERVED if whole else Origin.ASSUMED,
        reason="its names and shapes" if whole else "its names; not all of its parts are here",
        claims=layer.claim(
            "in_proj_weight",
            "in_proj_bias",
            "q_proj_weight",
            "k_proj_weight",
            "v_proj_weight",
            "bias_k",
            "bias_v",
        ),
        expects=("out_proj",),
    )


def recognise_packed_words(layer: Layer, around: Surroundings) -> Guess | None:
    """Linear whose weights are packed into whole words, with their scales and zero points (GPTQ).

    Source: the auto-gptq project, `QuantLinear`: qweight [in * bits / 32, out], g_idx [in].
    """
    packed, order = layer.shapes.get("qweight"), layer.shapes.get("g_idx")
    if packed is None or order is None or len(packed) != 2 or len(order) != 1 or not order[0]:
        return None
    bits, rest = divmod(packed[0] * _BITS_OF_A_WORD, order[0])
    if rest or not 0 < bits <= 8:
        return None
    return Guess(
        kind="Linear",
        detail=f"{flow_text(order[0], packed[1])}, packed to {bits} bits",
        origin=Origin.ASSUMED,
        reason="the names that GPTQ gives, and shapes that fit them",
        claims=layer.claim("qweight", "qzeros", "scales", "g_idx", "bias"),
    )


def recognise_quantizer(layer: Layer, around: Surroundings) -> Guess | None:
    """What watches or rounds values: observers, FakeQuantize, Quantize."""
    names = layer.shapes.keys()
    others: tuple[str, ...] = ()
    claims: tuple[str, ...]
    if names >= {"fake_quant_enabled", "observer_enabled", "scale", "zero_point"}:
        kind, others = "FakeQuantize", ("FusedMovingAvgObsFakeQuantize",)
        claims = ("fake_quant_enabled", "observer_enabled", "scale", "zero_point")
    elif names >= {"min_val", "max_val"}:
        kind = "HistogramObserver" if "histogram" in names else "MinMaxObserver"
        others = () if "histogram" in names else _OBSERVERS
        claims = layer.claim("eps", "min_val", "max_val", "histogram")
    elif names == {"scale", "zero_point"}:
        kind, others, claims = "Linear", ("Quantize", "QFunctional"), ("scale", "zero_point")
    else:
        return None
    is_open = kind == "Linear"
    return Guess(
        kind=kind,
        detail="quantized, weight elsewhere" if is_open else "",
        origin=Origin.UNDETERMINED if is_open else Origin.ASSUMED,
        reason="a scale and a zero point alone" if is_open else "its names",
        alternatives=tuple(Reading(kind=other) for other in others),
        claims=claims,
        expects=("activation_post_process",),
    )


_OBSERVERS = (
    "MovingAverageMinMaxObserver",
    "PerChannelMinMaxObserver",
    "MovingAveragePerChannelMinMaxObserver",
)
