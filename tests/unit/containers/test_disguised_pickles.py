"""Pickles that start like something else, or stand where a reader stops looking."""

import gzip
import lzma
import struct
import zlib
from collections.abc import Callable

import pytest
from builders.pickles import asm, call, ordered_dict, pickled, storage, tensor, value
from builders.reading import codes, manifest, outcomes
from builders.tars import tar_bytes, tar_member
from builders.zips import Member, torch_members, zip_bytes

from ckptscope.containers import Contents
from ckptscope.facts.limits import DEFAULT_LIMITS
from ckptscope.tensors import build_manifest

DATA = {"0": struct.pack("<2f", 1, 2)}
MEMBERS = torch_members({"w": tensor("0", (2,))}, DATA)
EVIL = pickled(call("os", "system", "true"))
#: The same call without a mark of its protocol at the start.
CALLS = b"cos\nsystem\n(S'true'\ntR"


def os_calls(data: bytes) -> int:
    """How often `os.system` was found, in manifests and in errors."""
    found = 0
    for one in outcomes(data):
        if isinstance(one, Contents):
            imports = build_manifest(one, DEFAULT_LIMITS).manifest.imports
        else:
            imports = one.error.reached
        found += sum(entry.name == "system" for entry in imports)
    return found


def beside(data: bytes) -> bytes:
    return zip_bytes([*MEMBERS, Member(name="archive/extra/blob", data=data)])


def wrapped(data: bytes) -> bytes:
    return zip_bytes([Member(name="folder/model.pkl", data=data)])


def deflated(data: bytes) -> bytes:
    return zip_bytes([Member(name="folder/model.pkl", data=data, deflate=True)])


PLACES: dict[str, Callable[[bytes], bytes]] = {
    "a file": bytes,
    "a member": beside,
    "a member of a wrapper": wrapped,
    "a compressed member of a wrapper": deflated,
}
DISGUISES = {
    "the header of a safetensors file": b"\x80\x02X\x02\0\0\0\0{0" + CALLS + b".",
    "no full stop in the first bytes": b"K\x010" * 300 + CALLS + b".\n",
    "a long text first": b"X\0\x20\0\0" + b"x" * 8192 + b"0" + CALLS + b".\n",
    "a name after the call that breaks off": CALLS + b"0cfoo\nbar\n\xff",
    "names on the stack after the call": b"\x8c\x02os\x8c\x06system\x93(S'true'\ntR0cfoo\nbar\n\xff",
    "a plain value before it": b"N." + EVIL,
    "many plain values before it": b"N." * 200 + EVIL,
    "bare zlib data": zlib.compress(EVIL),
    "bare LZMA data": lzma.compress(EVIL, lzma.FORMAT_ALONE),
    "zlib data in zlib data": zlib.compress(zlib.compress(EVIL)),
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("disguise", DISGUISES)
def test_a_pickle_in_disguise_counts(disguise: str, place: str) -> None:
    assert os_calls(PLACES[place](DISGUISES[disguise]))


def test_what_stands_in_a_stream_before_its_damage_counts() -> None:
    # Python's readers hand on what stands before the damage, and an unpickler has run it by then.
    long = EVIL + bytes(range(256)) * 100
    for pack in (gzip.compress, lzma.compress):
        assert os_calls(pack(EVIL)[:-6])
        assert os_calls(pack(long)[:-20])
        assert os_calls(pack(EVIL) + b"no stream")


def test_pickles_of_a_stream_whose_number_is_spelled_otherwise_count() -> None:
    # torch compares the number that the first pickle gives, however it is written.
    number = b"\x80\x02L%dL\n." % 0x1950A86A20F9469CFC6C
    assert os_calls(number + b"M\xe9\x03." + b"}." + EVIL + b"].")


def test_plain_text_behind_a_pickle_is_told_as_bytes_and_not_as_pickles() -> None:
    made = manifest(pickled({"a": 1}) + b"N.N.")
    assert [found.message for found in made.findings if found.code == "PKL001"] == [
        "4 bytes follow the last pickle"
    ]


ARRAYS = {
    "two types": "{{'descr': '|u1', 'fortran_order': False, 'shape': ({0},), 'descr': '|O', }}",
    "an escape": "{{'descr': '\\x4f', 'fortran_order': False, 'shape': (1,), }}",
    "another word": "{{'descr': 'object', 'fortran_order': False, 'shape': (1,), }}",
    "a size": "{{'descr': '|O8', 'fortran_order': False, 'shape': (1,), }}",
    "a list in a text": "{{'descr': 'O,i4', 'fortran_order': False, 'shape': (1,), }}",
    "fields of another word": "{{'descr': [('a', 'object')], 'fortran_order': False, "
    "'shape': (1,), }}",
    "fields of a size": "{{'descr': [('a', '|O8')], 'fortran_order': False, 'shape': (1,), }}",
    "other quotes": '{{"descr": "|O", "fortran_order": False, "shape": (1,), }}',
    "two texts": "{{'descr': '|' 'O', 'fortran_order': False, 'shape': (1,), }}",
    "a tuple": "{{'descr': ('O', {{}}), 'fortran_order': False, 'shape': (1,), }}",
}


def npy(header: str, body: bytes) -> bytes:
    raw = header.format(len(body)).encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(raw)) + raw + body


@pytest.mark.parametrize("spelling", ARRAYS)
def test_an_array_of_objects_counts_however_its_header_spells_it(spelling: str) -> None:
    made = npy(ARRAYS[spelling], EVIL)
    assert os_calls(made)
    assert os_calls(zip_bytes([Member(name="a.npy", data=made)]))
    assert os_calls(beside(made))


@pytest.mark.parametrize("code", ["<f4", "|u1", "<U1", "|S4", "<M8[ns]"])
def test_elements_that_read_as_a_pickle_are_no_pickle(code: str) -> None:
    header = f"{{{{'descr': '{code}', 'fortran_order': False, 'shape': (4,), }}}}"
    body = {"<f4": 16, "|u1": 4, "<U1": 16, "|S4": 16, "<M8[ns]": 32}[code]
    elements = b"cos\nx\n.".ljust(body, b"N")[:body]
    made = manifest(npy(header, elements))
    assert (made.imports, codes(made)) == ((), [])
    assert os_calls(npy(header, elements + EVIL))


def nested(payload: bytes) -> bytes:
    """A tensor over a storage that was pickled by itself."""
    inner = call("torch.storage", "_load_from_bytes", payload)
    laid = call("torch._utils", "_rebuild_tensor_v2", inner, 0, (2,), (1,), False, ordered_dict())
    return pickled({"w": laid})


STORAGE = torch_members(storage("0", 2), DATA)


def renamed(root: str) -> list[Member]:
    return [Member(name=one.name.replace("archive/", root, 1), data=one.data) for one in STORAGE]


INNER = {
    "another folder that comes first": [
        Member(name="evil/version", data=b"3"),
        *renamed("good/"),
        Member(name="evil/data.pkl", data=EVIL),
    ],
    "another pickle of the same name": [*STORAGE, Member(name="archive/data.pkl", data=EVIL)],
    "a member beside the folder": [*STORAGE, Member(name="notes", data=EVIL)],
}


@pytest.mark.parametrize("case", INNER)
def test_every_view_of_an_archive_inside_a_pickle_counts(case: str) -> None:
    assert os_calls(nested(zip_bytes(INNER[case])))


def test_an_archive_inside_a_pickle_that_has_one_view_is_plain() -> None:
    made = manifest(nested(zip_bytes(STORAGE)))
    assert [one.name for one in made.imports if one.module == "os"] == []
    assert "CON012" not in codes(made)


def test_bytes_that_are_put_together_are_no_bytes_that_can_be_followed() -> None:
    grown = asm(call("builtins", "bytearray"), "MARK", *map(value, EVIL), "APPENDS")
    made = manifest(
        pickled({"x": call("torch.storage", "_load_from_bytes", type(value(0))(grown))})
    )
    (found,) = [one for one in made.imports if one.name == "_load_from_bytes"]
    assert not found.followed


@pytest.mark.parametrize("kind", [b"Z", b"A", b"7"])
def test_a_tar_member_of_a_type_that_is_taken_for_a_file_counts(kind: bytes) -> None:
    good = tar_member("model.pt", zip_bytes(MEMBERS))
    made = tar_bytes(good, tar_member("model.pkl", EVIL, kind=kind))
    assert os_calls(made)


def test_what_stands_before_damage_in_a_tar_counts() -> None:
    # Python's tarfile takes a damaged header behind the first member for the end.
    assert os_calls(tar_member("model.pkl", EVIL) + b"x" * 512)


@pytest.mark.parametrize("name", [b"(I1\n" + CALLS + b".", b"K\x01K\x02" + CALLS + b"."])
def test_a_tar_whose_first_name_is_a_pickle_is_both(name: bytes) -> None:
    made = tar_bytes(tar_member(name, zip_bytes(MEMBERS)))
    assert os_calls(made)
    assert "CON017" in codes(manifest(made))


def test_plain_texts_use_up_no_look_at_the_members_behind_them() -> None:
    texts = [Member(name=f"archive/notes{n}", data=b"N." * 4096) for n in range(3)]
    behind = Member(name="archive/z", data=b"(I1\n" + CALLS + b".")
    made = zip_bytes([*MEMBERS, *texts, behind])
    assert os_calls(made)
    assert "CON050" in codes(manifest(made))


#: Data of other kinds that an unpickler would begin to read.
PLAIN = {
    "a release note": b"Git v2.16.4 Release Notes\n=========\n",
    "words": b"cat\ndog\nRabbit\n",
    "a number of a registry by accident": b"\x80\x04\x83\xaf\x8b\xeb\x92c\xbe\xfd",
    "a number longer than the data": b"\x80\x04\x8bp\xce\x90[n\xf1f",
    "text in gzip": gzip.compress(b"Version 1.2\nan item\n" * 20),
    "bytes that start like zlib data": b"\x78\x9c" + bytes(range(200)),
}


@pytest.mark.parametrize("case", PLAIN)
def test_other_data_are_not_taken_for_a_pickle(case: str) -> None:
    made = manifest(beside(PLAIN[case]))
    assert {one.module for one in made.imports} == {"collections", "torch", "torch._utils"}
    assert {code for code in codes(made) if code.startswith(("PKL", "SAF", "CON"))} == set()
    assert os_calls(PLAIN[case]) == 0
