import io
import itertools
import struct
import tracemalloc
import zipfile
import zlib

import pytest
from inert_unpickler import Pid, load_inert

from ckptscope.errors import TensorLayoutError, UsageError
from ckptscope.writers.directory import write_directory
from ckptscope.writers.forms import Global, ordered_dict
from ckptscope.writers.modules import OutgoingModule
from ckptscope.writers.tensors import (
    OutgoingStorage,
    OutgoingTensor,
    StorageView,
    bytes_storage,
    tensor_over,
)
from ckptscope.writers.torch_zip import BEFORE_2_1, CURRENT, TorchZipOptions, write_torch_zip
from ckptscope.writers.zip_archive import ZipWriter

LOCAL = struct.Struct("<4s5H3I2H")


def value():
    weight = tensor_over(
        bytes_storage(struct.pack("<6f", *range(6)), "float32", location="cuda:0"), (2, 3)
    )
    count = tensor_over(bytes_storage(struct.pack("<q", 9), "int64"), ())
    empty = tensor_over(bytes_storage(b"", "float32"), (0,))
    return {
        "epoch": 3,
        "network": ordered_dict([("w", weight), ("n", count), ("e", empty), ("again", weight)]),
    }


def written(options=CURRENT, what=None):
    file = io.BytesIO()
    write_torch_zip(file, value() if what is None else what, root="snapshot_3.pth", options=options)
    return file.getvalue()


def local_header(content, info):
    fields = LOCAL.unpack_from(content, info.header_offset)
    extra = info.header_offset + LOCAL.size + fields[9]
    return fields, content[extra : extra + fields[10]], extra + fields[10]


def test_members_stand_in_torchs_order_below_the_root_folder():
    names = zipfile.ZipFile(io.BytesIO(written())).namelist()
    assert names == [
        "snapshot_3.pth/" + name
        for name in (
            "data.pkl",
            ".format_version",
            ".storage_alignment",
            "byteorder",
            "data/0",
            "data/1",
            "data/2",
            "version",
            ".data/serialization_id",
        )
    ]


def test_an_archive_of_before_2_1_has_pickle_storages_and_version_alone():
    archive = zipfile.ZipFile(io.BytesIO(written(BEFORE_2_1)))
    names = [name.removeprefix("snapshot_3.pth/") for name in archive.namelist()]
    assert names == ["data.pkl", "data/0", "data/1", "data/2", "version"]
    assert archive.read("snapshot_3.pth/version") == b"3\n"


def test_side_members_say_what_the_options_say():
    options = TorchZipOptions(byteorder="big", alignment=128, format_version="2", version="10")
    archive = zipfile.ZipFile(io.BytesIO(written(options)))
    sides = {
        name: archive.read(f"snapshot_3.pth/{name}")
        for name in ("byteorder", ".storage_alignment", ".format_version", "version")
    }
    assert sides == {
        "byteorder": b"big",
        ".storage_alignment": b"128",
        ".format_version": b"2",
        "version": b"10\n",
    }
    identifier = archive.read("snapshot_3.pth/.data/serialization_id")
    assert len(identifier) == 40
    assert identifier.isdigit()


@pytest.mark.parametrize("alignment", [1, 16, 64, 4096])
def test_data_of_every_member_is_aligned_by_the_padding_field(alignment):
    content = written(TorchZipOptions(alignment=alignment))
    for info in zipfile.ZipFile(io.BytesIO(content)).infolist():
        _, extra, start = local_header(content, info)
        assert start % alignment == 0
        name, size = struct.unpack_from("<2sH", extra)
        assert name == b"FB"
        assert extra[4:] == b"Z" * size


def test_local_headers_hold_no_sizes_and_descriptors_and_directory_the_true_ones():
    content = written()
    archive = zipfile.ZipFile(io.BytesIO(content))
    assert archive.testzip() is None
    for info in archive.infolist():
        fields, _, start = local_header(content, info)
        assert fields[6:9] == (0, 0, 0)
        data = content[start : start + info.file_size]
        assert zlib.crc32(data) == info.CRC
        if info.file_size:
            assert fields[2] == info.flag_bits == 0x808
            descriptor = struct.unpack_from("<4s3I", content, start + info.file_size)
            assert descriptor == (b"PK\x07\x08", zlib.crc32(data), len(data), len(data))
        else:
            assert fields[2] == info.flag_bits == 0x800


def test_storages_hold_the_bytes_in_the_order_in_which_they_were_met():
    archive = zipfile.ZipFile(io.BytesIO(written()))
    assert archive.read("snapshot_3.pth/data/0") == struct.pack("<6f", *range(6))
    assert archive.read("snapshot_3.pth/data/1") == struct.pack("<q", 9)
    assert archive.read("snapshot_3.pth/data/2") == b""


def test_the_pickle_names_storages_by_class_key_device_and_count():
    tree = load_inert(zipfile.ZipFile(io.BytesIO(written())).read("snapshot_3.pth/data.pkl"))
    weight = tree["network"].pairs["w"]
    pid, offset, shape, stride, requires_grad, hooks = weight.args
    assert weight.name == "torch._utils._rebuild_tensor_v2"
    assert isinstance(pid, Pid)
    kind, cls, *rest = pid.value
    assert (kind, cls.qualified, rest) == ("storage", "torch.FloatStorage", ["0", "cuda:0", 6])
    assert (offset, shape, stride, requires_grad, hooks.name) == (
        0,
        (2, 3),
        (3, 1),
        False,
        "collections.OrderedDict",
    )
    assert tree["network"].pairs["again"] is weight


def test_a_dtype_without_storage_class_is_rebuilt_over_counted_bytes():
    tensor = OutgoingTensor(
        storage=bytes_storage(bytes(6), "uint16"), shape=(2,), stride=(1,), offset=1
    )
    tree = load_inert(
        zipfile.ZipFile(io.BytesIO(written(what=tensor))).read("snapshot_3.pth/data.pkl")
    )
    assert tree.name == "torch._utils._rebuild_tensor_v3"
    assert tree.args[0].value[1].qualified == "torch.storage.UntypedStorage"
    assert tree.args[0].value[4] == 6
    assert tree.args[1] == 1
    assert tree.args[6].qualified == "torch.uint16"


def test_a_parameter_wraps_a_tensor_that_needs_no_gradient_itself():
    tensor = tensor_over(
        bytes_storage(bytes(8), "float32"), (2,), parameter=True, requires_grad=True
    )
    tree = load_inert(
        zipfile.ZipFile(io.BytesIO(written(what=tensor))).read("snapshot_3.pth/data.pkl")
    )
    assert tree.name == "torch._utils._rebuild_parameter"
    assert tree.args[1] is True
    assert tree.args[0].args[4] is False


def test_views_of_storages_are_resolved_to_the_storage_that_holds_the_bytes():
    root = bytes_storage(struct.pack("<8f", *range(8)), "float32")
    views = [StorageView(root=root, offset=offset, elements=4) for offset in (0, 4)]
    tree = load_inert(
        zipfile.ZipFile(
            io.BytesIO(written(what=[tensor_over(v, (2,), offset=1) for v in views]))
        ).read("snapshot_3.pth/data.pkl")
    )
    assert [(t.args[0].value[2], t.args[0].value[4], t.args[1]) for t in tree] == [
        ("0", 8, 1),
        ("0", 8, 5),
    ]
    with pytest.raises(UsageError, match="bare view"):
        written(what=views[0])


def test_bare_storages_and_modules_are_spelled_as_torch_spells_them():
    storage = bytes_storage(bytes(8), "float32")
    module = OutgoingModule(
        cls=Global("torch.nn.modules.linear", "Linear"),
        parameters=(("weight", tensor_over(storage, (1, 2), parameter=True)), ("bias", None)),
        attributes=(("in_features", 2),),
    )
    bare, linear = load_inert(
        zipfile.ZipFile(io.BytesIO(written(what=[storage, module]))).read("snapshot_3.pth/data.pkl")
    )
    assert bare.value[2:] == ("0", "cpu", 2)
    assert linear.name == "torch.nn.modules.linear.Linear"
    assert linear.state["_parameters"].pairs["weight"].args[0].args[0].value == bare.value
    assert linear.state["_parameters"].pairs["bias"] is None
    assert linear.state["in_features"] == 2


def test_given_keys_are_kept_and_may_not_clash():
    storages = [bytes_storage(bytes(4), "float32", key=key) for key in ("7", None, "0")]
    with pytest.raises(UsageError, match="another '0'"):
        written(what=[tensor_over(s, (1,)) for s in storages])
    names = zipfile.ZipFile(
        io.BytesIO(written(what=[tensor_over(s, (1,)) for s in storages[:2]]))
    ).namelist()
    assert [name for name in names if "/data/" in name] == [
        "snapshot_3.pth/data/7",
        "snapshot_3.pth/data/0",
    ]


@pytest.mark.parametrize(
    ("dtype", "little", "big"),
    [
        ("float32", struct.pack("<2f", 1, 2), struct.pack(">2f", 1, 2)),
        ("int64", struct.pack("<q", -5), struct.pack(">q", -5)),
        ("float16", struct.pack("<3e", 1, 2, 3), struct.pack(">3e", 1, 2, 3)),
        ("complex64", struct.pack("<2f", 1, 2), struct.pack(">2f", 1, 2)),
        ("uint8", b"abc", b"abc"),
    ],
)
def test_big_endian_storages_have_every_word_reversed(dtype, little, big):
    content = written(TorchZipOptions(byteorder="big"), bytes_storage(little, dtype))
    assert zipfile.ZipFile(io.BytesIO(content)).read("snapshot_3.pth/data/0") == big


def test_big_endian_storages_without_a_member_that_says_so_are_refused():
    with pytest.raises(UsageError, match="byteorder"):
        TorchZipOptions(byteorder="big", byteorder_member=False)


def test_deflated_members_come_out_whole_and_smaller():
    what = bytes_storage(bytes(100_000), "float32")
    info = zipfile.ZipFile(io.BytesIO(written(TorchZipOptions(deflate=True), what))).getinfo(
        "snapshot_3.pth/data/0"
    )
    assert info.compress_type == zipfile.ZIP_DEFLATED
    assert info.compress_size < 1000
    archive = zipfile.ZipFile(io.BytesIO(written(TorchZipOptions(deflate=True))))
    assert archive.testzip() is None
    assert archive.read("snapshot_3.pth/data/0") == struct.pack("<6f", *range(6))


def test_forced_zip64_fields_are_there_and_read_as_the_same_members():
    options = TorchZipOptions(zip64=True)
    content = written(options)
    archive, plain = zipfile.ZipFile(io.BytesIO(content)), zipfile.ZipFile(io.BytesIO(written()))
    assert archive.testzip() is None
    assert archive.namelist() == plain.namelist()
    for info in archive.infolist():
        assert archive.read(info) == plain.read(info.filename)
        central = struct.pack(
            "<2H3Q", 1, 24, info.file_size, info.compress_size, info.header_offset
        )
        assert info.extra == central
        _, extra, start = local_header(content, info)
        assert extra[:4] == struct.pack("<2H", 1, 24)
        assert start % 64 == 0


def test_crcs_that_are_not_recorded_are_zero_everywhere():
    content = written(TorchZipOptions(crc=False))
    infos = zipfile.ZipFile(io.BytesIO(content)).infolist()
    assert {info.CRC for info in infos} == {0}
    for info in infos:
        _, _, start = local_header(content, info)
        if info.file_size:
            assert struct.unpack_from("<I", content, start + info.file_size + 4) == (0,)


def test_writing_twice_gives_the_same_bytes():
    assert written() == written()


def test_the_directory_form_holds_the_members_of_the_zip(tmp_path):
    write_directory(tmp_path / "snapshot_3.pth", value())
    archive = zipfile.ZipFile(io.BytesIO(written()))
    found = {
        str(p.relative_to(tmp_path)): p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()
    }
    assert found == {name: archive.read(name) for name in archive.namelist()}


@pytest.mark.parametrize("key", ["../../out", "..", "/etc/passwd/../../../../x"])
def test_a_key_never_leads_out_of_the_folder(tmp_path, key):
    with pytest.raises(UsageError, match="file name"):
        write_directory(tmp_path / "folder", bytes_storage(b"", "uint8", key=f"x/../../{key}"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"123", b"12345"])
def test_a_storage_of_the_wrong_size_leaves_no_file_behind(tmp_path, content):
    storage = OutgoingStorage(dtype="float32", elements=1, chunks=lambda: (content,))
    with pytest.raises(TensorLayoutError):
        write_torch_zip(tmp_path / "x.pth", storage)
    with pytest.raises(TensorLayoutError):
        write_directory(tmp_path / "y", storage)
    assert list(tmp_path.iterdir()) == []


class Discarding(io.RawIOBase):
    def write(self, content):
        return len(content)


def test_a_large_storage_is_never_held_in_memory():
    block = bytes(1 << 20)
    storage = OutgoingStorage(
        dtype="float32", elements=64 << 18, chunks=lambda: itertools.repeat(block, 64)
    )
    tracemalloc.start()
    try:
        for options in (TorchZipOptions(), TorchZipOptions(byteorder="big")):
            write_torch_zip(Discarding(), tensor_over(storage, (64 << 18,)), options=options)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 8 << 20


class Sparse:
    """Writes long zeros as a hole."""

    def __init__(self, file):
        self.file = file

    def write(self, content):
        if len(content) >= 1 << 20:
            self.file.seek(len(content), 1)
        else:
            self.file.write(content)
        return len(content)


def test_members_and_offsets_beyond_4_gib_use_zip64_by_themselves(tmp_path):
    size = (1 << 32) + 64
    block = memoryview(bytes(64 << 20))
    with (tmp_path / "large.zip").open("wb") as file:
        archive = ZipWriter(Sparse(file), crc=False)
        archive.add("before", 4, [b"near"])
        archive.add("large", size, [*itertools.repeat(block, 64), bytes(64)])
        archive.add("after", 3, [b"far"])
        archive.finish()
    with zipfile.ZipFile(tmp_path / "large.zip") as archive:
        infos = {info.filename: info for info in archive.infolist()}
        assert infos["large"].file_size == size
        assert infos["after"].header_offset > 1 << 32
        assert infos["before"].extra == b""
        assert len(infos["large"].extra) == 4 + 16
        assert len(infos["after"].extra) == 4 + 8
        archive.fp.seek(infos["after"].header_offset)
        assert b"far" in archive.fp.read(200)


def test_more_members_than_16_bits_can_count_are_all_found():
    file = io.BytesIO()
    archive = ZipWriter(file)
    for index in range(65_537):
        archive.add(str(index), 1, [b"x"])
    archive.finish()
    content = file.getvalue()
    assert struct.unpack_from("<4H", content, len(content) - 18)[2:] == (0xFFFF, 0xFFFF)
    assert len(zipfile.ZipFile(io.BytesIO(content)).namelist()) == 65_537


@pytest.mark.parametrize("alignment", [0, -1, 1 << 16])
def test_alignments_that_the_padding_field_cannot_make_are_refused(alignment):
    with pytest.raises(UsageError, match="alignment"):
        ZipWriter(io.BytesIO(), alignment=alignment)


def test_an_archive_can_begin_within_a_file():
    file = io.BytesIO()
    file.write(b"before")
    write_torch_zip(file, value())
    assert zipfile.ZipFile(io.BytesIO(file.getvalue()[6:])).testzip() is None
