"""Small valid files of every container, cut and changed everywhere: right, or an ArtifactError."""

import struct

import pytest
from builders.headers import entry, safetensors
from builders.pickles import Raw, build, call, module, ordered_dict, parameter, pickled, tensor
from builders.reading import outcomes
from builders.streams import COMPRESSORS, legacy_stream
from builders.tars import legacy_tar, storage_entry, tar_bytes, tar_member, tensor_entry, tensor_id
from builders.zips import Member, changed, torch_members, torch_zip, zip_bytes

from ckptscope.checks import check_layout
from ckptscope.containers import Contents
from ckptscope.errors import ArtifactError
from ckptscope.facts.limits import Limits
from ckptscope.tensors import build_manifest

#: Low enough that no small file can make the reading slow; a limit reached is an ArtifactError.
LIMITS = Limits(walk_steps=50_000, graph_bytes=4 << 20, spool_bytes=1 << 20)
FLOATS, LONGS = struct.pack("<6f", *range(6)), struct.pack("<3q", *range(3))


def tree(legacy: bool = False) -> dict:
    weight = tensor("0", (2, 3), legacy=legacy)
    return {
        "epoch": 3,
        "network": ordered_dict(
            [("w", parameter(weight)), ("b", tensor("1", (3,), "LongStorage", legacy=legacy))]
        ),
        "optimizer": {"state": {}, "param_groups": [{"lr": 0.1, "params": [0]}]},
    }


def module_tree() -> Raw:
    return module(
        ("m", "Net"),
        parameters={"w": tensor("0", (2, 3))},
        buffers={"b": tensor("1", (3,), "LongStorage")},
    )


STORAGES = {"0": FLOATS, "1": LONGS}
STREAM = legacy_stream(tree(True), [("0", 6, FLOATS), ("1", 3, LONGS)])
TAR = legacy_tar(
    {"epoch": 3, "network": ordered_dict([("w", tensor_id("10")), ("b", tensor_id("11"))])},
    [
        tensor_entry("10", "20", (2, 3), (3, 1)),
        tensor_entry("11", "v", (3,), (1,), cls="LongTensor"),
    ],
    [storage_entry("20", FLOATS), storage_entry("21", LONGS, cls="LongStorage", item=8)],
    views=[("v", "21", 0, 3)],
)
MEMBERS = torch_members(tree(), STORAGES)
FILES = {
    "torch zip": torch_zip(tree(), STORAGES),
    "torch zip of a module": torch_zip(module_tree(), STORAGES),
    "deflated torch zip": zip_bytes([changed([m], str(m.name), deflate=True)[0] for m in MEMBERS]),
    "torch zip with zip64 and descriptors": zip_bytes(
        [changed([m], str(m.name), zip64=True, descriptor=True)[0] for m in MEMBERS], zip64=True
    ),
    "legacy stream": STREAM,
    "legacy tar": TAR,
    "safetensors": safetensors(
        {"__metadata__": {"format": "pt"}, "w": entry([2, 3], 0, 24), "b": entry([3], 24, 48, "I64")},
        FLOATS + LONGS,
    ),
    "pickle": pickled({"epoch": 3, "a": [1, 2.5, "x", None, b"y", (1, 2), {"k": True}], "c": build(call("m", "C"), {"s": 1})}),
    "pickle with a stream inside": pickled({"w": call("torch.storage", "_load_from_bytes", STREAM)}),
    "tar": tar_bytes(tar_member("a.pt", torch_zip({"w": tensor("0", (6,))}, {"0": FLOATS}))),
    "zip": zip_bytes([Member(name="a.pt", data=STREAM, deflate=True)]),
    "gzip": COMPRESSORS["gzip"](STREAM),
    "bzip2": COMPRESSORS["bzip2"](STREAM),
    "xz": COMPRESSORS["xz"](STREAM),
}  # fmt: skip


def read(data: bytes) -> tuple[frozenset[tuple], bool]:
    """Return names, dtypes and shapes of all tensors, and whether anything was noticed."""
    tensors, noticed = set(), False
    try:
        for one in outcomes(data, LIMITS):
            if not isinstance(one, Contents):
                assert isinstance(one.error, ArtifactError)
                str(one.error)
                noticed = True
                continue
            made = build_manifest(one, LIMITS).manifest
            found = (*made.findings, *check_layout(made))
            noticed = noticed or bool(found)
            tensors |= {
                (group.path, t.key, t.dtype, t.shape)
                for group in made.state_dicts
                for t in group.tensors
            }
            assert sum(s.size_bytes for s in made.spending) >= made.size_bytes or noticed
    except ArtifactError:
        noticed = True
    return frozenset(tensors), noticed


@pytest.mark.parametrize("kind", FILES)
def test_the_file_itself_is_sound(kind):
    tensors, noticed = read(FILES[kind])
    assert not noticed
    assert tensors or kind == "pickle"


@pytest.mark.parametrize("kind", FILES)
def test_every_prefix_is_refused_or_says_what_is_missing(kind):
    data = FILES[kind]
    _sound, _ = read(data)
    step = max(len(data) // 1500, 1)
    for cut in sorted({*range(0, len(data), step), *range(max(len(data) - 100, 0), len(data))}):
        tensors, noticed = read(data[:cut])
        if kind in ("tar", "legacy tar") and not data[cut:].strip(b"\0"):
            # Padding and end blocks of a tar hold nothing.
            continue
        assert noticed, f"a prefix of {cut} of {len(data)} bytes reads without a word: {tensors}"


@pytest.mark.parametrize("kind", FILES)
def test_one_changed_byte_gives_tensors_a_finding_or_an_artifact_error(kind):
    data = FILES[kind]
    step = max(len(data) // 2500, 1)
    for place in range(0, len(data), step):
        for number in (
            0x00,
            0xFF,
            data[place] ^ 0x01,
            data[place] ^ 0x80,
            (data[place] + 1) % 256,
            ord("."),
            ord("("),
        ):
            read(data[:place] + bytes([number]) + data[place + 1 :])


@pytest.mark.parametrize("kind", [k for k in FILES if "torch zip" in k and "deflated" not in k])
def test_a_changed_byte_of_the_pickle_of_a_zip_never_passes_unnoticed(kind):
    data = FILES[kind]
    members = module_tree() if "module" in kind else None
    raw = pickled(members) if members else MEMBERS[0].data
    start = data.find(raw)
    assert start > 0
    for place in range(start, start + len(raw)):
        changed_data = data[:place] + bytes([data[place] ^ 0x04]) + data[place + 1 :]
        assert read(changed_data)[1], place


@pytest.mark.parametrize("kind", FILES)
def test_a_tail_of_any_bytes_is_read_the_same_or_noticed(kind):
    sound, _ = read(FILES[kind])
    for tail in (b"\0", b"#" * 30, b"PK\5\6", FILES[kind], b"\x80\x02K\x01."):
        tensors, noticed = read(FILES[kind] + tail)
        padding = not tail.strip(b"\0")
        same = tensors == sound
        assert noticed or (same and (padding or kind in COMPRESSORS)), (kind, tail[:8])


@pytest.mark.parametrize("kind", FILES)
def test_a_hole_of_zeros_anywhere_is_survived(kind):
    data = FILES[kind]
    for start in range(0, len(data), max(len(data) // 150, 1)):
        read(data[:start] + bytes(min(64, len(data) - start)) + data[start + 64 :])


@pytest.mark.parametrize("kind", FILES)
def test_a_missing_or_doubled_stretch_is_survived(kind):
    data = FILES[kind]
    for start in range(0, len(data), max(len(data) // 150, 1)):
        read(data[:start] + data[start + 17 :])
        read(data[: start + 17] + data[start:])
