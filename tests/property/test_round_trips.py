"""Random trees of values and tensors, written by hand into every container, come back."""

import struct
from collections import Counter

import pytest
from builders.headers import safetensors
from builders.pickles import contiguous, ordered_dict, pickled, product, tensor
from builders.reading import build_one, codes, tensors
from builders.streams import legacy_stream
from builders.tars import legacy_tar, storage_entry, tensor_entry, tensor_id
from builders.zips import Member, torch_zip, zip_bytes
from hypothesis import given
from hypothesis import strategies as st

from ckptscope.checks import check_layout
from ckptscope.facts.dtypes import ITEM_BYTES, SAFETENSORS_DTYPES, STORAGE_DTYPES
from ckptscope.tensors.values import read_values

CLASSES = {dtype: name for name, dtype in STORAGE_DTYPES.items() if not dtype.startswith("q")}
NAMES = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="/\0"), min_size=1, max_size=12
)
SHAPES = st.lists(st.integers(0, 4), max_size=4).map(tuple)
LEAVES = st.tuples(st.sampled_from(sorted(CLASSES)), SHAPES)
PLAIN = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=9), st.binary(max_size=9)
)
#: Names that would make a mapping an optimizer are left to their own tests.
KEYS = NAMES.filter(lambda name: name not in ("state", "param_groups"))
TREES = st.recursive(
    st.one_of(LEAVES, PLAIN),
    lambda inner: st.one_of(
        st.dictionaries(KEYS, inner, max_size=4),
        st.lists(inner, max_size=3).map(lambda items: ["list", *items]),
    ),
    max_leaves=12,
)
TOPS = st.dictionaries(KEYS, TREES, max_size=5)


def is_leaf(node) -> bool:
    return isinstance(node, tuple)


def walk(node, path: str = ""):
    """Yield every leaf with its path."""
    if is_leaf(node):
        yield path, node
        return
    pairs = node.items() if isinstance(node, dict) else []
    if isinstance(node, list):
        pairs = ((str(index), item) for index, item in enumerate(node))
    for key, item in pairs:
        yield from walk(item, f"{path}/{key}" if path else key)


class Spelled:
    """A tree as builders' values, with the storages that it needs."""

    def __init__(self, tree, legacy: bool = False) -> None:
        self.legacy = legacy
        self.leaves: list[tuple[str, tuple[int, ...]]] = []
        self.tree = self.spell(tree)

    def spell(self, node):
        if is_leaf(node):
            return self.leaf(*node)
        if isinstance(node, dict):
            return ordered_dict((key, self.spell(item)) for key, item in node.items())
        if isinstance(node, list):
            return [self.spell(item) for item in node]
        return node

    def leaf(self, dtype: str, shape: tuple[int, ...]):
        self.leaves.append((dtype, shape))
        return tensor(str(len(self.leaves) - 1), shape, CLASSES[dtype], legacy=self.legacy)

    def contents(self) -> list[tuple[str, int, bytes]]:
        return [
            (str(n), product(shape), bytes(product(shape) * ITEM_BYTES[dtype]))
            for n, (dtype, shape) in enumerate(self.leaves)
        ]


class SpelledForTar(Spelled):
    def leaf(self, dtype, shape):
        self.leaves.append((dtype, shape))
        return tensor_id(f"t{len(self.leaves) - 1}")

    def write(self) -> bytes:
        entries = [
            tensor_entry(
                f"t{n}",
                f"s{n}",
                shape,
                contiguous(shape),
                cls=CLASSES[dtype].replace("Storage", "Tensor"),
            )
            for n, (dtype, shape) in enumerate(self.leaves)
        ]
        held = [
            storage_entry(
                f"s{n}",
                bytes(product(shape) * ITEM_BYTES[dtype]),
                cls=CLASSES[dtype],
                item=ITEM_BYTES[dtype],
            )
            for n, (dtype, shape) in enumerate(self.leaves)
        ]
        return legacy_tar(self.tree, entries, held)


def write(kind: str, tree) -> bytes:
    if kind == "legacy tar":
        return SpelledForTar(tree).write()
    spelled = Spelled(tree, legacy=kind == "legacy stream")
    held = {key: data for key, _, data in spelled.contents()}
    if kind == "legacy stream":
        return legacy_stream(spelled.tree, spelled.contents())
    if kind == "torch zip in a zip":
        return zip_bytes([Member(name="a.pt", data=torch_zip(spelled.tree, held), deflate=True)])
    return torch_zip(spelled.tree, held)


@pytest.mark.parametrize("kind", ["torch zip", "legacy stream", "legacy tar", "torch zip in a zip"])
def test_a_random_tree_comes_back_with_its_names_shapes_and_dtypes(kind):
    @given(TOPS)
    def check(tree):
        expected = dict(walk(tree))
        build = build_one(write(kind, tree))
        found = tensors(build.manifest)
        assert {name: (t.dtype, t.shape) for name, t in found.items()} == expected
        assert all(t.stride == contiguous(t.shape) for t in found.values())
        assert codes(build.manifest) == []
        assert check_layout(build.manifest) == ()
        assert sum(s.size_bytes for s in build.manifest.spending) == build.manifest.size_bytes

    check()


@given(
    st.dictionaries(
        NAMES, st.tuples(st.sampled_from(sorted(SAFETENSORS_DTYPES)), SHAPES), max_size=6
    )
)
def test_a_random_safetensors_file_comes_back(table):
    header, position = {}, 0
    for key, (name, shape) in table.items():
        if key == "__metadata__":
            continue
        end = position + product(shape) * ITEM_BYTES[SAFETENSORS_DTYPES[name]]
        header[key] = {"dtype": name, "shape": list(shape), "data_offsets": [position, end]}
        position = end
    build = build_one(safetensors(header, bytes(position)))
    assert {k: (t.dtype, t.shape) for k, t in tensors(build.manifest).items()} == {
        key: (SAFETENSORS_DTYPES[one["dtype"]], tuple(one["shape"])) for key, one in header.items()
    }
    assert codes(build.manifest) == []


@given(st.lists(st.tuples(st.integers(0, 20), SHAPES), max_size=6))
def test_views_of_one_storage_come_back_with_offsets_and_the_bytes_add_up(views):
    elements = 400
    tree = {
        f"v{n}": tensor("0", shape, offset=offset, elements=elements)
        for n, (offset, shape) in enumerate(views)
    }
    data = torch_zip(tree, {"0": bytes(4 * elements)})
    build = build_one(data)
    found = tensors(build.manifest)
    assert [(t.offset, t.shape) for t in found.values()] == views
    assert sum(s.size_bytes for s in build.manifest.spending) == len(data)


@given(TREES)
def test_plain_values_anywhere_are_scalars_or_nodes_and_never_lost(tree):
    made = build_one(pickled({"top": Spelled(tree).tree})).manifest

    def count(node):
        return Counter({node.kind: 1}) + sum((count(child) for child in node.children), Counter())

    assert sum(count(made.tree).values()) >= 1
    assert made.tree.length == 1


@given(
    st.lists(st.floats(width=32, allow_nan=False), min_size=1, max_size=20),
    st.sampled_from(["little", "big"]),
)
def test_values_come_back_in_both_byte_orders(numbers, order):
    raw = struct.pack(("<" if order == "little" else ">") + f"{len(numbers)}f", *numbers)
    build = build_one(torch_zip({"w": tensor("0", (len(numbers),))}, {"0": raw}, byteorder=order))
    (found,) = tensors(build.manifest).values()
    assert read_values(build, found).tolist() == numbers
