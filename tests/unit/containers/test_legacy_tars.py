"""The tar of torch 0.1.x, and its variant without a member `tensors`."""

import struct

import pytest
from builders.pickles import (
    Raw,
    asm,
    build,
    get,
    global_,
    module,
    new,
    ordered_dict,
    persistent,
    put,
    tensor,
    value,
)
from builders.reading import build_one, codes, group, manifest, outcomes, refusal, tensors
from builders.tars import legacy_tar, storage_entry, tar_member, tensor_entry, tensor_id

from ckptscope.containers import Contents
from ckptscope.errors import ArtifactError, ContainerFormatError, LimitError
from ckptscope.facts.containers import ContainerKind
from ckptscope.facts.limits import DEFAULT_LIMITS
from ckptscope.facts.tensors import Kind, Origin
from ckptscope.pipeline import inspect
from ckptscope.sources import Window
from ckptscope.tensors import build_manifest
from ckptscope.tensors.values import read_values

FLOATS = struct.pack("<6f", *range(6))
LONGS = struct.pack("<3q", *range(3))
TREE = {"epoch": 3, "network": ordered_dict([("w", tensor_id("10")), ("b", tensor_id("11"))])}
TENSORS = [
    tensor_entry("10", "20", (2, 3), (3, 1)),
    tensor_entry("11", "21", (3,), (1,), cls="LongTensor"),
]
STORAGES = [
    storage_entry("20", FLOATS),
    storage_entry("21", LONGS, cls="LongStorage", item=8),
]


def sound(data: bytes) -> list[str]:
    made = manifest(data)
    assert {n: (t.dtype, t.shape) for n, t in tensors(made).items()} == {
        "network/w": ("float32", (2, 3)),
        "network/b": ("int64", (3,)),
    }
    return codes(made)


def test_a_sound_tar_gives_tensors_storages_and_their_bytes():
    data = legacy_tar(TREE, TENSORS, STORAGES)
    made = build_one(data)
    assert sound(data) == []
    assert made.manifest.containers == (ContainerKind.LEGACY_TAR,)
    assert made.open_storage("20").read(0, 24) == FLOATS
    assert made.open_storage("21").read(0, 24) == LONGS
    assert tensors(made.manifest)["network/w"].device == "cpu"
    assert sum(s.size_bytes for s in made.manifest.spending) == len(data)
    assert made.manifest.unclaimed_members == ()


def test_strides_and_offsets_come_from_the_member_tensors():
    entries = [tensor_entry("10", "20", (2, 2), (1, 3), offset=1), TENSORS[1]]
    found = tensors(manifest(legacy_tar(TREE, entries, STORAGES)))["network/w"]
    assert (found.shape, found.stride, found.offset) == ((2, 2), (1, 3), 1)


def test_a_tensor_of_no_dimensions_is_read():
    entries = [tensor_entry("10", "20", (), ()), TENSORS[1]]
    assert tensors(manifest(legacy_tar(TREE, entries, STORAGES)))["network/w"].shape == ()


def test_keys_may_be_whole_numbers():
    entries = [
        tensor_entry(10, 20, (2, 3), (3, 1)),
        tensor_entry(11, 21, (3,), (1,), cls="LongTensor"),
    ]
    held = [storage_entry(20, FLOATS), storage_entry(21, LONGS, cls="LongStorage", item=8)]
    assert sound(legacy_tar(TREE, entries, held)) == []


def test_cuda_classes_give_dtype_and_device():
    entries = [tensor_entry("10", "20", (2, 3), (3, 1), module="torch.cuda"), TENSORS[1]]
    held = [storage_entry("20", FLOATS, module="torch.cuda", location="cuda:1"), STORAGES[1]]
    data = legacy_tar(TREE, entries, held)
    assert sound(data) == []
    assert tensors(manifest(data))["network/w"].device == "cuda:1"


def test_views_of_storages_have_the_values_of_their_part():
    entries = [tensor_entry("10", "v", (2,), (1,), offset=1), TENSORS[1]]
    made = build_one(legacy_tar(TREE, entries, STORAGES, views=[("v", "20", 2, 3)]))
    assert read_values(made, tensors(made.manifest)["network/w"]).tolist() == [3.0, 4.0]
    assert codes(made.manifest) == []


def test_the_spending_adds_up_also_with_views_of_storages():
    entries = [tensor_entry("10", "20", (2, 3), (3, 1)), tensor_entry("11", "v", (2,), (1,))]
    big = storage_entry("20", bytes(4000))
    views = [(f"v{n}" if n else "v", "20", 0, 1000) for n in range(4)]
    data = legacy_tar(TREE, entries, [big], views=views)
    made = manifest(data)
    assert sum(s.size_bytes for s in made.spending) == len(data)
    assert all(s.size_bytes > 0 for s in made.spending)
    assert {s.what: s.size_bytes for s in made.spending}.get("unused", 0) <= 4000


@pytest.mark.parametrize(
    "views",
    [
        [("v", "99", 0, 1)], [("v", "20", 5, 2)], [("v", "20", -1, 1)], [("v", "20", 0, -1)],
        [("v", "20", 0)], [5], [("v", "20", "0", 1)],
    ],
    ids=str,
)  # fmt: skip
def test_a_view_that_cannot_be_is_a_finding_and_no_loss(views):
    assert sound(legacy_tar(TREE, TENSORS, STORAGES, views=views)) == ["CON014"]


def test_views_that_are_no_list_are_a_finding():
    assert sound(legacy_tar(TREE, TENSORS, STORAGES, views_raw=b"\x80\x02K\x05.")) == ["CON014"]
    assert sound(legacy_tar(TREE, TENSORS, STORAGES, views_raw=b"\x80\x02")) == ["CON014"]


def test_the_variant_without_tensors_is_read_by_its_pickle():
    tree = {
        "network": ordered_dict(
            [("w", tensor("20", (2, 3))), ("b", tensor("21", (3,), "LongStorage"))]
        )
    }
    data = legacy_tar(tree, None, STORAGES)
    assert sound(data) == []
    assert build_one(data).open_storage("20").read(0, 24) == FLOATS


def test_parameters_and_variables_of_2017_are_unwrapped():
    grad = build(
        new("torch.autograd.variable", "Variable"), (tensor_id("11"), None, ordered_dict())
    )
    weight = build(
        new("torch.nn.parameter", "Parameter"), (tensor_id("10"), None, ordered_dict(), True)
    )
    net = module(
        ("mylab", "Net"), parameters={"w": weight}, buffers={"b": tensor_id("11")}, hook=grad
    )
    made = manifest(legacy_tar(net, TENSORS, STORAGES))
    found = {t.key: t for t in group(made).tensors}
    assert (found["w"].kind, found["w"].kind_origin, found["w"].requires_grad) == (
        Kind.PARAMETER, Origin.OBSERVED, True,
    )  # fmt: skip
    assert (found["b"].kind, found["b"].kind_origin) == (Kind.BUFFER, Origin.OBSERVED)


def test_a_module_class_saved_with_its_source_keeps_its_name():
    cls = persistent((global_("mylab", "Net"), "net.py", "class Net: ..."))
    net = module(
        ("", ""), cls_node=cls, parameters={"w": tensor_id("10")}, buffers={"b": tensor_id("11")}
    )
    made = manifest(legacy_tar({"network": net}, TENSORS, STORAGES))
    assert group(made, "network").class_name == "mylab.Net"
    assert sound(legacy_tar({"network": net}, TENSORS, STORAGES)) == []


def test_one_tensor_under_two_names_is_an_alias_though_its_id_is_written_twice():
    tree = ordered_dict([("encoder.weight", tensor_id("10")), ("decoder.weight", tensor_id("10"))])
    made = manifest(legacy_tar(tree, TENSORS[:1], STORAGES[:1]))
    found = {t.key: t.alias_of for t in group(made).tensors}
    assert found == {"encoder.weight": None, "decoder.weight": "encoder.weight"}


def test_a_bare_storage_in_the_object_is_no_unknown_id():
    made = manifest(legacy_tar({"s": tensor_id("20")}, [], STORAGES[:1]))
    assert codes(made) == []


def test_an_id_that_nothing_explains_is_pkl003():
    assert codes(manifest(legacy_tar({"s": tensor_id("7777")}, [], []))) == ["PKL003"]


def test_a_tensor_on_a_storage_that_does_not_exist_is_a_finding(tmp_path):
    path = tmp_path / "a.tar"
    path.write_bytes(
        legacy_tar(TREE, [tensor_entry("10", "7777", (2, 3), (3, 1)), TENSORS[1]], STORAGES)
    )
    (report,) = inspect(path).files
    assert "TEN002" in [f.code.value for f in report.manifest.findings]


@pytest.mark.parametrize("count", [3, 1 << 40, -1, "2", None, [2], True])
def test_a_false_count_of_tensors_is_refused(count):
    data = legacy_tar(TREE, TENSORS, STORAGES, tensor_count=count if count is not None else {})
    assert isinstance(refusal(data), ArtifactError)


@pytest.mark.parametrize("count", [3, 1 << 40, -1, "2"])
def test_a_false_count_of_storages_is_con014(count):
    assert sound(legacy_tar(TREE, TENSORS, STORAGES, storage_count=count)) == ["CON014"]


@pytest.mark.parametrize("dims", [-1, 65, (1 << 31) - 1])
def test_an_impossible_number_of_dimensions_is_refused(dims):
    entries = [tensor_entry("10", "20", (2, 3), (3, 1), dims=dims), TENSORS[1]]
    error = refusal(legacy_tar(TREE, entries, STORAGES))
    assert isinstance(error, ContainerFormatError | LimitError)


@pytest.mark.parametrize("shape", [(-2, 3), (1 << 62, 1 << 62)])
def test_an_impossible_shape_is_ten007(shape):
    made = manifest(
        legacy_tar(TREE, [tensor_entry("10", "20", shape, (3, 1)), TENSORS[1]], STORAGES)
    )
    assert "TEN007" in codes(made)


@pytest.mark.parametrize(
    "entry",
    [
        tensor_entry("10", "20", (2,), (1,), cls="Nonsense"),
        tensor_entry("10", "20", (2,), (1,))[5:],
    ],
)
def test_a_damaged_entry_of_tensors_is_refused(entry):
    assert isinstance(refusal(legacy_tar(TREE, [entry], STORAGES)), ArtifactError)


@pytest.mark.parametrize("count", [7, 1 << 40, -5])
def test_a_false_count_of_elements_is_con014_and_the_shapes_stay(count):
    held = [STORAGES[0], storage_entry("21", LONGS, cls="LongStorage", count=count)]
    assert sound(legacy_tar(TREE, TENSORS, held)) == ["CON014"]


def test_an_unknown_storage_class_is_con014():
    held = [storage_entry("20", FLOATS, cls="Nonsense"), STORAGES[1]]
    assert sound(legacy_tar(TREE, TENSORS, held)) == ["CON014"]


def test_members_beside_the_four_are_unclaimed():
    made = manifest(legacy_tar(TREE, TENSORS, STORAGES, extra=tar_member("notes", b"x")))
    assert made.unclaimed_members == ("notes",)


def test_a_tar_cut_anywhere_is_refused_or_says_so():
    data = legacy_tar(TREE, TENSORS, STORAGES)
    silent = []
    for cut in range(1, len(data) - 1024):
        for one in outcomes(data[:cut]):
            if isinstance(one, Contents) and not codes(
                build_manifest(one, DEFAULT_LIMITS).manifest
            ):
                silent.append(cut)
    assert silent == []


def test_damage_in_sys_info_is_a_warning():
    data = legacy_tar(TREE, TENSORS, STORAGES)
    place = data.index(b"OrderedDict", 512)
    broken = data[: place - 20] + b"\xff" * 8 + data[place - 12 :]
    found = [one for one in outcomes(broken)]
    assert all(
        isinstance(one.error, ArtifactError) for one in found if not isinstance(one, Contents)
    )


def test_hundreds_of_tensors_do_not_read_the_member_again_for_each(monkeypatch):
    touched = []
    original = Window.read

    def counted(self, offset, length):
        touched.append(length)
        return original(self, offset, length)

    monkeypatch.setattr(Window, "read", counted)
    count = 400
    tree = ordered_dict([(f"w{n}", tensor_id(str(n))) for n in range(count)])
    entries = [tensor_entry(str(n), "s", (1,), (1,)) for n in range(count)]
    data = legacy_tar(tree, entries, [storage_entry("s", b"1234")])
    assert len(tensors(manifest(data))) == count
    assert sum(touched) < 20 * len(data)


def test_shared_ids_through_the_memo_are_aliases_as_well():
    shared = asm(tensor_id("10"), put(5))
    tree = asm(value({}), "MARK", value("a"), shared, value("b"), get(5), "SETITEMS")
    made = manifest(legacy_tar(Raw(tree), TENSORS[:1], STORAGES[:1]))
    assert [t.alias_of for t in group(made).tensors] == [None, "a"]
