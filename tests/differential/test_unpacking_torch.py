"""What `unpack` writes, as torch and safetensors read it: bit for bit what torch reads of the source."""

from collections import OrderedDict

import pytest
import torch
from builders.unpacked_files import unpacked
from safetensors.torch import load_file

from ckptscope.facts.unpacking import CAST_TARGETS, FLOATING
from ckptscope.writers.safetensors import DTYPE_NAMES
from ckptscope.writers.tensors import STORAGE_CLASSES

pytestmark = pytest.mark.torch

#: dtypes that both torch and safetensors have.
BOTH = [name for name in DTYPE_NAMES if hasattr(torch, name)]
#: Those that a torch zip holds beside them.
BEYOND = ["complex128", "complex32"]


def filled(dtype: str, *shape: int) -> torch.Tensor:
    """A tensor whose bytes are random: all kinds of NaN, infinities and denormals among them."""
    generator = torch.Generator().manual_seed(len(dtype) * 31 + sum(shape))
    count = 1
    for one in shape:
        count *= one
    width = getattr(torch, dtype).itemsize
    raw = torch.randint(0, 256, (count * width,), generator=generator, dtype=torch.uint8)
    if dtype == "bool":
        raw %= 2
    return raw.view(getattr(torch, dtype)).reshape(shape)


def bits(tensor: torch.Tensor) -> bytes:
    """The bytes of the elements, in order."""
    if tensor.dtype == torch.complex32:
        tensor = torch.view_as_real(tensor)
    flat = tensor.contiguous().reshape(-1)
    return (
        bytes(flat.untyped_storage())[: flat.numel() * flat.element_size()] if flat.numel() else b""
    )


def assert_same(found, wanted) -> None:
    assert list(found) == list(wanted) or sorted(found) == sorted(wanted)
    for key, tensor in wanted.items():
        assert found[key].dtype == tensor.dtype, key
        assert found[key].shape == tensor.shape, key
        assert bits(found[key]) == bits(tensor), key


@pytest.fixture
def state_dict():
    return OrderedDict((f"{name}.weight", filled(name, 3, 5)) for name in BOTH)


@pytest.mark.parametrize("zipped", [True, False])
def test_both_read_every_dtype_that_both_have(state_dict, zipped, tmp_path):
    source = tmp_path / "in.pth"
    if not zipped:
        # torch itself cannot read the others back from a legacy stream.
        for key in [one for one in state_dict if one.split(".")[0] not in STORAGE_CLASSES]:
            del state_dict[key]
    torch.save({"net": state_dict}, source, _use_new_zipfile_serialization=zipped)
    wanted = torch.load(source, weights_only=True)["net"]
    unpacked(source, tmp_path / "out.safetensors")
    unpacked(source, tmp_path / "out.pth")
    assert_same(load_file(tmp_path / "out.safetensors"), wanted)
    found = torch.load(tmp_path / "out.pth", weights_only=True)
    assert type(found) is OrderedDict
    assert list(found) == list(wanted)
    assert_same(found, wanted)
    assert_same(torch.load(tmp_path / "out.pth", weights_only=True, mmap=True), wanted)


@pytest.mark.filterwarnings("ignore:ComplexHalf support:UserWarning")
@pytest.mark.parametrize("dtype", BEYOND)
def test_a_torch_zip_holds_what_safetensors_does_not(dtype, tmp_path):
    torch.save({"a.weight": filled(dtype, 4, 2)}, tmp_path / "in.pth")
    unpacked(tmp_path / "in.pth", tmp_path / "out.pth")
    wanted = torch.load(tmp_path / "in.pth", weights_only=True)
    assert_same(torch.load(tmp_path / "out.pth", weights_only=True), wanted)


def test_views_conjugates_and_scalars_arrive_as_torch_has_them(tmp_path):
    base = filled("float32", 6, 7, 8)
    values = {
        "transposed.weight": base.permute(2, 0, 1),
        "step.weight": base[::2, 1:5:3],
        "scalar.weight": torch.tensor(2.5),
        "empty.weight": torch.empty(0, 3),
        "expanded.weight": torch.tensor([1.0, 2.0])[:, None].expand(2, 5),
        "conj.weight": filled("complex64", 4, 4).conj().t(),
        "parameter.weight": torch.nn.Parameter(torch.ones(3)),
    }
    torch.save(values, tmp_path / "in.pth")
    wanted = {key: value.resolve_conj().detach() for key, value in values.items()}
    unpacked(tmp_path / "in.pth", tmp_path / "out.safetensors")
    unpacked(tmp_path / "in.pth", tmp_path / "out.pth")
    assert_same(load_file(tmp_path / "out.safetensors"), wanted)
    assert_same(torch.load(tmp_path / "out.pth", weights_only=True), wanted)


def sources(dtype: str) -> torch.Tensor:
    """Every number of a narrow type; of a wide one those around every float16 and bfloat16."""
    kind = getattr(torch, dtype)
    if kind.itemsize == 1:
        return torch.arange(256, dtype=torch.int16).to(torch.uint8).view(kind)
    narrow = torch.arange(65536, dtype=torch.int32).to(torch.int16)
    if kind.itemsize == 2:
        return narrow.view(kind)
    halves = narrow.view(torch.float16).float().view(torch.int32)
    brains = narrow.view(torch.bfloat16).float().view(torch.int32)
    steps = torch.tensor([-1, 0, 1, 0xFFF, 0x1000, 0x1001, 0x7FFF, 0x8000, 0x8001])
    near = torch.cat([halves[:, None] + steps, brains[:, None] + steps]).reshape(-1)
    wide = near.to(torch.int32).view(torch.float32)
    if dtype == "float32":
        return wide
    exact = wide.double().view(torch.int64)
    return torch.cat([exact + step for step in (-1, 0, 1)]).view(torch.float64)


@pytest.mark.parametrize("wanted", CAST_TARGETS)
@pytest.mark.parametrize("dtype", sorted(FLOATING))
def test_a_cast_has_the_bits_of_torch_and_nan_for_nan(dtype, wanted, tmp_path):
    original = sources(dtype)
    integers = torch.arange(5)
    torch.save({"a.weight": original, "count": integers, "on": integers > 2}, tmp_path / "in.pth")
    unpacked(tmp_path / "in.pth", tmp_path / "out.safetensors", dtype=wanted)
    found = load_file(tmp_path / "out.safetensors")
    assert found["count"].dtype == torch.int64
    assert found["on"].dtype == torch.bool
    cast, ours = original.to(getattr(torch, wanted)), found["a.weight"]
    assert ours.dtype == cast.dtype
    words = {2: torch.int16, 4: torch.int32, 8: torch.int64}[cast.itemsize]
    differ = ours.view(words) != cast.view(words)
    # torch's own bits of a NaN depend on the instruction that met it.
    assert torch.equal(ours.isnan(), cast.isnan())
    assert not (differ & ~cast.isnan()).any()
    assert (ours.isinf() == cast.isinf()).all()


def test_ties_are_ties_for_torch(tmp_path):
    shared = filled("float32", 5, 4)
    values = OrderedDict(
        [("embed.weight", shared), ("head.weight", shared), ("row.weight", shared[1])]
    )
    torch.save(values, tmp_path / "in.pth")
    for wanted in ("", "float16"):
        unpacked(tmp_path / "in.pth", tmp_path / "out.pth", dtype=wanted, force=True)
        found = torch.load(tmp_path / "out.pth", weights_only=True)
        places = {one.untyped_storage().data_ptr() for one in found.values()}
        assert len(places) == 1
        found["embed.weight"][1, 2] = 42
        assert found["row.weight"][2] == found["head.weight"][1, 2] == 42


def test_a_module_loads_what_was_unpacked_strictly_with_its_versions(tmp_path):
    module = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))
    wrapped = OrderedDict((f"module.{key}", value) for key, value in module.state_dict().items())
    wrapped._metadata = OrderedDict(
        [("", {"version": 1}), ("module", {"version": 1})]
        + [(f"module.{key}", one) for key, one in module.state_dict()._metadata.items() if key]
    )
    torch.save({"state_dict": wrapped, "epoch": 3}, tmp_path / "in.ckpt")
    unpacked(tmp_path / "in.ckpt", tmp_path / "out.pth", strip_prefix=True)
    found = torch.load(tmp_path / "out.pth", weights_only=True)
    assert found._metadata == module.state_dict()._metadata
    fresh = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))
    fresh.load_state_dict(found, strict=True)
    assert_same(fresh.state_dict(), module.state_dict())


def test_a_pickled_module_unpacks_to_its_state_dict(tmp_path):
    module = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4))
    torch.save(module, tmp_path / "in.pt")
    unpacked(tmp_path / "in.pt", tmp_path / "out.safetensors")
    assert_same(load_file(tmp_path / "out.safetensors"), module.state_dict())
