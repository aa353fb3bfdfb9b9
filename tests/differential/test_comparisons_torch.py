"""`diff` on pairs that torch made by real operations: the verdict names the operation."""

import copy
from pathlib import Path

import pytest
import torch
from builders.trained_networks import (
    network,
    permuted_stage,
    saved,
    train,
    weights_of,
)
from safetensors.torch import save_file
from torch import nn
from torch.nn.utils import prune

from ckptscope.facts.comparison import Comparison, Pairing, Relation, Way
from ckptscope.pipeline.comparing import CompareRequest, compare

EVERYTHING = CompareRequest()


def compared(left: Path, right: Path, request: CompareRequest = EVERYTHING) -> Comparison:
    (found,) = compare([left, right], request).comparisons
    return found


def relations(found: Comparison) -> list[Relation]:
    return [one.relation for one in found.conclusions]


@pytest.fixture(scope="module")
def trained() -> nn.Module:
    one = network(0)
    train(one, 20)
    return one


@pytest.fixture
def base(trained: nn.Module, tmp_path: Path) -> Path:
    return saved(tmp_path, "base.pth", weights_of(trained))


def test_a_copy_is_identical(trained, base, tmp_path):
    found = compared(base, saved(tmp_path, "copy.pt", weights_of(trained)))
    assert relations(found) == [Relation.IDENTICAL]
    assert found.is_same
    assert found.relative_l2 == 0


def test_another_container_holds_the_same_weights(trained, base, tmp_path):
    found = compared(base, saved(tmp_path, "old.pt", weights_of(trained), is_zip=False))
    assert (relations(found), found.ways) == ([Relation.SAME_WEIGHTS], (Way.CONTAINER,))
    weights = weights_of(trained)
    save_file(weights, tmp_path / "x.safetensors")
    found = compared(base, tmp_path / "x.safetensors")
    assert relations(found) == [Relation.SAME_WEIGHTS]
    assert set(found.ways) <= {Way.CONTAINER, Way.ORDER}


def test_another_order_holds_the_same_weights(trained, base, tmp_path):
    backwards = dict(reversed(weights_of(trained).items()))
    found = compared(base, saved(tmp_path, "back.pt", backwards))
    assert (relations(found), found.ways) == ([Relation.SAME_WEIGHTS], (Way.ORDER,))


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "net.encoder."])
def test_another_prefix_and_a_wrapper_hold_the_same_weights(trained, base, tmp_path, prefix):
    wrapped = {prefix + key: value for key, value in weights_of(trained).items()}
    found = compared(base, saved(tmp_path, "wrapped.pt", {"epoch": 3, "network": wrapped}))
    assert (relations(found), found.ways) == ([Relation.SAME_WEIGHTS], (Way.PREFIX,))
    assert ("epoch", None, 3) in [(row.name, row.left, row.right) for row in found.metadata]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_a_cast_holds_the_same_weights(trained, base, tmp_path, dtype):
    cast = {
        key: value.to(dtype) if value.is_floating_point() else value
        for key, value in weights_of(trained).items()
    }
    found = compared(base, saved(tmp_path, "cast.pt", cast))
    assert (relations(found), found.ways) == ([Relation.SAME_WEIGHTS], (Way.DTYPE,))
    cast["stem.weight"][0, 0, 0, 0] += 1
    assert relations(compared(base, saved(tmp_path, "off.pt", cast))) == [Relation.EDITED]


def test_other_names_are_told_as_rules(trained, base, tmp_path):
    def renamed(key: str) -> str:
        return key.replace("stage", "layer").replace("conv", "cv").replace("bn", "norm")

    other = {renamed(key): value for key, value in weights_of(trained).items()}
    trunk = {key.replace("stage1.", "body."): value for key, value in weights_of(trained).items()}
    found = compared(base, saved(tmp_path, "trunk.pt", trunk))
    assert relations(found) == [Relation.RENAMED]
    assert [(rule.left, rule.right) for rule in found.structure.rules] == [("stage1", "body")]
    found = compared(base, saved(tmp_path, "renamed.pt", other))
    assert relations(found) == [Relation.RENAMED]
    assert all(
        pair.right.key == renamed(pair.left.key) for pair in found.pairs if pair.left.elements > 1
    )
    assert {pair.pairing for pair in found.pairs} == {Pairing.NAME, Pairing.VALUES}
    assert len(found.structure.rules) < 20


def test_an_average_and_a_step_of_training_fit_each_other(trained, base, tmp_path):
    later = copy.deepcopy(trained)
    train(later, 1)
    found = compared(base, saved(tmp_path, "step.pt", weights_of(later)))
    assert relations(found)[0] is Relation.FINE_TUNED
    train(later, 5)
    average = {
        key: 0.9 * value + 0.1 * weights_of(later)[key] if value.is_floating_point() else value
        for key, value in weights_of(trained).items()
    }
    found = compared(base, saved(tmp_path, "ema.pt", {"ema_state_dict": average}))
    assert relations(found)[:2] == [Relation.AVERAGED, Relation.FINE_TUNED]
    assert not found.is_same


def test_a_frozen_backbone_shows_in_the_blocks(trained, base, tmp_path):
    later = copy.deepcopy(trained)
    with torch.no_grad():
        for parameter in later.stage2.parameters():
            parameter.add_(0.01 * torch.randn(parameter.shape))
    found = compared(base, saved(tmp_path, "later.pt", weights_of(later)))
    assert relations(found) == [Relation.FINE_TUNED]
    changed = {block.name for block in found.blocks if block.changed}
    assert changed
    assert all(name.startswith("stage2") for name in changed)
    assert sum(block.tensors for block in found.blocks) == len(found.pairs)


def test_a_head_begun_anew_is_told_from_the_rest(trained, base, tmp_path):
    other = copy.deepcopy(trained)
    torch.manual_seed(5)
    other.head.reset_parameters()
    found = compared(base, saved(tmp_path, "head.pt", weights_of(other)))
    assert relations(found) == [Relation.HEAD_RESET, Relation.PART_OF]
    assert "'head'" in found.conclusions[0].sentence
    train(other, 2, rate=1e-4)
    found = compared(base, saved(tmp_path, "tuned.pt", weights_of(other)))
    assert relations(found)[:2] == [Relation.HEAD_RESET, Relation.FINE_TUNED]


def test_a_part_and_another_head_are_told(trained, base, tmp_path):
    weights = weights_of(trained)
    backbone = {key: value for key, value in weights.items() if not key.startswith("head.")}
    found = compared(base, saved(tmp_path, "backbone.pt", backbone))
    assert relations(found) == [Relation.PART_OF]
    assert "right file is a part" in found.conclusions[0].sentence
    other = {**backbone, "head.weight": torch.randn(4, 32), "head.bias": torch.randn(4)}
    found = compared(base, saved(tmp_path, "other.pt", other))
    assert relations(found) == [Relation.PART_OF]
    assert [pair.left.key for pair in found.structure.reshaped] == ["head.weight", "head.bias"]


def test_transposed_weights_are_told_with_their_axes(trained, base, tmp_path):
    weights = weights_of(trained)
    turned = {
        key: value.t().contiguous() if key == "head.weight" else value
        for key, value in weights.items()
    }
    found = compared(base, saved(tmp_path, "turned.pt", turned))
    assert relations(found) == [Relation.TRANSPOSED]
    turned["stem.weight"] = weights["stem.weight"].permute(2, 3, 1, 0).contiguous()
    found = compared(base, saved(tmp_path, "both.pt", turned))
    assert relations(found) == [Relation.TRANSPOSED]
    axes = {p.left.key: p.rearrangement.axes for p in found.pairs if p.rearrangement}
    assert axes == {"head.weight": (1, 0), "stem.weight": (2, 3, 1, 0)}


def test_channels_of_a_residual_stage_in_another_order_are_told(trained, base, tmp_path):
    shuffled = permuted_stage(weights_of(trained), "stage1", "stem", "down")
    images = torch.randn(2, 3, 8, 8)
    other = network(1)
    other.load_state_dict(shuffled)
    torch.testing.assert_close(other.eval()(images), copy.deepcopy(trained).eval()(images))
    found = compared(base, saved(tmp_path, "shuffled.pt", shuffled))
    assert relations(found) == [Relation.PERMUTED]
    digests = {
        digest
        for pair in found.pairs
        if pair.rearrangement
        for _, digest in pair.rearrangement.permutation
    }
    assert len(digests) == 1


def test_half_of_the_weights_pruned_are_told_with_their_share(trained, base, tmp_path):
    other = copy.deepcopy(trained)
    layers = [(one, "weight") for one in other.modules() if isinstance(one, nn.Conv2d | nn.Linear)]
    prune.global_unstructured(layers, pruning_method=prune.L1Unstructured, amount=0.5)
    for layer, name in layers:
        prune.remove(layer, name)
    found = compared(base, saved(tmp_path, "pruned.pt", weights_of(other)))
    assert relations(found)[0] is Relation.PRUNED
    assert "50.0%" in found.conclusions[0].sentence
    back = compared(saved(tmp_path, "again.pt", weights_of(other)), base)
    assert "the left file is pruned" in back.conclusions[0].sentence


def test_quantized_weights_are_told(trained, base, tmp_path):
    weights = weights_of(trained)
    stored, rounded = dict(weights), dict(weights)
    for key, value in weights.items():
        if value.ndim > 1:
            scales = value.abs().flatten(1).amax(1) / 127
            codes = (value / scales.view(-1, *[1] * (value.ndim - 1))).round().to(torch.int8)
            stored[key] = codes
            step = value.abs().max() / 127
            rounded[key] = (value / step).round() * step
    found = compared(base, saved(tmp_path, "int8.pt", stored))
    assert relations(found)[0] is Relation.QUANTIZED
    assert (
        relations(compared(base, saved(tmp_path, "rounded.pt", rounded)))[0] is Relation.QUANTIZED
    )


def test_networks_of_two_seeds_are_unrelated(base, tmp_path):
    other = network(1)
    train(other, 20)
    assert relations(compared(base, saved(tmp_path, "b.pt", weights_of(other)))) == [
        Relation.UNRELATED
    ]


def test_networks_of_other_structure_are_said_to_be(base, tmp_path):
    other = {f"layers.{index}.weight": torch.randn(7, 5) for index in range(9)}
    found = compared(base, saved(tmp_path, "b.pt", other))
    assert relations(found) == [Relation.OTHER_STRUCTURE]
    assert found.relative_l2 is None


# Near-misses


def test_one_element_in_seven_million_is_told_with_its_tensor(tmp_path):
    weights = {f"layers.{index}.weight": torch.randn(1000, 1000) for index in range(7)}
    one = saved(tmp_path, "a.pt", weights)
    weights["layers.4.weight"][17, 23] += 0.5
    found = compared(one, saved(tmp_path, "b.pt", weights))
    assert relations(found) == [Relation.EDITED]
    assert "1 element of 7,000,000 differs" in found.conclusions[0].sentence
    assert "'layers.4.weight'" in found.conclusions[0].evidence[0]
    assert not found.is_same


def test_the_same_nan_is_the_same(trained, tmp_path):
    weights = weights_of(trained)
    weights["stem.weight"][0, 0] = float("nan")
    one = saved(tmp_path, "a.pt", weights)
    assert relations(compared(one, saved(tmp_path, "b.pt", weights))) == [Relation.IDENTICAL]


@pytest.mark.parametrize("bits", [(0, -(2**31)), (0x7FC00000, 0x7FC00001)], ids=["zero", "nan"])
def test_equal_numbers_of_other_bits_are_not_the_same(trained, tmp_path, bits):
    weights = weights_of(trained)
    cells = weights["stem.weight"].view(torch.int32)
    cells[0, 0, 0, 0] = bits[0]
    one = saved(tmp_path, "a.pt", weights)
    cells[0, 0, 0, 0] = bits[1]
    found = compared(one, saved(tmp_path, "b.pt", weights))
    assert relations(found) == [Relation.SAME_NUMBERS]
    assert not found.is_same


def test_a_tolerance_is_that_of_allclose(trained, base, tmp_path):
    weights = weights_of(trained)
    near = {
        key: value + 1e-6 if value.is_floating_point() else value for key, value in weights.items()
    }
    other = saved(tmp_path, "near.pt", near)
    assert relations(compared(base, other, CompareRequest(atol=1e-5))) == [
        Relation.WITHIN_TOLERANCE
    ]
    assert Relation.WITHIN_TOLERANCE not in relations(
        compared(base, other, CompareRequest(atol=1e-8))
    )


def test_structure_alone_says_that_values_were_not_compared(trained, base, tmp_path):
    weights = weights_of(trained)
    other = saved(tmp_path, "b.pt", {key: value * 0 for key, value in weights.items()})
    found = compared(base, other, CompareRequest(structure_only=True))
    assert relations(found) == [Relation.SAME_STRUCTURE]
    assert "values were not compared" in found.conclusions[0].sentence
    assert not found.values_compared
    assert all(pair.difference is None for pair in found.pairs)


def test_ignored_tensors_are_counted_and_not_compared(trained, base, tmp_path):
    weights = weights_of(trained)
    weights["head.bias"] += 1
    other = saved(tmp_path, "b.pt", weights)
    found = compared(base, other, CompareRequest(ignore=("head.*",)))
    assert relations(found) == [Relation.IDENTICAL]
    assert found.structure.ignored == 4


def test_snapshots_of_one_training_form_a_line(tmp_path):
    one = network(0)
    paths = []
    for index in range(4):
        paths.append(saved(tmp_path, f"{index}.pt", weights_of(one)))
        train(one, 10)
    paths.append(saved(tmp_path, "again.pt", torch.load(paths[2], weights_only=True)))
    report = compare([paths[i] for i in (2, 0, 3, 1, 4)], EVERYTHING)
    assert len(report.comparisons) == 10
    assert report.line is not None
    assert report.line.groups == ((0, 4),)
    assert report.line.order in {(1, 3, 0, 2), (2, 0, 3, 1)}
    assert report.line.is_line
