import io
import pickle
import struct
import tarfile

import pytest
from inert_unpickler import Pid, load_inert

from ckptscope.errors import TensorLayoutError, UsageError
from ckptscope.writers.forms import Global, ordered_dict
from ckptscope.writers.legacy_stream import write_legacy_stream
from ckptscope.writers.legacy_tar import write_legacy_tar, write_tar_without_tensors
from ckptscope.writers.modules import OutgoingModule
from ckptscope.writers.tensors import OutgoingStorage, StorageView, bytes_storage, tensor_over

WEIGHT = struct.pack("<6f", *range(6))
LINEAR = Global("torch.nn.modules.linear", "Linear")


def value():
    weight = tensor_over(bytes_storage(WEIGHT, "float32", location="cuda:0"), (2, 3))
    count = tensor_over(bytes_storage(struct.pack("<q", 9), "int64"), ())
    return {"epoch": 3, "network": ordered_dict([("w", weight), ("n", count)])}


def viewed():
    root = bytes_storage(struct.pack("<8f", *range(8)), "float32")
    view = StorageView(root=root, offset=2, elements=4)
    return [tensor_over(view, (2,), offset=1), tensor_over(root, (8,)), tensor_over(view, (4,))]


def modules():
    def linear():
        weight = tensor_over(
            bytes_storage(bytes(8), "float32"), (1, 2), parameter=True, requires_grad=True
        )
        return OutgoingModule(
            cls=LINEAR,
            parameters=(("weight", weight),),
            source_file="linear.py",
            source="class Linear",
        )

    return [linear(), linear()]


def written(write, what):
    file = io.BytesIO()
    write(file, what)
    return file.getvalue()


def stream(what):
    file = io.BytesIO(written(write_legacy_stream, what))
    return [load_inert(file) for _ in range(5)], file.read()


def test_a_stream_begins_with_magic_number_protocol_and_system():
    (magic, protocol, system, *_), _ = stream(value())
    assert magic == 0x1950A86A20F9469CFC6C
    assert protocol == 1001
    assert system == {
        "protocol_version": 1001,
        "little_endian": True,
        "type_sizes": {"short": 2, "int": 4, "long": 4},
    }


def test_a_stream_ends_with_sorted_keys_and_counted_storages():
    (*_, tree, keys), rest = stream(value())
    kind, cls, key, location, count, view = tree["network"].pairs["w"].args[0].value
    assert (kind, cls.qualified, location, count, view) == (
        "storage",
        "torch.FloatStorage",
        "cuda:0",
        6,
        None,
    )
    assert keys == sorted(keys)
    assert len(keys) == 2
    parts = {keys[0]: struct.pack("<q", 6) + WEIGHT, keys[1]: struct.pack("<2q", 1, 9)}
    assert key == keys[0]
    assert rest == parts[keys[0]] + parts[keys[1]]


def test_views_of_storages_are_the_sixth_item_of_their_ids_in_a_stream():
    (*_, tree, keys), rest = stream(viewed())
    first, whole, second = tree
    root, view = first.args[0].value[2], first.args[0].value[5]
    assert view[1:] == (2, 4)
    assert first.args[0].value[4] == 8
    assert first.args[1] == 1
    assert whole.args[0].value[5] is None
    assert second.args[0].value == first.args[0].value
    assert keys == [root]
    assert rest == struct.pack("<q8f", 8, *range(8))


def test_an_untyped_storage_is_counted_in_bytes_in_a_stream():
    (*_, tree, _), rest = stream(tensor_over(bytes_storage(b"abcdef", "uint16"), (3,)))
    assert tree.args[0].value[4] == 6
    assert rest == struct.pack("<q", 6) + b"abcdef"


def test_a_class_brings_its_source_the_first_time_it_is_met_in_a_stream():
    content = written(write_legacy_stream, modules())
    assert content.count(b"class Linear") == 1
    assert content.count(b"ctorch.nn.modules.linear\nLinear\n") == 1
    assert content.count(b"module") >= 1


def tar(content):
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        return {member.name: (member, archive.extractfile(member).read()) for member in archive}


def read_storages(content, views=True):
    file = io.BytesIO(content)
    storages = {}
    for _ in range(pickle.load(file)):
        key, location, cls = load_inert(file)
        (count,) = struct.unpack("<q", file.read(8))
        width = 8 if "Long" in cls.qualified else 4
        storages[key] = (location, cls.qualified, count, file.read(count * width))
    return storages, pickle.load(file) if views else None, file.read()


def read_tensors(content):
    file = io.BytesIO(content)
    tensors = {}
    for _ in range(pickle.load(file)):
        key, storage, cls = load_inert(file)
        ndim, padding = struct.unpack("<2i", file.read(8))
        assert padding == 0
        numbers = struct.unpack(f"<{2 * ndim + 1}q", file.read(16 * ndim + 8))
        tensors[key] = (storage, cls.qualified, numbers[:ndim], numbers[ndim:-1], numbers[-1])
    assert file.read() == b""
    return tensors


def test_a_tar_has_the_four_members_without_owner_or_time():
    members = tar(written(write_legacy_tar, value()))
    assert list(members) == ["sys_info", "pickle", "tensors", "storages"]
    assert {(m.mtime, m.uid, m.gid, m.uname, m.gname) for m, _ in members.values()} == {
        (0, 0, 0, "", "")
    }
    assert pickle.loads(members["sys_info"][1])["protocol_version"] == 1000


def test_ids_in_a_tar_are_decimal_strings_of_tensors_that_name_their_storages():
    members = tar(written(write_legacy_tar, value()))
    pid = load_inert(members["pickle"][1])["network"].pairs["w"]
    tensors = read_tensors(members["tensors"][1])
    storages, views, rest = read_storages(members["storages"][1])
    storage, cls, shape, stride, offset = tensors[int(pid.value)]
    assert (cls, shape, stride, offset) == ("torch.cuda.FloatTensor", (2, 3), (3, 1), 0)
    assert storages[storage] == ("cuda:0", "torch.FloatStorage", 6, WEIGHT)
    assert sorted(entry[1] for entry in storages.values()) == [
        "torch.FloatStorage",
        "torch.LongStorage",
    ]
    assert (views, rest) == ([], b"")


def test_views_of_storages_are_listed_behind_the_storages_of_a_tar():
    members = tar(written(write_legacy_tar, viewed()))
    storages, views, _ = read_storages(members["storages"][1])
    tensors = read_tensors(members["tensors"][1])
    ((view, root, offset, count),) = views
    assert list(storages) == [root]
    assert (offset, count) == (2, 4)
    assert [entry[0] for entry in tensors.values()] == [view, root, view]
    assert [entry[4] for entry in tensors.values()] == [1, 0, 0]


def test_whole_modules_in_a_tar_bring_their_source_and_parameters_with_five_items():
    members = tar(written(write_legacy_tar, modules()))
    assert members["pickle"][1].count(b"class Linear") == 1
    content = members["pickle"][1]
    assert content.count(b"ctorch.nn.parameter\nParameter\n") == 1

    class Plain:
        def __setstate__(self, state):
            self.state = state

    class Unpickler(pickle.Unpickler):
        def find_class(self, module, name):
            return dict if name == "OrderedDict" else type(name, (Plain,), {})

        def persistent_load(self, pid):
            return pid[0] if isinstance(pid, tuple) else Pid(pid)

    first, second = Unpickler(io.BytesIO(content)).load()
    weights = [module.state["_parameters"]["weight"].state for module in (first, second)]
    assert [state[1:] for state in weights] == [(None, None, True, False)] * 2
    assert weights[0][0] != weights[1][0]
    assert {int(state[0].value) for state in weights} == set(read_tensors(members["tensors"][1]))


def test_a_tar_without_tensors_names_storages_by_plain_tuples():
    members = tar(written(write_tar_without_tensors, value()))
    assert list(members) == ["sys_info", "pickle", "storages"]
    weight = load_inert(members["pickle"][1])["network"].pairs["w"]
    assert weight.args[0][2:] == ("0", "cuda:0", 6)
    storages, _, rest = read_storages(members["storages"][1], views=False)
    assert storages["0"] == ("cuda:0", "torch.FloatStorage", 6, WEIGHT)
    assert rest == b""


@pytest.mark.parametrize("write", [write_legacy_tar, write_tar_without_tensors])
def test_a_tar_has_no_place_for_dtypes_that_came_later(write):
    with pytest.raises(UsageError, match="'float8_e5m2'"):
        written(write, tensor_over(bytes_storage(b"a", "float8_e5m2"), (1,)))


@pytest.mark.parametrize(
    "write", [write_legacy_stream, write_legacy_tar, write_tar_without_tensors]
)
def test_legacy_files_are_written_alike_twice(write):
    assert written(write, value()) == written(write, value())


@pytest.mark.parametrize("write", [write_legacy_stream, write_legacy_tar])
@pytest.mark.parametrize("content", [b"123", b"12345"])
def test_a_short_or_long_storage_leaves_no_legacy_file_behind(tmp_path, write, content):
    storage = OutgoingStorage(dtype="float32", elements=1, chunks=lambda: (content,))
    with pytest.raises(TensorLayoutError):
        write(tmp_path / "x.pth", tensor_over(storage, (1,)))
    assert list(tmp_path.iterdir()) == []
