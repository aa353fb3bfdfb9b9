"""Small valid checkpoints of every kind, as members and a way to pack them.

Enters: nothing. Leaves: `Seed`s. Damage can thus be done to the packed bytes or to one member before
packing, which gets past checksums and headers to what they protect.
"""

import bz2
import gzip
import io
import json
import lzma
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from ckptscope.writers.forms import Global, NewObject, PersistentId, Reduce, ordered_dict
from ckptscope.writers.legacy_stream import write_legacy_stream
from ckptscope.writers.legacy_tar import write_legacy_tar, write_tar_without_tensors
from ckptscope.writers.pickle_encoder import encode_pickle
from ckptscope.writers.safetensors import write_safetensors
from ckptscope.writers.tensors import bytes_storage, tensor_over
from ckptscope.writers.torch_zip import write_torch_zip

Members = dict[str, bytes]


@dataclass(frozen=True)
class Seed:
    """One valid checkpoint."""

    members: Members
    pack: Callable[[Members], bytes] = field(repr=False)

    def packed(self) -> bytes:
        return self.pack(self.members)


def only(members: Members) -> bytes:
    """A file that is its one member."""
    return next(iter(members.values()))


def as_zip(members: Members) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name), data)
    return out.getvalue()


def as_deflated_zip(members: Members) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
    return out.getvalue()


def as_tar(members: Members) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, data in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return out.getvalue()


def _tensors() -> dict[str, object]:
    weights = bytes_storage(np.arange(12, dtype="<f4").tobytes(), "float32", location="cuda:0")
    counts = bytes_storage(np.arange(3, dtype="<i8").tobytes(), "int64")
    return {
        "layer.weight": tensor_over(weights, (2, 3)),
        "layer.tail": tensor_over(weights, (2,), offset=6),
        "layer.num_batches_tracked": tensor_over(counts, (3,)),
    }


def value() -> dict[str, object]:
    """What a training loop would save, in little."""
    tensors = _tensors()
    step = tensor_over(bytes_storage(np.float32(7).tobytes(), "float32"), ())
    return {
        "epoch": 3,
        "best": 0.5,
        "network": ordered_dict(list(tensors.items())),
        "optimizer": {
            "state": {0: {"step": step, "momentum_buffer": tensors["layer.weight"]}},
            "param_groups": [{"lr": 0.1, "momentum": 0.9, "nesterov": False, "params": [0]}],
        },
        "args": NewObject(Global("argparse", "Namespace"), (), {"lr": 0.1, "name": "a"}),
        "list": [1, "two", (3.0, None), b"four"],
    }


def _written(write: Callable[..., None], content: object) -> bytes:
    out = io.BytesIO()
    write(out, content)
    return out.getvalue()


def _unzipped(data: bytes) -> Members:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _untarred(data: bytes) -> Members:
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        found = {}
        for entry in archive.getmembers():
            handle = archive.extractfile(entry)
            if handle is not None:
                found[entry.name] = handle.read()
        return found


def _storage_id(key: str, count: int) -> PersistentId:
    return PersistentId(("storage", Global("torch", "FloatStorage"), key, "cpu", count))


def _bare_tensor(key: str = "0") -> Reduce:
    arguments = (_storage_id(key, 6), 0, (2, 3), (3, 1), False, ordered_dict([]))
    return Reduce(Global("torch._utils", "_rebuild_tensor_v2"), arguments)


def _torchscript() -> Members:
    module = NewObject(
        Global("__torch__", "Net"), (), {"training": False, "weight": _bare_tensor()}
    )
    return {
        "net/data.pkl": encode_pickle(module),
        "net/data/0": bytes(24),
        "net/code/__torch__.py": b'class Net(Module):\n  __parameters__ = ["weight", ]\n'
        b"  __buffers__ = []\n",
        "net/constants.pkl": encode_pickle(()),
        "net/version": b"3\n",
    }


def _exported() -> Members:
    sizes = [{"as_int": 2}, {"as_int": 3}]
    meta = {
        "dtype": 7,
        "sizes": sizes,
        "requires_grad": True,
        "device": {"type": "cpu", "index": None},
        "strides": [{"as_int": 3}, {"as_int": 1}],
        "storage_offset": {"as_int": 0},
        "layout": 7,
    }
    entry = {
        "path_name": "weight_0",
        "is_param": True,
        "use_pickle": False,
        "tensor_meta": meta,
    }
    return {
        "m/archive_format": b"pt2",
        "m/data/weights/weight_0": bytes(24),
        "m/data/weights/model_weights_config.json": json.dumps(
            {"config": {"0.weight": entry}}
        ).encode(),
        "m/data/sample_inputs/model.pt": _written(write_torch_zip, value()),
        "m/byteorder": b"little",
    }


def _package() -> Members:
    return {
        "p/weights/w.pkl": encode_pickle({"w": _bare_tensor("0")}),
        "p/.data/0.storage": bytes(24),
        "p/.data/extern_modules": b"torch\n",
        "p/.data/python_version": b"3.11",
    }


def _model_json() -> Members:
    document = {
        "protoVersion": "2",
        "mainModule": {
            "name": "Net",
            "parameters": [{"isBuffer": False, "tensorId": "0", "name": "weight"}],
            "submodules": [
                {"name": "bn", "parameters": [{"isBuffer": True, "tensorId": "1", "name": "mean"}]}
            ],
        },
        "producerName": "pytorch",
        "producerVersion": "1.0",
        "tensors": [
            {
                "dims": ["2", "3"],
                "offset": "0",
                "strides": ["3", "1"],
                "requiresGrad": True,
                "dataType": "FLOAT",
                "data": {"key": f"tensors/{index}"},
                "device": "cpu",
            }
            for index in range(2)
        ],
    }
    return {
        "n/model.json": json.dumps(document).encode(),
        "n/code/n.py": b"op_version_set = 0\n",
        "n/tensors/0": bytes(24),
        "n/tensors/1": bytes(24),
        "n/version": b"1\n",
    }


def _array(content: np.ndarray, *, pickled: bool = False) -> bytes:
    out = io.BytesIO()
    np.save(out, content, allow_pickle=pickled)
    return out.getvalue()


def _distributed() -> Members:
    home = "torch.distributed.checkpoint.metadata"

    def made(name: str, **state: object) -> NewObject:
        return NewObject(Global(home, name), (), state)

    def sized(*sizes: int) -> Reduce:
        return Reduce(Global("torch", "Size"), (sizes,))

    pieces = [_piece(_bare_tensor()), _piece(3)]
    properties = NewObject(
        Global(home, "TensorProperties"), (), (Global("torch", "float32"), None, False, None, False)
    )
    chunk = made("ChunkStorageMetadata", offsets=sized(0, 0), sizes=sized(2, 3))
    info = Global("torch.distributed.checkpoint.filesystem", "_StorageInfo")
    places = [
        (
            made("MetadataIndex", fqn="network.w", offset=sized(0, 0), index=0),
            NewObject(
                info, (), {"relative_path": "__0_0.distcp", "offset": 0, "length": len(pieces[0])}
            ),
        ),
        (
            made("MetadataIndex", fqn="epoch", offset=None, index=None),
            NewObject(
                info,
                (),
                {
                    "relative_path": "__0_0.distcp",
                    "offset": len(pieces[0]),
                    "length": len(pieces[1]),
                },
            ),
        ),
    ]
    metadata = made(
        "Metadata",
        state_dict_metadata={
            "network.w": made(
                "TensorStorageMetadata", properties=properties, size=sized(2, 3), chunks=[chunk]
            ),
            "epoch": made("BytesStorageMetadata"),
        },
        planner_data={"network.w": ("network", "w"), "epoch": ("epoch",)},
        storage_data=ordered_dict(places),
    )
    return {"c/.metadata": encode_pickle(metadata), "c/__0_0.distcp": b"".join(pieces)}


def _piece(content: object) -> bytes:
    return as_zip({"archive/data.pkl": encode_pickle(content), "archive/data/0": bytes(24)})


def _sharded() -> Members:
    shards: Members = {}
    index = {}
    for number, (name, tensor) in enumerate(_tensors().items()):
        file = f"model-{number}.safetensors"
        shards[f"s/{file}"] = _written(write_safetensors, [(name, tensor)])
        index[name] = file
    document = {"metadata": {"total_size": 80}, "weight_map": index}
    return {"s/model.safetensors.index.json": json.dumps(document).encode(), **shards}


def _compressed(pack: Callable[[bytes], bytes]) -> Callable[[Members], bytes]:
    return lambda members: pack(as_tar(members))


def seeds() -> dict[str, Seed]:
    """Return one seed for each kind of container."""
    zipped = _written(write_torch_zip, value())
    inside = _unzipped(zipped)
    tensors = list(_tensors().items())
    old = _untarred(_written(write_legacy_tar, value()))
    bare = _untarred(_written(write_tar_without_tensors, value()))
    plain = encode_pickle({"a": [1, 2.5, "x", b"y"], "n": (None, True), "s": {"k": -(1 << 70)}})
    arrays = {
        "a.npy": _array(np.zeros((2, 3), "f4")),
        "o.npy": _array(np.array([None]), pickled=True),
    }
    return {
        "torch zip": Seed({"file": zipped}, only),
        "torch zip, repacked": Seed(inside, as_zip),
        "torch zip, deflated": Seed(inside, as_deflated_zip),
        "legacy stream": Seed({"file": _written(write_legacy_stream, value())}, only),
        "legacy tar": Seed(old, as_tar),
        "legacy tar without tensors": Seed(bare, as_tar),
        "safetensors": Seed({"file": _written(write_safetensors, tensors)}, only),
        "pickle": Seed({"file": plain}, only),
        "directory": Seed(inside, as_tar),
        "tar": Seed({"a.pt": zipped, "b.txt": b"text"}, as_tar),
        "gzip": Seed({"a.pt": zipped}, _compressed(lambda data: gzip.compress(data, mtime=0))),
        "bzip2": Seed({"a.pt": zipped}, _compressed(bz2.compress)),
        "xz": Seed({"a.pt": zipped}, _compressed(lzma.compress)),
        "zip": Seed({"a.pt": zipped, "b/c.pt": zipped}, as_zip),
        "TorchScript": Seed(_torchscript(), as_zip),
        "TorchScript of 2019": Seed(_model_json(), as_zip),
        "torch.export": Seed(_exported(), as_zip),
        "torch.package": Seed(_package(), as_zip),
        "distributed": Seed(_distributed(), as_tar),
        "sharded": Seed(_sharded(), as_tar),
        "numpy": Seed({"file": arrays["a.npy"]}, only),
        "numpy archive": Seed(arrays, as_zip),
    }


def machine_seeds() -> list[bytes]:
    """Return pickles that between them use every group of opcodes."""
    contents = [value_without_tensors(), {"w": _bare_tensor()}, [[], (), {}, "x" * 300]]
    return [encode_pickle(content, protocol=p) for content in contents for p in (1, 2, 4)] + [
        encode_pickle(value_without_tensors(), protocol=0)
    ]


def value_without_tensors() -> dict[str, object]:
    """Plain values, a class, an ordered dict."""
    return {
        "epoch": 3,
        "big": 1 << 100,
        "float": -0.25,
        "text": "ü中😀",
        "raw": b"\x00\xff" * 20,
        "many": list(range(300)),
        "nested": [[[[("a", "b")]]]],
        "set": {1, 2},
        "args": NewObject(Global("argparse", "Namespace"), (), {"lr": 0.1}),
        "dict": ordered_dict([("k", [1, 2, 3])]),
    }
