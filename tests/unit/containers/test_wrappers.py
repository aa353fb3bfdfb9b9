"""Archives around checkpoints: tar, zip, gzip, bzip2, xz, in any nesting; folders."""

import gc
import os
import struct
import tempfile

import pytest
from builders.pickles import pickled, tensor
from builders.reading import builds, codes, outcomes, refusal, tensors
from builders.streams import COMPRESSORS, legacy_stream
from builders.tars import BLOCK, gnu_long, pax, tar_bytes, tar_member
from builders.zips import Member, torch_members, torch_zip, zip_bytes

from ckptscope.containers import Contents, reading
from ckptscope.containers.reading import Unread, read_folder
from ckptscope.errors import ArtifactError, ContainerFormatError, LimitError, UnknownContainerError
from ckptscope.facts.containers import ContainerKind
from ckptscope.facts.limits import DEFAULT_LIMITS, Limits
from ckptscope.tensors import build_manifest

TREE = {"w": tensor("0", (2,))}
DATA = {"0": struct.pack("<2f", 1, 2)}
INNER = torch_zip(TREE, DATA)
KIND = {"gzip": ContainerKind.GZIP, "bzip2": ContainerKind.BZIP2, "xz": ContainerKind.XZ}


def only(data: bytes, limits: Limits = DEFAULT_LIMITS):
    (build,) = builds(data, limits)
    assert {n: t.shape for n, t in tensors(build.manifest).items()} == {"w": (2,)}
    assert build.open_storage("0").read(0, 8) == DATA["0"]
    return build.manifest


def test_a_checkpoint_in_a_tar_is_read_through():
    made = only(tar_bytes(tar_member("models/a.pt", INNER)))
    assert made.containers == (ContainerKind.TAR, ContainerKind.TORCH_ZIP)
    assert made.location == ("models/a.pt",)
    assert made.size_bytes == len(INNER)
    assert codes(made) == []


def test_a_checkpoint_in_a_zip_is_read_through():
    for deflate in (True, False):
        made = only(zip_bytes([Member(name="a.pt", data=INNER, deflate=deflate)]))
        assert made.containers == (ContainerKind.ZIP, ContainerKind.TORCH_ZIP)
        assert made.location == ("a.pt",)


@pytest.mark.parametrize("name", COMPRESSORS)
def test_a_compressed_checkpoint_is_read_through(name):
    made = only(COMPRESSORS[name](INNER))
    assert made.containers == (KIND[name], ContainerKind.TORCH_ZIP)
    made = only(COMPRESSORS[name](tar_bytes(tar_member("a.pt", INNER))))
    assert made.containers == (KIND[name], ContainerKind.TAR, ContainerKind.TORCH_ZIP)


@pytest.mark.parametrize("name", COMPRESSORS)
def test_several_compressed_streams_in_a_row_are_one(name):
    pack = COMPRESSORS[name]
    assert only(pack(INNER[:100]) + pack(INNER[100:]))


@pytest.mark.parametrize("name", COMPRESSORS)
def test_a_compressed_stream_that_breaks_off_is_refused_wherever_it_is_cut(name):
    data = COMPRESSORS[name](legacy_stream({"a": 1}, []))
    for cut in range(len(data)):
        assert isinstance(refusal(data[:cut]), ArtifactError)


@pytest.mark.parametrize("name", COMPRESSORS)
def test_a_compressed_stream_with_damage_is_refused_or_reads_the_same(name):
    data = COMPRESSORS[name](INNER)
    for place in range(0, len(data), 7):
        broken = data[:place] + bytes([data[place] ^ 0x10]) + data[place + 1 :]
        for one in outcomes(broken):
            if isinstance(one, Contents):
                assert tensors(build_manifest(one, DEFAULT_LIMITS).manifest)["w"].shape == (2,)


@pytest.mark.parametrize("size", [(1 << 18) + n for n in (-1, 0, 1, 2, 5, 100, 257)])
@pytest.mark.parametrize("name", COMPRESSORS)
def test_compressed_contents_of_any_size_come_out_in_full(name, size):
    head = pickled({"a": 1})
    (one,) = outcomes(COMPRESSORS[name](head + bytes(size - len(head))))
    assert isinstance(one, Contents)
    assert one.source.size == size


@pytest.mark.parametrize("name", COMPRESSORS)
def test_a_compressed_bomb_stops_at_the_limit_and_leaves_no_file(name, monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr("ckptscope.sources.spool._IN_MEMORY_BYTES", 1000)
    error = refusal(COMPRESSORS[name](bytes(10 << 20)), Limits(spool_bytes=1 << 20))
    assert isinstance(error, LimitError)
    assert error.limit == "spool_bytes"
    assert list(tmp_path.iterdir()) == []


def test_no_temporary_file_remains_after_reading_a_spooled_archive(monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr("ckptscope.sources.spool._IN_MEMORY_BYTES", 10)
    # What earlier tests left to the collector must not go away in between.
    gc.collect()
    descriptors = len(os.listdir("/proc/self/fd"))
    only(COMPRESSORS["gzip"](INNER))
    assert list(tmp_path.iterdir()) == []
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) <= descriptors


def test_the_unpacked_folder_in_a_tar_or_zip_is_a_checkpoint():
    blocks = [
        tar_member(str(m.name), m.data) for m in torch_members(TREE, DATA, root="snapshot_83.pth")
    ]
    made = only(tar_bytes(tar_member("snapshot_83.pth/", kind=b"5"), *blocks))
    assert made.containers == (ContainerKind.TAR, ContainerKind.DIRECTORY)
    assert made.location == ("snapshot_83.pth",)
    deep = [Member(name=f"outer/{m.name}", data=m.data) for m in torch_members(TREE, DATA)]
    made = only(zip_bytes(deep))
    assert made.location == ("outer/archive",)


def test_several_checkpoints_are_all_read_in_order():
    data = tar_bytes(*(tar_member(f"{n}.pt", INNER) for n in "cab"))
    assert [b.manifest.location for b in builds(data)] == [("c.pt",), ("a.pt",), ("b.pt",)]


def test_what_is_no_checkpoint_beside_one_is_unread_with_its_place():
    data = tar_bytes(tar_member("readme.md", b"# A model of mine"), tar_member("a.pt", INNER))
    found = {one.location: one for one in outcomes(data)}
    assert isinstance(found["a.pt",], Contents)
    assert isinstance(found["readme.md",].error, UnknownContainerError)


def test_a_damaged_checkpoint_beside_a_sound_one_is_unread_and_no_obstacle():
    data = tar_bytes(tar_member("a.pt", INNER[:-30]), tar_member("b.pt", INNER))
    kinds = {one.location: type(one) for one in outcomes(data)}
    assert kinds == {("a.pt",): Unread, ("b.pt",): Contents}


def test_nesting_is_followed_to_the_limit_and_no_further():
    data = INNER
    for level in range(7):
        data = zip_bytes([Member(name=f"{level}.zip", data=data)])
    assert len(only(data).containers) == 8
    data = zip_bytes([Member(name="more.zip", data=data)])
    found = outcomes(data)
    assert [type(one) for one in found] == [Unread]
    assert isinstance(found[0].error, LimitError)
    assert found[0].error.limit == "container_depth"


def test_more_checkpoints_than_may_be_reported_are_a_limit_error():
    data = tar_bytes(*(tar_member(f"{n}.pt", INNER) for n in range(5)))
    assert len(builds(data, Limits(checkpoints=10))) == 5
    try:
        found = outcomes(data, Limits(checkpoints=2))
    except LimitError as error:
        assert error.limit == "checkpoints"  # noqa: PT017
        return
    assert sum(isinstance(one, Contents) for one in found) <= 3
    assert any(isinstance(one, Unread) and isinstance(one.error, LimitError) for one in found)


def test_archives_that_multiply_are_not_opened_more_often_than_allowed(monkeypatch):
    opened = []
    original = reading.sniff_format

    def counted(source):
        opened.append(1)
        return original(source)

    monkeypatch.setattr(reading, "sniff_format", counted)
    data = b"no checkpoint, only text"
    for _ in range(4):
        first = Member(name="0", data=data)
        data = zip_bytes(
            [first, *(Member(name=str(n), data=data, points_at=0) for n in range(1, 12))]
        )
    try:
        outcomes(data, Limits(checkpoints=50))
    except LimitError as error:
        assert error.limit in ("checkpoints", "members")  # noqa: PT017
    assert len(opened) < 500


# tar


@pytest.mark.parametrize(
    "blocks",
    [
        [gnu_long("x" * 150 + "/a.pt"), tar_member("x" * 100, INNER, magic=b"ustar  \0")],
        [pax({"path": "x" * 150 + "/a.pt"}), tar_member("short", INNER)],
        [tar_member("a.pt", INNER, prefix="x" * 150)],
    ],
    ids=["gnu", "pax", "prefix"],
)
def test_long_names_are_read_in_every_dialect(blocks):
    assert only(tar_bytes(*blocks)).location == ("x" * 150 + "/a.pt",)


def test_a_pax_size_and_other_records_are_understood():
    member = tar_member("a.pt", INNER, size=0)
    blocks = [pax({"mtime": "1.5", "size": str(len(INNER)), "comment": "a=b"}), member]
    assert only(tar_bytes(*blocks)).location == ("a.pt",)
    blocks = [pax({"comment": "all"}, kind=b"g"), tar_member("a.pt", INNER)]
    assert only(tar_bytes(*blocks)).location == ("a.pt",)


def test_a_size_in_base_256_is_understood():
    field = b"\x80" + len(INNER).to_bytes(11, "big")
    assert only(tar_bytes(tar_member("a.pt", INNER, size=field)))


def test_an_old_tar_without_magic_is_understood():
    assert only(tar_bytes(tar_member("a.pt", INNER, magic=b"\0" * 8, kind=b"\0")))


def test_links_in_a_tar_are_con005_and_not_followed():
    for kind in (b"1", b"2"):
        link = tar_member("data.pkl", kind=kind, link="/etc/hostname")
        made = only(tar_bytes(tar_member("a.pt", INNER), link))
        assert codes(made) == ["CON005"]
        assert "/etc/hostname" in made.findings[0].message


@pytest.mark.parametrize("name", ["../a.pt", "/a.pt", "x/../../a.pt"])
def test_an_unsafe_path_in_a_tar_is_con004(name):
    assert codes(only(tar_bytes(tar_member(name, INNER)))) == ["CON004"]


def test_two_members_of_one_name_in_a_tar_are_con003():
    data = tar_bytes(tar_member("a.pt", b"text of no sense"), tar_member("a.pt", INNER))
    assert "CON003" in codes(builds(data)[0].manifest)


def test_a_special_file_in_a_tar_is_con050():
    for kind in (b"3", b"4", b"6"):
        data = tar_bytes(tar_member("dev", kind=kind), tar_member("a.pt", INNER))
        assert codes(only(data)) == ["CON050"]


@pytest.mark.parametrize("size", [b"99999999999\0", b"zzz", b"-1", b"\xff" * 12])
def test_a_size_that_is_none_or_too_large_is_refused(size):
    assert isinstance(
        refusal(tar_bytes(tar_member("a.pt", INNER, size=size))), ContainerFormatError
    )


def test_a_tar_that_breaks_off_in_a_member_is_refused():
    data = tar_bytes(tar_member("a.pt", INNER), tar_member("b.pt", INNER))
    assert isinstance(refusal(data[: BLOCK + 100]), ContainerFormatError)
    assert isinstance(refusal(data[: len(data) // 2 + BLOCK]), ContainerFormatError)


def test_a_tar_that_breaks_off_between_members_is_said_to():
    block = tar_member("a.pt", INNER)
    made = only(tar_bytes(block, end=False))
    assert "CON014" in codes(made)


def test_a_damaged_header_in_a_tar_is_refused():
    broken = tar_member("b.pt", INNER, checksum=1)
    assert isinstance(refusal(tar_bytes(tar_member("a.pt", INNER), broken)), ContainerFormatError)


def test_bytes_behind_the_end_of_a_tar_are_noted():
    made = only(tar_bytes(tar_member("a.pt", INNER)) + b"hidden" * 100)
    assert "CON011" in codes(made)
    assert codes(only(tar_bytes(tar_member("a.pt", INNER)) + bytes(10 * BLOCK))) == []


def test_too_many_members_in_a_tar_are_refused():
    data = tar_bytes(*(tar_member(f"{n}.txt", b"x") for n in range(10)))
    error = refusal(data, Limits(members=9))
    assert isinstance(error, LimitError)
    assert error.limit == "members"


def test_an_extended_header_that_is_too_long_is_refused():
    data = tar_bytes(tar_member("x", b"a" * ((1 << 20) + 1), kind=b"L"), tar_member("a", INNER))
    assert isinstance(refusal(data), ContainerFormatError)


@pytest.mark.parametrize(
    "records",
    [
        b"",
        b"9",
        b"x path=a\n",
        b"0 path=a\n",
        b"999999999999999999999 a=b\n",
        b"12 path=a.pt\n\xff\xfe",
        b"-5 path=a\n",
    ],
)
def test_odd_pax_records_are_passed_over(records):
    assert only(tar_bytes(tar_member("x", records, kind=b"x"), tar_member("a.pt", INNER)))


# folders


def unpack(path, tree=TREE, storages=DATA, **options):
    for member in torch_members(tree, storages, root="r", **options):
        target = path / str(member.name).removeprefix("r/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(member.data)
    return path


def test_the_unpacked_folder_of_a_torch_zip_is_read(tmp_path):
    folder = unpack(tmp_path / "snapshot_83.pth")
    (found,) = read_folder(folder, DEFAULT_LIMITS)
    build = build_manifest(found, DEFAULT_LIMITS)
    assert build.manifest.containers == (ContainerKind.DIRECTORY,)
    assert build.manifest.location == ()
    assert tensors(build.manifest)["w"].shape == (2,)
    assert build.open_storage("0").read(0, 8) == DATA["0"]
    assert codes(build.manifest) == []
    assert sum(s.size_bytes for s in build.manifest.spending) == build.manifest.size_bytes


def test_a_folder_around_the_unpacked_folder_names_the_way(tmp_path):
    unpack(tmp_path / "snapshot_83.pth")
    (found,) = read_folder(tmp_path, DEFAULT_LIMITS)
    assert found.location == ("snapshot_83.pth",)


def test_a_folder_that_lost_its_pickle_is_headless(tmp_path):
    folder = unpack(tmp_path / "a")
    (folder / "data.pkl").unlink()
    with pytest.raises(ContainerFormatError, match=r"data\.pkl"):
        list(read_folder(folder, DEFAULT_LIMITS))


def test_an_empty_folder_holds_no_checkpoint(tmp_path):
    with pytest.raises(UnknownContainerError):
        list(read_folder(tmp_path, DEFAULT_LIMITS))


def test_links_in_a_folder_are_con005_and_not_followed(tmp_path):
    folder = unpack(tmp_path / "a")
    (folder / "data" / "9").symlink_to("/etc/hostname")
    (folder / "loop").symlink_to(folder)
    (found,) = read_folder(folder, DEFAULT_LIMITS)
    made = build_manifest(found, DEFAULT_LIMITS).manifest
    assert codes(made) == ["CON005", "CON005"]
    assert list(made.storages) == ["0"]


def test_too_many_files_in_a_folder_are_refused(tmp_path):
    folder = unpack(tmp_path / "a")
    with pytest.raises(LimitError):
        list(read_folder(folder, Limits(members=3)))


def test_a_missing_folder_is_an_artifact_error(tmp_path):
    with pytest.raises(ArtifactError):
        list(read_folder(tmp_path / "nothing", DEFAULT_LIMITS))


def test_a_fifo_in_a_folder_is_no_member_and_does_not_block(tmp_path):
    folder = unpack(tmp_path / "a")
    os.mkfifo(folder / "data" / "pipe")
    (found,) = read_folder(folder, DEFAULT_LIMITS)
    assert list(found.storages) == ["0"]
