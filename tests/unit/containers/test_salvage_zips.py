"""Torch zips without a pickle, without a directory, cut off, or made to mislead."""

import struct
import zlib
from contextlib import ExitStack

import pytest
from builders.pickles import ordered_dict, pickled, tensor
from builders.zips import Member, changed, torch_members, zip_bytes

from ckptscope.containers.salvage import Salvage, salvage, salvage_source
from ckptscope.errors import ArtifactError, LimitError
from ckptscope.facts.containers import ContainerKind
from ckptscope.facts.limits import DEFAULT_LIMITS, Limits
from ckptscope.sources import MemorySource

FLOATS = struct.pack("<6f", *range(6))
LONGS = struct.pack("<3q", *range(3))
TREE = {
    "epoch": 3,
    "network": ordered_dict([("w", tensor("0", (2, 3))), ("b", tensor("1", (3,), "LongStorage"))]),
}
STORAGES = {"0": FLOATS, "1": LONGS}
NAMES = ["network/w", "network/b"]


def members(**fields: object) -> list[Member]:
    return [changed([one], str(one.name), **fields)[0] for one in torch_members(TREE, STORAGES)]


def salvaged(data: bytes, limits: Limits = DEFAULT_LIMITS) -> Salvage | None:
    return salvage_source(MemorySource(data), limits.metered(len(data)))


def held(made: Salvage) -> dict[str, bytes]:
    found = {}
    for one in made.survivors:
        source = made.open_storage(one.key)
        assert source.size == one.size_bytes
        found[one.key] = source.read(0, source.size)
    return found


def names(made: Salvage) -> list[str]:
    return [one.name for one in made.observed.values()]


def without(made: list[Member], ending: str) -> list[Member]:
    return [one for one in made if not str(one.name).endswith(ending)]


def test_a_sound_zip_gives_nothing():
    assert salvaged(zip_bytes(members())) is None


def test_a_zip_without_its_pickle_gives_its_storages(tmp_path):
    path = tmp_path / "a.pth"
    path.write_bytes(zip_bytes(without(members(), "data.pkl")))
    with ExitStack() as stack:
        made = salvage(path, DEFAULT_LIMITS, stack)
        assert held(made) == STORAGES
    assert made.damage == "data.pkl is missing"
    assert made.containers == (ContainerKind.TORCH_ZIP,)
    assert made.root == "archive"
    assert made.location == ()


def test_an_unpacked_zip_inside_a_zip_is_found_and_named():
    made = salvaged(zip_bytes([Member(name="files/snapshot_3/data/0", data=FLOATS)]))
    assert made.containers == (ContainerKind.ZIP, ContainerKind.DIRECTORY)
    assert made.location == ("files/snapshot_3",)


def test_a_zip_with_a_truncated_pickle_gives_the_names_that_it_had_reached():
    made = salvaged(zip_bytes(changed(members(), "data.pkl", data=pickled(TREE)[:-40])))
    assert names(made) == NAMES[:1]
    assert held(made) == STORAGES


def test_a_pickle_that_cannot_be_inflated_is_damage():
    data = bytearray(zip_bytes(changed(members(), "data.pkl", deflate=True)))
    start = data.index(b"data.pkl") + len(b"data.pkl")
    data[start : start + 30] = b"\xff" * 30
    made = salvaged(bytes(data))
    assert "deflate stream" in made.damage
    assert held(made) == STORAGES


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"zip64": True},
        {"deflate": True},
        {"descriptor": True},
        {"descriptor": True, "zip64": True},
        {"descriptor": True, "descriptor_signature": False},
        {"descriptor": True, "descriptor_signature": False, "zip64": True},
        {"descriptor": True, "deflate": True},
        {"descriptor": True, "deflate": True, "zip64": True},
        {"descriptor": True, "local_extra": b"FB\x04\x00ZZZZ"},
    ],
)
def test_without_a_directory_members_are_found_by_every_way_of_telling_sizes(fields):
    whole = zip_bytes(members(**fields))
    start = whole.index(b"PK\x01\x02")
    for damaged in (whole[:start] + bytes(len(whole) - start), whole[: start + 9]):
        made = salvaged(damaged)
        assert held(made) == STORAGES
        assert all(one.is_whole for one in made.survivors)
        assert [one.number for one in made.survivors] == [0, 1]
        assert names(made) == NAMES
        assert made.is_pickle_whole
        assert "5 members are found by their own headers" in made.damage


def test_the_last_storage_of_a_file_that_is_cut_inside_it_is_not_whole():
    data = zip_bytes(members(descriptor=True))
    made = salvaged(data[: data.index(LONGS) + 10])
    first, last = made.survivors
    assert first.is_whole
    assert (last.key, last.is_whole, last.size_bytes) == ("1", False, 10)
    assert "1 of them break off" in made.damage


def test_a_file_cut_inside_its_pickle_gives_the_names_before_the_cut():
    data = zip_bytes(members(descriptor=True))
    made = salvaged(data[: data.index(b"LongStorage")])
    assert made.survivors == ()
    assert names(made) == NAMES[:1]


def test_a_file_cut_before_any_tensor_was_named_gives_nothing():
    data = zip_bytes(members(descriptor=True))
    assert salvaged(data[: data.index(b"network")]) is None


def test_changed_bytes_are_told_by_their_checksum():
    data = zip_bytes(members(descriptor=True), end=False)
    place = data.index(FLOATS)
    made = salvaged(data[:place] + b"\xff" + data[place + 1 :])
    assert made.wrong == ("0",)
    assert [one.is_whole for one in made.survivors] == [True, True]
    assert "1 of them do not have their CRC-32" in made.damage


def test_a_size_that_the_pickle_contradicts_is_no_evidence():
    storages = {"0": FLOATS[:8], "1": LONGS}
    made = salvaged(zip_bytes(torch_members(TREE, storages), end=False))
    assert [(one.key, one.is_whole) for one in made.survivors] == [("0", False), ("1", True)]


def test_an_archive_inside_a_storage_is_passed_over():
    inner = zip_bytes(torch_members({"x": tensor("7", (1,))}, {"7": b"abcd", "0": b"zzzz"}))
    outer = torch_members(TREE, {"0": FLOATS, "1": LONGS, "2": inner, "3": b"last"})
    for fields in ({}, {"descriptor": True}):
        data = zip_bytes([changed([one], str(one.name), **fields)[0] for one in outer])
        data = data[: data.rindex(b"PK\x01\x02")]
        assert held(salvaged(data)) == {"0": FLOATS, "1": LONGS, "2": inner, "3": b"last"}


def test_an_archive_inside_a_storage_whose_own_header_is_gone_is_passed_over():
    inner = zip_bytes(torch_members({"x": tensor("7", (1,))}, {"7": b"abcd", "0": b"zzzz"}))
    outer = torch_members(TREE, {"0": FLOATS, "1": LONGS, "2": inner, "3": b"last"})
    data = zip_bytes(
        [changed([one], str(one.name), descriptor=True)[0] for one in outer], end=False
    )
    place = data.index(b"archive/data/2") - 30
    made = salvaged(data[:place] + bytes(30) + data[place + 30 :])
    assert held(made) == {"0": FLOATS, "1": LONGS, "3": b"last"}


def test_a_cut_off_file_that_ends_with_an_archive_inside_it_is_not_taken_for_that_one():
    inner = zip_bytes(torch_members({"x": tensor("7", (1,))}, {"7": b"abcd"}))
    outer = zip_bytes(
        [changed([m], str(m.name), descriptor=True)[0] for m in torch_members(TREE, {"0": FLOATS, "9": inner})]
    )  # fmt: skip
    made = salvaged(outer[: outer.index(inner) + len(inner)])
    assert [(one.key, one.is_whole) for one in made.survivors] == [("0", True), ("9", False)]
    assert made.damage.startswith("the directory at the end is that of an archive inside: ")


def test_a_storage_that_stands_there_twice_with_different_bytes_is_left_out():
    twice = [*members(descriptor=True)[:3], Member(name="archive/data/0", data=b"other")]
    made = salvaged(zip_bytes([*twice, *members(descriptor=True)[3:]], end=False))
    assert held(made) == {"1": LONGS}
    assert "1 of them stand there twice, with different bytes" in made.damage


def test_members_of_another_folder_are_none_of_its_storages():
    other = [Member(name=f"other/data/{number}", data=b"x") for number in range(9)]
    made = salvaged(zip_bytes([*members(), *other], end=False))
    assert held(made) == STORAGES


def test_names_that_lead_out_of_the_folder_are_only_names():
    made = salvaged(zip_bytes([Member(name="../../data/0", data=b"x")], end=False))
    assert held(made) == {"0": b"x"}


def test_a_checksum_that_torch_was_told_not_to_compute_is_not_missed():
    data = zip_bytes(members(descriptor=True, crc=0), end=False)
    made = salvaged(data)
    assert held(made) == STORAGES
    assert made.wrong == ()
    assert all(one.is_whole for one in made.survivors)


def test_a_size_behind_the_end_of_the_file_is_not_believed():
    data = zip_bytes(
        changed(members(), "data/1", local_stored=1 << 30, local_size=1 << 30), end=False
    )
    last = salvaged(data).survivors[-1]
    assert (last.key, last.is_whole) == ("1", False)
    assert last.size_bytes < len(data)


def test_false_headers_without_number_are_refused():
    data = b"PK\x03\x04" + bytes(22) + b"\x01\x00\x00\x00a"
    with pytest.raises(LimitError):
        salvaged(data * 4000, Limits(members=500))


@pytest.mark.parametrize("count", [1_000, 4_000])
def test_overlapping_descriptors_are_read_a_bounded_number_of_times(count, monkeypatch):
    """Every header claims the bytes up to the end, with a wrong checksum each."""
    read = 0

    class Counted(MemorySource):
        def read(self, offset, length):
            nonlocal read
            read += length
            return super().read(offset, length)

    head = struct.pack("<4s5H3L2H", b"PK\x03\x04", 20, 8, 0, 0, 0, 0, 0, 0, 1, 0) + b"a"
    body = head * count + bytes(500_000)
    tail = b"".join(
        b"PK\x07\x08" + struct.pack("<3L", 1, size, size)
        for number in range(count)
        for size in [len(body) + 16 * number - len(head) * (number + 1)]
    )
    data = body + tail
    salvage_source(Counted(data), DEFAULT_LIMITS.metered(len(data)))
    assert read <= 4 * len(data) + (1 << 20)


def test_every_cut_and_every_changed_byte_gives_a_salvage_or_an_error_of_the_file():
    data = zip_bytes(members(descriptor=True))
    for place in range(len(data)):
        for damaged in (
            data[:place],
            data[:place] + bytes([data[place] ^ 0xFF]) + data[place + 1 :],
        ):
            try:
                made = salvaged(damaged)
            except ArtifactError:
                continue
            for one in made.survivors if made is not None else ():
                if one.is_whole and one.key not in made.wrong:
                    source = made.open_storage(one.key)
                    assert zlib.crc32(source.read(0, source.size)) == zlib.crc32(STORAGES[one.key])
