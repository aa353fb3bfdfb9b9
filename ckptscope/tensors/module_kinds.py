"""The kinds of layers that are known, in the order in which they are tried.

Enters: a `Layer`. Leaves: a `Guess`, or None. To add a kind, write a function that returns None for
everything else, and put it into the table before those that would take its tensors for theirs.
"""

import re
from collections.abc import Callable
from typing import TypeAlias

from ckptscope.facts.tensors import Origin
from ckptscope.tensors.module_convolutions import recognise_convolution
from ckptscope.tensors.module_layers import Guess, Layer, Shape, Surroundings
from ckptscope.tensors.module_matrices import (
    recognise_attention,
    recognise_linear,
    recognise_matrix,
    recognise_packed_words,
    recognise_quantizer,
)
from ckptscope.tensors.module_norms import (
    recognise_affine_norm,
    recognise_batch_norm,
    recognise_layer_scale,
    recognise_weight_norm,
)
from ckptscope.tensors.module_recurrent import recognise_cell, recognise_recurrent

Recogniser: TypeAlias = Callable[[Layer, Surroundings], Guess | None]

RECOGNISERS: tuple[Recogniser, ...] = (
    recognise_batch_norm,
    recognise_affine_norm,
    recognise_linear,
    recognise_convolution,
    recognise_matrix,
    recognise_weight_norm,
    recognise_attention,
    recognise_recurrent,
    recognise_cell,
    recognise_layer_scale,
    recognise_packed_words,
    recognise_quantizer,
)

#: What names of tensors outside of layers usually mean.
_MEANINGS = (
    (re.compile(r"rel(ative)?_pos"), "relative positions"),
    (re.compile(r"(^|_)pos(itional|ition)?(_|$)"), "a position embedding"),
    (re.compile(r"(cls|class)_?(token|embed)"), "a class token"),
    (re.compile(r"(dist|mask|reg|register|query|prompt)\w*_(token|embed)"), "a learned token"),
    (re.compile(r"^(layer_?scale\w*|gamma(_\d)?|ls\d?)$"), "a layer scale"),
    (re.compile(r"^logit_scale$"), "the temperature of a contrastive loss"),
    (re.compile(r"^inv_freq$|freqs"), "rotary frequencies"),
    (re.compile(r"mask"), "a mask"),
)


def recognise(layer: Layer, around: Surroundings) -> Guess | None:
    """Return what a layer's own tensors make it; None for tensors of no known layer."""
    for recogniser in RECOGNISERS:
        guess = recogniser(layer, around)
        if guess is not None:
            return guess
    return None


def meaning_of(name: str) -> str:
    """Return what the name of a tensor outside of layers usually means; empty if nothing."""
    lowered = name[:100].lower()
    for pattern, meaning in _MEANINGS:
        if pattern.search(lowered):
            return f"by its name {meaning}"
    return ""


def recognise_block(below: dict[str, dict[str, Shape]]) -> Guess | None:
    """Return what a module without tensors of its own is, by its sub-modules.

    Source: `torch/nn/modules/transformer.py`, the attributes of its two layers.
    """
    if not below.keys() >= {"self_attn", "linear1", "linear2", "norm1", "norm2"}:
        return None
    widths = below["linear1"].get("weight", ())
    if len(widths) != 2 or not below["self_attn"].keys() & {"in_proj_weight", "q_proj_weight"}:
        return None
    part = "Decoder" if below.keys() >= {"multihead_attn", "norm3"} else "Encoder"
    return Guess(
        kind=f"Transformer{part}Layer",
        detail=f"{widths[1]}, ff {widths[0]}",
        origin=Origin.ASSUMED,
        reason="its sub-modules have the names that torch gives",
        claims=(),
        expects=tuple(below),
    )
