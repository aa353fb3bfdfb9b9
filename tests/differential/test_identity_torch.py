"""Canonical bytes are what torch itself has in memory, whatever the tensor was saved as."""

import zipfile

import pytest
from builders.content_identity import tensor_digest

torch = pytest.importorskip("torch")

from ckptscope.facts.identity import Likeness  # noqa: E402
from ckptscope.pipeline.identity import identify_content, same_archives  # noqa: E402

pytestmark = [
    pytest.mark.torch,
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

DTYPES = [
    *(torch.float64, torch.float32, torch.float16, torch.bfloat16),
    *(torch.float8_e4m3fn, torch.float8_e5m2, torch.float8_e4m3fnuz, torch.float8_e5m2fnuz),
    *(torch.complex32, torch.complex64, torch.complex128),
    *(torch.int64, torch.int32, torch.int16, torch.int8),
    *(torch.uint64, torch.uint32, torch.uint16, torch.uint8, torch.bool),
]


def memory_of(tensor):
    """The bytes that torch has of a contiguous copy."""
    plain = tensor.detach().resolve_conj().resolve_neg()
    return bytes(plain.clone(memory_format=torch.contiguous_format).untyped_storage())


def digest_of(tensor):
    name = str(tensor.dtype).removeprefix("torch.")
    return tensor_digest(name, tuple(tensor.shape), memory_of(tensor))


def digests(folder, state, name="a.pt", **options):
    torch.save(state, folder / name, **options)
    (file,) = identify_content(folder / name).files
    (found,) = file.identity.state_dicts
    return {one.key: one.digest or one.unread for one in found.tensors}


def random_of(dtype, *shape):
    torch.manual_seed(0)
    size = torch.empty((), dtype=dtype).element_size()
    count = 1
    for one in shape:
        count *= one
    raw = torch.randint(0, 2 if dtype is torch.bool else 256, (count * size,), dtype=torch.uint8)
    return raw.view(dtype).reshape(shape)


@pytest.mark.parametrize("form", [True, False], ids=["zip", "legacy"])
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_every_dtype_is_hashed_as_torch_has_it_in_memory(tmp_path, dtype, form):
    state = {"w.weight": random_of(dtype, 3, 4), "b.weight": random_of(dtype)}
    found = digests(tmp_path, state, _use_new_zipfile_serialization=form)
    assert found == {key: digest_of(one).hex() for key, one in state.items()}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.int8, torch.complex64])
def test_views_are_hashed_as_their_contiguous_copies(tmp_path, dtype):
    base = random_of(dtype, 4, 6, 5)
    views = {
        "transposed.weight": base.transpose(0, 2),
        "permuted.weight": base.permute(1, 2, 0),
        "sliced.weight": base[1:3, ::2, 1:],
        "column.weight": base[:, 0, 0],
        "one.weight": base[2, 3, 4],
        "none.weight": base[:0],
        "expanded.weight": base[0, 0, :1].expand(3, 7),
        "channels_last.weight": random_of(dtype, 2, 3, 4, 5).to(memory_format=torch.channels_last),
        "tied.weight": base,
        "again.weight": base,
    }
    found = digests(tmp_path, views)
    assert found == {key: digest_of(one).hex() for key, one in views.items()}


def test_what_torch_left_to_do_is_done(tmp_path):
    base = torch.tensor([[1 + 2j, float("nan") - 0.0j], [0.0 - 0.0j, 3 - 4j]])
    views = {
        "conj.weight": base.conj(),
        "neg.weight": torch._neg_view(torch.tensor([1.0, 0.0, -0.0, float("inf")])),
        "imaginary.weight": base.clone().conj().imag,
    }
    assert views["imaginary.weight"].is_neg()
    found = digests(tmp_path, views)
    assert found == {key: digest_of(one).hex() for key, one in views.items()}


def test_minus_zero_and_payloads_of_nan_are_told_apart(tmp_path):
    bits = [0x00000000, 0x80000000, 0x7FC00000, 0x7FC00001, 0xFFC00000]
    state = {
        f"{index}.weight": torch.tensor([one], dtype=torch.int64)
        .to(torch.int32)
        .view(torch.float32)
        for index, one in enumerate(bits)
    }
    found = digests(tmp_path, state)
    assert len(set(found.values())) == len(bits)
    same = {"x.weight": state["2.weight"], "y.weight": state["2.weight"].clone()}
    assert len(set(digests(tmp_path, same).values())) == 1


def test_a_parameter_is_hashed_as_the_tensor_that_it_is(tmp_path):
    one = random_of(torch.float32, 3, 3)
    found = digests(tmp_path, {"w.weight": torch.nn.Parameter(one)})
    assert found == {"w.weight": digest_of(one).hex()}


def test_a_sparse_tensor_is_hashed_by_its_parts(tmp_path):
    dense = torch.tensor([[0.0, 3.0, 0.0], [4.0, 0.0, 0.0]])
    sparse = dense.to_sparse_coo()
    indices, values = digest_of(sparse.indices()), digest_of(sparse.values())
    wanted = tensor_digest("float32", (2, 3), b"", "sparse_coo", [("0", indices), ("1", values)])
    assert digests(tmp_path, {"w.weight": sparse})["w.weight"] == wanted.hex()


def test_a_quantized_tensor_is_hashed_by_its_integers_and_what_its_quantizer_holds(tmp_path):
    one = random_of(torch.float32, 2, 3).nan_to_num(0.5, 1.0, -1.0).clamp(-1, 1)
    whole = torch.quantize_per_tensor(one, 0.1, 3, torch.qint8)
    scales, points = torch.tensor([0.1, 0.2]), torch.tensor([0, 1])
    parted = torch.quantize_per_channel(one, scales, points, 0, torch.qint8)
    found = digests(tmp_path, {"whole.weight": whole, "parted.weight": parted})
    assert found["whole.weight"] == tensor_digest("qint8", (2, 3), memory_of(whole)).hex()
    assert len(found["parted.weight"]) == 64
    other = torch.quantize_per_channel(one, scales * 2, points, 0, torch.qint8)
    integers = torch._make_per_channel_quantized_tensor(
        parted.int_repr(), other.q_per_channel_scales(), points, 0
    )
    again = digests(tmp_path, {"parted.weight": parted, "scaled.weight": integers}, "b.pt")
    # The same integers on another scale are another tensor.
    assert again["parted.weight"] == found["parted.weight"] != again["scaled.weight"]


def test_the_networks_of_torch_have_one_identity_whatever_wraps_them(tmp_path):
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))
    plain = digests(tmp_path, network.state_dict())
    wrapped = torch.nn.DataParallel(network)
    compiled = torch.compile(network)
    both = torch.compile(wrapped)
    for state in (wrapped.state_dict(), compiled.state_dict(), both.state_dict()):
        assert digests(tmp_path, {"state_dict": state}) == plain
    # A counter beside the network: not every key is behind the wrapper's name.
    averaged = torch.optim.swa_utils.AveragedModel(network)
    assert set(digests(tmp_path, averaged.state_dict())) > {"module.0.weight", "n_averaged"}


def test_an_archive_without_checksums_is_not_compared_by_them(tmp_path):
    state = {"w.weight": random_of(torch.float32, 3, 4)}
    torch.save(state, tmp_path / "a.pt")
    assert same_archives(tmp_path / "a.pt", tmp_path / "a.pt").outcome is Likeness.SAME
    computed = torch.serialization.get_crc32_options()
    torch.serialization.set_crc32_options(False)
    try:
        torch.save(state, tmp_path / "b.pt")
    finally:
        torch.serialization.set_crc32_options(computed)
    with zipfile.ZipFile(tmp_path / "b.pt") as archive:
        crcs = {one.filename: one.CRC for one in archive.infolist()}
    assert set(crcs.values()) == {0}
    found = same_archives(tmp_path / "a.pt", tmp_path / "b.pt")
    assert found.outcome is Likeness.UNTOLD
    assert found.why.endswith("b.pt': the archive records no CRC-32 of its members")
