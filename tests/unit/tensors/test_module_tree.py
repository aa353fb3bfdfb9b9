"""The tree of modules: every tensor in one node, sums that add up, bounds, classes of the file."""

import math
import time
from collections import Counter
from collections.abc import Callable, Iterator

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ckptscope.facts.modules import ModuleNode
from ckptscope.facts.tensors import Kind, Origin, Role, StateDict, TensorInfo, TreeNode
from ckptscope.tensors.module_drafts import MOST_CHARACTERS, MOST_SEGMENTS
from ckptscope.tensors.modules import build_module_tree

segments = st.sampled_from(
    ["0", "1", "a", "", "parametrizations", "weight", "bias", "original", "original0", "original1"]
)
last_segments = st.sampled_from(
    [
        *("weight", "bias", "running_mean", "running_var", "weight_g", "weight_v", "weight_orig"),
        *("weight_u", "weight_mask", "scale", "zero_point", "in_proj_weight", "weight_ih_l0"),
        *("weight_hh_l0", "original0", "original1", "original", "_u", "_v", "gamma", "beta", ""),
    ]
)
shapes = st.lists(st.sampled_from([0, 1, 2, 3, 4, 8]), max_size=6).map(tuple)
named = st.lists(
    st.tuples(
        st.tuples(st.lists(segments, max_size=5), last_segments).map(
            lambda s: ".".join((*s[0], s[1]))
        ),
        shapes,
        st.sampled_from(["float32", "qint8", "int64", "odd"]),
    ),
    max_size=40,
)


def tensor(key: str, *shape: int, **changes: object) -> TensorInfo:
    made = TensorInfo(key=key, shape=shape, dtype="float32", stride=None)
    return msgspec.structs.replace(made, **changes)


def state_dict(*tensors: TensorInfo, prefix: str = "", path: str = "") -> StateDict:
    return StateDict(
        path=path,
        prefix=prefix,
        role=Role.NETWORK,
        role_evidence="",
        tensors=tensors,
        parameters=sum(one.elements for one in tensors if one.kind is Kind.PARAMETER),
        buffers=sum(one.elements for one in tensors if one.kind is Kind.BUFFER),
        kind_evidence="",
        kind_origin=Origin.ASSUMED,
    )


def walk(node: ModuleNode) -> Iterator[ModuleNode]:
    yield node
    for child in node.children:
        yield from walk(child)


def at(node: ModuleNode, path: str) -> ModuleNode:
    return next(one for one in walk(node) if one.path == path)


def shown(node: ModuleNode) -> str:
    return f"{node.kind} {node.detail}".rstrip().replace("\N{MULTIPLICATION SIGN}", "x")


@given(named, st.sampled_from(["", "module.", "a."]))
def test_every_tensor_stands_in_one_node_and_all_sums_add_up(
    given_tensors: list[tuple[str, tuple[int, ...], str]], prefix: str
) -> None:
    tensors = [
        tensor(
            prefix + key, *shape, dtype=dtype, kind=Kind.BUFFER if "_" in key else Kind.PARAMETER
        )
        for key, shape, dtype in given_tensors
    ]
    made = state_dict(*tensors, prefix=prefix)
    tree = build_module_tree(made)
    assert Counter(key for node in walk(tree) for key in node.tensors) == Counter(
        one.key for one in tensors
    )
    assert (tree.parameters, tree.buffers) == (made.parameters, made.buffers)
    assert tree.tensor_count == len(tensors)
    for node in walk(tree):
        assert node.tensor_count == len(node.tensors) + sum(c.tensor_count for c in node.children)
        own = sum(math.prod(one.shape) for one in tensors if one.key in set(node.tensors))
        if len({one.key for one in tensors}) == len(tensors):
            assert node.elements == own + sum(child.elements for child in node.children)
        assert node.size_bytes >= sum(child.size_bytes for child in node.children)


@given(named)
def test_a_node_says_what_it_rests_on(
    given_tensors: list[tuple[str, tuple[int, ...], str]],
) -> None:
    tree = build_module_tree(state_dict(*(tensor(key, *shape) for key, shape, _ in given_tensors)))
    for node in walk(tree):
        assert node.reason or node.kind in ("parameter", "buffer")
        if node.kind and node.origin is Origin.UNDETERMINED:
            assert node.alternatives
        if node.origin is Origin.OBSERVED:
            assert all(other.kind == node.kind for other in node.alternatives)


def test_another_name_of_a_tensor_counts_as_elements_but_takes_no_bytes() -> None:
    tree = build_module_tree(
        state_dict(tensor("wte.weight", 5, 2), tensor("head.weight", 5, 2, alias_of="wte.weight"))
    )
    assert (tree.elements, tree.size_bytes) == (20, 40)


def test_paths_stand_below_the_prefix_and_keys_are_those_of_the_file() -> None:
    tree = build_module_tree(
        state_dict(
            tensor("module.a.fc.weight", 3, 2), tensor("module.a.fc.bias", 3), prefix="module."
        )
    )
    found = at(tree, "a.fc")
    assert found.kind == "Linear"
    assert found.tensors == ("module.a.fc.weight", "module.a.fc.bias")


def test_modules_stand_in_the_order_of_the_file() -> None:
    tree = build_module_tree(state_dict(*(tensor(f"{name}.weight", 2, 3) for name in "cab")))
    assert [child.name for child in tree.children] == ["c", "a", "b"]


def test_an_empty_state_dict_is_an_empty_tree() -> None:
    tree = build_module_tree(state_dict())
    assert (tree.kind, tree.children, tree.elements) == ("", (), 0)


@pytest.mark.parametrize("key", ["", ".", "..", "weight", ".weight", "a..weight", "a.b."])
def test_odd_keys_keep_their_tensor(key: str) -> None:
    tree = build_module_tree(state_dict(tensor(key, 3)))
    assert [name for node in walk(tree) for name in node.tensors] == [key]


def test_a_module_and_a_tensor_may_share_a_name() -> None:
    tree = build_module_tree(state_dict(tensor("a", 3), tensor("a.weight", 2, 3)))
    assert [(child.name, child.elements) for child in tree.children] == [("a", 3), ("a", 6)]


def test_a_repeated_key_keeps_both_tensors() -> None:
    tree = build_module_tree(state_dict(tensor("a.weight", 2, 3), tensor("a.weight", 4, 3)))
    assert at(tree, "a").tensors == ("a.weight", "a.weight")
    assert tree.elements == 18


# Bounds.


def depth_of(node: ModuleNode) -> int:
    return 1 + max((depth_of(child) for child in node.children), default=0)


@pytest.mark.parametrize("levels", [MOST_SEGMENTS - 1, MOST_SEGMENTS, MOST_SEGMENTS + 1, 50_000])
def test_a_key_of_many_segments_is_followed_to_a_bound(levels: int) -> None:
    key = "a." * levels + "weight"
    tree = build_module_tree(state_dict(tensor(key, 2, 3)))
    assert depth_of(tree) <= MOST_SEGMENTS + 2
    assert tree.elements == 6


def test_a_path_does_not_grow_beyond_a_bound() -> None:
    long = "x" * (MOST_CHARACTERS - 10)
    tree = build_module_tree(state_dict(tensor(f"{long}.{long}.{long}.weight", 2, 3)))
    held = [node for node in walk(tree) if not node.tensors]
    assert max(len(node.path) for node in held) <= MOST_CHARACTERS


def test_modules_stay_in_proportion_to_tensors() -> None:
    keys = (f"{number}." + "a." * 60 + "weight" for number in range(1_000))
    tree = build_module_tree(state_dict(*(tensor(key, 2, 3) for key in keys)))
    assert sum(1 for _ in walk(tree)) < 9_000
    assert tree.tensor_count == 1_000


def many_layers(count: int) -> Iterator[TensorInfo]:
    for number in range(count // 8):
        name = f"backbone.layers.{number}"
        yield tensor(f"{name}.conv.weight", 64, 64, 3, 3)
        for own in ("weight", "bias", "running_mean", "running_var"):
            yield tensor(f"{name}.bn.{own}", 64)
        yield tensor(f"{name}.bn.num_batches_tracked")
        yield tensor(f"{name}.fc.weight", 64, 64)
        yield tensor(f"{name}.fc.bias", 64)


def one_recurrent_module(count: int) -> Iterator[TensorInfo]:
    for index in range(count // 2):
        yield tensor(f"m.weight_ih_l{index}", 4, 1)
        yield tensor(f"m.weight_hh_l{index}", 4, 1)


def norms_of_many_widths(count: int) -> Iterator[TensorInfo]:
    for index in range(count // 2):
        yield tensor(f"l{index}.running_mean", 64 + index)
        yield tensor(f"l{index}.running_var", 64 + index)


def numbered(pattern: str) -> Callable[[int], Iterator[TensorInfo]]:
    return lambda count: (tensor(pattern.format(index), 4) for index in range(count))


@pytest.mark.parametrize(
    "tensors",
    [
        many_layers,
        one_recurrent_module,
        norms_of_many_widths,
        numbered("m.p{}_orig"),
        numbered("l{}.weight"),
        numbered("m.parametrizations.w{}.original"),
    ],
)
def test_the_time_grows_with_the_number_of_tensors_and_not_with_its_square(
    tensors: Callable[[int], Iterator[TensorInfo]],
) -> None:
    def seconds(count: int) -> float:
        made = state_dict(*tensors(count))
        best = math.inf
        for _ in range(3):
            start = time.perf_counter()
            build_module_tree(made)
            best = min(best, time.perf_counter() - start)
        return best

    # Ten times the tensors; quadratic growth would take a hundred times as long.
    assert seconds(10_000) < 40 * seconds(1_000)


# Classes that the file names.


def module(
    name: str, class_name: str | None, *children: TreeNode, value: str | None = None
) -> TreeNode:
    return TreeNode(name=name, kind="module", class_name=class_name, children=children, value=value)


def test_a_named_class_wins_over_shapes() -> None:
    pickled = module("", "nets.Net", module("up", "torch.nn.modules.conv.ConvTranspose2d"))
    tree = build_module_tree(state_dict(tensor("up.weight", 64, 64, 3, 3)), pickled)
    assert (tree.kind, tree.origin) == ("Net", Origin.OBSERVED)
    up = at(tree, "up")
    assert (shown(up), up.origin) == ("ConvTranspose2d 64→64 3x3", Origin.OBSERVED)
    assert up.alternatives == ()
    assert "class" in up.reason


@pytest.mark.parametrize(
    ("class_name", "kind"),
    [
        ("torch.nn.modules.conv.Conv1d", "Conv1d"),
        ("__torch__.torch.nn.modules.conv.___torch_mangle_3.Conv1d", "Conv1d"),
        ("__torch__.torch.nn.modules.conv.Conv1d", "Conv1d"),
        ("__main__.Net", "Net"),
        ("Net", "Net"),
    ],
)
def test_a_class_is_named_without_its_module_and_mangling(class_name: str, kind: str) -> None:
    pickled = module("", None, module("c", class_name))
    tree = build_module_tree(state_dict(tensor("c.weight", 8, 4, 3), tensor("c.bias", 8)), pickled)
    assert at(tree, "c").kind == kind
    assert at(tree, "c").detail == "4→8 k3"


def test_a_module_without_a_class_is_told_by_shapes() -> None:
    pickled = module("", "Net", module("fc", None), module("act", ""))
    tree = build_module_tree(state_dict(tensor("fc.weight", 3, 2), tensor("fc.bias", 3)), pickled)
    assert (at(tree, "fc").kind, at(tree, "fc").origin) == ("Linear", Origin.OBSERVED)
    assert (at(tree, "act").kind, at(tree, "act").origin) == ("", Origin.UNDETERMINED)


def test_pickled_modules_without_tensors_stand_in_their_order() -> None:
    pickled = module(
        "",
        "Sequential",
        module("0", "Conv2d"),
        module("1", "ReLU"),
        module("2", "Sequential", module("0", "torch.nn.modules.upsampling.Upsample")),
        module("3", "Conv2d"),
    )
    tree = build_module_tree(
        state_dict(tensor("0.weight", 8, 3, 3, 3), tensor("3.weight", 8, 8, 1, 1)), pickled
    )
    assert [child.kind for child in tree.children] == ["Conv2d", "ReLU", "Sequential", "Conv2d"]
    assert at(tree, "2.0").kind == "Upsample"
    assert at(tree, "2.0").tensor_count == 0


def test_the_module_of_a_state_dict_is_found_by_its_path_and_behind_wrappers() -> None:
    network = module("module", "nets.Net", module("fc", "nets.MyLinear"))
    wrapped = module("a/b", "torch.nn.parallel.data_parallel.DataParallel", network)
    top = TreeNode(
        name="", kind="dict", children=(TreeNode(name="x", kind="dict", children=(wrapped,)),)
    )
    tree = build_module_tree(
        state_dict(tensor("module.fc.weight", 3, 2), prefix="module.", path="x/a/b"), top
    )
    assert (tree.kind, at(tree, "fc").kind) == ("Net", "MyLinear")


@pytest.mark.parametrize("path", ["y", "x/y/z", "/"])
def test_a_path_that_leads_to_no_module_leaves_classes_unknown(path: str) -> None:
    top = TreeNode(
        name="", kind="dict", children=(module("x", "Net"), TreeNode(name="y", kind="dict"))
    )
    tree = build_module_tree(state_dict(tensor("fc.weight", 3, 2), path=path), top)
    assert tree.origin is Origin.UNDETERMINED


def test_numbers_of_a_pickled_module_tell_groups_and_heads() -> None:
    pickled = module(
        "",
        "Net",
        module("c", "Conv2d", value="in_channels=64, out_channels=64, kernel_size=(3, 3)"),
        module("up", "ConvTranspose2d", value="in_channels=8, out_channels=16"),
        module("a", "MultiheadAttention", value="embed_dim=8, num_heads=2, dropout=0.1"),
    )
    tree = build_module_tree(
        state_dict(
            tensor("c.weight", 64, 4, 3, 3),
            tensor("up.weight", 8, 4, 2, 2),
            tensor("a.in_proj_weight", 24, 8),
        ),
        pickled,
    )
    assert shown(at(tree, "c")) == "Conv2d 64→64 3x3, 16 groups"
    assert shown(at(tree, "up")) == "ConvTranspose2d 8→16 2x2, 4 groups"
    assert at(tree, "a").detail == "8, 2 heads"


@pytest.mark.parametrize(
    "value", ["in_channels=0", "in_channels=7", "xin_channels=64", "in_channels=-4"]
)
def test_numbers_that_do_not_fit_the_shapes_are_left_alone(value: str) -> None:
    pickled = module("", "Net", module("c", "Conv2d", value=value))
    tree = build_module_tree(state_dict(tensor("c.weight", 64, 4, 3, 3)), pickled)
    assert shown(at(tree, "c")) == "Conv2d 4→64 3x3"
