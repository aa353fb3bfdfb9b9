"""What load_state_dict itself reports: the same keys, the same shapes, in the same order."""

import random
import re
from collections import OrderedDict
from itertools import pairwise

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402
from torch.nn.modules.utils import consume_prefix_in_state_dict_if_present  # noqa: E402

from ckptscope.differences.forecast import FileNetwork, Target, forecast_steps  # noqa: E402
from ckptscope.differences.traceback import read_errors  # noqa: E402
from ckptscope.facts.architecture import Architecture  # noqa: E402
from ckptscope.facts.differences import KeyDifferences  # noqa: E402
from ckptscope.families.comparing import (  # noqa: E402
    compare_keys,
    strip_prefix,
    strip_versions,
)
from ckptscope.families.known.convnextpose import ConvNeXtPose  # noqa: E402

pytestmark = pytest.mark.torch

FAMILY = ConvNeXtPose()
DIALECTS = ("named", "indexed", "list")


class Block(nn.Module):
    """A block of the backbone, with the layers that have weights."""

    def __init__(self, dim: int, side: int) -> None:
        super().__init__()
        self.dwconv = nn.Conv2d(dim, dim, side, groups=dim)
        self.norm = nn.BatchNorm2d(dim)
        self.pwconv1 = nn.Conv2d(dim, 4 * dim, 1)
        self.act = nn.ReLU()
        self.pwconv2 = nn.Conv2d(4 * dim, dim, 1)


class Backbone(nn.Module):
    """Stem, downsampling, stages, the last norm."""

    def __init__(self, dims, depths, side: int) -> None:
        super().__init__()
        stem = nn.Sequential(nn.Conv2d(3, dims[0], 4, 4), nn.BatchNorm2d(dims[0]))
        self.downsample_layers = nn.ModuleList([stem])
        for before, after in pairwise(dims):
            self.downsample_layers.append(
                nn.Sequential(nn.BatchNorm2d(before), nn.Conv2d(before, after, 2, 2))
            )
        self.stages = nn.ModuleList(
            nn.Sequential(*(Block(dim, side) for _ in range(depth)))
            for dim, depth in zip(dims, depths, strict=True)
        )
        self.norm = nn.BatchNorm2d(dims[-1])


class HeadLayer(nn.Module):
    """A layer of the head whose parts have names."""

    def __init__(self, into: int, out: int) -> None:
        super().__init__()
        self.dwconv = nn.Conv2d(into, into, 3, groups=into)
        self.norm = nn.BatchNorm2d(into)
        self.pwconv = nn.Conv2d(into, out, 1)


class Head(nn.Module):
    """The head in one of its dialects."""

    def __init__(self, into: int, channels, outputs: int, dialect: str) -> None:
        super().__init__()
        if dialect == "list":
            self.deconv_layers = nn.ModuleList()
        for number, out in enumerate(channels, start=1):
            layer = HeadLayer(into, out)
            if dialect == "list":
                self.deconv_layers.append(layer)
            elif dialect == "named":
                setattr(self, f"deconv_layers_{number}", layer)
            else:
                parts = nn.Sequential(layer.dwconv, layer.norm, layer.pwconv, nn.ReLU())
                setattr(self, f"deconv_layers_{number}", parts)
            into = out
        self.final_layer = nn.Conv2d(into, outputs, 1)


class Network(nn.Module):
    """A ConvNeXtPose of any size, written down from its paper and not from the package."""

    def __init__(self, settings, dialect: str) -> None:
        super().__init__()
        dims, channels = settings["dims"], settings["head_out_channels"]
        outputs = settings["joints"] * settings["depth_bins"]
        self.backbone = Backbone(dims, settings["depths"], settings["kernel_size"])
        self.head = Head(dims[-1], channels, outputs, dialect)


def some_settings(rng: random.Random) -> dict[str, object]:
    stages = rng.choice([2, 3, 4, 4])
    layers = rng.choice([1, 2, 3, 3])
    return {
        "dims": tuple(rng.choice([2, 3, 4, 6]) for _ in range(stages)),
        "depths": tuple(rng.choice([1, 1, 2, 3]) for _ in range(stages)),
        "head_out_channels": tuple(rng.choice([3, 4, 5]) for _ in range(layers)),
        "joints": rng.choice([2, 3]),
        "depth_bins": rng.choice([2, 4]),
        "upsampling": (True,) * layers,
        "kernel_size": rng.choice([3, 7]),
    }


def varied(rng: random.Random, settings: dict[str, object]) -> dict[str, object]:
    """The same settings with a few of them as in another network."""
    other = some_settings(rng)
    together = (("dims", "depths"), ("head_out_channels", "upsampling"), ("joints",))
    groups = [*together, ("depth_bins",), ("kernel_size",)]
    changed = dict(settings)
    for names in rng.sample(groups, rng.randint(0, 3)):
        changed.update({name: other[name] for name in names})
    return changed


def table_of(settings, dialect: str):
    return FAMILY.keys(FAMILY.configure(settings), dialect)


def shapes_of(state_dict) -> dict[str, tuple[int, ...]]:
    return {key: tuple(value.shape) for key, value in state_dict.items()}


def versions_of(state_dict) -> dict[str, int] | None:
    metadata = getattr(state_dict, "_metadata", None)
    if metadata is None:
        return None
    return {name: entry["version"] for name, entry in metadata.items() if "version" in entry}


def reported(network: nn.Module, state_dict) -> KeyDifferences:
    """What torch says, read from its error by expressions of this test."""
    try:
        network.load_state_dict(state_dict)
    except RuntimeError as error:
        text = str(error)
    else:
        return KeyDifferences()
    lists = {}
    for word in ("Missing", "Unexpected"):
        found = re.search(rf'^\s*{word} key\(s\) in state_dict: (".*")\. $', text, re.MULTILINE)
        lists[word] = tuple(re.findall(r'"([^"]*)"', found[1])) if found else ()
    pattern = (
        r"size mismatch for (.+): copying .* shape torch.Size\((.*)\) from .* torch.Size\((.*)\)\."
    )
    sizes = tuple(
        (key, *(tuple(map(int, re.findall(r"\d+", size))) for size in both))
        for key, *both in re.findall(pattern, text)
    )
    (pasted,) = read_errors(text)
    assert pasted.network == type(network).__name__
    assert pasted.differences.missing == lists["Missing"]
    assert pasted.differences.unexpected == lists["Unexpected"]
    assert [(m.key, m.found, m.expected) for m in pasted.differences.mismatched] == list(sizes)
    return pasted.differences


def assert_same(ours: KeyDifferences, theirs: KeyDifferences) -> None:
    assert ours.missing == theirs.missing
    assert ours.unexpected == theirs.unexpected
    assert [(m.key, m.found, m.expected) for m in ours.mismatched] == [
        (m.key, m.found, m.expected) for m in theirs.mismatched
    ]


def damage(rng: random.Random, state_dict) -> None:
    """Do to a state_dict what people and old versions of torch do."""
    keys = list(state_dict)
    for key in rng.sample(keys, rng.choice([0, 0, 1, 5])):
        del state_dict[key]
    counters = [key for key in state_dict if key.endswith("num_batches_tracked")]
    for key in rng.sample(counters, rng.choice([0, 0, 1, len(counters)])):
        if rng.random() < 0.5:
            del state_dict[key]
        else:
            state_dict[key] = state_dict[key].reshape(1)
    for key in rng.sample(list(state_dict), rng.choice([0, 0, 2])):
        # A number more or fewer of dimensions: a linear layer for a convolution, a scalar.
        value = state_dict[key]
        state_dict[key] = value.flatten() if value.ndim > 1 else value.reshape(-1, 1)
    roots = ["", "backbone.", "backbone.stages.0.", "head.", "ema.", "head.final_layer."]
    for index in range(rng.choice([0, 0, 3, 6])):
        name = rng.choice(["extra", "extra.weight", "final_layer", "0", "", "a..b", "_extra_state"])
        state_dict[f"{rng.choice(roots)}{name}{index if name else ''}"] = torch.zeros(2)


def forget_versions(rng: random.Random, state_dict):
    """Take versions away, as dict() and old versions of torch do."""
    way = rng.choice(["kept", "kept", "plain dict", "old", "some"])
    if way == "plain dict":
        return dict(state_dict)
    metadata = getattr(state_dict, "_metadata", {})
    for name in list(metadata):
        if way == "old" or (way == "some" and rng.random() < 0.5):
            if rng.random() < 0.5:
                metadata[name] = {"version": 1}
            else:
                del metadata[name]
    return state_dict


@pytest.mark.parametrize("seed", range(12))
def test_random_pairs_of_file_and_network_give_the_lines_of_torch_in_its_order(seed):
    rng = random.Random(seed)
    for _ in range(20):
        settings = some_settings(rng)
        wanted = varied(rng, settings)
        dialect = rng.choice(DIALECTS)
        other = rng.choice([dialect, dialect, rng.choice(DIALECTS)])
        file, network = Network(settings, dialect), Network(wanted, other)
        assert shapes_of(network.state_dict()) == {t.key: t.shape for t in table_of(wanted, other)}
        wrapped = rng.random() < 0.3
        state_dict = (nn.DataParallel(file) if wrapped else file).state_dict()
        damage(rng, state_dict)
        state_dict = forget_versions(rng, state_dict)
        ours = compare_keys(
            table_of(wanted, other), shapes_of(state_dict), versions=versions_of(state_dict)
        )
        assert_same(ours, reported(network, state_dict))


@pytest.mark.parametrize("seed", range(4))
def test_a_prefix_on_both_sides_gives_the_lines_of_torch(seed):
    rng = random.Random(100 + seed)
    for _ in range(10):
        settings = some_settings(rng)
        wanted = varied(rng, settings)
        state_dict = nn.DataParallel(Network(settings, "named")).state_dict()
        damage(rng, state_dict)
        state_dict = forget_versions(rng, state_dict)
        ours = compare_keys(
            table_of(wanted, "named"),
            shapes_of(state_dict),
            prefix="module.",
            versions=versions_of(state_dict),
        )
        assert_same(ours, reported(nn.DataParallel(Network(wanted, "named")), state_dict))


@pytest.mark.parametrize("seed", range(4))
def test_cutting_a_prefix_off_does_what_torch_does(seed):
    rng = random.Random(200 + seed)
    for _ in range(10):
        settings = some_settings(rng)
        wanted = varied(rng, settings)
        state_dict = nn.DataParallel(Network(settings, "named")).state_dict()
        damage(rng, state_dict)
        shapes, versions = shapes_of(state_dict), versions_of(state_dict)
        consume_prefix_in_state_dict_if_present(state_dict, "module.")
        assert strip_prefix(shapes, "module.") == shapes_of(state_dict)
        assert list(strip_prefix(shapes, "module.")) == list(state_dict)
        assert strip_versions(versions, "module.") == versions_of(state_dict)
        ours = compare_keys(
            table_of(wanted, "named"),
            strip_prefix(shapes, "module."),
            versions=strip_versions(versions, "module."),
        )
        assert_same(ours, reported(Network(wanted, "named"), state_dict))


@pytest.mark.parametrize("seed", range(4))
def test_each_step_of_a_forecast_is_what_torch_says_and_its_causes_add_up(seed):
    rng = random.Random(300 + seed)
    for _ in range(10):
        settings = some_settings(rng)
        wanted = varied(rng, settings)
        dialect, other = rng.choice(DIALECTS), rng.choice(DIALECTS)
        state_dict = nn.DataParallel(Network(settings, dialect)).state_dict()
        steps = forecast_steps(
            FAMILY,
            FileNetwork(
                shapes=shapes_of(state_dict),
                versions=versions_of(state_dict),
                architecture=architecture_of(settings, dialect, "module."),
            ),
            Target(settings=FAMILY.settings(FAMILY.configure(wanted)), dialect=other),
        )
        plain = OrderedDict(state_dict)
        plain._metadata = OrderedDict(state_dict._metadata)
        consume_prefix_in_state_dict_if_present(plain, "module.")
        for step, loaded in zip(steps, (state_dict, plain), strict=False):
            found = step.diagnosis
            assert_same(found.differences, reported(Network(wanted, other), loaded))
            assert found.unexplained.is_empty
            lines = sum(cause.count for cause in found.causes)
            assert lines == found.differences.count
        assert [step.changes for step in steps][:2] == ["nothing", "prefix"]
        # Under a dialect of its own the network still has none of the differences of names.
        last = steps[-1].diagnosis
        if dialect != other:
            assert steps[-1].changes == "names"
        assert {cause.kind.value for cause in last.causes} <= {"setting"}


def architecture_of(settings, dialect: str, prefix: str) -> Architecture:
    return Architecture(
        family=FAMILY.name,
        title=FAMILY.title,
        state_dict="",
        prefix=prefix,
        reasons=(),
        coverage=1.0,
        facts=(),
        settings=FAMILY.settings(FAMILY.configure(settings)),
        dialect=dialect,
        counts=None,
    )


def test_the_extra_state_of_a_module_that_has_none_comes_first_among_its_unexpected_keys():
    settings = some_settings(random.Random(1))
    state_dict = Network(settings, "named").state_dict()
    state_dict["backbone.odd"] = torch.zeros(1)
    state_dict["backbone._extra_state"] = torch.zeros(1)
    ours = compare_keys(
        table_of(settings, "named"), shapes_of(state_dict), versions=versions_of(state_dict)
    )
    assert ours.unexpected == ("backbone._extra_state", "backbone.odd")
    assert_same(ours, reported(Network(settings, "named"), state_dict))


def test_unexpected_keys_come_module_by_module_and_not_in_the_order_of_the_file():
    settings = some_settings(random.Random(2))
    state_dict = Network(settings, "named").state_dict()
    for key in ("head.odd", "backbone.norm.odd", "backbone.odd", "odd"):
        state_dict[key] = torch.zeros(1)
    ours = compare_keys(
        table_of(settings, "named"), shapes_of(state_dict), versions=versions_of(state_dict)
    )
    assert ours.unexpected == ("odd", "backbone.odd", "backbone.norm.odd", "head.odd")
    assert_same(ours, reported(Network(settings, "named"), state_dict))
