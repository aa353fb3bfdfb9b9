"""Legacy streams and tars that break off, or whose object is damaged."""

import struct

import pytest
from builders.pickles import ordered_dict, pickled, tensor
from builders.streams import legacy_stream
from builders.tars import legacy_tar, storage_entry, tar_bytes, tar_member, tensor_entry, tensor_id

from ckptscope.containers.salvage import Salvage, salvage_source
from ckptscope.errors import ArtifactError
from ckptscope.facts.containers import ContainerKind
from ckptscope.facts.limits import DEFAULT_LIMITS
from ckptscope.sources import MemorySource

FLOATS = struct.pack("<6f", *range(6))
LONGS = struct.pack("<3q", *range(3))
#: Sorted, the second storage of the object stands first.
TREE = {
    "epoch": 3,
    "network": ordered_dict(
        [
            ("w", tensor("90", (2, 3), legacy=True)),
            ("b", tensor("10", (3,), "LongStorage", legacy=True)),
        ]
    ),
}
STREAM = legacy_stream(TREE, [("10", 3, LONGS), ("90", 6, FLOATS)])
TAR_TREE = {"network": ordered_dict([("w", tensor_id("5")), ("b", tensor_id("4"))])}
TAR = legacy_tar(
    TAR_TREE,
    [
        tensor_entry("4", "21", (3,), (1,), cls="LongTensor"),
        tensor_entry("5", "20", (2, 3), (3, 1)),
    ],
    [storage_entry("21", LONGS, cls="LongStorage", item=8), storage_entry("20", FLOATS)],
)


def salvaged(data: bytes) -> Salvage | None:
    return salvage_source(MemorySource(data), DEFAULT_LIMITS.metered(len(data)))


def held(made: Salvage) -> dict[str, bytes]:
    found = {}
    for one in made.survivors:
        source = made.open_storage(one.key)
        assert source.size == one.size_bytes
        found[one.key] = source.read(0, source.size)
    return found


def names(made: Salvage) -> dict[str, str]:
    return {key: one.name for key, one in made.observed.items()}


@pytest.mark.parametrize("data", [STREAM, TAR])
def test_a_sound_file_gives_nothing(data):
    assert salvaged(data) is None


def test_a_stream_cut_inside_a_storage_gives_names_and_the_storages_before_it():
    made = salvaged(STREAM[:-10])
    assert made.containers == (ContainerKind.LEGACY_STREAM,)
    assert names(made) == {"90": "network/w", "10": "network/b"}
    assert [(one.key, one.number, one.is_whole) for one in made.survivors] == [
        ("90", 0, False),
        ("10", 1, True),
    ]
    assert held(made) == {"10": LONGS, "90": FLOATS[:-10]}
    assert made.damage == "the stream breaks off: 1 of 2 storages are not all there"
    assert made.is_pickle_whole


def test_the_numbers_of_a_stream_are_those_of_saving_and_not_of_its_sorted_keys():
    made = salvaged(STREAM[:-1])
    assert [one.number for one in made.survivors] == [0, 1]
    assert [one.key for one in made.survivors] == ["90", "10"]
    assert made.places == {"90": 0, "10": 1}


def test_a_stream_cut_inside_its_object_gives_names_and_says_why_no_storages():
    made = salvaged(STREAM[: STREAM.index(b"LongStorage")])
    assert names(made) == {"90": "network/w"}
    assert made.survivors == ()
    assert "storages included" in made.damage


def test_a_stream_cut_inside_its_list_of_keys_gives_names_alone():
    made = salvaged(STREAM[: -len(LONGS) - len(FLOATS) - 2 * 8 - 4])
    assert len(made.observed) == 2
    assert made.survivors == ()
    assert made.damage.startswith("the list of storages behind the object is damaged: ")


def test_a_stream_that_breaks_off_before_its_object_gives_nothing():
    assert salvaged(STREAM[:60]) is None


def test_a_tar_cut_inside_a_storage_gives_names_and_the_storages_before_it():
    members = [
        tar_member("sys_info", pickled({})),
        tar_member("pickle", pickled(TAR_TREE)),
        tar_member(
            "tensors",
            pickled(1) + tensor_entry("5", "20", (2, 3), (3, 1)),
        ),
        tar_member(
            "storages", pickled(2) + storage_entry("20", FLOATS) + storage_entry("21", FLOATS)
        ),
    ]
    data = tar_bytes(*members)
    made = salvaged(data[: data.rindex(FLOATS) + 7])
    assert made.containers == (ContainerKind.LEGACY_TAR,)
    assert names(made) == {"20": "network/w"}
    assert [(one.key, one.number, one.is_whole) for one in made.survivors] == [
        ("20", 0, True),
        ("21", None, False),
    ]
    assert held(made) == {"20": FLOATS, "21": FLOATS[:7]}
    assert "the member 'storages' breaks off" in made.damage


def test_a_tar_with_a_damaged_object_gives_its_storages_and_their_types():
    place = TAR.index(b"network") - 3
    made = salvaged(TAR[:place] + b"\xff" + TAR[place + 1 :])
    assert held(made) == {"21": LONGS, "20": FLOATS}
    assert made.observed == {}
    assert made.declared["21"].dtype == "int64"
    assert [one.number for one in made.survivors] == [None, None]
    assert made.damage.startswith("the member 'pickle' is damaged: ")


def test_a_tar_whose_storages_never_came_gives_its_names():
    data = tar_bytes(
        tar_member("sys_info", pickled({})),
        tar_member("pickle", pickled(TAR_TREE)),
        tar_member("tensors", pickled(1) + tensor_entry("5", "20", (2, 3), (3, 1))),
        end=False,
    )
    made = salvaged(data)
    assert names(made) == {"20": "network/w"}
    assert made.survivors == ()
    assert made.damage == "the member 'storages' is missing"


def test_a_tar_that_holds_an_unpacked_zip_without_its_pickle_gives_its_storages():
    data = tar_bytes(tar_member("a/data/0", FLOATS), tar_member("a/data/1", LONGS))
    made = salvaged(data)
    assert held(made) == {"0": FLOATS, "1": LONGS}
    assert made.containers == (ContainerKind.TAR, ContainerKind.DIRECTORY)
    cut = salvaged(data[: 1536 + 9])
    assert [(one.key, one.is_whole) for one in cut.survivors] == [("0", True), ("1", False)]


@pytest.mark.parametrize(("data", "true"), [(STREAM, {"10": LONGS, "90": FLOATS}), (TAR, {"21": LONGS, "20": FLOATS})])  # fmt: skip
def test_a_file_cut_anywhere_gives_true_bytes_or_none(data, true):
    most = 0
    for place in range(len(data)):
        try:
            made = salvaged(data[:place])
        except ArtifactError:
            continue
        whole = {one.key for one in made.survivors if one.is_whole} if made is not None else set()
        if made is None:
            continue
        found = held(made)
        assert all(found[key] == true[key] for key in whole)
        if data is STREAM:
            assert len(whole) >= most
            most = len(whole)
    assert data is TAR or most == 1
