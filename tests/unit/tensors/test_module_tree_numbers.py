"""Random configurations of layers → names and shapes → the kind and the numbers come back."""

import re

from hypothesis import assume, given
from hypothesis import strategies as st

from ckptscope.facts.modules import ModuleNode, Reading
from ckptscope.facts.tensors import Kind, Origin, Role, StateDict, TensorInfo
from ckptscope.tensors.modules import build_module_tree

Shapes = dict[str, tuple[int, ...]]
widths = st.integers(1, 96)
kernels = st.lists(st.integers(1, 9), min_size=1, max_size=3).map(tuple)
names = st.sampled_from(["m", "conv1", "deconv", "0", "embedding", "norm", "fc", "prelu"])


def only(shapes: Shapes, name: str) -> ModuleNode:
    tensors = tuple(
        TensorInfo(key=f"{name}.{key}", shape=shape, dtype="float32", stride=None)
        for key, shape in shapes.items()
    )
    made = StateDict(
        path="",
        prefix="",
        role=Role.NETWORK,
        role_evidence="",
        tensors=tensors,
        parameters=sum(one.elements for one in tensors if one.kind is Kind.PARAMETER),
        buffers=0,
        kind_evidence="",
        kind_origin=Origin.ASSUMED,
    )
    return build_module_tree(made).children[0]


def numbers(text: str) -> list[int]:
    return [int(found) for found in re.findall(r"\d+", text)]


def reading(node: ModuleNode, kind: str) -> Reading:
    """The node's own reading if it is of that kind, or the alternative that is."""
    if node.kind == kind:
        return Reading(kind=kind, detail=node.detail)
    found = [one for one in node.alternatives if one.kind == kind]
    assert found, f"{kind} is neither {node.kind} nor among {node.alternatives}"
    return Reading(kind=kind, detail=found[0].detail or node.detail)


def is_safe(node: ModuleNode, kind: str) -> bool:
    """A wrong kind may be said, but never as if the file told it."""
    return node.kind == kind or node.origin in (Origin.ASSUMED, Origin.UNDETERMINED)


@given(names, widths, widths, kernels, st.booleans(), st.booleans())
def test_convolutions_of_one_group(
    name: str, entering: int, leaving: int, kernel: tuple[int, ...], bias: bool, turned: bool
) -> None:
    pair = (entering, leaving) if turned else (leaving, entering)
    shapes: Shapes = {"weight": (*pair, *kernel)}
    if bias:
        shapes["bias"] = (leaving,)
    node = only(shapes, name)
    kind = f"{'ConvTranspose' if turned else 'Conv'}{len(kernel)}d"
    assert is_safe(node, kind)
    if entering > 1 and leaving > 1:
        expected = [entering, leaving, *kernel]
        assert numbers(reading(node, kind).detail)[: len(expected)] == expected


@given(names, st.integers(1, 12), st.integers(1, 8), st.integers(1, 8), kernels, st.booleans())
def test_convolutions_of_several_groups_are_never_contradicted(
    name: str, groups: int, entering: int, leaving: int, kernel: tuple[int, ...], turned: bool
) -> None:
    entering, leaving = entering * groups, leaving * groups
    pair = (entering, leaving // groups) if turned else (leaving, entering // groups)
    node = only({"weight": (*pair, *kernel), "bias": (leaving,)}, name)
    kind = f"{'ConvTranspose' if turned else 'Conv'}{len(kernel)}d"
    assert is_safe(node, kind)
    assert reading(node, kind)


@given(names, widths, widths, st.booleans())
def test_linear(name: str, entering: int, leaving: int, bias: bool) -> None:
    shapes: Shapes = {"weight": (leaving, entering)}
    if bias:
        shapes["bias"] = (leaving,)
    node = only(shapes, name)
    assert is_safe(node, "Linear")
    assert numbers(reading(node, "Linear").detail) == [entering, leaving]
    assert (node.origin is Origin.OBSERVED) == bias


@given(names, widths, widths)
def test_embedding(name: str, entries: int, width: int) -> None:
    node = only({"weight": (entries, width)}, name)
    assert is_safe(node, "Embedding")
    assert numbers(reading(node, "Embedding").detail) == [entries, width]


@given(
    st.sampled_from([(1, "RNN"), (3, "GRU"), (4, "LSTM")]),
    st.tuples(widths, widths, st.integers(0, 8)),
    st.integers(1, 4),
    st.booleans(),
    st.booleans(),
)
def test_recurrent_layers(
    gated: tuple[int, str], sizes: tuple[int, int, int], layers: int, both_ways: bool, bias: bool
) -> None:
    gates, kind = gated
    entering, hidden, projected = sizes
    assume(projected < hidden)
    projected = projected if kind == "LSTM" else 0
    leaving = projected or hidden
    shapes: Shapes = {}
    for index in range(layers):
        for way in ("", "_reverse") if both_ways else ("",):
            end = f"_l{index}{way}"
            width = entering if index == 0 else leaving * (1 + both_ways)
            shapes[f"weight_ih{end}"] = (gates * hidden, width)
            shapes[f"weight_hh{end}"] = (gates * hidden, leaving)
            if bias:
                shapes[f"bias_ih{end}"] = shapes[f"bias_hh{end}"] = (gates * hidden,)
            if projected:
                shapes[f"weight_hr{end}"] = (projected, hidden)
    node = only(shapes, "m")
    assert (node.kind, node.origin) == (kind, Origin.DERIVED)
    expected = [entering, hidden] + [layers] * (layers > 1) + [projected] * (projected > 0)
    assert numbers(node.detail) == expected
    assert ("bidirectional" in node.detail) == both_ways
    assert len(node.tensors) == len(shapes)


@given(names, widths, st.sampled_from(["batch", "layer", "rms", "instance"]))
def test_norms(name: str, width: int, family: str) -> None:
    shapes: Shapes = {"weight": (width,)}
    if family != "rms":
        shapes["bias"] = (width,)
    if family == "batch":
        shapes |= {"running_mean": (width,), "running_var": (width,), "num_batches_tracked": ()}
    node = only(shapes, name)
    kinds = {
        "batch": ["BatchNorm1d", "BatchNorm2d", "BatchNorm3d", "SyncBatchNorm"],
        "layer": ["LayerNorm", "GroupNorm"],
        "rms": ["RMSNorm", "PReLU"],
        "instance": ["InstanceNorm1d", "InstanceNorm2d", "InstanceNorm3d"],
    }
    for kind in kinds[family]:
        assert numbers(reading(node, kind).detail) == [width]
    assert node.origin in (Origin.ASSUMED, Origin.UNDETERMINED)


@given(widths, st.tuples(widths, widths), st.booleans())
def test_multihead_attention(width: int, others: tuple[int, int], joined: bool) -> None:
    shapes: Shapes = {"in_proj_bias": (3 * width,), "out_proj.weight": (width, width)}
    shapes["out_proj.bias"] = (width,)
    if joined:
        shapes["in_proj_weight"] = (3 * width, width)
    else:
        for letter, entering in zip("qkv", (width, *others), strict=True):
            shapes[f"{letter}_proj_weight"] = (width, entering)
    node = only(shapes, "m")
    assert (node.kind, node.origin) == ("MultiheadAttention", Origin.OBSERVED)
    assert numbers(node.detail) == ([width] if joined else [width, *others])
