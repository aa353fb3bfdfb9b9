"""Hashes do not depend on what holds the tensors, and cost no more than the file is worth."""

import hashlib
import struct
import threading

import pytest
from builders.pickles import pickled, tensor
from builders.zips import Member, zip_bytes

from ckptscope.pipeline.identity import identify_content
from ckptscope.tensors.manifest import ManifestBuild
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


def test_an_unread_tensor_leaves_no_root(tmp_path):
    found = only(saved(tmp_path, {"w": tensor("0", (2, 3))}, {}))
    assert (found.root, found.root_up_to_names) == ("", "")
    assert "missing" in found.tensors[0].unread
    assert found.unread == found.tensors


def test_an_optimizer_has_a_root_of_its_own(tmp_path):
    network = {"w": tensor("0", (2, 3))}
    optimizer = {
        "state": {0: {"exp_avg": tensor("1", (2, 3))}},
        "param_groups": [{"lr": 0.1, "params": [0]}],
    }
    storages = {"0": NUMBERS, "1": NUMBERS[::-1]}
    alone = only(saved(tmp_path, {"network": network}, storages))
    path = saved(tmp_path, {"network": network, "optimizer": optimizer}, storages, "b.pt")
    (file,) = identify_content(path).files
    first, second = file.identity.state_dicts
    assert (first.role, first.root) == ("network", alone.root)
    assert (second.role, [one.key for one in second.tensors]) == ("optimizer", ["state/0/exp_avg"])


def test_threads_change_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr("ckptscope.tensors.hashing._LEAST_FOR_THREAD", 1)
    state = {f"w{index}": tensor(str(index), (2, 3), stride=(1, 2)) for index in range(40)}
    storages = {str(index): bytes([index]) * 24 for index in range(39)}
    path = saved(tmp_path, state, storages)
    alone, together = (identify_content(path, jobs=jobs).files for jobs in (1, 3))
    assert alone == together
    assert len(alone[0].identity.state_dicts[0].unread) == 1


def test_a_defect_in_another_thread_is_not_swallowed(tmp_path, monkeypatch):
    monkeypatch.setattr("ckptscope.tensors.hashing._LEAST_FOR_THREAD", 1)
    main, has_failed = threading.get_ident(), threading.Event()

    def broken(build, tensor, source=None):
        if threading.get_ident() != main:
            has_failed.set()
            raise RuntimeError("a defect")
        assert has_failed.wait(60)
        return iter(())

    monkeypatch.setattr("ckptscope.tensors.hashing.canonical_pieces", broken)
    state = {f"w{index}": tensor(str(index), (2, 3)) for index in range(3)}
    path = saved(tmp_path, state, {str(index): NUMBERS for index in range(3)})
    with pytest.raises(RuntimeError, match="a defect"):
        identify_content(path, jobs=2)


def test_what_lies_in_one_place_is_read_once_and_a_storage_is_opened_once(tmp_path, monkeypatch):
    opened, read = [], []
    original = ManifestBuild.open_storage

    def spy_open(self, key):
        opened.append(key)
        return original(self, key)

    monkeypatch.setattr(ManifestBuild, "open_storage", spy_open)
    state = {
        "a": tensor("0", (2, 3), elements=12),
        "tied": tensor("0", (2, 3), elements=12),
        "b": tensor("0", (2, 3), offset=6, elements=12),
    }
    path = saved(tmp_path, state, {"0": NUMBERS + NUMBERS})
    (file,) = identify_content(path, progress=read.append).files
    a, b, tied = file.identity.state_dicts[0].tensors
    assert a.digest == b.digest == tied.digest
    assert (opened, sum(read)) == (["0"], 48)


@pytest.mark.parametrize(
    ("shape", "stride"),
    [((1 << 20, 1 << 20), (0, 0)), ((1 << 16, 1 << 16), (1, 1)), ((1 << 40,), (0,))],
)
def test_views_that_repeat_their_storage_without_end_are_refused_at_once(tmp_path, shape, stride):
    view = tensor("0", shape, stride=stride, elements=1 << 17)
    found = only(saved(tmp_path, {"w": view}, {"0": bytes(1 << 19)}))
    assert found.root == ""
    assert "the tensors together declare more than 8 times" in found.tensors[0].unread


def test_many_columns_are_not_read_with_all_that_lies_between_for_ever(tmp_path, monkeypatch):
    monkeypatch.setattr("ckptscope.tensors.allowance._ALWAYS_READ", 0)
    rows, columns = 1 << 6, 1 << 10
    state = {
        f"w{index}": tensor("0", (rows,), stride=(columns,), offset=index, elements=rows * columns)
        for index in range(200)
    }
    found = only(saved(tmp_path, state, {"0": bytes(rows * columns * 4)}))
    read = len(found.tensors) - len(found.unread)
    assert 64 <= read <= 65
    assert "read more than 64 times" in found.unread[0].unread


def test_a_transposed_tensor_larger_than_a_piece_is_hashed_as_the_plain_one(tmp_path, monkeypatch):
    monkeypatch.setattr("ckptscope.tensors.gathering.GATHERED_BYTES", 64)
    monkeypatch.setattr("ckptscope.tensors.gathering.STRETCH_BYTES", 32)
    rows, columns = 12, 7
    numbers = list(range(rows * columns))
    turned = [numbers[row * columns + column] for column in range(columns) for row in range(rows)]
    plain = saved(
        tmp_path, {"w": tensor("0", (rows, columns))}, {"0": struct.pack("<84f", *numbers)}
    )
    view = tensor("0", (rows, columns), stride=(1, rows))
    other = saved(tmp_path, {"w": view}, {"0": struct.pack("<84f", *turned)}, "b.pt")
    big = saved(
        tmp_path,
        {"w": tensor("0", (rows, columns))},
        {"0": struct.pack(">84f", *numbers)},
        "c.pt",
        b"big",
    )
    assert only(plain).root == only(other).root == only(big).root


def test_bytes_have_no_order(tmp_path):
    # quint4x2: two in a byte, of which numpy knows nothing.
    state = {"w": tensor("0", (4,), "QUInt4x2Storage")}
    little = only(saved(tmp_path, state, {"0": b"\x21\x43"}))
    big = only(saved(tmp_path, state, {"0": b"\x21\x43"}, "b.pt", b"big"))
    assert little.root == big.root != ""
