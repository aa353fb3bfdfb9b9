"""One identity for one content: any container, order, prefix, wrapper, layout and byte order."""

import tempfile
from pathlib import Path

from builders.content_identity import roots_of_state_dict, tensor_digest
from hypothesis import given, settings
from hypothesis import strategies as st

from ckptscope.facts.dtypes import ITEM_BYTES
from ckptscope.pipeline.identity import identify_content
from ckptscope.writers.directory import write_directory
from ckptscope.writers.legacy_stream import write_legacy_stream
from ckptscope.writers.legacy_tar import write_legacy_tar
from ckptscope.writers.safetensors import write_safetensors
from ckptscope.writers.tensors import OutgoingTensor, bytes_storage, tensor_over
from ckptscope.writers.torch_zip import TorchZipOptions, write_torch_zip
from ckptscope.writers.wrapping import Compression, compress_file, wrap_tar, wrap_zip

#: What every container can hold; of complex ones safetensors has no double.
EVERYWHERE = ("float64", "float32", "float16", "int64", "int32", "int16", "int8", "uint8")
ELSEWHERE = ("bfloat16", "bool", "complex64", "float8_e5m2", "uint32")
PREFIXES = ("", "module.", "_orig_mod.", "module._orig_mod.", "_orig_mod.module.")
NAMES = st.text("abcdé層.0_", min_size=1, max_size=8).map(lambda name: f"{name}.weight")
SHAPES = st.lists(st.integers(0, 5), max_size=4).map(tuple)


def product(shape):
    count = 1
    for size in shape:
        count *= size
    return count


@st.composite
def contents(draw, dtypes):
    """Names with dtype, shape and canonical bytes."""
    names = draw(st.lists(NAMES, min_size=1, max_size=5, unique=True))
    state = {}
    for name in names:
        dtype, shape = draw(st.sampled_from(dtypes)), draw(SHAPES)
        size = product(shape) * ITEM_BYTES[dtype]
        raw = draw(st.binary(min_size=size, max_size=size))
        if dtype == "bool":
            raw = bytes(byte & 1 for byte in raw)
        state[name] = (dtype, shape, raw)
    return state


def expected(state):
    digests = {name: tensor_digest(*one) for name, one in state.items()}
    return roots_of_state_dict(digests)


def plain(state):
    return {
        name: tensor_over(bytes_storage(raw, dtype), shape)
        for name, (dtype, shape, raw) in state.items()
    }


def elements_of(dtype, raw):
    size = ITEM_BYTES[dtype]
    return [raw[start : start + size] for start in range(0, len(raw), size)]


def laid_out_oddly(dtype, shape, raw, draw):
    """A view with permuted strides, steps and an offset, whose elements are the same."""
    order = list(range(len(shape)))
    draw.shuffle(order)
    offset, step = draw.randrange(3), draw.randint(1, 3)
    stride = [0] * len(shape)
    for axis in order:
        stride[axis] = step
        step *= max(shape[axis], 1)
    held = offset + step
    storage = [bytes(ITEM_BYTES[dtype])] * held
    index = [0] * len(shape)
    for one in elements_of(dtype, raw):
        storage[offset + sum(n * s for n, s in zip(index, stride, strict=True))] = one
        for axis in reversed(range(len(shape))):
            index[axis] += 1
            if index[axis] < shape[axis]:
                break
            index[axis] = 0
    return OutgoingTensor(
        storage=bytes_storage(b"".join(storage), dtype),
        shape=shape,
        stride=tuple(stride),
        offset=offset,
    )


def roots(path):
    (file,) = identify_content(path).files
    assert file.failure is None
    (found,) = file.identity.state_dicts
    assert [one.unread for one in found.unread] == []
    return found.root, found.root_up_to_names


@given(contents(EVERYWHERE))
def test_every_container_has_the_identity_of_the_page(state):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tensors = plain(state)
        write_torch_zip(folder / "zip", tensors)
        write_torch_zip(folder / "big", tensors, options=TorchZipOptions(byteorder="big"))
        write_torch_zip(folder / "deflated", tensors, options=TorchZipOptions(deflate=True))
        write_legacy_stream(folder / "stream", tensors)
        write_directory(folder / "directory", tensors)
        write_safetensors(folder / "safetensors", tuple(tensors.items()))
        wanted = expected(state)
        for path in folder.iterdir():
            assert roots(path) == wanted, path.name


@given(contents(("float64", "float32", "int64", "int32", "int16", "int8", "uint8")))
def test_a_legacy_tar_has_the_identity_of_the_page(state):
    # torch 0.1 knew no tensors without elements, and none without dimensions.
    state = {name: one for name, one in state.items() if one[1] and 0 not in one[1]}
    if not state:
        return
    with tempfile.TemporaryDirectory() as name:
        write_legacy_tar(Path(name) / "a.tar", plain(state))
        assert roots(Path(name) / "a.tar") == expected(state)


@given(
    contents((*EVERYWHERE, *ELSEWHERE)),
    st.randoms(use_true_random=False),
    st.sampled_from(PREFIXES),
    st.booleans(),
)
def test_order_prefix_path_layout_and_byte_order_change_nothing(state, draw, prefix, is_big):
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "a.pt"
        names = list(state)
        draw.shuffle(names)
        views = {prefix + one: laid_out_oddly(*state[one], draw) for one in names}
        options = TorchZipOptions(byteorder="big" if is_big else "little")
        write_torch_zip(path, {"epoch": 3, "model": {"network": views}}, options=options)
        assert roots(path) == expected(state)


@settings(max_examples=15)
@given(contents(EVERYWHERE), st.sampled_from(list(Compression)))
def test_wrappers_change_nothing(state, compression):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_torch_zip(folder / "a.pt", plain(state))
        wrap_tar(folder / "a.tar", [("inside/a.pt", folder / "a.pt")], compression=compression)
        wrap_zip(folder / "a.zip", [("a.tar", folder / "a.tar")], deflate=True)
        compress_file(folder / "a.pt.gz", folder / "a.pt", Compression.GZIP)
        for outer in ("a.tar", "a.zip", "a.pt.gz"):
            assert roots(folder / outer) == expected(state)


@given(contents((*EVERYWHERE, *ELSEWHERE)), st.randoms(use_true_random=False))
def test_one_changed_byte_changes_both_roots(state, draw):
    changeable = [name for name, (dtype, _, raw) in state.items() if raw and dtype != "bool"]
    if not changeable:
        return
    name = draw.choice(changeable)
    dtype, shape, raw = state[name]
    place = draw.randrange(len(raw))
    other = raw[:place] + bytes([raw[place] ^ (1 << draw.randrange(8))]) + raw[place + 1 :]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.pt"
        write_torch_zip(path, plain({**state, name: (dtype, shape, other)}))
        found, wanted = roots(path), expected(state)
    assert found[0] != wanted[0]
    assert found[1] != wanted[1]


@given(contents(EVERYWHERE))
def test_tied_tensors_are_as_copies_of_each_other(state):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tensors = plain(state)
        tied = {**tensors, **{f"tied.{key}": one for key, one in tensors.items()}}
        write_torch_zip(folder / "tied.pt", tied)
        copies = {**state, **{f"tied.{key}": one for key, one in state.items()}}
        write_torch_zip(folder / "copies.pt", plain(copies))
        assert roots(folder / "tied.pt") == roots(folder / "copies.pt") == expected(copies)
