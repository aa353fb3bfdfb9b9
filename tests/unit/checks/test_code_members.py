"""Code that a loader runs, and programs that lie beside the weights."""

import struct

import pytest
from builders.pickles import pickled, tensor
from builders.reading import outcomes
from builders.tars import tar_bytes, tar_member
from builders.zips import Member, changed, torch_members, torch_zip, zip_bytes

from ckptscope.checks.code import check_code
from ckptscope.containers import Contents
from ckptscope.facts.findings import Finding, Severity

MEMBERS = torch_members({"w": tensor("0", (2,))}, {"0": struct.pack("<2f", 1, 2)})
PE = b"MZ" + bytes(58) + struct.pack("<I", 0x80) + bytes(100)
PROGRAMS = {
    "an ELF file": b"\x7fELF\x02\x01\x01" + bytes(60),
    "a Windows program": PE,
    "a Mach-O file": b"\xcf\xfa\xed\xfe" + bytes(60),
    "a fat Mach-O file": b"\xca\xfe\xba\xbe" + bytes(60),
    "a script": b"#!/usr/bin/env python\nprint()\n",
}


def found(data: bytes) -> list[Finding]:
    return [
        one for made in outcomes(data) if isinstance(made, Contents) for one in check_code(made)
    ]


def test_a_checkpoint_of_weights_has_no_code():
    assert found(zip_bytes(MEMBERS)) == []


def test_the_code_of_a_torchscript_archive_is_listed_with_its_bytes():
    code = [Member(name=f"archive/code/net{n}.py", data=b"x" * 10) for n in range(7)]
    (one,) = found(zip_bytes([*MEMBERS, *code]))
    assert (one.code, one.severity) == ("SAF004", Severity.INFO)
    assert "7 members" in one.message
    assert "70 bytes" in one.message
    assert "torch.jit.load" in one.message
    assert one.where.member == "archive/code/net0.py"


def test_the_code_of_a_package_is_listed():
    members = [
        Member(name="p/.data/extern_modules", data=b""),
        Member(name="p/model.pkl", data=pickled({"a": 1})),
        Member(name="p/net/__init__.py", data=b"x = 1\n"),
    ]
    (one,) = found(zip_bytes(members))
    assert one.code == "SAF004"
    assert "importer" in one.message


@pytest.mark.parametrize("kind", PROGRAMS)
@pytest.mark.parametrize("name", ["archive/notes.txt", "archive/data/0", "archive/data/9", "x"])
@pytest.mark.parametrize("deflate", [False, True])
def test_a_program_is_known_by_its_first_bytes_whatever_it_is_called(kind, name, deflate):
    kept = [one for one in MEMBERS if one.name != name]
    made = found(zip_bytes([*kept, Member(name=name, data=PROGRAMS[kind], deflate=deflate)]))
    assert {(one.code.value, one.where.member) for one in made} == {("SAF005", name)}
    assert "first bytes" in made[0].message


@pytest.mark.parametrize(
    "name", ["setup.py", "lib/x.so", "lib/x.so.1.2", "run.SH", "a.dll", "b.exe", "c.pyc"]
)
def test_a_program_is_known_by_its_name(name):
    made = found(zip_bytes([*MEMBERS, Member(name=f"archive/{name}", data=b"text")]))
    assert [one.code.value for one in made] == ["SAF005"]
    assert "its name" in made[0].message


@pytest.mark.parametrize(
    "content",
    [
        b"MZ" + bytes(80),
        b"#! not a path\n",
        b"# a comment\n",
        b"MZ",
        struct.pack("<4f", 1, 2, 3, 4),
    ],
)
def test_what_only_resembles_a_program_is_none(content):
    assert found(zip_bytes([*MEMBERS, Member(name="archive/notes.txt", data=content)])) == []


def test_names_that_are_no_programs_and_empty_members():
    for name in ("archive/readme.md", "archive/solution", "archive/x.so.txt", "archive/.py/x"):
        assert found(zip_bytes([*MEMBERS, Member(name=name, data=b"text")])) == []
    assert found(zip_bytes([*MEMBERS, Member(name="archive/__init__.py", data=b"")])) == []


def test_a_program_beside_a_wrapped_checkpoint_is_told():
    inner = torch_zip({"w": tensor("0", (2,))}, {"0": struct.pack("<2f", 1, 2)})
    for data in (
        tar_bytes(tar_member("a.pt", inner), tar_member("run", PROGRAMS["an ELF file"])),
        zip_bytes([Member(name="a.pt", data=inner), Member(name="run", data=PE)]),
    ):
        assert [one.where.member for one in found(data)] == ["run"]


def test_very_many_programs_are_counted():
    members = [Member(name=f"archive/{n}.py", data=b"x") for n in range(100)]
    made = found(zip_bytes([*MEMBERS, *members]))
    assert len(made) < 30


def test_a_storage_that_is_stored_deflated_is_looked_at_without_inflating_it():
    size = 8 << 20
    data = PROGRAMS["an ELF file"] + bytes(size)
    members = torch_members({"w": tensor("0", (len(data),), "ByteStorage")}, {"0": data})
    made = found(zip_bytes(changed(members, "data/0", deflate=True)))
    assert [one.code.value for one in made] == ["SAF005"]
