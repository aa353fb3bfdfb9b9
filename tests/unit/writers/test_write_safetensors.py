import io
import json
import struct

import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import save

from ckptscope.errors import TensorLayoutError, UsageError
from ckptscope.writers.safetensors import DTYPE_NAMES, write_safetensors
from ckptscope.writers.tensors import OutgoingTensor, bytes_storage, item_size, tensor_over


def written(tensors, metadata=None):
    file = io.BytesIO()
    write_safetensors(file, tensors, metadata=metadata)
    return file.getvalue()


def numpy_dtype(name):
    return np.dtype(getattr(ml_dtypes, name, name))


#: The order of the two FNUZ types is not tried: older versions of the library lack them.
LIBRARY = [dtype for dtype in DTYPE_NAMES if "fnuz" not in dtype]


def test_bytes_equal_those_of_the_library_for_every_dtype_and_order_of_names():
    ours, theirs = [], {}
    for index, dtype in enumerate((*LIBRARY, *LIBRARY)):
        content = bytes(range(2 * item_size(dtype)))
        name = f"{'zéa'[index % 3]}.{index}"
        ours.append((name, tensor_over(bytes_storage(content, dtype), (2, 1))))
        theirs[name] = np.frombuffer(content, numpy_dtype(dtype)).reshape(2, 1)
    assert written(ours, {"format": "pt"}) == save(theirs, {"format": "pt"})


def test_a_file_without_metadata_has_no_entry_for_it():
    content = written([("a", tensor_over(bytes_storage(bytes(4), "float32"), ()))])
    assert content == save({"a": np.zeros((), "float32")})
    (size,) = struct.unpack_from("<Q", content)
    assert size % 8 == 0
    assert list(json.loads(content[8 : 8 + size])) == ["a"]


def test_tensors_over_one_storage_are_written_out_each():
    storage = bytes_storage(np.arange(6, dtype="<f4").tobytes(), "float32")
    content = written(
        [("a", tensor_over(storage, (3,), offset=3)), ("b", tensor_over(storage, (6,)))]
    )
    assert content.endswith(np.array([3, 4, 5, 0, 1, 2, 3, 4, 5], "<f4").tobytes())


@pytest.mark.parametrize("names", [("a", "a"), ("__metadata__",)])
def test_names_that_the_header_cannot_hold_are_refused(names):
    tensor = tensor_over(bytes_storage(bytes(4), "float32"), (1,))
    with pytest.raises(UsageError, match="names that differ"):
        written([(name, tensor) for name in names])


def test_a_dtype_that_the_format_lacks_is_refused_with_the_tensors_name():
    with pytest.raises(UsageError, match=r"'qint8'.*'weight'"):
        written([("weight", tensor_over(bytes_storage(bytes(4), "qint8"), (4,)))])


def test_a_transposed_tensor_is_refused_and_no_file_left_behind(tmp_path):
    storage = bytes_storage(bytes(24), "float32")
    tensor = OutgoingTensor(storage=storage, shape=(3, 2), stride=(1, 3))
    with pytest.raises(TensorLayoutError, match="contiguous"):
        write_safetensors(tmp_path / "x.safetensors", [("t", tensor)])
    assert list(tmp_path.iterdir()) == []
