"""Files that torch wrote, cut off and damaged: what is found is true, and what is whole is found."""

import io
import zipfile
from collections import OrderedDict
from itertools import pairwise

import pytest
import torch
from builders.torch_objects import named_tensors
from hypothesis import given, settings
from hypothesis import strategies as st

from ckptscope.containers.salvage import Salvage, salvage_source
from ckptscope.containers.salvage_parts import read_said
from ckptscope.facts.limits import DEFAULT_LIMITS
from ckptscope.sources import MemorySource

pytestmark = pytest.mark.torch

SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 1 << 40), st.floats(), st.text("ab", max_size=2)
)
SHAPES = st.lists(st.integers(0, 3), max_size=3).map(tuple)
KEYS = st.sampled_from(["a", "b", "conv.weight", "network", "state", 0, 1])


def written(saved: object, *, stream: bool = False) -> bytes:
    out = io.BytesIO()
    torch.save(saved, out, _use_new_zipfile_serialization=not stream)
    return out.getvalue()


def salvaged(data: bytes) -> Salvage | None:
    return salvage_source(MemorySource(data), DEFAULT_LIMITS.metered(len(data)))


def members_of(data: bytes) -> tuple[dict[str, bytes], list[tuple[str, int]]]:
    """Storages by key, and for every member where the next thing starts."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        storages = {
            name.rpartition("/")[2]: archive.read(name)
            for name in archive.namelist()
            if "/data/" in name and "/.data/" not in name
        }
        starts = sorted((one.header_offset, one.filename) for one in archive.infolist())
    offsets = [*starts, (archive.start_dir, "")]
    return storages, [(here[1], after[0]) for here, after in pairwise(offsets)]


def check(made: Salvage | None, storages: dict[str, bytes], whole: set[str]) -> None:
    """Everything whole is there, with its bytes and its number, and nothing else is."""
    survivors = made.survivors if made is not None else ()
    assert whole <= {one.key for one in survivors if one.is_whole}
    for one in survivors:
        assert one.number == int(one.key)
        held = made.open_storage(one.key)
        if one.is_whole:
            assert held.read(0, held.size) == storages[one.key]
            assert one.size_bytes == held.size


def tree() -> dict[str, object]:
    inner = written({"q": torch.zeros(3), "r": torch.zeros(7), "s": torch.ones(40)})
    return {
        "epoch": 3,
        "network": OrderedDict((f"l{n}.w", torch.randn(n + 1, 3)) for n in range(12)),
        "archive": torch.frombuffer(bytearray(inner), dtype=torch.uint8),
        "empty": torch.zeros(0),
        "signatures": torch.frombuffer(
            bytearray(b"PK\x03\x04PK\x07\x08PK\x01\x02" * 9), dtype=torch.uint8
        ),
        "tail": torch.arange(90),
    }


def test_a_zip_cut_anywhere_gives_every_storage_before_the_cut_and_never_a_wrong_one():
    data = written(tree())
    storages, ends = members_of(data)
    # Steps without a factor in common with torch's alignment: every kind of place is cut at.
    for cut in range(0, len(data) - 1, 3):
        whole = {name.rpartition("/")[2] for name, end in ends if "/data/" in name and end <= cut}
        check(salvaged(data[:cut]), storages, whole & set(storages))


def test_a_zip_whose_directory_is_zeros_gives_every_storage_and_every_name():
    data = written(tree())
    storages, ends = members_of(data)
    start = ends[-1][1]
    made = salvaged(data[:start] + bytes(len(data) - start))
    check(made, storages, set(storages))
    assert made.is_pickle_whole
    assert {one.name for one in made.observed.values()} == set(named_tensors(tree()))


def test_a_region_of_zeros_costs_the_storages_in_it_and_no_other():
    data = written(tree())
    storages, ends = members_of(data)
    starts = {name: here for (_, here), (name, _) in pairwise([("", 0), *ends])}
    for first in range(0, len(data), 97):
        last = min(first + 150, len(data))
        made = salvaged(data[:first] + bytes(last - first) + data[last:])
        if made is None:
            continue
        untouched = {
            name.rpartition("/")[2]
            for name, end in ends
            if "/data/" in name and (end <= first or starts[name] >= last)
        } & set(storages)
        sound = {one.key for one in made.survivors if one.is_whole} - set(made.wrong)
        for key in sound:
            held = made.open_storage(key)
            assert held.read(0, held.size) == storages[key]
        assert untouched <= sound


def trees() -> st.SearchStrategy:
    tensors = SHAPES.map(torch.zeros)
    return st.recursive(
        st.one_of(SCALARS, tensors, tensors),
        lambda inner: st.one_of(
            st.dictionaries(KEYS, inner, max_size=4),
            st.dictionaries(KEYS, inner, max_size=4).map(OrderedDict),
            st.lists(inner, max_size=3),
            # Of shorter ones, and of texts and values in turn, the stack shows nothing.
            st.lists(inner, min_size=3, max_size=5).map(lambda items: (None, *items)),
        ),
        max_leaves=12,
    )


def check_names(pickle: bytes, true: dict[str, set[str]]) -> None:
    said = read_said(MemorySource(pickle), DEFAULT_LIMITS.metered(len(pickle)), member="data.pkl")
    for key, one in said.observed.items():
        if one.is_path_whole:
            assert one.name in true[key]
        else:
            assert any(name == one.name or name.endswith(f"/{one.name}") for name in true[key])


def names_by_storage(saved: object) -> dict[str, set[str]]:
    """The names of each storage, in the order in which torch numbers storages."""
    true: dict[str, set[str]] = {}
    numbers: dict[int, str] = {}
    for name, tensor in named_tensors(saved).items():
        pointer = id(tensor)
        key = numbers.setdefault(pointer, str(len(numbers)))
        true.setdefault(key, set()).add(name)
    return true


@settings(max_examples=60, deadline=None)
@given(saved=trees())
def test_a_pickle_cut_anywhere_names_only_what_is_true(saved):
    with zipfile.ZipFile(io.BytesIO(written(saved))) as archive:
        pickle = archive.read("archive/data.pkl")
    true = names_by_storage(saved)
    for cut in range(len(pickle) + 1):
        check_names(pickle[:cut], true)


def test_a_state_dict_cut_anywhere_names_a_prefix_of_its_tensors():
    saved = {
        "epoch": 1,
        "network": torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3)).state_dict(),
    }
    with zipfile.ZipFile(io.BytesIO(written(saved))) as archive:
        pickle = archive.read("archive/data.pkl")
    true = list(named_tensors(saved))
    most = 0
    for cut in range(len(pickle)):
        made = read_said(MemorySource(pickle[:cut]), DEFAULT_LIMITS, member=None)
        names = [one.name for one in made.observed.values()]
        assert names == true[: len(names)]
        assert len(names) >= most
        most = len(names)
    assert most == len(true)
