"""Files in which two readers see two contents: said so as an error, and each view is looked at."""

import struct
import zlib

import pytest
from builders.pickles import call, pickled, tensor
from builders.reading import codes, manifest, outcomes
from builders.streams import legacy_stream
from builders.tars import tar_bytes, tar_member
from builders.zips import Member, changed, torch_members, torch_zip, zip_bytes

from ckptscope.containers import Contents, read_file
from ckptscope.facts.findings import Severity
from ckptscope.facts.limits import DEFAULT_LIMITS
from ckptscope.sources import MemorySource
from ckptscope.tensors import build_manifest

EVIL = call("os", "system", "true")
OTHER = call("posix", "system", "true")
TREE = {"w": tensor("0", (2,))}
DATA = {"0": struct.pack("<2f", 1, 2)}
MEMBERS = torch_members(TREE, DATA)
SOUND = torch_zip(TREE, DATA)
EVIL_ZIP = torch_zip({"a": EVIL}, {})
EVIL_STREAM = legacy_stream({"a": EVIL}, [])
EVIL_TAR = tar_bytes(tar_member("y", pickled(EVIL)))


def seen(data: bytes) -> tuple[set[str], set[str]]:
    """Modules that any view names, and codes of severity error."""
    modules, errors = set(), set()
    for one in outcomes(data):
        if isinstance(one, Contents):
            made = build_manifest(one, DEFAULT_LIMITS).manifest
            modules |= {entry.module for entry in made.imports}
            errors |= {f.code.value for f in made.findings if f.severity is Severity.ERROR}
        else:
            modules |= {entry.module for entry in one.error.reached}
            errors.add("unread")
    return modules, errors


def local(member: Member) -> bytes:
    """A member with its local header and no directory."""
    return zip_bytes([member], end=False)[: len(zip_bytes([member])) - _tail(member)]


def _tail(member: Member) -> int:
    return 46 + len(str(member.name)) + 22


TWO_IN_ONE = {
    "a pickle before a zip": pickled(EVIL) + SOUND,
    "a pickle before a zip that counts it": zip_bytes(
        MEMBERS, prefix=pickled(EVIL), prefix_counted=True
    ),
    "a zip behind a pickle": pickled({"a": 1}) + EVIL_ZIP,
    "a zip with a comment behind a pickle": pickled({"a": 1})
    + zip_bytes(torch_members({"a": EVIL}, {}), comment=b"hello"),
    "a zip behind a legacy stream": legacy_stream({"a": 1}, []) + EVIL_ZIP,
    "a legacy stream before a zip": EVIL_STREAM + SOUND,
    "a tar behind a legacy stream": legacy_stream({"a": 1}, []) + EVIL_TAR,
    "a zip behind a tar": tar_bytes(tar_member("a.pt", SOUND)) + EVIL_ZIP,
    "a tar before a zip": EVIL_TAR + SOUND,
    "a pickle behind a zip": SOUND + pickled(EVIL),
    "a legacy stream behind a zip": SOUND + EVIL_STREAM,
    "a tar behind a zip": SOUND + EVIL_TAR,
    "a pickle behind a tar": tar_bytes(tar_member("a.pt", SOUND)) + pickled(EVIL),
    "a zip in the comment of a zip": zip_bytes(MEMBERS, comment=EVIL_ZIP),
    "a pickle in the comment of a zip": zip_bytes(MEMBERS, comment=pickled(EVIL)),
    "a script, a zip, and another zip": b"#!/bin/sh\n" + EVIL_ZIP + SOUND,
}


@pytest.mark.parametrize("case", TWO_IN_ONE)
def test_two_files_in_one_are_an_error_and_both_are_looked_at(case):
    modules, errors = seen(TWO_IN_ONE[case])
    assert "os" in modules
    assert errors


@pytest.mark.parametrize("pair", [(EVIL_ZIP, SOUND), (SOUND, EVIL_ZIP)])
def test_two_zips_in_a_row_are_an_error_and_both_are_looked_at(pair):
    modules, errors = seen(b"".join(pair))
    assert "os" in modules
    assert "CON015" in errors


def test_zips_in_a_row_are_the_format_of_a_distcp_file_alone():
    def severities(name: str) -> set[Severity]:
        found = read_file(MemorySource(SOUND * 2), DEFAULT_LIMITS, name)
        return {f.severity for one in found for f in one.findings if f.code == "CON015"}

    assert severities("__0_0.distcp") == {Severity.WARNING}
    assert severities("model.pt") == {Severity.ERROR}
    inside = outcomes(tar_bytes(tar_member("x/__0_0.distcp", EVIL_ZIP + SOUND)))
    found = {f.severity for one in inside for f in one.findings if f.code == "CON015"}
    assert found == {Severity.WARNING}


HIDDEN = Member(name="archive/data.pkl", data=pickled(EVIL))


@pytest.mark.parametrize("deflate", [False, True])
@pytest.mark.parametrize("descriptor", [False, True])
def test_a_member_that_the_directory_hides_is_con017_and_looked_at(deflate, descriptor):
    fields = {"deflate": deflate, "descriptor": descriptor}
    hidden = local(changed([HIDDEN], "data.pkl", **fields)[0])
    for data in (
        zip_bytes(changed(MEMBERS, "data/0", gap=hidden)),
        zip_bytes(MEMBERS, before_directory=hidden),
        zip_bytes(MEMBERS, prefix=hidden, prefix_counted=True),
        zip_bytes(MEMBERS, prefix=hidden),
    ):
        modules, errors = seen(data)
        assert "os" in modules
        assert errors & {"CON017", "CON010"}


def test_a_gap_without_a_header_is_no_disagreement():
    made = manifest(zip_bytes(changed(MEMBERS, "data/0", gap=b"#" * 33)))
    assert codes(made) == ["CON050"]


def test_a_header_of_another_method_is_looked_at_as_it_says():
    engine = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    packed = engine.compress(pickled(EVIL)) + engine.flush()
    odd = Member(name="archive/notes.bin", data=packed, local_method=8)
    modules, errors = seen(zip_bytes([*MEMBERS, odd]))
    assert ("os" in modules, "CON002" in errors) == (True, True)


def test_a_header_with_sizes_beside_its_descriptor_must_say_the_same():
    odd = changed(MEMBERS, "data/0", flags=8, local_stored=3)
    assert "CON002" in codes(manifest(zip_bytes(odd)))
    assert codes(manifest(zip_bytes(changed(MEMBERS, "data/0", flags=8)))) == []


@pytest.mark.parametrize(
    "name",
    ["archive/DATA.PKL", "Archive/data.pkl", "./archive/data.pkl", "archive//data.pkl",
     "archive\\data.pkl", "archive/x/../data.pkl"],
)  # fmt: skip
def test_names_that_are_the_same_to_some_readers_are_con003_and_both_are_looked_at(name):
    twin = Member(name=name, data=pickled(EVIL))
    for members in ([*MEMBERS, twin], [twin, *MEMBERS]):
        modules, errors = seen(zip_bytes(members))
        assert "os" in modules
        assert "CON003" in errors


@pytest.mark.parametrize("name", ["archive/Data2.pkl", "archive/data.pkl.", "a./b", "v1.0/notes"])
def test_names_that_only_look_alike_are_no_duplicates(name):
    made = outcomes(zip_bytes([*MEMBERS, Member(name=name, data=pickled({}))]))
    assert not any(f.code == "CON003" for one in made for f in getattr(one, "findings", []))


def test_two_roots_are_an_error_and_both_are_read():
    modules, errors = seen(zip_bytes([*MEMBERS, *torch_members({"a": EVIL}, {}, root="other")]))
    assert ("os" in modules, "CON012" in errors) == (True, True)


def _ends(*records: tuple[int, int, int, bytes]) -> bytes:
    """End records of (count, size, start, comment) in a row."""
    return b"".join(
        struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, count, count, size, start, len(comment))
        + comment
        for count, size, start, comment in records
    )


def two_directories() -> tuple[bytes, tuple[int, int], tuple[int, int]]:
    """Members of both kinds, then a directory for each: bytes, first and second directory."""
    evil = torch_members({"a": EVIL}, {}, root="evil")
    whole = zip_bytes([*MEMBERS, *evil])
    body = whole[: whole.index(b"PK\x01\x02")]
    entries = []
    for member in (*MEMBERS, *evil):
        start = whole.index(b"PK\x01\x02", len(body) + sum(map(len, entries)))
        length = 46 + len(str(member.name))
        entries.append(whole[start : start + length])
    good, bad = b"".join(entries[: len(MEMBERS)]), b"".join(entries[len(MEMBERS) :])
    first = (len(body), len(bad))
    second = (len(body) + len(bad), len(good))
    return body + bad + good, first, second


def test_a_second_end_record_is_an_error_and_where_it_leads_is_looked_at():
    body, bad, good = two_directories()
    last = _ends((len(MEMBERS), good[1], good[0], b""))
    hidden = _ends((3, bad[1], bad[0], last))
    for data in (body + hidden, body + _ends((3, bad[1], bad[0], b"")) + last):
        modules, errors = seen(data)
        assert "os" in modules
        assert errors


def test_a_zip64_record_that_names_another_directory_is_con017_and_both_are_looked_at():
    body, bad, good = two_directories()
    record = struct.pack(
        "<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, *[len(MEMBERS)] * 2, good[1], good[0]
    )
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, len(body), 1)
    data = body + record + locator + _ends((3, bad[1], bad[0], b""))
    assert "os" in seen(data)[0]
    said = [f.message for one in outcomes(data) for f in one.findings if f.code == "CON017"]
    assert any("several end records" in message for message in said)


def test_a_tar_that_reads_as_a_pickle_is_con017():
    name = b"cos\nsystem\n(S'true'\ntR."
    modules, errors = seen(tar_bytes(tar_member(name, SOUND)))
    assert ("os" in modules, "CON017" in errors) == (True, True)


def test_a_tar_that_starts_as_a_zip_is_con017():
    # The first 100 bytes are the name of the tar's first member, and the start of a local header.
    head = local(Member(name="x" * 60, data=b""))[:90]
    inner = tar_bytes(tar_member(head, b""), tar_member("y", pickled(EVIL)))
    modules, errors = seen(zip_bytes(MEMBERS, prefix=inner, prefix_counted=True))
    assert "os" in modules
    assert errors


SINGLE = {
    "a torch zip": SOUND,
    "a torch zip with a comment": zip_bytes(MEMBERS, comment=b"made by hand"),
    "a legacy stream": legacy_stream({"a": 1}, []),
    "a pickle of the bytes of a zip": pickled({"file": EVIL_ZIP}),
    "a zip in a tar": tar_bytes(tar_member("a.pt", SOUND)),
    "a zip in a zip": zip_bytes([Member(name="a.pt", data=SOUND)]),
    "a zip64": zip_bytes(MEMBERS, zip64=True),
}


@pytest.mark.parametrize("case", SINGLE)
def test_a_file_that_is_one_thing_has_one_reading(case):
    modules, errors = seen(SINGLE[case])
    assert errors == set()
    assert "os" not in modules


def test_what_only_one_view_names_is_told_with_where_it_stands():
    data = zip_bytes(torch_members({"a": OTHER}, {}), prefix=pickled(EVIL))
    made = [
        entry
        for one in outcomes(data)
        if isinstance(one, Contents)
        for entry in build_manifest(one, DEFAULT_LIMITS).manifest.imports
    ]
    assert {entry.module for entry in made} == {"os", "posix"}
    assert all(entry.member for entry in made if entry.module == "posix")
