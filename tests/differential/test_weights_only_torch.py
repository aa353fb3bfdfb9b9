"""The forecast of torch.load(weights_only=True) against the installed torch.

Files that this module writes itself, one for each rule, and every harmless file of the corpus. Only
the restricted unpickler is ever asked, and never about an attack.
"""

import argparse
import array
import collections
import csv
import dataclasses
import datetime
import decimal
import enum
import fractions
import functools
import json
import os
import pathlib
import pickle
import re
import types
import uuid
from contextlib import ExitStack

import pytest
import torch
import torch._weights_only_unpickler as restricted
from torch import nn

from ckptscope.checks.weights_only import forecast_weights_only
from ckptscope.checks.weights_only.rules import load_rules
from ckptscope.containers import Contents
from ckptscope.facts.limits import DEFAULT_LIMITS
from ckptscope.facts.weights_only import Because, WeightsOnly
from ckptscope.pipeline.reading import manifest_of, read_outcomes

numpy = pytest.importorskip("numpy")

pytestmark = [
    pytest.mark.torch,
    pytest.mark.filterwarnings("ignore:Detected pickle protocol"),
    pytest.mark.filterwarnings("ignore:.*TorchScript archive"),
    pytest.mark.filterwarnings("ignore:.*TypedStorage is deprecated"),
    pytest.mark.filterwarnings("ignore:.*torch.ao.quantization is deprecated"),
    pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors"),
    pytest.mark.filterwarnings("ignore:Sparse .* tensor support is in beta"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*invariant checks"),
    pytest.mark.filterwarnings("ignore:.*other quantized tensor creation functions"),
    pytest.mark.filterwarnings("ignore:ComplexHalf support is experimental"),
]
INSTALLED = ".".join(torch.__version__.split(".")[:2])
RULES = load_rules()
CORPUS = os.environ.get("CKPTSCOPE_CORPUS")


class Mapping(dict):
    pass


class Ordered(collections.OrderedDict):
    pass


class Items(list):
    pass


class Colour(enum.Enum):
    RED = 1


class Number(int):
    pass


class Weight(torch.Tensor):
    pass


Point = collections.namedtuple("Point", "x y")


@dataclasses.dataclass
class Settings:
    lr: float = 0.1


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(2, 2)


def function():
    pass


def stepped_adam():
    net = nn.Linear(2, 2)
    optimizer = torch.optim.Adam(net.parameters())
    net(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    return net, optimizer


def with_attribute():
    tensor = torch.ones(2)
    tensor.note = "kept"
    return tensor


def with_hook_dict():
    made = collections.OrderedDict(a=1)
    made._metadata = {"version": 1}
    return made


def itself():
    made: list = []
    made.append(made)
    return made


#: What is saved by torch.save, by name; a function is called for it.
OBJECTS = {
    "plain values": lambda: {"a": 1, "b": 2.5, "c": None, "d": "e", "f": [True, (1, 2)]},
    "large numbers": lambda: [1 << 31, -(1 << 40), 1 << 200],
    "a number of 300 bytes": lambda: 1 << 2400,
    "tensor": lambda: torch.ones(2),
    "half": lambda: torch.ones(2, dtype=torch.bfloat16),
    "complex tensor": lambda: torch.ones(2, dtype=torch.complex64),
    "float8": lambda: torch.ones(2).to(torch.float8_e5m2),
    "uint16": lambda: torch.ones(2, dtype=torch.uint16),
    "tensor with an attribute": with_attribute,
    "subclass of Tensor": lambda: torch.ones(2).as_subclass(Weight),
    "parameter": lambda: nn.Parameter(torch.ones(2)),
    "buffer": lambda: nn.Buffer(torch.ones(2)),
    "state_dict": lambda: Net().state_dict(),
    "module": Net,
    "sequential": lambda: nn.Sequential(nn.Linear(1, 1), nn.ReLU()),
    "optimizer state": lambda: {"optimizer": stepped_adam()[1].state_dict()},
    "optimizer": lambda: stepped_adam()[1],
    "scheduler state": lambda: torch.optim.lr_scheduler.StepLR(stepped_adam()[1], 3).state_dict(),
    "quantized": lambda: torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8),
    "quantized by channel": lambda: torch.quantize_per_channel(
        torch.ones(2, 2), torch.ones(2), torch.zeros(2), 0, torch.quint8
    ),
    "sparse": lambda: torch.eye(2).to_sparse(),
    "sparse rows": lambda: torch.eye(2).to_sparse_csr(),
    "nested": lambda: torch.nested.nested_tensor([torch.ones(1), torch.ones(2)]),
    "jagged": lambda: torch.nested.nested_tensor(
        [torch.ones(1), torch.ones(2)], layout=torch.jagged
    ),
    "meta": lambda: torch.ones(2, device="meta"),
    "conjugate": lambda: torch.ones(2, dtype=torch.complex64).conj(),
    "typed storage": lambda: torch.ones(2).storage(),
    "untyped storage": lambda: torch.ones(2).untyped_storage(),
    "size": lambda: torch.Size([1, 2]),
    "device": lambda: torch.device("cpu"),
    "dtype": lambda: torch.float16,
    "small dtype": lambda: torch.uint3,
    "layout": lambda: torch.sparse_coo,
    "quantization scheme": lambda: torch.per_tensor_affine,
    "generator state": torch.get_rng_state,
    "ordered dict": lambda: collections.OrderedDict(a=1),
    "ordered dict with attributes": with_hook_dict,
    "subclass of dict": lambda: Mapping(a=1),
    "subclass of OrderedDict": lambda: Ordered(a=1),
    "subclass of list": lambda: Items([1]),
    "counter": lambda: collections.Counter("aab"),
    "defaultdict": lambda: collections.defaultdict(list, a=[1]),
    "deque": lambda: collections.deque([1]),
    "namedtuple": lambda: Point(1, 2),
    "enum": lambda: Colour.RED,
    "subclass of int": lambda: Number(1),
    "dataclass": Settings,
    "namespace": lambda: argparse.Namespace(lr=0.1),
    "simple namespace": lambda: types.SimpleNamespace(lr=0.1),
    "function": lambda: function,
    "partial": lambda: functools.partial(function),
    "built-in function": lambda: len,
    "class": lambda: Net,
    "bytes": lambda: b"ab\xff",
    "no bytes": lambda: b"",
    "bytearray": lambda: bytearray(b"ab"),
    "array": lambda: array.array("i", [1]),
    "set": lambda: {1, 2},
    "frozenset": lambda: frozenset({1}),
    "complex": lambda: 1 + 2j,
    "slice": lambda: slice(1, 2),
    "range": lambda: range(3),
    "ellipsis": lambda: ...,
    "datetime": lambda: datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC),
    "timedelta": lambda: datetime.timedelta(1),
    "path": lambda: pathlib.PurePosixPath("a/b"),
    "uuid": lambda: uuid.UUID(int=1),
    "decimal": lambda: decimal.Decimal("1.5"),
    "fraction": lambda: fractions.Fraction(1, 2),
    "numpy scalar": lambda: numpy.float64(1.5),
    "numpy integer": lambda: numpy.int64(1),
    "numpy array": lambda: numpy.ones(2),
    "numpy dtype": lambda: numpy.dtype("f4"),
    "numpy generator": lambda: numpy.random.default_rng(0),
    "exception": lambda: ValueError("a"),
    "a list that holds itself": itself,
    "surrogate": lambda: "\ud800",
    "long text": lambda: "x" * 300,
}

#: A nested tensor takes its sizes from a storage, which a stream fills only after unpickling.
UNREADABLE_STREAMS = {"nested"}


def forecast(path: pathlib.Path, *, quick: bool = False) -> WeightsOnly | None:
    with ExitStack() as stack:
        (contents,) = read_outcomes(path, DEFAULT_LIMITS, stack)
        assert isinstance(contents, Contents)
        manifest = manifest_of(contents, DEFAULT_LIMITS).manifest
        return forecast_weights_only(contents, manifest, quick=quick)


def qualified(added) -> str:
    return added[1] if isinstance(added, tuple) else f"{added.__module__}.{added.__qualname__}"


def installed(answer: WeightsOnly):
    """What the installed version says."""
    index = RULES.versions.index(INSTALLED)
    return next(
        one
        for one in answer.verdicts
        if RULES.versions.index(one.first) <= index <= RULES.versions.index(one.last)
    )


def refusal(path: pathlib.Path) -> str | None:
    """What torch says against a file; None if it loads it."""
    added = torch.serialization.get_safe_globals()
    # As in a program that has imported nothing of torch but torch.
    torch.serialization.clear_safe_globals()
    torch.serialization.add_safe_globals([one for one in added if qualified(one) in RULES.names])
    try:
        torch.load(path, weights_only=True, map_location="cpu")
    except (pickle.UnpicklingError, RuntimeError, AttributeError, ValueError) as error:
        return f"{type(error).__name__}: {error}"
    finally:
        torch.serialization.clear_safe_globals()
        torch.serialization.add_safe_globals(added)
    return None


def assert_agrees(path: pathlib.Path) -> bool:
    """Hold the forecast against torch; return whether both accept."""
    answer = forecast(path)
    assert answer is not None
    assert forecast(path, quick=True) == answer
    said = refusal(path)
    stop = installed(answer).obstacle
    assert (stop is None) == (said is None), (stop, said)
    if stop is not None and stop.because is Because.NAME:
        # torch leaves `builtins.` out of what it prints.
        assert f"GLOBAL {stop.subject.removeprefix('builtins.')} was not" in said
    if stop is not None and stop.because is Because.OPCODE:
        assert int(re.search(r"operand (\d+)", said)[1]) == _code_of(stop.opcode)
    return stop is None


def _code_of(name: str) -> int:
    return getattr(pickle, name)[0]


def test_the_installed_torch_is_in_the_table():
    assert INSTALLED in RULES.versions, "add what this version accepts to data/torch.json"


def test_the_table_lists_what_the_installed_torch_lists():
    index = RULES.versions.index(INSTALLED)
    held = {name for name, one in RULES.names.items() if one.versions >> index & 1}
    added = {qualified(one) for one in torch.serialization.get_safe_globals()}
    own = set(restricted._get_allowed_globals())
    assert own <= held
    # What `import torch` adds depends on the modules that a build has.
    assert held - own <= added


def test_the_table_knows_the_modules_that_the_installed_torch_blocks():
    assert set(restricted._blocklisted_modules) == RULES.blocked_modules


def test_names_of_python_2_are_those_of_the_installed_torch():
    assert RULES.old_modules == restricted.IMPORT_MAPPING
    pairs = {".".join(old): ".".join(new) for old, new in restricted.NAME_MAPPING.items()}
    assert RULES.old_names == pairs


@pytest.mark.parametrize("name", OBJECTS)
def test_what_torch_saved_is_judged_as_torch_judges_it(name, tmp_path):
    torch.save(OBJECTS[name](), tmp_path / "saved.pt")
    assert_agrees(tmp_path / "saved.pt")


@pytest.mark.parametrize("name", sorted(OBJECTS.keys() - UNREADABLE_STREAMS))
def test_what_torch_saved_as_a_stream_is_judged_as_torch_judges_it(name, tmp_path):
    torch.save(OBJECTS[name](), tmp_path / "saved.pt", _use_new_zipfile_serialization=False)
    assert_agrees(tmp_path / "saved.pt")


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("made", [{}, [1, "a", 2.5], {"w": torch.ones(2)}], ids=["{}", "list", "w"])
@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "stream"])
def test_each_protocol_is_judged_as_torch_judges_it(protocol, made, zipped, tmp_path):
    torch.save(
        made,
        tmp_path / "saved.pt",
        pickle_protocol=protocol,
        _use_new_zipfile_serialization=zipped,
    )
    assert_agrees(tmp_path / "saved.pt")


def test_many_of_these_are_accepted_and_many_refused(tmp_path):
    accepted = 0
    for name, make in OBJECTS.items():
        torch.save(make(), tmp_path / "saved.pt")
        answer = forecast(tmp_path / "saved.pt")
        assert answer is not None, name
        accepted += installed(answer).obstacle is None
    assert accepted >= 25
    assert len(OBJECTS) - accepted >= 25


def test_a_script_archive_is_judged_as_torch_judges_it(tmp_path):
    torch.jit.save(torch.jit.script(nn.Linear(2, 2)), tmp_path / "net.pt")
    assert assert_agrees(tmp_path / "net.pt") is (INSTALLED in ("2.4", "2.5"))


def test_a_bare_pickle_is_judged_as_torch_judges_it(tmp_path):
    (tmp_path / "bare.pt").write_bytes(pickle.dumps({"a": [1.5]}, protocol=2))
    assert not assert_agrees(tmp_path / "bare.pt")


def corpus_files() -> list[pathlib.Path]:
    """Every harmless file of the corpus that torch.load may be asked about."""
    if not CORPUS:
        return []
    root = pathlib.Path(CORPUS)
    with (root / "MANIFEST.tsv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    names = [row["local path"] for row in rows if row["local path"].startswith("benign/")]
    made = json.loads((root / "torch-made" / "benign.json").read_text(encoding="utf-8"))
    names += [f"torch-made/{one['name']}" for one in made]
    cases = json.loads((root / "hostile" / "cases.json").read_text(encoding="utf-8"))
    names += [
        f"hostile/{one['name']}"
        for one in cases
        if one["expect"] == "ok" and "unsafe" not in one["note"]
    ]
    return [root / name for name in names if not name.endswith("/")]


@pytest.mark.corpus
def test_every_harmless_file_of_the_corpus_is_judged_as_torch_judges_it():
    files = corpus_files()
    if not files:
        pytest.skip("not run: CKPTSCOPE_CORPUS names no folder")
    accepted = refused = 0
    wrong = []
    for path in files:
        with ExitStack() as stack:
            found = list(read_outcomes(path, DEFAULT_LIMITS, stack))
            one = found[0] if len(found) == 1 else None
            wrapped = not isinstance(one, Contents) or one.location or len(one.containers) > 1
        if wrapped or forecast(path) is None:
            # torch.load is not meant to read it as it lies there.
            continue
        try:
            accepts = assert_agrees(path)
        except AssertionError as error:
            wrong.append((path.name, str(error)))
            continue
        accepted += accepts
        refused += not accepts
    assert wrong == []
    assert accepted >= 100
    assert refused >= 30
