"""Every pickle of a file counts, wherever it stands and whatever it is called."""

import gzip
import json
import struct
from itertools import product

import pytest
from builders.finding_cases.distributed import Story, distributed
from builders.pickles import Raw, asm, call, pickled, tensor
from builders.reading import codes, manifest, outcomes
from builders.streams import COMPRESSORS, legacy_stream
from builders.tars import tar_bytes, tar_member
from builders.zips import Member, changed, torch_members, torch_zip, zip_bytes

from ckptscope.containers import Contents, read_folder
from ckptscope.facts.limits import DEFAULT_LIMITS, Limits
from ckptscope.tensors import build_manifest

EVIL = call("os", "system", "true")
#: The same call at every protocol, and as text that breaks off behind it.
EVIL_PICKLES = {f"protocol {n}": pickled(EVIL, n) for n in range(2, 6)} | {
    "text": b"cos\nsystem\n(S'true'\ntR.",
    "text behind a mark": b"(cos\nsystem\n(S'true'\ntRt.",
    "text without STOP": b"cos\nsystem\n(S'true'\ntR",
    "INST first": b"(ios\nsystem\n.",
}
DANGEROUS = pickled(EVIL)
TREE = {"w": tensor("0", (2,))}
DATA = {"0": struct.pack("<2f", 1, 2)}
MEMBERS = torch_members(TREE, DATA)
LEGACY = {"w": tensor("94", (2,), legacy=True)}
STREAM = legacy_stream(LEGACY, [("94", 2, DATA["0"])])


def os_calls(data: bytes, limits: Limits = DEFAULT_LIMITS) -> list[str]:
    """Members in which `os.system` was found, in manifests and in errors."""
    found = []
    for one in outcomes(data, limits):
        if isinstance(one, Contents):
            imports = build_manifest(one, limits).manifest.imports
        else:
            imports = one.error.reached
        found += [entry.member or "" for entry in imports if entry.name == "system"]
    return found


PLACES = {
    "a text file": "archive/notes.txt",
    "a member without ending": "archive/LICENSE",
    "a further pickle": "archive/extra.pkl",
    "a debug pickle": "archive/code/net.py.debug_pkl",
    "a code member": "archive/code/net.py",
    "the version": "archive/version",
    "the serialization id": "archive/.data/serialization_id",
    "a hidden folder": "archive/.cache/x",
    "a storage that no tensor uses": "archive/data/7",
    "a storage that a tensor uses": "archive/data/0",
    "outside the root": "elsewhere.bin",
}


@pytest.mark.parametrize(("place", "form"), list(product(PLACES, EVIL_PICKLES)))
@pytest.mark.parametrize("deflate", [False, True])
def test_a_pickle_among_the_members_counts_whatever_it_is_called(place, form, deflate):
    name = PLACES[place]
    kept = [one for one in MEMBERS if one.name != name]
    made = zip_bytes([*kept, Member(name=name, data=EVIL_PICKLES[form], deflate=deflate)])
    found = os_calls(made)
    assert found
    assert all(name in member or member == "" for member in found)


INNER = {
    "a zip": zip_bytes([Member(name="x/y.bin", data=DANGEROUS)]),
    "a torch zip": torch_zip({"a": EVIL}, {}),
    "a tar": tar_bytes(tar_member("y", DANGEROUS)),
    "a legacy stream": legacy_stream({"a": EVIL}, []),
    "an object array": b"\x93NUMPY\x01\x00"
    + struct.pack("<H", 64)
    + b"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }".ljust(63)
    + b"\n"
    + DANGEROUS,
    "a record array": b"\x93NUMPY\x01\x00"
    + struct.pack("<H", 80)
    + b"{'descr': [('a', '|O')], 'fortran_order': False, 'shape': (1,), }".ljust(79)
    + b"\n"
    + DANGEROUS,
    **{name: pack(DANGEROUS) for name, pack in COMPRESSORS.items()},
    "gzip around a tar around a zip": gzip.compress(
        tar_bytes(tar_member("z", zip_bytes([Member(name="p", data=DANGEROUS)])))
    ),
    "two pickles in a row": pickled({"a": 1}) + DANGEROUS,
    "a pickle and a zip behind it": pickled({"a": 1})
    + zip_bytes([Member(name="p", data=DANGEROUS)]),
}


@pytest.mark.parametrize("inner", INNER)
@pytest.mark.parametrize("name", ["archive/extra/blob", "archive/data/9", "archive/extra.pkl"])
def test_what_is_inside_an_archive_inside_a_member_counts(inner, name):
    assert os_calls(zip_bytes([*MEMBERS, Member(name=name, data=INNER[inner])]))


@pytest.mark.parametrize("inner", INNER)
def test_what_is_inside_a_wrapper_counts(inner):
    for pack in (
        lambda data: data,
        lambda data: zip_bytes([Member(name="folder/blob", data=data)]),
        lambda data: tar_bytes(tar_member("folder/blob", data)),
        gzip.compress,
    ):
        assert os_calls(pack(INNER[inner]))


def test_a_text_pickle_that_names_nothing_at_first_counts_where_no_tensor_uses_the_bytes():
    late = b"(S'true'\nios\nsystem\n."
    for name in ("archive/notes.txt", "archive/data/7"):
        assert os_calls(zip_bytes([*MEMBERS, Member(name=name, data=late)]))


@pytest.mark.parametrize("place", range(5))
def test_each_of_the_five_pickles_of_a_legacy_stream_counts(place):
    evil = Raw(asm(EVIL, "POP"))
    parts = [pickled(0x1950A86A20F9469CFC6C), pickled(1001), pickled({}), pickled({}), pickled([])]
    if place == 0:
        # The magic number must stand first to be recognised.
        data = asm(parts[0][:-1], evil, "STOP") + b"".join(parts[1:])
    else:
        parts[place] = asm(parts[place][:2], evil, parts[place][2:])
        data = b"".join(parts)
    assert os_calls(data)


def test_what_follows_a_legacy_stream_counts():
    assert os_calls(STREAM + DANGEROUS)
    assert os_calls(STREAM + legacy_stream({"a": EVIL}, []))
    assert os_calls(STREAM) == []


def test_a_legacy_stream_that_breaks_off_keeps_what_its_first_pickles_named():
    evil = asm(pickled({})[:2], EVIL, "POP", pickled({})[2:])
    parts = [pickled(0x1950A86A20F9469CFC6C), pickled(1001), evil]
    for rest in (b"", b"\x80\x02}", pickled({}), pickled({}) + pickled(3)):
        assert os_calls(b"".join(parts) + rest)


def test_several_pickles_in_one_file_count():
    assert os_calls(pickled({"a": 1}) + pickled([1, 2]) + DANGEROUS)
    broken = pickled({"a": 1}) + asm(b"\x80\x02", EVIL)
    assert os_calls(broken)
    assert "PKL006" in codes(manifest(broken))


def test_pickles_behind_the_stop_of_the_main_pickle_count():
    made = manifest(torch_zip(TREE, DATA, pickle=pickled(TREE) + DANGEROUS))
    assert "os" in {one.module for one in made.imports}
    assert "PKL001" in codes(made)


def test_each_member_of_one_name_counts_and_so_do_folders_with_contents():
    for name in ("archive/data/0", "archive/notes.txt", "archive/data.pkl"):
        for place in (0, len(MEMBERS)):
            members = [*MEMBERS, Member(name="archive/notes.txt", data=b"nothing at all")]
            members.insert(place, Member(name=name, data=DANGEROUS))
            assert os_calls(zip_bytes(members)), (name, place)
    assert os_calls(zip_bytes([*MEMBERS, Member(name="archive/sub/", data=DANGEROUS)]))


def test_byte_strings_that_are_unpickled_count_though_no_tensor_needs_them():
    loads = call("torch.storage", "_load_from_bytes", legacy_stream({"a": EVIL}, []))
    for tree in ({"a": loads}, {"a": call("foreign", "thing", loads)}):
        for data in (torch_zip(tree, {}), pickled(tree), legacy_stream(tree, [])):
            assert os_calls(data), tree
    popped = Raw(asm(loads, "POP", "EMPTY_DICT"))
    assert os_calls(torch_zip(popped, {}))
    second = Member(name="archive/extra.pkl", data=pickled({"a": loads}))
    assert os_calls(zip_bytes([*MEMBERS, second]))


def test_an_unpacked_folder_counts_like_the_archive(tmp_path):
    for one in [*MEMBERS, Member(name="archive/notes.txt", data=DANGEROUS)]:
        path = tmp_path / str(one.name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(one.data)
    (contents,) = read_folder(tmp_path / "archive", DEFAULT_LIMITS)
    made = build_manifest(contents, DEFAULT_LIMITS).manifest
    assert [i.member for i in made.imports if i.module == "os"] == ["notes.txt"]


PACKAGE = [
    Member(name="p/.data/extern_modules", data=b"torch"),
    Member(name="p/.data/python_version", data=b"3.11"),
    Member(name="p/model/a.pkl", data=pickled({"x": 1})),
    Member(name="p/model/b.pkl", data=pickled({"x": 1})),
]
EXPORT = [
    Member(name="m/archive_format", data=b"pt2"),
    Member(name="m/data/weights/model_weights_config.json", data=b'{"config": {}}'),
]
MODEL_JSON = [
    Member(name="m/model.json", data=json.dumps({"mainModule": {}, "tensors": []}).encode()),
    Member(name="m/code/net.py", data=b"op_version_set = 1\n"),
]


@pytest.mark.parametrize(
    ("members", "name"),
    [
        (PACKAGE, "p/model/c.pkl"),
        (PACKAGE, "p/model/data.bin"),
        (PACKAGE, "p/.data/7.storage"),
        (PACKAGE, "p/code/__init__.py"),
        (EXPORT, "m/data/sample_inputs/model.pt"),
        (EXPORT, "m/data/weights/weight_0"),
        (EXPORT, "m/extra/note.json"),
        (MODEL_JSON, "m/attributes.pkl"),
        (MODEL_JSON, "m/tensors/3"),
        (MODEL_JSON, "m/debug/x"),
    ],
)
def test_every_member_of_a_special_format_counts(members, name):
    assert os_calls(zip_bytes(members)) == []
    assert os_calls(zip_bytes([*members, Member(name=name, data=DANGEROUS)])) == [name]


def test_values_that_an_exported_program_pickles_count():
    meta = {"dtype": 7, "sizes": [{"as_int": 2}], "strides": [{"as_int": 1}], "device": {}}
    config = {"w": {"path_name": "weight_0", "use_pickle": True, "tensor_meta": meta}}
    members = [
        EXPORT[0],
        Member(name=EXPORT[1].name, data=json.dumps({"config": config}).encode()),
        Member(name="m/data/weights/weight_0", data=torch_zip({"a": EVIL}, {})),
    ]
    assert os_calls(zip_bytes(members))


def test_what_stands_between_the_pieces_of_a_distributed_checkpoint_counts(tmp_path):
    for name, content in distributed(Story()).items():
        ends = name.endswith(".distcp")
        (tmp_path / name).write_bytes(content + (torch_zip({"a": EVIL}, {}) if ends else b""))
    (contents,) = read_folder(tmp_path, DEFAULT_LIMITS)
    made = build_manifest(contents, DEFAULT_LIMITS).manifest
    assert "os" in {one.module for one in made.imports}
    assert "CON050" in codes(made)


def test_damage_of_the_main_pickle_hides_no_other():
    broken = changed(MEMBERS, "data.pkl", data=b"\x80\x02\xff")
    for name in ("archive/extra.pkl", "archive/notes.txt", "archive/data/5"):
        assert os_calls(zip_bytes([*broken, Member(name=name, data=DANGEROUS)])) == [name]


@pytest.mark.parametrize("deflate", [False, True])
def test_a_zip_without_a_directory_tells_what_its_headers_lead_to(deflate):
    extra = Member(name="archive/notes.txt", data=DANGEROUS, deflate=deflate)
    for members in ([extra, *MEMBERS], [*MEMBERS, extra]):
        assert os_calls(zip_bytes(members, end=False)) == ["archive/notes.txt"]


def test_a_damaged_member_of_a_legacy_tar_hides_no_other():
    members = [
        tar_member("sys_info", pickled({})),
        tar_member("pickle", b"\x80\x02\xff"),
        tar_member("storages", pickled(0)),
        tar_member("notes", DANGEROUS),
    ]
    assert os_calls(tar_bytes(*members)) == ["notes"]


@pytest.mark.parametrize(
    "content",
    [
        b"cat\ndog\nfish\nbird\n",
        b"config file\nof a run\n...",
        b"(c) somebody. All rights reserved.\n",
        b"import os\nprint(os.name)\n",
        b"class Net(Module):\n  __parameters__ = []\n",
        b"cos\nis a name of an island.\n",
        bytes(range(256)),
        b"\x80\x02\x00\x00\x00\x00",
        struct.pack("<4f", 1.5, -2.25, 0.0, 3.0),
    ],
)
def test_what_is_no_pickle_names_nothing(content):
    for name in ("archive/notes.txt", "archive/data/5"):
        made = manifest(zip_bytes([*MEMBERS, Member(name=name, data=content)]))
        assert {one.member for one in made.imports} == {"archive/data.pkl"}
        assert "PKL006" not in codes(made)


def test_pickles_without_number_are_bounded_and_said_to_be_left():
    members = [Member(name=f"archive/x/{n}", data=DANGEROUS) for n in range(4200)]
    made = manifest(zip_bytes([*MEMBERS, *members]))
    assert 4000 < len([i for i in made.imports if i.module == "os"]) <= 4096
    assert "CON050" in codes(made)


def test_archives_within_archives_end_at_a_depth():
    data = DANGEROUS
    for _ in range(30):
        data = zip_bytes([Member(name="x", data=data)])
    made = outcomes(zip_bytes([*MEMBERS, Member(name="archive/blob", data=data)]))
    assert any(
        "container_depth" in found.message
        for one in made
        for found in (one.findings if isinstance(one, Contents) else [])
    )
