"""The legacy stream: five pickles, then storages by count."""

import struct

import pytest
from builders.pickles import (
    build,
    call,
    global_,
    module,
    ordered_dict,
    persistent,
    pickled,
    storage,
    tensor,
)
from builders.reading import build_one, builds, codes, group, manifest, outcomes, refusal, tensors
from builders.streams import MAGIC, SYSTEM, legacy_stream

from ckptscope.containers import Contents
from ckptscope.containers.reading import Unread, read_file
from ckptscope.errors import ArtifactError, ContainerFormatError
from ckptscope.facts.containers import ContainerKind
from ckptscope.facts.limits import DEFAULT_LIMITS
from ckptscope.pipeline import inspect
from ckptscope.tensors import build_manifest

TREE = {
    "epoch": 3,
    "network": {
        "w": tensor("94", (2, 3), legacy=True),
        "b": tensor("17", (3,), "LongStorage", legacy=True),
    },
}
STORAGES = [("94", 6, struct.pack("<6f", *range(6))), ("17", 3, struct.pack("<3q", *range(3)))]


def sound(data: bytes) -> list[str]:
    made = manifest(data)
    assert {n: (t.dtype, t.shape) for n, t in tensors(made).items()} == {
        "network/w": ("float32", (2, 3)),
        "network/b": ("int64", (3,)),
    }
    return codes(made)


def test_a_sound_stream_gives_tensors_storages_and_facts():
    data = legacy_stream(TREE, STORAGES)
    build = build_one(data)
    made = build.manifest
    assert sound(data) == []
    assert made.containers == (ContainerKind.LEGACY_STREAM,)
    assert dict(made.format_facts)["stream protocol"] == "1001"
    assert dict(made.format_facts)["little_endian"] == "True"
    for key, _, content in STORAGES:
        held = made.storages[key]
        assert data[held.offset_bytes : held.offset_bytes + held.size_bytes] == content
        assert build.open_storage(key).read(0, len(content)) == content
    assert sum(s.size_bytes for s in made.spending) == len(data)
    assert [s.what for s in made.spending] == ["network", "pickle", "container"]


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_any_binary_protocol_is_recognised(protocol):
    assert sound(legacy_stream(TREE, STORAGES, protocol=protocol)) == []


@pytest.mark.parametrize("protocol", [4, 5])
def test_a_stream_whose_pickles_are_framed_is_recognised(protocol):
    assert sound(legacy_stream(TREE, STORAGES, protocol=protocol, framed=True)) == []


def test_the_values_of_the_storages_are_not_read():
    class Watched:
        name = None
        size = 1 << 40

        def __init__(self, head):
            self.head, self.touched = head, 0

        def read(self, offset, length):
            self.touched += length
            assert length < 1 << 24
            return self.head[offset : offset + length].ljust(length, b"\0")

        peek = read

    elements = 1 << 30
    head = legacy_stream({"w": tensor("0", (elements,), legacy=True)}, [("0", elements, b"")])
    source = Watched(head)
    (only,) = read_file(source, DEFAULT_LIMITS)
    assert isinstance(only, Contents)
    assert source.touched < 1 << 20


def test_a_view_of_a_storage_reads_through_its_root():
    tree = {
        "a": tensor("1", (2,), elements=6, legacy=True),
        "b": tensor("1", (2,), elements=6, view=("2", 3, 3), offset=1),
    }
    made = manifest(legacy_stream(tree, [("1", 6, bytes(24))]))
    assert [(t.storage, t.offset) for t in tensors(made).values()] == [("1", 0), ("1", 4)]
    assert codes(made) == []


def test_bytes_behind_the_last_storage_are_con020():
    assert sound(legacy_stream(TREE, STORAGES, trailing=b"#" * 20)) == ["CON020"]


def test_a_key_that_the_object_does_not_name_is_con021():
    storages = [*STORAGES, ("x", 1, b"1234")]
    assert "CON021" in codes(manifest(legacy_stream(TREE, storages)))


def test_a_key_that_is_missing_in_the_list_is_con021():
    assert "CON021" in codes(manifest(legacy_stream(TREE, STORAGES[:1])))


@pytest.mark.parametrize("count", [7, 1 << 40, -1, -(1 << 63), (1 << 63) - 1])
def test_a_count_that_leaves_the_file_is_con014(count):
    data = legacy_stream(TREE, [STORAGES[0], ("17", count, STORAGES[1][2])])
    assert sound(data) == ["CON014"]


def test_a_count_that_differs_from_the_declared_one_is_a_finding(tmp_path):
    path = tmp_path / "a.pt"
    path.write_bytes(legacy_stream(TREE, [("94", 5, bytes(20)), STORAGES[1]]))
    (report,) = inspect(path).files
    assert "TEN003" in [f.code.value for f in report.manifest.findings]


def test_a_stream_cut_anywhere_is_refused_or_says_so():
    data = legacy_stream(TREE, STORAGES)
    last = sum(len(content) + 8 for _, _, content in STORAGES)
    for cut in range(1, len(data)):
        for one in outcomes(data[:cut]):
            if isinstance(one, Unread):
                assert cut < len(data) - last
                continue
            made = build_manifest(one, DEFAULT_LIMITS).manifest
            assert "CON014" in codes(made), cut
            assert len(tensors(made)) == 2


@pytest.mark.parametrize("version", [1000, 1002, None, "1001", [1001], {}])
def test_another_stream_protocol_is_refused(version):
    assert isinstance(
        refusal(legacy_stream(TREE, STORAGES, version=version or {})), ContainerFormatError
    )


@pytest.mark.parametrize("keys", [{}, 5, ["94", 17], [["94"]], "94"])
def test_a_list_of_keys_that_is_none_is_refused(keys):
    assert isinstance(
        refusal(legacy_stream(TREE, STORAGES, keys=keys or {"a": 1})), ContainerFormatError
    )


def test_a_magic_number_followed_by_anything_else_is_refused():
    for rest in (b"", b"\xff", pickled(1001)[:-1], b"\0" * 100):
        assert isinstance(refusal(pickled(MAGIC) + rest), ArtifactError)


def test_a_whole_module_gives_the_names_of_its_state_dict():
    inner = module(
        ("torch.nn.modules.linear", "Linear"),
        parameters={"weight": tensor("94", (2, 3), legacy=True), "bias": None},
    )
    outer = module(
        ("mylab", "Net"),
        modules={"fc": inner},
        buffers={"steps": tensor("17", (3,), "LongStorage", legacy=True)},
    )
    made = manifest(legacy_stream(outer, STORAGES))
    assert [t.key for t in group(made).tensors] == ["steps", "fc.weight"]
    assert group(made).class_name == "mylab.Net"


def test_a_module_saved_with_its_source_keeps_its_class_name():
    cls = persistent(("module", global_("mylab", "Net"), "net.py", "class Net: ..."))
    made = manifest(
        legacy_stream(
            module(("", ""), cls_node=cls, parameters={"w": tensor("94", (2, 3), legacy=True)}),
            STORAGES[:1],
        )
    )
    assert group(made).class_name == "mylab.Net"
    assert codes(made) == []


def test_a_big_endian_stream_is_told_by_its_system_facts():
    made = manifest(legacy_stream(TREE, STORAGES, system={**SYSTEM, "little_endian": False}))
    assert dict(made.format_facts)["little_endian"] == "False"


def test_a_storage_class_that_nobody_knows_is_no_crash(tmp_path):
    tree = {"w": tensor("0", (2,), "Float3Storage", legacy=True)}
    path = tmp_path / "a.pt"
    path.write_bytes(legacy_stream(tree, [("0", 2, bytes(6))]))
    (report,) = inspect(path).files
    found = report.failure or report.manifest.findings
    assert found


# A stream inside a pickle


def nested(inner: bytes):
    return call("torch.storage", "_load_from_bytes", inner)


@pytest.mark.parametrize("padding", [0, 5000])
def test_a_storage_saved_inside_a_pickle_is_laid_open(padding):
    inner = legacy_stream(
        storage("0", 2, legacy=True),
        [("0", 2, struct.pack("<2f", 1, 2))],
        system={**SYSTEM, "pad": "x" * padding},
    )
    node = call(
        "torch._utils", "_rebuild_tensor_v2", nested(inner), 0, (2,), (1,), False, ordered_dict()
    )
    data = pickled({"w": node})
    (build,) = builds(data)
    (found,) = tensors(build.manifest).values()
    assert (found.shape, found.dtype) == ((2,), "float32")
    assert build.open_storage(found.storage).read(0, 8) == struct.pack("<2f", 1, 2)
    held = build.manifest.storages[found.storage]
    assert held.size_bytes == 8
    assert codes(build.manifest) == []
    assert sum(s.size_bytes for s in build.manifest.spending) == len(data)


def test_two_streams_inside_a_pickle_keep_their_storages_apart():
    inner = [
        legacy_stream(storage("0", 1, legacy=True), [("0", 1, struct.pack("<f", n))])
        for n in (1, 2)
    ]
    nodes = {
        str(n): call(
            "torch._utils", "_rebuild_tensor_v2", nested(one), 0, (1,), (1,), False, ordered_dict()
        )
        for n, one in enumerate(inner)
    }
    (build,) = builds(pickled(nodes))
    found = tensors(build.manifest)
    assert found["0"].storage != found["1"].storage
    values = [build.open_storage(found[key].storage).read(0, 4) for key in "01"]
    assert values == [struct.pack("<f", 1), struct.pack("<f", 2)]


def test_a_whole_checkpoint_inside_a_pickle_is_walked():
    made = manifest(pickled({"model": nested(legacy_stream(TREE, STORAGES))}))
    assert {n: t.shape for n, t in tensors(made).items()} == {
        "model/network/w": (2, 3),
        "model/network/b": (3,),
    }


@pytest.mark.parametrize(
    "inner", [b"", b"text", pickled(1), pickled(MAGIC), legacy_stream(TREE, STORAGES)[:200]]
)
def test_damaged_bytes_inside_a_pickle_are_pkl005(inner):
    made = manifest(pickled({"epoch": 1, "model": nested(inner)}))
    # One that breaks off after it has named something is a broken pickle too.
    assert [code for code in codes(made) if code != "PKL006"] == ["PKL005"]
    assert [s.path for s in made.scalars] == ["epoch"]


def test_streams_inside_streams_are_followed_to_a_limit():
    inner = legacy_stream({"w": tensor("0", legacy=True)}, [("0", 1, b"1234")])
    for _ in range(20):
        inner = legacy_stream({"x": nested(inner)}, [])
    made = manifest(pickled({"model": nested(inner)}))
    assert "PKL005" in codes(made)
    assert "container_depth" in str(made.findings)


def test_a_module_inside_a_dict_with_state_is_walked():
    made = manifest(
        legacy_stream(
            {
                "model": build(
                    module(("m", "C"), parameters={"w": tensor("94", (6,), legacy=True)}),
                    {"extra": 1},
                )
            },
            STORAGES[:1],
        )
    )
    assert "model/w" in tensors(made)
