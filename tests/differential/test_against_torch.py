"""What torch itself saves: the same names, dtypes, shapes, strides, offsets, flags."""

import argparse
import collections
import io
import pickle
import re
import warnings
from contextlib import contextmanager
from zipfile import ZipFile

import pytest
from builders.reading import build_one, codes, group, join, manifest, tensors
from builders.zips import Member, zip_bytes

torch = pytest.importorskip("torch")

import numpy as np  # noqa: E402
from builders.torch_objects import described, dtype_name, named_tensors  # noqa: E402
from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from torch import nn  # noqa: E402

from ckptscope.checks import check_layout  # noqa: E402
from ckptscope.facts.tensors import Kind, Origin, Role  # noqa: E402
from ckptscope.tensors.values import read_values  # noqa: E402

pytestmark = [
    pytest.mark.torch,
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]

FORMS = ["zip", "legacy"]
PROTOCOLS = [2, 3, 4, 5]


def save(made: object, form: str = "zip", protocol: int = 2) -> bytes:
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.save(
            made, buffer, _use_new_zipfile_serialization=form == "zip", pickle_protocol=protocol
        )
    return buffer.getvalue()


def load(data: bytes) -> object:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.load(io.BytesIO(data), weights_only=False)


def _loaded(data: bytes, made: object) -> object:
    try:
        return load(data)
    except AttributeError as error:
        # torch 2 writes untyped storages into a legacy stream and cannot read them back.
        assert "UntypedStorage" in str(error)  # noqa: PT017
        return made


def compare(made: object, form: str = "zip", protocol: int = 2):
    """Save, read both ways, compare every tensor; return the manifest."""
    data = save(made, form, protocol)
    build = build_one(data)
    found, expected = tensors(build.manifest), named_tensors(_loaded(data, made))
    assert {n: (t.dtype, t.shape) for n, t in found.items()} == {
        n: (dtype_name(t), tuple(t.shape)) for n, t in expected.items()
    }
    for name, one in expected.items():
        if one.layout is torch.strided and not one.is_nested:
            assert found[name].stride == tuple(one.stride()), name
            assert found[name].offset == one.storage_offset(), name
            assert found[name].layout == "strided"
        assert found[name].requires_grad == one.requires_grad, name
    assert codes(build.manifest) == []
    assert check_layout(build.manifest) == ()
    assert sum(s.size_bytes for s in build.manifest.spending) == len(data)
    return build


DTYPES = [
    one
    for one in vars(torch).values()
    if isinstance(one, torch.dtype)
    and not one.is_complex
    and str(one).split(".")[1].startswith(("float", "bfloat", "int", "uint", "bool"))
    and "x2" not in str(one)
    and str(one).removeprefix("torch.")
    not in {f"{k}int{n}" for k in ("", "u") for n in range(1, 8)}
]
DTYPES = sorted({*DTYPES, torch.complex64, torch.complex128, torch.complex32}, key=str)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_a_tensor_of_every_dtype_is_read(dtype, form):
    made = {
        "t": torch.zeros(2, 3).to(dtype),
        "e": torch.empty(0, 2, dtype=dtype),
        "s": torch.zeros(()).to(dtype),
    }
    compare(made, form)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("dtype", [d for d in DTYPES if d is not torch.complex32], ids=str)
def test_the_values_of_every_dtype_are_those_of_torch(dtype, form):
    made = torch.arange(12).reshape(3, 4).to(dtype).t()
    build = build_one(save({"t": made}, form))
    values = read_values(build, tensors(build.manifest)["t"])
    assert values.shape == (4, 3)
    wide = torch.complex128 if dtype.is_complex else torch.float64
    kind = "c16" if dtype.is_complex else "f8"
    assert values.astype(kind).tolist() == made.to(wide).tolist()


def _views() -> dict[str, torch.Tensor]:
    base = torch.arange(60.0).reshape(3, 4, 5)
    return {
        "base": base,
        "transposed": base.permute(2, 0, 1),
        "slice": base[1:, ::2, 1:4],
        "row": base[2, 3],
        "expanded": base[0, 0, :1].expand(7),
        "strided": base.as_strided((2, 2), (7, 3), 5),
        "scalar": base[1, 1, 1],
        "empty": base[3:],
        "channels last": torch.zeros(2, 3, 4, 4).to(memory_format=torch.channels_last),
        "other dtype": torch.zeros(4, dtype=torch.float32).view(torch.int32),
    }


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_views_keep_strides_offsets_and_their_storage(form, protocol):
    made = _views()
    if form == "legacy":
        # torch refuses to save one storage under two dtypes.
        made.pop("other dtype")
    build = compare(made, form, protocol)
    found = tensors(build.manifest)
    shared = {found[name].storage for name in ("base", "transposed", "slice", "row", "strided")}
    assert len(shared) == 1
    for name, one in made.items():
        assert read_values(build, found[name]).tolist() == one.tolist(), name


@pytest.mark.parametrize("form", FORMS)
def test_tied_weights_are_aliases(form):
    shared = nn.Parameter(torch.zeros(3, 4))
    build = compare({"emb.weight": shared, "out.weight": shared, "other.weight": shared.data}, form)
    found = tensors(build.manifest)
    assert found["out.weight"].alias_of == "emb.weight"
    assert found["other.weight"].alias_of == "emb.weight"
    assert len({t.storage for t in found.values()}) == 1


@pytest.mark.parametrize("form", FORMS)
def test_parameters_and_buffers_are_observed_as_such(form):
    buffer = nn.Buffer(torch.zeros(2)) if hasattr(nn, "Buffer") else torch.zeros(2)
    made = {
        "p": nn.Parameter(torch.zeros(3)),
        "f": nn.Parameter(torch.zeros(3), requires_grad=False),
        "b": buffer,
    }
    found = tensors(compare(made, form).manifest)
    assert (found["p"].kind, found["p"].kind_origin, found["p"].requires_grad) == (
        Kind.PARAMETER,
        Origin.OBSERVED,
        True,
    )
    assert (found["f"].kind, found["f"].requires_grad) == (Kind.PARAMETER, False)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("layout", ["coo", "csr", "csc", "bsr", "bsc"])
def test_sparse_tensors_have_their_layout_and_parts(form, layout):
    dense = torch.eye(4)
    made = {
        "coo": dense.to_sparse,
        "csr": dense.to_sparse_csr,
        "csc": dense.to_sparse_csc,
        "bsr": lambda: dense.to_sparse_bsr((2, 2)),
        "bsc": lambda: dense.to_sparse_bsc((2, 2)),
    }[layout]()
    found = tensors(compare({"s": made}, form).manifest)["s"]
    assert found.layout == f"sparse_{layout}"
    assert len(found.parts) == (2 if layout == "coo" else 3)
    assert (found.storage, found.stride) == (None, None)


@pytest.mark.parametrize("form", FORMS)
def test_quantized_tensors_are_read_with_their_scales(form):
    per_channel = torch.quantize_per_channel(
        torch.zeros(2, 3), torch.ones(2).double(), torch.zeros(2).long(), 0, torch.qint8
    )
    made = {
        "t": torch.quantize_per_tensor(torch.zeros(2, 3), 0.5, 3, torch.quint8),
        "c": per_channel,
        "i": torch.quantize_per_tensor(torch.zeros(4), 0.5, 0, torch.qint32),
    }
    found = tensors(compare(made, form).manifest)
    assert [p.dtype for p in found["c"].parts] == ["float64", "int64"]


@pytest.mark.parametrize("form", FORMS)
def test_meta_tensors_have_shapes_and_no_storage(form):
    found = tensors(
        compare({"m": torch.empty(3, 4, device="meta"), "w": torch.zeros(2)}, form).manifest
    )
    assert (found["m"].storage, found["m"].device) == (None, "meta")


@pytest.mark.parametrize("form", FORMS)
def test_nested_tensors_are_read_as_their_buffer(form):
    made = torch.nested.nested_tensor([torch.zeros(2, 3), torch.zeros(4, 3)])
    found = tensors(build_one(save({"n": made}, form)).manifest)["n"]
    assert (found.layout, found.dtype) == ("nested", "float32")
    assert found.parts[0].elements == 18


def test_conjugate_and_negative_views_keep_their_bits_and_values():
    base = torch.arange(4).to(torch.complex64) * (1 + 2j)
    made = {"conj": base.conj(), "neg": (base + 0).conj().imag, "both": base.resolve_conj()}
    build = compare(made)
    found = tensors(build.manifest)
    assert (found["conj"].lazy, found["neg"].lazy) == (("conj",), ("neg",))
    for name, one in made.items():
        assert read_values(build, found[name]).tolist() == one.tolist()


class Special(torch.Tensor):
    """A subclass without data of its own."""


@pytest.mark.parametrize("form", FORMS)
def test_subclasses_and_tensors_with_attributes_are_read(form):
    special = torch.zeros(2, 3).as_subclass(Special)
    tagged = torch.zeros(2)
    tagged.note = "x"
    found = tensors(compare({"s": special, "t": tagged}, form).manifest)
    assert found["s"].class_name.endswith(".Special")
    assert found["t"].class_name is None


OPTIMIZERS = {
    name: made
    for name, made in vars(torch.optim).items()
    if isinstance(made, type)
    and issubclass(made, torch.optim.Optimizer)
    and made is not torch.optim.Optimizer
}
#: What cannot be told from another optimizer by names alone is named so.
KIND_WORDS = {"SparseAdam": "Adam family"}


def stepped(name: str):
    torch.manual_seed(0)
    # Muon takes matrices only, SparseAdam sparse gradients only.
    net = nn.Linear(3, 4, bias=name != "Muon")
    optimizer = OPTIMIZERS[name](net.parameters(), lr=0.01)

    def closure():
        optimizer.zero_grad()
        loss = net(torch.ones(2, 3)).square().sum()
        loss.backward()
        if name == "SparseAdam":
            for parameter in net.parameters():
                parameter.grad = parameter.grad.to_sparse()
        return loss

    closure()
    optimizer.step(closure)
    return net, optimizer


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_of_torch_is_read_after_a_step(name, form):
    net, optimizer = stepped(name)
    build = compare({"net": net.state_dict(), "optimizer": optimizer.state_dict()}, form)
    (found,) = build.manifest.optimizers
    held = optimizer.state_dict()
    assert found.groups[0].parameters == len(held["param_groups"][0]["params"])
    assert found.states == len(held["state"])
    # As a word of its own: "Adam" alone would be a false statement about NAdam.
    words = {name, KIND_WORDS.get(name, name)}
    said = {found.kind, *re.split(r" or | with ", found.kind)}
    assert words & said, (found.kind, found.kind_evidence)
    if any(t.role is Role.OPTIMIZER for t in build.manifest.state_dicts):
        assert found.tensors == len(group(build.manifest, "optimizer").tensors)


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.norm = nn.BatchNorm2d(4)
        self.register_buffer("kept", torch.zeros(2))
        self.register_buffer("scratch", torch.zeros(5), persistent=False)
        self.register_buffer("nothing", None)
        self.register_parameter("absent", None)
        self.layers = nn.ModuleList([nn.Linear(2, 2), nn.Identity()])
        self.table = nn.ParameterDict({"a": nn.Parameter(torch.zeros(2))})
        self.rows = nn.ParameterList([nn.Parameter(torch.zeros(2)), nn.Parameter(torch.zeros(3))])


def _modules() -> dict[str, nn.Module]:
    tied = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    tied[1].weight = tied[0].weight
    made = {
        "block": Block(),
        "batch norm": nn.BatchNorm1d(3),
        "lstm": nn.LSTM(3, 4, 2, bidirectional=True),
        "gru": nn.GRU(3, 4),
        "attention": nn.MultiheadAttention(4, 2),
        "transformer": nn.TransformerEncoder(
            nn.TransformerEncoderLayer(4, 2, 8, batch_first=True), 2
        ),
        "weight norm": nn.utils.parametrizations.weight_norm(nn.Linear(3, 4)),
        "orthogonal": nn.utils.parametrizations.orthogonal(nn.Linear(4, 4)),
        "data parallel": nn.DataParallel(nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))),
        "tied": tied,
        "embedding": nn.Embedding(5, 3, padding_idx=0),
        "shared module": nn.Sequential(*[nn.Linear(2, 2)] * 2),
    }
    torch.manual_seed(0)
    return made


with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    MODULES = _modules()
#: torch itself cannot pickle parametrized modules whole; their state_dict is saved instead.
WHOLE = [name for name in MODULES if name not in ("weight norm", "orthogonal")]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("name", WHOLE)
def test_a_whole_module_has_the_names_of_its_state_dict(name, protocol, form):
    module = MODULES[name]
    data = save(module, form, protocol)
    expected = module.state_dict(keep_vars=True)
    made = build_one(data).manifest
    found = {t.key: t for t in group(made).tensors}
    assert list(found) == list(expected)
    for key, one in expected.items():
        assert (found[key].dtype, found[key].shape) == (dtype_name(one), tuple(one.shape))
        assert found[key].stride == tuple(one.stride())
        kind = Kind.PARAMETER if isinstance(one, nn.Parameter) else Kind.BUFFER
        assert found[key].kind is kind, key
    assert group(made).kind_origin is Origin.OBSERVED
    assert group(made).class_name.endswith(type(module).__name__)
    assert check_layout(made) == ()
    assert sum(s.size_bytes for s in made.spending) == len(data)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", MODULES)
@pytest.mark.parametrize(
    "prefix", ["", "module.", "_orig_mod.", "module._orig_mod.", "_orig_mod.module."]
)
def test_a_state_dict_is_read_under_any_wrappers_prefix(name, prefix, form):
    held = MODULES[name].state_dict()
    renamed = collections.OrderedDict((prefix + key, one) for key, one in held.items())
    made = compare({"epoch": 3, "network": renamed}, form).manifest
    native = "module." if name == "data parallel" else ""
    assert group(made, "network").prefix == prefix + native
    assert [t.key for t in group(made, "network").tensors] == list(renamed)


def test_module_versions_are_those_of_the_metadata():
    held = Block().state_dict()
    made = manifest(save(held))
    assert group(made).versions == {
        name: entry["version"] for name, entry in held._metadata.items() if "version" in entry
    }


@contextmanager
def setting(function, before, after):
    function(after)
    try:
        yield
    finally:
        function(before)


def test_an_archive_without_crcs_has_no_finding():
    with setting(torch.serialization.set_crc32_options, True, False):
        compare({"w": torch.zeros(30)})


@pytest.mark.parametrize("alignment", [1, 8, 64, 4096])
def test_an_archive_of_any_alignment_is_read(alignment):
    config = pytest.importorskip("torch.utils.serialization.config")
    with config.patch({"save.storage_alignment": alignment}):
        made = compare({"w": torch.zeros(30), "v": torch.zeros(3)}).manifest
    assert all(s.offset_bytes % alignment == 0 for s in made.storages.values())


def test_a_big_endian_archive_reads_as_torch_reads_it():
    made = {"w": torch.arange(6.0), "i": torch.arange(4), "b": torch.tensor([True, False])}
    data = save(made)
    build = build_one(data)
    swapped = bytearray(data)
    for one in tensors(build.manifest).values():
        held = build.manifest.storages[one.storage]
        raw = data[held.offset_bytes : held.offset_bytes + held.size_bytes]
        width = torch.empty(0, dtype=getattr(torch, one.dtype)).element_size()
        words = [raw[n : n + width][::-1] for n in range(0, len(raw), width)]
        swapped[held.offset_bytes : held.offset_bytes + held.size_bytes] = b"".join(words)
    with ZipFile(io.BytesIO(bytes(data))) as archive:
        names = archive.namelist()
    members = []
    for name in names:
        content = archive_bytes(bytes(swapped), build, name)
        members.append(Member(name=name, data=b"big" if name.endswith("byteorder") else content))
    archive_data = zip_bytes(members)
    assert {
        k: v.tolist() for k, v in torch.load(io.BytesIO(archive_data), weights_only=True).items()
    } == {k: v.tolist() for k, v in made.items()}
    again = build_one(archive_data)
    assert again.manifest.byteorder == "big"
    for name, one in tensors(again.manifest).items():
        assert read_values(again, one).tolist() == made[name].tolist()


def archive_bytes(data: bytes, build, name: str) -> bytes:
    """Return a member's bytes, storages from the changed copy."""
    key = name.rpartition("/data/")[2]
    if key in build.manifest.storages:
        held = build.manifest.storages[key]
        return data[held.offset_bytes : held.offset_bytes + held.size_bytes]
    return ZipFile(io.BytesIO(data)).read(name)


ODDITIES = {
    "numpy": {"best": np.float64(0.5), "n": np.int64(3), "a": np.arange(6.0).reshape(2, 3), "w": torch.zeros(2)},
    "namespace": argparse.Namespace(lr=0.1, w=torch.zeros(2, 3)),
    "collections": {
        "d": collections.defaultdict(list, a=[torch.zeros(1)]),
        "q": collections.deque([1, 2]),
        "c": collections.Counter(a=2),
        "s": {1, 2},
        "f": frozenset({3}),
        "t": (torch.zeros(2), [torch.zeros(3)]),
    },
    "torch values": {
        "dtype": torch.float32, "device": torch.device("cpu"), "size": torch.Size([1, 2]),
        "layout": torch.strided, "generator": torch.get_rng_state(),
    },
    "keys": {1: torch.zeros(1), None: torch.zeros(2), (1, 2): torch.zeros(3), 1.5: torch.zeros(4)},
    "a bare tensor": torch.zeros(2, 3),
    "a bare parameter": nn.Parameter(torch.zeros(2, 3)),
    "a list": [torch.zeros(1), {"a": torch.zeros(2)}],
    "nothing": {},
    "scalars": {"epoch": 3, "big": 1 << 100, "nan": float("nan"), "inf": float("inf"), "none": None},
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("name", ODDITIES)
def test_objects_of_every_other_kind_are_read(name, protocol, form):
    compare(ODDITIES[name], form, protocol)


@pytest.mark.parametrize("form", FORMS)
def test_bare_storages_are_no_unused_bytes(form):
    data = save(
        {"s": torch.UntypedStorage(16), "t": torch.zeros(4).storage(), "w": torch.zeros(2)}, form
    )
    made = build_one(data).manifest
    assert codes(made) == []
    assert check_layout(made) == ()
    assert len(made.storage_uses) == 3


def test_a_storage_pickled_without_torch_save_is_laid_open():
    made = {"w": torch.arange(6.0).reshape(2, 3), "v": nn.Parameter(torch.ones(2))}
    data = pickle.dumps(made)
    build = build_one(data)
    assert {n: (t.dtype, t.shape) for n, t in tensors(build.manifest).items()} == described(made)
    found = tensors(build.manifest)["w"]
    assert read_values(build, found).tolist() == made["w"].tolist()


SHAPES = st.lists(st.integers(0, 4), max_size=4)


def _leaf(shape, dtype, how):
    made = torch.zeros(tuple(shape)).to(dtype)
    if how == "transposed":
        return made.permute(tuple(reversed(range(made.dim()))))
    if how == "slice" and made.dim():
        return made[..., 1:]
    if how == "expanded":
        return made.unsqueeze(0).expand(3, *made.shape)
    if how == "parameter" and dtype.is_floating_point:
        return nn.Parameter(made)
    return made


LEAVES = st.builds(
    _leaf,
    SHAPES,
    st.sampled_from(
        [torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.bool, torch.uint8]
    ),
    st.sampled_from(["plain", "transposed", "slice", "parameter", "expanded"]),
)


KEYS = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="/"), min_size=1, max_size=6
)
TREES = st.dictionaries(
    KEYS.filter(lambda key: key not in ("state", "param_groups")),
    st.recursive(
        st.one_of(LEAVES, st.integers(), st.text(max_size=5), st.none()),
        lambda inner: st.one_of(
            st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=3)
        ),
        max_leaves=8,
    ),
    max_size=5,
)


@pytest.mark.parametrize("form", FORMS)
def test_random_objects_are_read_as_torch_reads_them(form):
    @given(TREES, st.sampled_from(PROTOCOLS))
    @settings(max_examples=60)
    def check(tree, protocol):
        compare(tree, form, protocol)

    check()


def test_the_names_of_this_module_join_as_the_builders_do():
    assert (join("a", "b"), join("", "b"), join("a", "")) == ("a/b", "b", "a")
