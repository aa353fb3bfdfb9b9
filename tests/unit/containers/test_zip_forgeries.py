"""Zip archives: each finding tripped by one forged field, and none by a sound archive."""

import struct
import zlib

import pytest
from builders.pickles import call, pickled, tensor
from builders.reading import build_one, builds, codes, manifest, outcomes, refusal, tensors
from builders.zips import Member, changed, torch_members, torch_zip, zip_bytes

from ckptscope.containers import Contents, torch_layout
from ckptscope.containers.reading import Unread, read_file
from ckptscope.errors import ContainerFormatError, LimitError, UnknownContainerError
from ckptscope.facts.containers import ContainerKind
from ckptscope.facts.limits import DEFAULT_LIMITS, Limits
from ckptscope.sources import MemorySource

TREE = {"epoch": 3, "network": {"w": tensor("0", (2, 3)), "b": tensor("1", (3,), "LongStorage")}}
DATA = {"0": struct.pack("<6f", *range(6)), "1": struct.pack("<3q", *range(3))}
MEMBERS = torch_members(TREE, DATA)


def check(data: bytes) -> list[str]:
    """Read an archive that must still give the two tensors; return the findings' codes."""
    made = manifest(data)
    assert {name: (one.dtype, one.shape) for name, one in tensors(made).items()} == {
        "network/w": ("float32", (2, 3)),
        "network/b": ("int64", (3,)),
    }
    return codes(made)


def test_a_sound_archive_has_no_findings_and_every_fact():
    made = manifest(torch_zip(TREE, DATA))
    assert codes(made) == []
    assert made.containers == (ContainerKind.TORCH_ZIP,)
    assert made.location == ()
    assert dict(made.format_facts) == {"version": "3", "byteorder": "little"}
    assert (made.byteorder, made.unclaimed_members) == ("little", ())
    assert {key: one.size_bytes for key, one in made.storages.items()} == {"0": 24, "1": 24}
    assert made.storages["0"].member == "archive/data/0"


def test_the_elements_of_a_storage_are_where_the_manifest_says():
    data = torch_zip(TREE, DATA)
    build = build_one(data)
    for key, content in DATA.items():
        start = build.manifest.storages[key].offset_bytes
        assert data[start : start + len(content)] == content
        assert build.open_storage(key).read(0, len(content)) == content


SOUND = {
    "members with zip64 fields": {"members": [m for m in MEMBERS], "zip64_members": True},
    "zip64 end records": {"zip64": True},
    "a comment": {"comment": b"made by hand"},
    "a comment that ends like a directory": {"comment": b"x" * 30},
    "a prefix that the offsets count": {"prefix": b"#!/bin/sh\n", "prefix_counted": True},
}


@pytest.mark.parametrize("case", SOUND)
def test_a_rare_but_sound_archive_reads_without_an_error_finding(case):
    options = dict(SOUND[case])
    members = options.pop("members", MEMBERS)
    if options.pop("zip64_members", False):
        members = [changed([m], str(m.name), zip64=True)[0] for m in members]
    made = manifest(zip_bytes(members, **options))
    assert len(tensors(made)) == 2
    assert [f.code for f in made.findings if f.severity == "error"] == []


@pytest.mark.parametrize("signature", [True, False])
@pytest.mark.parametrize("zip64", [True, False])
def test_sizes_in_a_descriptor_behind_the_data_are_no_disagreement(signature, zip64):
    members = [
        changed([m], str(m.name), descriptor=True, descriptor_signature=signature, zip64=zip64)[0]
        for m in MEMBERS
    ]
    assert check(zip_bytes(members)) == []


def test_alignment_by_an_extra_field_is_no_disagreement():
    members = changed(MEMBERS, "data/0", local_extra=struct.pack("<2H", 0x4246, 60) + b"Z" * 60)
    assert check(zip_bytes(members)) == []


@pytest.mark.parametrize("size", [0, 1, 1000, 1 << 18, (1 << 18) + 1, (1 << 18) + 5, 1 << 19])
@pytest.mark.parametrize("fill", ["zeros", "noise"])
def test_a_deflated_storage_of_any_size_inflates_to_what_went_in(size, fill):
    content = bytes(size) if fill == "zeros" else bytes((n * n * 7 + n) % 251 for n in range(size))
    members = changed(
        torch_members({"w": tensor("0", (size,), "ByteStorage")}, {"0": content}),
        "data/0",
        deflate=True,
    )
    build = build_one(zip_bytes(members))
    assert codes(build.manifest) == []
    assert build.manifest.storages["0"].compressed
    assert build.manifest.storages["0"].size_bytes == size
    source = build.open_storage("0")
    assert (source.size, source.read(0, size) == content) == (size, True)


def test_a_deflated_member_that_ends_just_behind_a_chunk_inflates_in_full():
    refused = {}
    for extra in range(1, 260):
        raw = pickled({"a": 1}) + bytes((1 << 18) + extra)
        (only,) = outcomes(zip_bytes([Member(name="a/data.pkl", data=raw, deflate=True)]))
        if not isinstance(only, Contents):
            refused[extra] = str(only.error)
    assert refused == {}


def test_a_deflated_pickle_is_read():
    members = changed(MEMBERS, "data.pkl", deflate=True)
    assert check(zip_bytes(members)) == []


def test_big_endian_storages_are_told():
    made = manifest(torch_zip(TREE, DATA, byteorder="big"))
    assert (made.byteorder, codes(made)) == ("big", [])


def test_without_a_byteorder_member_little_is_read():
    made = manifest(torch_zip(TREE, DATA, byteorder=None))
    assert (made.byteorder, codes(made)) == ("little", [])


def test_an_unknown_byteorder_is_con040():
    made = manifest(torch_zip(TREE, DATA, byteorder="middle"))
    assert codes(made) == ["CON040"]


def test_a_wrong_crc_of_the_pickle_is_con001():
    assert check(zip_bytes(changed(MEMBERS, "data.pkl", crc=0x12345678))) == ["CON001"]


def test_a_changed_byte_of_the_pickle_is_con001():
    flipped = torch_zip(TREE, DATA).replace(b"epoch", b"epnch", 1)
    assert check(flipped) == ["CON001"]


def test_crcs_that_are_all_zero_were_not_recorded():
    members = [changed([m], str(m.name), crc=0)[0] for m in MEMBERS]
    assert check(zip_bytes(members)) == []


def test_the_crc_of_a_storage_is_not_read_for_a_structural_question():
    class Watched(MemorySource):
        touched = 0

        def read(self, offset, length):
            Watched.touched += length
            return super().read(offset, length)

        def peek(self, offset, length):
            data = super().peek(offset, length)
            Watched.touched += len(data)
            return data

    big = {"0": bytes(4 << 20)}
    data = torch_zip({"w": tensor("0", (1 << 20,))}, big)
    assert len(list(read_file(Watched(data), DEFAULT_LIMITS))) == 1
    assert Watched.touched < len(data) // 8


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"local_name": "archive/datX.pkl"}, "name"),
        ({"local_name": "archive/data.pklX"}, "name"),
        ({"local_name": "archive/data.pk"}, "name"),
        ({"local_name": ""}, "name"),
        ({"local_method": 8}, "method"),
        ({"local_flags": 1}, "encryption"),
        ({"local_crc": 1}, "CRC"),
        ({"local_stored": 1}, "compressed size"),
        ({"local_size": 1}, "size"),
    ],
)
def test_a_local_header_that_tells_another_story_is_con002(fields, word):
    data = zip_bytes(changed(MEMBERS, "data.pkl", **fields))
    if "local_flags" in fields:
        assert "encrypted" in str(refusal(data))
        return
    made = manifest(data)
    assert codes(made) == ["CON002"]
    assert word in made.findings[0].message


def test_two_members_of_one_name_are_con003_and_both_pickles_are_traced():
    twin = Member(name="archive/data.pkl", data=pickled(call("os", "system", "true")))
    for members in ([twin, *MEMBERS], [*MEMBERS, twin]):
        (build,) = builds(zip_bytes(members))
        assert "CON003" in codes(build.manifest)
        assert "os" in {entry.module for entry in build.manifest.imports}


@pytest.mark.parametrize(
    "name",
    [
        "archive/../../evil", "/etc/evil", "..", "archive/..", "C:/evil", "c:evil", "\\evil",
        "archive\\..\\..\\evil",
    ],
)  # fmt: skip
def test_a_path_that_leaves_the_folder_is_con004(name):
    made = builds(zip_bytes([*MEMBERS, Member(name=name, data=b"x")]))[0].manifest
    assert "CON004" in codes(made)


@pytest.mark.parametrize("name", ["archive/..a", "archive/a..b", "archive/...", "archive/x:y"])
def test_a_path_that_only_looks_unsafe_is_none(name):
    made = builds(zip_bytes([*MEMBERS, Member(name=name, data=b"x")]))[0].manifest
    assert "CON004" not in codes(made)


@pytest.mark.parametrize("flags", [0x1, 0x40, 0x41])
def test_an_encrypted_pickle_is_refused_with_advice(flags):
    error = refusal(zip_bytes(changed(MEMBERS, "data.pkl", flags=flags)))
    assert isinstance(error, ContainerFormatError)
    assert "encrypted" in str(error)
    assert "password" in str(error)


def test_an_encrypted_storage_is_no_obstacle_until_it_is_read():
    build = build_one(zip_bytes(changed(MEMBERS, "data/0", flags=1, method=8)))
    assert len(tensors(build.manifest)) == 2
    with pytest.raises(ContainerFormatError, match="encrypted"):
        build.open_storage("0")


@pytest.mark.parametrize("method", [1, 9, 12, 14, 93, 99])
def test_an_unknown_compression_method_is_refused_by_number(method):
    error = refusal(zip_bytes(changed(MEMBERS, "data.pkl", method=method)))
    assert str(method) in str(error)


def test_a_stored_member_with_two_sizes_is_con007():
    made = builds(zip_bytes(changed(MEMBERS, "data/0", size=25)))[0].manifest
    assert "CON007" in codes(made)


def test_a_deflated_storage_that_declares_far_too_much_is_con007():
    members = changed(MEMBERS, "data/0", deflate=True, size=1 << 30, local_size=1 << 30)
    made = manifest(zip_bytes(members))
    assert "CON007" in codes(made)


def test_a_deflated_storage_that_really_is_that_large_is_believed():
    content = bytes(1 << 20)
    members = torch_members({"w": tensor("0", (1 << 18,))}, {"0": content})
    made = manifest(zip_bytes(changed(members, "data/0", deflate=True)))
    assert codes(made) == []


@pytest.mark.parametrize("declared", [5000, 1 << 30])
def test_a_deflated_pickle_that_declares_too_much_is_refused(declared):
    error = refusal(zip_bytes(changed(MEMBERS, "data.pkl", deflate=True, size=declared)))
    assert f"{declared:,}" in str(error)


def test_a_deflated_pickle_that_declares_too_little_is_refused():
    assert isinstance(
        refusal(zip_bytes(changed(MEMBERS, "data.pkl", deflate=True, size=10))),
        ContainerFormatError,
    )


def test_all_that_is_unpacked_of_one_file_shares_a_budget():
    content = bytes(1 << 20)
    tree = {str(n): tensor(str(n), (1 << 18,)) for n in range(3)}
    members = torch_members(tree, {str(n): content for n in range(3)})
    members = [changed([m], str(m.name), deflate=True)[0] for m in members]
    assert codes(manifest(zip_bytes(members), Limits(spool_bytes=4 << 20))) == []
    short = outcomes(zip_bytes(members), Limits(spool_bytes=(2 << 20) + 100))
    assert all(isinstance(one, Unread) or one.findings for one in short)


def test_a_small_file_may_not_unpack_to_a_large_one():
    content = bytes(1 << 20)
    members = torch_members({"w": tensor("0", (1 << 18,))}, {"0": content})
    data = zip_bytes(changed(members, "data/0", deflate=True))
    (short,) = outcomes(data, Limits(unpack_ratio=50, unpack_floor_bytes=1000))
    assert isinstance(short, Unread) or short.findings
    assert codes(manifest(data, Limits(unpack_ratio=5000, unpack_floor_bytes=1000))) == []


def test_a_size_that_could_not_be_checked_is_not_called_false():
    content = bytes(1 << 20)
    members = torch_members({"w": tensor("0", (1 << 18,))}, {"0": content})
    data = zip_bytes(changed(members, "data/0", deflate=True))
    (short,) = outcomes(data, Limits(unpack_ratio=50, unpack_floor_bytes=1000))
    assert isinstance(short, Unread) or "CON007" not in {f.code.value for f in short.findings}


def test_damaged_deflate_data_is_refused():
    packed = zlib.compress(MEMBERS[0].data, 9)[2:-4]
    broken = bytes([packed[0] ^ 7]) + packed[1:]
    members = changed(
        MEMBERS, "data.pkl", data=broken, method=8, size=len(MEMBERS[0].data),
        stored=len(broken),
    )  # fmt: skip
    assert isinstance(refusal(zip_bytes(members)), ContainerFormatError)


def test_members_over_one_another_are_con009():
    data = zip_bytes([*MEMBERS, Member(name="archive/data.pkl2", points_at=0, data=b"12345")])
    assert "CON009" in codes(builds(data)[0].manifest)


def test_a_member_that_runs_into_the_directory_is_con009():
    data = torch_zip(TREE, DATA)
    version = changed(MEMBERS, "version", stored=30, size=30)
    made = builds(zip_bytes(version))[0].manifest
    assert "CON009" in codes(made)
    assert len(data)


def test_bytes_before_the_archive_are_con010_when_not_counted():
    assert check(zip_bytes(MEMBERS, prefix=b"#" * 100)) == ["CON010"]
    assert check(zip_bytes(MEMBERS, prefix=b"#" * 100, zip64=True)) == ["CON010"]


def test_bytes_before_the_archive_that_the_offsets_count_are_noted():
    assert check(zip_bytes(MEMBERS, prefix=b"#" * 100, prefix_counted=True)) == ["CON050"]


def test_bytes_after_the_archive_are_con011():
    made = manifest(zip_bytes(MEMBERS, trailing=b"#" * 64))
    assert codes(made) == ["CON011"]
    assert "64" in made.findings[0].message


def test_two_folders_with_a_pickle_are_con012_and_both_are_read():
    members = [*MEMBERS, *torch_members({"w": tensor("0")}, {"0": b"1234"}, root="other")]
    found = builds(zip_bytes(members))
    assert [b.manifest.location for b in found] == [("archive",), ("other",)]
    assert all("CON012" in codes(b.manifest) for b in found)


@pytest.mark.parametrize("more", [-2, 3])
def test_a_false_count_of_members_is_con013(more):
    assert check(zip_bytes(MEMBERS, count=len(MEMBERS) + more)) == ["CON013"]


def test_bytes_between_members_that_belong_to_none_are_con050():
    assert check(zip_bytes(changed(MEMBERS, "data/0", gap=b"#" * 33))) == ["CON050"]
    assert check(zip_bytes(MEMBERS, before_directory=b"#" * 33)) == ["CON050"]


@pytest.mark.parametrize(
    "options",
    [
        {"end": False},
        {"comment_size": 5},
        {"directory_size": 0},
        {"directory_size": 1 << 30},
        {"directory_start": 1 << 31},
        {"directory_start": 0xFFFFFFFF},
        {"count": 0xFFFF},
        {"directory_tail": b"garbage in the directory, long enough for an entry of it"},
    ],
    ids=str,
)
def test_a_directory_that_is_not_there_or_breaks_the_format_is_refused(options):
    error = refusal(zip_bytes(MEMBERS, **options))
    assert isinstance(error, ContainerFormatError | UnknownContainerError), error


@pytest.mark.parametrize("signature", [b"PK\x03\x05", b"\0\0\0\0"])
def test_an_entry_that_points_at_no_local_header_is_refused(signature):
    assert "local header" in str(
        refusal(zip_bytes(changed(MEMBERS, "data/0", local_signature=signature)))
    )
    assert "local header" in str(
        refusal(zip_bytes(changed(MEMBERS, "data/0", header_shift=1 << 30)))
    )


def test_a_member_longer_than_the_file_is_refused():
    error = refusal(zip_bytes(changed(MEMBERS, "data/0", stored=1 << 30, size=1 << 30)))
    assert "end of the file" in str(error)


def test_a_zip64_member_without_its_field_is_refused():
    assert "zip64" in str(refusal(zip_bytes(changed(MEMBERS, "data/0", size=0xFFFFFFFF))))


def test_more_members_than_allowed_are_refused():
    error = refusal(torch_zip(TREE, DATA), Limits(members=4))
    assert isinstance(error, LimitError)
    assert error.limit == "members"
    assert builds(torch_zip(TREE, DATA), Limits(members=5))


def test_storages_without_a_pickle_are_headless():
    error = refusal(zip_bytes([m for m in MEMBERS if "pkl" not in str(m.name)]))
    assert isinstance(error, ContainerFormatError)
    assert not isinstance(error, UnknownContainerError)
    assert "data.pkl" in str(error)


def test_an_empty_archive_and_one_of_other_things_are_no_checkpoints():
    assert isinstance(refusal(zip_bytes([])), UnknownContainerError)
    others = [Member(name="readme.txt", data=b"hello world, this is text")]
    assert isinstance(refusal(zip_bytes(others)), UnknownContainerError)


def test_a_pickle_with_bytes_behind_its_stop_is_pkl001():
    made = manifest(torch_zip(TREE, DATA, pickle=pickled(TREE) + b"#" * 20))
    assert codes(made) == ["PKL001"]
    assert made.findings[0].where.member == "archive/data.pkl"


def test_a_further_pickle_is_traced_for_its_imports():
    extra = Member(name="archive/extra.pkl", data=pickled(call("os", "system", "true")))
    made = manifest(zip_bytes([*MEMBERS, extra]))
    assert [(i.module, i.member) for i in made.imports if i.module == "os"] == [
        ("os", "archive/extra.pkl")
    ]
    assert len(made.pickles) == 2


def test_a_further_pickle_that_is_damaged_is_pkl006():
    made = manifest(zip_bytes([*MEMBERS, Member(name="archive/extra.pkl", data=b"\x80\x02")]))
    assert codes(made) == ["PKL006"]


def test_an_earlier_pickle_of_the_same_name_that_is_damaged_hides_nothing():
    members = [Member(name="archive/data.pkl", data=b"\x80\x02\xff"), *MEMBERS]
    made = manifest(zip_bytes(members))
    assert "CON003" in codes(made)
    assert len(tensors(made)) == 2


def test_members_that_belong_to_nothing_are_unclaimed():
    extra = [Member(name="archive/notes.txt", data=b"x"), Member(name="archive/sub/", data=b"")]
    made = manifest(zip_bytes([*MEMBERS, *extra]))
    assert made.unclaimed_members == ("archive/notes.txt",)


def test_a_root_of_any_name_also_none_at_all():
    for root in ("snapshot_83.pth", "a b", "ünï"):
        assert len(tensors(manifest(torch_zip(TREE, DATA, root=root)))) == 2
    flat = [
        changed([m], str(m.name), name=str(m.name).removeprefix("archive/"))[0] for m in MEMBERS
    ]
    assert len(tensors(manifest(zip_bytes(flat)))) == 2


@pytest.mark.parametrize("name", ["archiv\u00e9", b"archiv\xe9"])
@pytest.mark.parametrize("flags", [0, 0x800])
def test_names_outside_ascii_are_read_with_and_without_the_utf8_flag(name, flags):
    raw = name if isinstance(name, bytes) else name.encode()
    members = [
        changed(
            [m], str(m.name), name=raw + str(m.name).removeprefix("archive").encode(), flags=flags
        )[0]
        for m in MEMBERS
    ]
    assert check(zip_bytes(members)) == []


def test_the_spending_adds_up_to_the_size_of_the_file():
    data = torch_zip(TREE, DATA)
    made = manifest(data)
    assert made.size_bytes == len(data)
    assert sum(entry.size_bytes for entry in made.spending) == len(data)


def test_a_huge_directory_is_refused_before_it_is_read():
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 1, 1, 0xFFFFFFFE, 0, 0)

    class Huge:
        name = None
        size = 0xFFFFFFFE + len(end)

        def peek(self, offset, length):
            length = max(min(length, self.size - offset), 0)
            if offset < 0:
                return b""
            assert length < 256 << 20, f"{length:,} bytes read at once"
            held = bytearray(length)
            start = self.size - len(end) - offset
            for index, byte in enumerate(end):
                if 0 <= start + index < length:
                    held[start + index] = byte
            if offset == 0:
                held[:4] = b"PK\x03\x04"[:length]
            return bytes(held)

        read = peek

    (only,) = read_file(Huge(), DEFAULT_LIMITS)
    assert isinstance(only, Unread)


def test_no_more_roots_are_read_than_checkpoints_may_be_reported(monkeypatch):
    traced = []
    original = torch_layout.trace_pickle

    def counted(*args, **options):
        traced.append(1)
        return original(*args, **options)

    monkeypatch.setattr(torch_layout, "trace_pickle", counted)
    members = [Member(name=f"r{n}/data.pkl", data=pickled({})) for n in range(200)]
    try:
        errors = [
            one.error
            for one in outcomes(zip_bytes(members), Limits(checkpoints=10))
            if isinstance(one, Unread)
        ]
    except LimitError as error:
        errors = [error]
    assert {type(error) for error in errors} == {LimitError}
    assert len(traced) <= 20
