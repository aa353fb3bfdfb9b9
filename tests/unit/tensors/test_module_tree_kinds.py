"""Kinds of layers: for each what tells it, what else it could be, and what is almost the same."""

import itertools

import msgspec
import pytest

from ckptscope.facts.modules import ModuleNode
from ckptscope.facts.tensors import Kind, Origin, Role, StateDict, TensorInfo
from ckptscope.tensors.modules import build_module_tree

OBSERVED, DERIVED = Origin.OBSERVED, Origin.DERIVED
ASSUMED, UNDETERMINED = Origin.ASSUMED, Origin.UNDETERMINED
TIMES = "\N{MULTIPLICATION SIGN}"
Shapes = dict[str, tuple[int, ...]]


def network(shapes: Shapes, **dtypes: str) -> ModuleNode:
    tensors = tuple(
        TensorInfo(
            key=key, shape=shape, dtype=dtypes.get(key.replace(".", "_"), "float32"), stride=None
        )
        for key, shape in shapes.items()
    )
    return build_module_tree(
        StateDict(
            path="",
            prefix="",
            role=Role.NETWORK,
            role_evidence="",
            tensors=tensors,
            parameters=sum(one.elements for one in tensors),
            buffers=0,
            kind_evidence="",
            kind_origin=Origin.ASSUMED,
        )
    )


def at(node: ModuleNode, path: str) -> ModuleNode:
    if node.path == path:
        return node
    return next(
        at(child, path)
        for child in node.children
        if path == child.path or path.startswith(f"{child.path}.")
    )


def told(shapes: Shapes, path: str = "m", **dtypes: str) -> tuple[str, Origin]:
    node = at(network(shapes, **dtypes), path)
    return f"{node.kind} {node.detail}".rstrip().replace(TIMES, "x"), node.origin


def others(shapes: Shapes, path: str = "m") -> list[str]:
    return [other.kind for other in at(network(shapes), path).alternatives]


def norm(path: str, width: int) -> Shapes:
    names = ("weight", "bias", "running_mean", "running_var")
    return {f"{path}.{name}": (width,) for name in names} | {f"{path}.num_batches_tracked": ()}


# Convolutions.


@pytest.mark.parametrize(
    ("weight", "bias", "expected"),
    [
        ((4, 3, 5, 5), (4,), ("Conv2d 3→4 5x5", OBSERVED)),
        ((48, 3, 4, 4), (48,), ("Conv2d 3→48 4x4", ASSUMED)),
        ((64, 64, 3, 3), (64,), ("Conv2d 64→64 3x3", ASSUMED)),
        ((64, 32, 3, 3), None, ("Conv2d 32→64 3x3", ASSUMED)),
        ((64, 32, 1, 1), None, ("Conv2d 32→64 1x1", ASSUMED)),
        ((48, 1, 7, 7), (48,), ("Conv2d 1→48 7x7", ASSUMED)),
        ((8, 3, 3, 3, 3), (8,), ("Conv3d 3→8 3x3x3", OBSERVED)),
        ((8, 3, 5), (8,), ("Conv1d 3→8 k5", ASSUMED)),
        ((100, 512, 4, 4), (512,), ("ConvTranspose2d 100→512 4x4", OBSERVED)),
        ((8, 4, 4, 4), (16,), ("ConvTranspose2d 8→16 4x4, 4 groups", OBSERVED)),
        ((64, 32, 4, 4), None, ("Conv2d 32→64 4x4", UNDETERMINED)),
    ],
)
def test_a_bias_tells_which_way_a_convolution_goes(
    weight: tuple[int, ...], bias: tuple[int, ...] | None, expected: tuple[str, Origin]
) -> None:
    shapes: Shapes = {"m.weight": weight}
    if bias is not None:
        shapes["m.bias"] = bias
    assert told(shapes) == expected


def test_a_convolution_says_that_a_transposed_one_looks_the_same() -> None:
    assert others({"m.weight": (64, 64, 3, 3), "m.bias": (64,)}) == ["ConvTranspose2d"]
    assert others({"m.weight": (4, 3, 5, 5), "m.bias": (4,)}) == []


def test_an_undetermined_convolution_has_the_transposed_one_first() -> None:
    node = at(network({"m.weight": (64, 1, 4, 4)}), "m")
    assert node.alternatives[0].kind == "ConvTranspose2d"


@pytest.mark.parametrize("bias", [(5,), (3, 3), ()])
def test_a_bias_that_fits_no_convolution_leaves_bare_parameters(bias: tuple[int, ...]) -> None:
    tree = network({"m.weight": (4, 3, 5, 5), "m.bias": bias})
    assert [child.kind for child in at(tree, "m").children] == ["parameter", "parameter"]


@pytest.mark.parametrize("weight", [(4, 3, 2, 2, 2, 2), (0, 3, 3, 3), (), (4, 0, 3, 3)])
def test_a_weight_of_no_convolution_is_a_bare_parameter(weight: tuple[int, ...]) -> None:
    assert told({"m.weight": weight})[0] == ""


def test_a_convolution_behind_another_with_one_channel_a_group_is_depthwise() -> None:
    shapes: Shapes = {"a.weight": (48, 3, 4, 4), "m.weight": (48, 1, 7, 7), "m.bias": (48,)}
    assert told(shapes) == ("Conv2d 48 7x7 depthwise", ASSUMED)
    node = at(network(shapes), "m")
    assert "1→48" in next(other.detail for other in node.alternatives if other.kind == "Conv2d")


def test_equal_widths_before_and_behind_tell_a_grouped_convolution() -> None:
    shapes = {
        "a.weight": (128, 64, 1, 1),
        **norm("b", 128),
        "m.weight": (128, 4, 3, 3),
        **norm("c", 128),
    }
    assert told(shapes) == ("Conv2d 128→128 3x3, 32 groups", ASSUMED)
    del shapes["c.weight"], shapes["c.running_mean"]
    assert told(shapes) == ("Conv2d 4→128 3x3", ASSUMED)


def generator(*widths: int) -> Shapes:
    shapes: Shapes = {}
    for index, (entering, leaving) in enumerate(itertools.pairwise(widths)):
        shapes[f"main.{3 * index}.weight"] = (entering, leaving, 4, 4)
        if index < len(widths) - 2:
            shapes |= norm(f"main.{3 * index + 1}", leaving)
    return shapes


def test_widths_of_neighbours_tell_the_transposed_convolutions_of_a_generator() -> None:
    shapes = generator(100, 512, 256, 3)
    for path, flow in (("main.0", "100→512"), ("main.3", "512→256"), ("main.6", "256→3")):
        assert told(shapes, path) == (f"ConvTranspose2d {flow} 4x4", ASSUMED)
        assert others(shapes, path) == ["Conv2d"]


def test_widths_of_neighbours_tell_the_convolutions_of_a_discriminator() -> None:
    shapes = {"0.weight": (64, 3, 4, 4), "2.weight": (128, 64, 4, 4), **norm("3", 128)}
    shapes["5.weight"] = (1, 128, 4, 4)
    for path, flow in (("0", "3→64"), ("2", "64→128"), ("5", "128→1")):
        assert told(shapes, path) == (f"Conv2d {flow} 4x4", ASSUMED)


def test_neighbours_that_disagree_leave_it_open() -> None:
    shapes = {**norm("0", 32), "1.weight": (64, 32, 4, 4), **norm("2", 32)}
    assert told(shapes, "1")[1] is UNDETERMINED


def test_the_first_convolution_takes_an_image() -> None:
    shapes: Shapes = {"stem.weight": (48, 3, 4, 4), "block.weight": (48, 3, 4, 4)}
    assert told(shapes, "stem") == ("Conv2d 3→48 4x4", ASSUMED)
    assert told(shapes, "block") == ("Conv2d 3→48 4x4", UNDETERMINED)


def test_a_named_neighbour_counts_less_than_one_in_a_list() -> None:
    shapes = {"conv.weight": (64, 32, 3, 3), **norm("bn", 32)}
    assert told(shapes, "conv") == ("Conv2d 32→64 3x3", UNDETERMINED)
    shapes = {"deconv.weight": (64, 32, 3, 3), **norm("bn", 32)}
    assert told(shapes, "deconv") == ("ConvTranspose2d 64→32 3x3", ASSUMED)


@pytest.mark.parametrize(
    ("path", "kernel", "expected"),
    [
        ("deconv1", 3, ("ConvTranspose2d", ASSUMED)),
        ("up_conv", 2, ("ConvTranspose2d", ASSUMED)),
        ("conv_transpose", 2, ("ConvTranspose2d", ASSUMED)),
        ("deconv_layers.3", 4, ("ConvTranspose2d", ASSUMED)),
        ("deconv_layers.3", 3, ("Conv2d", UNDETERMINED)),
        ("deconv_layers.3", 1, ("Conv2d", ASSUMED)),
        ("deconv1", 1, ("Conv2d", ASSUMED)),
        ("conv1", 2, ("Conv2d", ASSUMED)),
        ("block", 2, ("Conv2d", UNDETERMINED)),
        ("conv_to", 3, ("Conv2d", ASSUMED)),
    ],
)
def test_where_shapes_are_silent_a_name_may_tell(
    path: str, kernel: int, expected: tuple[str, Origin]
) -> None:
    found, origin = told({f"{path}.weight": (256, 256, kernel, kernel)}, path)
    assert (found.partition(" ")[0], origin) == expected


def test_a_depthwise_convolution_in_a_list_named_for_transposed_ones_stays_one() -> None:
    shapes: Shapes = {
        "a.weight": (256, 3, 4, 4),
        "deconv_layers_2.0.weight": (256, 1, 3, 3),
        "deconv_layers_2.0.bias": (256,),
    }
    expected = ("Conv2d 256 3x3 depthwise", ASSUMED)
    assert told(shapes, "deconv_layers_2.0") == expected


def test_a_weight_of_three_dimensions_may_be_bilinear() -> None:
    shapes: Shapes = {"m.weight": (4, 2, 3), "m.bias": (4,)}
    assert told(shapes) == ("Conv1d 2→4 k3", ASSUMED)
    assert "Bilinear" in others(shapes)
    named: Shapes = {"bilinear.weight": (4, 2, 3), "bilinear.bias": (4,)}
    assert told(named, "bilinear") == ("Bilinear (2, 3)→4", ASSUMED)
    assert told({"m.weight": (1, 300, 300), "m.bias": (1,)})[1] is UNDETERMINED
    assert "Bilinear" not in others({"m.weight": (4, 2, 3), "m.bias": (2,)})


# Matrices.


@pytest.mark.parametrize(
    ("shapes", "expected"),
    [
        ({"m.weight": (10, 128), "m.bias": (10,)}, ("Linear 128→10", OBSERVED)),
        ({"m.weight": (8, 8), "m.bias": (8,)}, ("Linear 8→8", OBSERVED)),
        ({"m.weight": (8, 24), "m.bias": (24,)}, ("Linear 8→24 stored [in, out]", ASSUMED)),
        ({"m.weight": (10, 128)}, ("Linear 128→10 no bias", UNDETERMINED)),
        ({"fc.weight": (10, 128)}, ("Linear 128→10 no bias", ASSUMED)),
        ({"embed_tokens.weight": (10, 128)}, ("Embedding 10x128", ASSUMED)),
        ({"wte.weight": (10, 128)}, ("Embedding 10x128", ASSUMED)),
        ({"embeddings.0.weight": (10, 128)}, ("Embedding 10x128", ASSUMED)),
        ({"block.module.weight": (10, 8)}, ("Linear 8→10 no bias", UNDETERMINED)),
        ({"embedding._module.weight": (10, 8)}, ("Embedding 10x8", ASSUMED)),
        ({"decoder_embedding.weight": (10, 128)}, ("Embedding 10x128", ASSUMED)),
        ({"embed_proj.weight": (10, 128)}, ("Linear 128→10 no bias", ASSUMED)),
        ({"relative_attention_bias.weight": (32, 8)}, ("Embedding 32x8", ASSUMED)),
    ],
)
def test_matrices(shapes: Shapes, expected: tuple[str, Origin]) -> None:
    path = next(iter(shapes)).rpartition(".")[0]
    assert told(shapes, path) == expected


def test_a_matrix_alone_could_be_either() -> None:
    assert others({"fc.weight": (10, 128)}, "fc") == ["Embedding", "EmbeddingBag"]
    assert others({"emb.weight": (10, 128)}, "emb") == ["EmbeddingBag", "Linear"]


def test_a_square_matrix_goes_with_those_that_are_stored_transposed() -> None:
    shapes: Shapes = {"m.weight": (8, 8), "m.bias": (8,), "n.weight": (8, 24), "n.bias": (24,)}
    assert told(shapes) == ("Linear 8→8 stored [in, out]", ASSUMED)


@pytest.mark.parametrize("bias", [(7,), (10, 1), ()])
def test_a_bias_that_fits_no_matrix_leaves_bare_parameters(bias: tuple[int, ...]) -> None:
    assert told({"m.weight": (10, 128), "m.bias": bias})[0] == ""


def attention(width: int) -> Shapes:
    return {
        "m.in_proj_weight": (3 * width, width),
        "m.in_proj_bias": (3 * width,),
        "m.out_proj.weight": (width, width),
        "m.out_proj.bias": (width,),
    }


def test_multihead_attention() -> None:
    shapes = attention(8)
    assert told(shapes) == ("MultiheadAttention 8", OBSERVED)
    assert told(shapes, "m.out_proj") == ("Linear 8→8", OBSERVED)
    without = {key: shape for key, shape in shapes.items() if "out_proj" not in key}
    assert told(without) == ("MultiheadAttention 8", ASSUMED)
    assert told(shapes | {"m.in_proj_weight": (32, 8)})[0] == ""


def test_multihead_attention_of_several_widths() -> None:
    shapes = attention(8)
    del shapes["m.in_proj_weight"]
    shapes |= {f"m.{n}_proj_weight": (8, w) for n, w in zip("qkv", (8, 4, 5), strict=True)}
    assert told(shapes) == ("MultiheadAttention 8, keys 4, values 5", OBSERVED)
    assert told(shapes | {"m.k_proj_weight": (7, 4)})[0] == ""


def test_the_layers_of_a_transformer() -> None:
    shapes = {key.replace("m.", "m.self_attn."): shape for key, shape in attention(8).items()}
    shapes |= {"m.linear1.weight": (32, 8), "m.linear1.bias": (32,)}
    shapes |= {"m.linear2.weight": (8, 32), "m.linear2.bias": (8,)}
    for name in ("norm1", "norm2"):
        shapes |= {f"m.{name}.weight": (8,), f"m.{name}.bias": (8,)}
    assert told(shapes) == ("TransformerEncoderLayer 8, ff 32", ASSUMED)
    assert told(shapes, "m.norm1") == ("LayerNorm 8", ASSUMED)
    del shapes["m.norm2.weight"], shapes["m.norm2.bias"]
    assert told(shapes)[0] == ""


# Normalisations.


@pytest.mark.parametrize(
    ("neighbour", "kind"),
    [
        ((48, 3, 4, 4), "BatchNorm2d"),
        ((48, 3, 4), "BatchNorm1d"),
        ((48, 3, 4, 4, 4), "BatchNorm3d"),
        ((48, 3), "BatchNorm1d"),
    ],
)
def test_a_layer_of_the_same_width_tells_the_dimensions_of_a_batch_norm(
    neighbour: tuple[int, ...], kind: str
) -> None:
    shapes = {"a.weight": neighbour, **norm("m", 48)}
    assert told(shapes) == (f"{kind} 48", ASSUMED)
    assert "SyncBatchNorm" in others(shapes)
    assert kind not in others(shapes)


def test_a_batch_norm_without_such_a_layer_is_undetermined() -> None:
    shapes = {"a.weight": (47, 3, 4, 4), **norm("m", 48)}
    assert told(shapes) == ("BatchNorm 48", UNDETERMINED)
    assert others(shapes)[:3] == ["BatchNorm1d", "BatchNorm2d", "BatchNorm3d"]


def test_the_layers_of_a_module_are_asked_wherever_they_stand() -> None:
    shapes: Shapes = {f"conv{n}.weight": (n * 64, 3, 1) for n in (1, 2, 3)}
    shapes |= {f"fc{n}.weight": (n, 1000) for n in range(4)}
    shapes |= norm("bn1", 64)
    assert told(shapes, "bn1") == ("BatchNorm1d 64", ASSUMED)


def test_a_batch_norm_before_the_layer_that_takes_it() -> None:
    shapes = {**norm("m", 48), "a.weight": (96, 48, 2, 2)}
    assert told(shapes) == ("BatchNorm2d 48", ASSUMED)


def test_a_batch_norm_without_weights_and_one_that_counts_no_batches() -> None:
    bare: Shapes = {"m.running_mean": (48,), "m.running_var": (48,)}
    assert told(bare) == ("BatchNorm 48 without weights", UNDETERMINED)
    frozen = {key: shape for key, shape in norm("m", 48).items() if "tracked" not in key}
    assert "FrozenBatchNorm2d" in others(frozen)
    assert "FrozenBatchNorm2d" not in others(norm("m", 48))


@pytest.mark.parametrize("odd", ["weight", "bias", "running_var"])
def test_running_statistics_of_unequal_widths_are_no_batch_norm(odd: str) -> None:
    assert told(norm("m", 48) | {f"m.{odd}": (47,)})[0] == ""


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("m", ("LayerNorm 48", UNDETERMINED)),
        ("norm1", ("LayerNorm 48", UNDETERMINED)),
        ("layer_norm", ("LayerNorm 48", ASSUMED)),
        ("LayerNorm", ("LayerNorm 48", ASSUMED)),
        ("ln_1", ("LayerNorm 48", ASSUMED)),
        ("group_norm", ("GroupNorm 48", ASSUMED)),
        ("gn1", ("GroupNorm 48", ASSUMED)),
        ("grn", ("GRN 48", ASSUMED)),
    ],
)
def test_a_weight_and_a_bias_of_one_width(path: str, expected: tuple[str, Origin]) -> None:
    assert told({f"{path}.weight": (48,), f"{path}.bias": (48,)}, path) == expected


def test_a_norm_of_one_width_could_be_others() -> None:
    shapes: Shapes = {"m.weight": (48,), "m.bias": (48,)}
    assert others(shapes)[0] == "GroupNorm"
    assert {"InstanceNorm2d", "BatchNorm2d"} <= {*others(shapes)}
    assert told(shapes | {"m.bias": (47,)})[0] == ""


def test_among_linear_layers_a_norm_is_taken_for_a_layer_norm_and_beside_convolutions_not() -> None:
    shapes: Shapes = {"b.m.weight": (48,), "b.m.bias": (48,), "b.fc.weight": (96, 48)}
    assert told(shapes, "b.m") == ("LayerNorm 48", ASSUMED)
    assert told(shapes | {"b.fc.weight": (96, 48, 1, 1)}, "b.m")[1] is UNDETERMINED
    assert told({"a.weight": (48, 3, 4, 4)} | shapes, "b.m")[1] is ASSUMED


def test_a_norm_over_several_dimensions_is_a_layer_norm() -> None:
    assert told({"m.weight": (3, 4), "m.bias": (3, 4)}) == ("LayerNorm 3x4", OBSERVED)
    assert told({"m.weight": (3, 1), "m.bias": (3, 1)})[1] is UNDETERMINED


def test_norms_by_the_names_gamma_and_beta() -> None:
    old: Shapes = {"LayerNorm.gamma": (48,), "LayerNorm.beta": (48,)}
    assert told(old, "LayerNorm") == ("LayerNorm 48", ASSUMED)
    response: Shapes = {"m.gamma": (1, 1, 1, 48), "m.beta": (1, 1, 1, 48)}
    assert told(response) == ("GRN 48", ASSUMED)


@pytest.mark.parametrize(
    ("path", "width", "expected"),
    [
        ("input_layernorm", 48, ("RMSNorm 48", ASSUMED)),
        ("norm", 48, ("RMSNorm 48", ASSUMED)),
        ("m", 48, ("RMSNorm 48", UNDETERMINED)),
        ("prelu1", 48, ("PReLU 48", ASSUMED)),
        ("act", 48, ("PReLU 48", ASSUMED)),
        ("m", 1, ("PReLU 1", ASSUMED)),
    ],
)
def test_a_weight_of_one_dimension_alone(
    path: str, width: int, expected: tuple[str, Origin]
) -> None:
    assert told({f"{path}.weight": (width,)}, path) == expected


def test_a_weight_alone_behind_a_convolution_is_rather_a_prelu() -> None:
    shapes: Shapes = {"0.weight": (48, 3, 3, 3), "1.weight": (48,)}
    assert told(shapes, "1") == ("PReLU 48", UNDETERMINED)
    assert others(shapes, "1") == ["RMSNorm", "LayerNorm"]


def test_a_layer_scale_is_a_module_by_name_and_else_a_parameter() -> None:
    assert told({"ls1.gamma": (48,)}, "ls1") == ("LayerScale 48", ASSUMED)
    tree = network({"block.gamma": (48,), "block.fc.weight": (48, 48)})
    gamma = at(tree, "block.gamma")
    assert (gamma.kind, gamma.reason) == ("parameter", "by its name a layer scale")
    assert told({"x.gamma": (48,)}, "x")[0] == ""


# Recurrent layers.


def recurrent(
    gates: int, entering: int, hidden: int, *, layers: int = 1, ways: int = 1, projected: int = 0
) -> Shapes:
    leaving = projected or hidden
    shapes: Shapes = {}
    for index in range(layers):
        for way in ("", "_reverse")[:ways]:
            end = f"_l{index}{way}"
            width = entering if index == 0 else leaving * ways
            shapes[f"m.weight_ih{end}"] = (gates * hidden, width)
            shapes[f"m.weight_hh{end}"] = (gates * hidden, leaving)
            shapes[f"m.bias_ih{end}"] = shapes[f"m.bias_hh{end}"] = (gates * hidden,)
            if projected:
                shapes[f"m.weight_hr{end}"] = (projected, hidden)
    return shapes


@pytest.mark.parametrize(("gates", "kind"), [(4, "LSTM"), (3, "GRU"), (1, "RNN")])
def test_gates_tell_recurrent_layers_and_cells(gates: int, kind: str) -> None:
    assert told(recurrent(gates, 16, 32)) == (f"{kind} 16→32", DERIVED)
    cell = {key.replace("_l0", ""): shape for key, shape in recurrent(gates, 16, 32).items()}
    assert told(cell) == (f"{kind}Cell 16→32", DERIVED)


def test_layers_directions_and_projections_of_recurrent_layers() -> None:
    expected = "LSTM 16→32, 2 layers, bidirectional, projected to 8"
    assert told(recurrent(4, 16, 32, layers=2, ways=2, projected=8)) == (expected, DERIVED)
    assert told(recurrent(3, 16, 32, layers=3)) == ("GRU 16→32, 3 layers", DERIVED)


def test_a_recurrent_layer_needs_no_bias() -> None:
    shapes = {key: one for key, one in recurrent(4, 16, 32).items() if "bias" not in key}
    assert told(shapes) == ("LSTM 16→32", DERIVED)


@pytest.mark.parametrize(
    "changes",
    [
        {"m.weight_hh_l0": (128, 31)},
        {"m.weight_ih_l0": (127, 16)},
        {"m.bias_ih_l0": (127,)},
        {"m.weight_ih_l1": (128, 33)},
        {"m.weight_hh_l0": (128,)},
    ],
)
def test_weights_that_do_not_fit_each_other_are_no_recurrent_layer(changes: Shapes) -> None:
    assert told(recurrent(4, 16, 32, layers=2) | changes)[0] == ""


def test_two_gates_are_of_no_known_layer_and_only_an_lstm_projects() -> None:
    assert told(recurrent(2, 16, 32))[0] == ""
    assert told(recurrent(3, 16, 32, projected=8))[0] == ""


# Weights that are rewritten.


@pytest.mark.parametrize(
    ("shapes", "expected"),
    [
        ({"weight_g": (4, 1, 1, 1), "weight_v": (4, 3, 5, 5), "bias": (4,)}, "weight norm"),
        (
            {
                "bias": (4,),
                "parametrizations.weight.original0": (4, 1, 1, 1),
                "parametrizations.weight.original1": (4, 3, 5, 5),
            },
            "weight norm",
        ),
        (
            {"bias": (4,), "weight_orig": (4, 3, 5, 5), "weight_u": (4,), "weight_v": (75,)},
            "spectral norm",
        ),
        (
            {
                "bias": (4,),
                "parametrizations.weight.original": (4, 3, 5, 5),
                "parametrizations.weight.0._u": (4,),
                "parametrizations.weight.0._v": (75,),
            },
            "spectral norm",
        ),
        ({"bias": (4,), "parametrizations.weight.original": (4, 3, 5, 5)}, "parametrized"),
        (
            {"bias": (4,), "weight_orig": (4, 3, 5, 5), "weight_mask": (4, 3, 5, 5)},
            "pruned",
        ),
    ],
)
def test_what_rewrites_a_weight_is_named_beside_the_layer(shapes: Shapes, expected: str) -> None:
    tree = network({f"m.{name}": shape for name, shape in shapes.items()})
    assert told({f"m.{name}": shape for name, shape in shapes.items()}) == (
        f"Conv2d 3→4 5x5, {expected}",
        OBSERVED,
    )
    assert len(at(tree, "m").tensors) == len(shapes)
    assert at(tree, "m").children == ()


@pytest.mark.parametrize(
    "shapes",
    [
        {"weight_g": (4, 1), "weight_v": (4, 3, 5, 5)},
        {"weight_g": (4, 1, 1, 1)},
        {"weight_orig": (4, 3, 5, 5)},
        {"weight_orig": (4, 3, 5, 5), "weight_mask": (4, 3)},
        {"parametrizations.weight.original0": (4, 3)},
        {"parametrizations.weight.other": (4, 3)},
        {"parametrizations.weight.original": (4, 3), "parametrizations.odd": (1,)},
    ],
)
def test_half_of_a_rewritten_weight_is_no_layer(shapes: Shapes) -> None:
    assert told({f"m.{name}": shape for name, shape in shapes.items()})[0] == ""


def test_weight_norm_of_a_recurrent_layer() -> None:
    shapes = recurrent(4, 3, 4)
    weight = shapes.pop("m.weight_hh_l0")
    shapes["m.parametrizations.weight_hh_l0.original0"] = (16, 1)
    shapes["m.parametrizations.weight_hh_l0.original1"] = weight
    assert told(shapes) == ("LSTM 3→4, weight norm", DERIVED)


# Quantized layers.


def test_a_quantized_convolution() -> None:
    shapes: Shapes = {"m.weight": (8, 3, 3, 3), "m.bias": (8,), "m.scale": (), "m.zero_point": ()}
    expected = ("Conv2d 3→8 3x3, qint8", OBSERVED)
    assert told(shapes, m_weight="qint8") == expected
    # Of plain numbers, a scale and a zero point are something else.
    assert told(shapes) == ("Conv2d 3→8 3x3", ASSUMED)


def test_a_scale_and_a_zero_point_alone_are_undetermined() -> None:
    found, origin = told({"m.scale": (), "m.zero_point": ()})
    assert (found, origin) == ("Linear quantized, weight elsewhere", UNDETERMINED)
    assert told({"m.scale": ()})[0] == ""


def test_observers_and_fake_quantization() -> None:
    names = ("fake_quant_enabled", "observer_enabled", "scale", "zero_point")
    shapes: Shapes = {f"m.{name}": (1,) for name in names}
    shapes |= {f"m.activation_post_process.{name}": () for name in ("eps", "min_val", "max_val")}
    assert told(shapes) == ("FakeQuantize", ASSUMED)
    assert told(shapes, "m.activation_post_process") == ("MinMaxObserver", ASSUMED)
    histogram: Shapes = {"m.histogram": (8,), "m.min_val": (), "m.max_val": ()}
    assert told(histogram) == ("HistogramObserver", ASSUMED)


def test_weights_packed_to_four_bits() -> None:
    shapes: Shapes = {
        "m.qweight": (8, 32),
        "m.qzeros": (1, 4),
        "m.scales": (1, 32),
        "m.g_idx": (64,),
    }
    assert told(shapes) == ("Linear 64→32, packed to 4 bits", ASSUMED)
    assert told(shapes | {"m.g_idx": (63,)})[0] == ""


# What belongs to no layer.


@pytest.mark.parametrize(
    ("name", "meaning"),
    [
        ("pos_embed", "a position embedding"),
        ("cls_token", "a class token"),
        ("logit_scale", "temperature"),
        ("gamma_1", "a layer scale"),
        ("relative_position_bias_table", "position"),
        ("inv_freq", "rotary"),
    ],
)
def test_bare_parameters_say_what_their_names_usually_mean(name: str, meaning: str) -> None:
    found = at(network({name: (1, 4)}), name)
    assert (found.kind, found.detail, found.origin) == ("parameter", f"1{TIMES}4", ASSUMED)
    assert meaning in found.reason


def test_a_name_without_a_usual_meaning_says_nothing() -> None:
    assert at(network({"theta": ()}), "theta").reason == ""
    assert at(network({"theta": ()}), "theta").detail == "scalar"


def test_a_bare_buffer_is_one() -> None:
    buffer = TensorInfo(
        key="mask", shape=(4,), dtype="bool", stride=None, kind=Kind.BUFFER, kind_origin=OBSERVED
    )
    tree = build_module_tree(
        msgspec.structs.replace(
            StateDict(
                path="",
                prefix="",
                role=Role.NETWORK,
                role_evidence="",
                tensors=(buffer,),
                parameters=0,
                buffers=4,
                kind_evidence="",
                kind_origin=OBSERVED,
            )
        )
    )
    assert (at(tree, "mask").kind, at(tree, "mask").origin) == ("buffer", OBSERVED)
    assert tree.buffers == 4


def test_a_layer_that_holds_more_is_only_assumed() -> None:
    shapes: Shapes = {"m.weight": (10, 128), "m.bias": (10,), "m.lora_A": (4, 128)}
    node = at(network(shapes), "m")
    assert (node.kind, node.origin) == ("Linear", ASSUMED)
    assert "holds more" in node.reason
    assert [child.name for child in node.children] == ["lora_A"]
    below: Shapes = {"m.weight": (10, 128), "m.bias": (10,), "m.adapter.weight": (4, 128)}
    assert "holds more" in at(network(below), "m").reason
