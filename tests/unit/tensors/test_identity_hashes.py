"""The hashes of docs/identity.md: vectors, and independence of whatever holds the tensors."""

import hashlib
import struct

import pytest
from builders.pickles import pickled, tensor
from builders.zips import Member, zip_bytes

from ckptscope.facts.identity import IdentityFile
from ckptscope.pipeline.identity import identify_content, verify_content
from ckptscope.tensors.hashing import root_of, root_up_to_names
from fixtures.build import build, tiny_set

NUMBERS = struct.pack("<6f", 0, 1, 2, 3, 4, 5)


def saved(folder, state, storages, name="a.pt", byteorder=b"little"):
    members = [
        Member(name="archive/data.pkl", data=pickled(state)),
        Member(name="archive/byteorder", data=byteorder),
        *(Member(name=f"archive/data/{key}", data=raw) for key, raw in storages.items()),
    ]
    path = folder / name
    path.write_bytes(zip_bytes(members))
    return path


def only(path):
    (file,) = identify_content(path).files
    assert file.identity is not None
    return file.identity.state_dicts[0]


def test_a_tensor_is_hashed_as_the_page_says(tmp_path):
    path = saved(tmp_path, {"w": tensor("0", (2, 3))}, {"0": NUMBERS})
    (found,) = only(path).tensors
    # The vector, computed with `printf ... | sha256sum` from the page alone.
    content = b"ckptscope/tensor/1\nfloat32\n2,3\nstrided\n0\n" + NUMBERS
    assert found.digest == hashlib.sha256(content).hexdigest()
    assert found.digest == "77c9121dbb5ce4c093f29e15506c5cbed893e8ff53a18929ac184cd67ee88519"


def test_roots_are_hashed_as_the_page_says():
    digests = [hashlib.sha256(text).hexdigest() for text in (b"one", b"two")]
    named = b"ckptscope/state_dict/1\n"
    for name, digest in ((b"a", digests[1]), (b"b", digests[0])):
        named += struct.pack("<Q", 1) + name + bytes.fromhex(digest)
    assert root_of([("b", digests[0]), ("a", digests[1])]) == hashlib.sha256(named).hexdigest()
    plain = b"ckptscope/tensors/1\n" + b"".join(sorted(map(bytes.fromhex, digests)))
    assert root_up_to_names(digests) == hashlib.sha256(plain).hexdigest()


@pytest.mark.parametrize(
    ("raw", "layout", "byteorder"),
    [
        (struct.pack("<6f", 0, 3, 1, 4, 2, 5), {"stride": (1, 2)}, b"little"),
        (struct.pack(">6f", 0, 1, 2, 3, 4, 5), {}, b"big"),
        (b"\0" * 8 + NUMBERS, {"offset": 2, "elements": 8}, b"little"),
    ],
)
def test_layout_and_byte_order_change_nothing(tmp_path, raw, layout, byteorder):
    plain = only(saved(tmp_path, {"w": tensor("0", (2, 3))}, {"0": NUMBERS}))
    state = {"module.w": tensor("0", (2, 3), **layout)}
    other = only(saved(tmp_path, state, {"0": raw}, "b.pt", byteorder))
    assert (other.root, other.root_up_to_names) == (plain.root, plain.root_up_to_names)


def test_every_container_has_the_same_roots_and_a_dialect_changes_the_first_alone(tmp_path):
    roots, up_to_names = {}, set()
    for fixture in tiny_set():
        build(fixture, tmp_path)
        for file in identify_content(tmp_path / fixture.name).files:
            (network,) = [one for one in file.identity.state_dicts if one.role == "network"]
            dialect = fixture.name.split("_")[1]
            roots.setdefault(dialect, set()).add(network.root)
            up_to_names.add(network.root_up_to_names)
    assert [len(found) for found in roots.values()] == [1, 1, 1]
    assert len(set.union(*roots.values())) == 3
    assert len(up_to_names) == 1


def test_one_changed_bit_is_found_and_named(tmp_path):
    before = only(saved(tmp_path, {"w": tensor("0", (2, 3))}, {"0": NUMBERS}))
    path = saved(tmp_path, {"w": tensor("0", (2, 3))}, {"0": NUMBERS[:-1] + b"\x41"}, "b.pt")
    (file,) = identify_content(path).files
    report = verify_content([before], file, manifest="a.json")
    assert not report.is_same
    assert [(one.key, one.what) for one in report.checks[0].changes] == [("w", "changed")]


def test_an_unread_tensor_leaves_no_root(tmp_path):
    found = only(saved(tmp_path, {"w": tensor("0", (2, 3))}, {}))
    assert (found.root, found.root_up_to_names) == ("", "")
    assert "missing" in found.tensors[0].unread
    report = verify_content([found], IdentityFile(path="b"), manifest="a.json")
    assert not report.is_same
