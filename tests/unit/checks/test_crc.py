"""CRC-32 of members on request: every byte of every archive on the way, in pieces."""

import gzip
import struct

import pytest
from builders.pickles import pickled, tensor
from builders.reading import outcomes
from builders.streams import legacy_stream
from builders.tars import tar_bytes, tar_member
from builders.zips import Member, changed, torch_members, zip_bytes

from ckptscope.checks.crc import check_crcs
from ckptscope.containers import Contents, read_file, read_folder
from ckptscope.facts.findings import Severity
from ckptscope.facts.limits import DEFAULT_LIMITS, Limits
from ckptscope.sources import MemorySource

MEMBERS = torch_members(
    {"w": tensor("0", (2,)), "v": tensor("1", (1,))},
    {"0": struct.pack("<2f", 1, 2), "1": struct.pack("<f", 3)},
)


def crc_codes(data: bytes, limits: Limits = DEFAULT_LIMITS) -> list[str]:
    (contents,) = outcomes(data, limits)
    assert isinstance(contents, Contents), contents
    return [found.code.value for found in check_crcs(contents)]


@pytest.mark.parametrize("deflate", [False, True])
def test_a_storage_whose_bytes_were_changed_is_con001(deflate):
    members = [changed([one], str(one.name), deflate=deflate)[0] for one in MEMBERS]
    assert crc_codes(zip_bytes(members)) == []
    wrong = changed(members, "data/1", crc=0x1234)
    (contents,) = outcomes(zip_bytes(wrong))
    (found,) = check_crcs(contents)
    assert (found.code, found.severity) == ("CON001", Severity.ERROR)
    assert found.where.member == "archive/data/1"
    assert "00001234" in found.message


def test_what_reading_has_said_of_the_pickle_is_not_said_again():
    (contents,) = outcomes(zip_bytes(changed(MEMBERS, "data.pkl", crc=1)))
    assert [f.code.value for f in contents.findings] == ["CON001"]
    assert check_crcs(contents) == ()


def test_crcs_that_are_all_zero_are_con016_and_a_single_zero_is_wrong():
    none = [changed([one], str(one.name), crc=0)[0] for one in MEMBERS]
    assert crc_codes(zip_bytes(none)) == ["CON016"]
    assert crc_codes(zip_bytes(changed(MEMBERS, "data/0", crc=0))) == ["CON001"]


@pytest.mark.parametrize(
    "data",
    [
        legacy_stream({"a": 1}, []),
        pickled({"a": 1}),
        tar_bytes(tar_member("a.pkl", pickled({"a": 1}))),
    ],
)
def test_a_container_without_checksums_says_so_as_information(data):
    (contents,) = outcomes(data)
    (found,) = check_crcs(contents)
    assert (found.code, found.severity) == ("CON016", Severity.INFO)


def test_the_archives_around_a_checkpoint_are_compared_too():
    inner = zip_bytes(changed(MEMBERS, "data/1", crc=7))
    outer = zip_bytes([Member(name="a.pt", data=inner, crc=9)])
    assert crc_codes(outer) == ["CON001", "CON001"]
    assert crc_codes(gzip.compress(inner)) == ["CON001"]
    assert crc_codes(tar_bytes(tar_member("a.pt", inner))) == ["CON001"]


def test_earlier_members_of_the_same_name_are_compared_too():
    twin = Member(name="archive/data/1", data=b"other bytes", crc=5)
    assert crc_codes(zip_bytes([twin, *MEMBERS])) == ["CON001"]


def test_a_folder_has_no_checksums(tmp_path):
    (tmp_path / "data.pkl").write_bytes(pickled({"a": 1}))
    (contents,) = read_folder(tmp_path, DEFAULT_LIMITS)
    assert [found.code.value for found in check_crcs(contents)] == ["CON016"]


def test_very_many_wrong_members_are_listed_in_part_and_counted():
    members = [Member(name=f"archive/x{n}", data=b"x", crc=1) for n in range(100)]
    found = crc_codes(zip_bytes([*MEMBERS, *members]))
    assert set(found) == {"CON001"}
    assert len(found) < 30


def test_members_are_read_in_pieces_and_progress_adds_up_to_the_bytes_of_the_file():
    class Watched(MemorySource):
        largest = 0

        def read(self, offset, length):
            Watched.largest = max(Watched.largest, length)
            return super().read(offset, length)

    size = 5 << 20
    members = torch_members({"w": tensor("0", (size // 4,))}, {"0": bytes(size)})
    for deflate in (False, True):
        made = changed(members, "data/0", deflate=deflate)
        source = Watched(zip_bytes(made))
        (contents,) = read_file(source, DEFAULT_LIMITS)
        steps: list[int] = []
        assert check_crcs(contents, progress=steps.append) == ()
        stored = sum(one.stored_bytes for one in contents.archives[0].entries.values())
        assert sum(steps) == stored
        assert min(steps) >= 0
        assert Watched.largest <= 1 << 20
    assert len(steps) > 3


def test_a_member_that_cannot_be_inflated_or_grows_too_far_is_con050():
    odd = changed(MEMBERS, "data/1", method=99)
    assert crc_codes(zip_bytes(odd)) == ["CON050"]
    size = 4 << 20
    members = torch_members({"w": tensor("0", (size // 4,))}, {"0": bytes(size)})
    data = zip_bytes(changed(members, "data/0", deflate=True))
    limits = Limits(unpack_floor_bytes=1 << 20, unpack_ratio=2, inflation_ratio=10_000)
    # What comes behind it in the archive is not compared either, and that is said of each.
    assert set(crc_codes(data, limits)) == {"CON050"}
    assert crc_codes(data) == []


def test_members_that_share_their_bytes_do_not_cost_as_many_times():
    size = 1 << 20
    first = Member(name="archive/big", data=bytes(size))
    others = [Member(name=f"archive/copy{n}", data=bytes(size), points_at=0) for n in range(100)]
    limits = Limits(unpack_floor_bytes=1, unpack_ratio=5)
    read = 0

    def count(step: int) -> None:
        nonlocal read
        read += step

    made = outcomes(zip_bytes([first, *others, *MEMBERS]), limits)
    contents = next(one for one in made if isinstance(one, Contents))
    assert "CON050" in {found.code.value for found in check_crcs(contents, progress=count)}
    assert read < 10 * size
