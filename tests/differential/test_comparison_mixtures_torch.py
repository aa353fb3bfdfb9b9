"""`diff` where torch did two things at once, and where it did something that is no training."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import torch
from builders.trained_networks import network, permuted_stage, saved, train, weights_of
from torch import nn

from ckptscope.facts.comparison import Comparison, Relation, Way
from ckptscope.pipeline.comparing import CompareRequest, compare

Weights = Mapping[str, torch.Tensor]


@pytest.fixture(scope="module")
def trained() -> nn.Module:
    one = network(0)
    train(one, 5, 1e-2)
    return one


def each(weights: Weights, change: Callable[[torch.Tensor], torch.Tensor]) -> Weights:
    return {k: change(v) if v.is_floating_point() else v for k, v in weights.items()}


def pruned(value: torch.Tensor) -> torch.Tensor:
    if value.dim() < 2:
        return value
    return torch.where(value.abs() <= value.abs().median(), torch.zeros_like(value), value)


def compared(folder: Path, left: Weights, right: Weights) -> Comparison:
    paths = [saved(folder, "left.pt", left), saved(folder, "right.pt", right)]
    (found,) = compare(paths, CompareRequest()).comparisons
    return found


def relations(found: Comparison) -> list[Relation]:
    return [one.relation for one in found.conclusions]


def test_a_pruned_file_that_was_cast_is_pruned_and_not_trained_on(trained, tmp_path):
    weights = weights_of(trained)
    found = compared(tmp_path, weights, each(weights, lambda v: pruned(v).half()))
    assert (relations(found), found.ways) == ([Relation.PRUNED], (Way.DTYPE,))
    assert "all others are equal" in found.conclusions[0].sentence


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_permuted_channels_are_found_behind_a_cast(trained, tmp_path, dtype):
    weights = weights_of(trained)
    moved = permuted_stage(weights, "stage1", "stem", "down")
    for one, other in (
        (weights, each(moved, lambda v: v.to(dtype))),
        (each(weights, lambda v: v.to(dtype)), moved),
    ):
        found = compared(tmp_path, one, other)
        assert relations(found) == [Relation.PERMUTED]
        assert "after a cast" in found.conclusions[0].sentence


def test_transposed_matrices_are_found_behind_a_cast(trained, tmp_path):
    weights = weights_of(trained)
    turned = each(weights, lambda v: (v.t() if v.dim() == 2 else v).half().contiguous())
    assert relations(compared(tmp_path, weights, turned)) == [Relation.TRANSPOSED]


def test_integers_of_a_quantizer_are_not_said_to_be_pruned(trained, tmp_path):
    weights = weights_of(trained)

    def rounded(value: torch.Tensor) -> torch.Tensor:
        if value.dim() < 2:
            return value
        return (value * (127 / value.abs().max())).round().to(torch.int8)

    assert relations(compared(tmp_path, weights, each(weights, rounded))) == [Relation.QUANTIZED]


def test_a_renamed_cast_does_not_claim_the_same_bits(trained, tmp_path):
    weights = weights_of(trained)
    other = {f"x.{k.replace('conv', 'cv')}": v for k, v in weights.items()}
    found = compared(tmp_path, weights, each(other, torch.Tensor.half))
    assert relations(found) == [Relation.RENAMED]
    assert "bit for bit" not in found.conclusions[0].sentence
    assert found.is_same


def test_two_casts_of_the_same_weights_are_not_called_training(trained, tmp_path):
    weights = weights_of(trained)
    half, brain = each(weights, torch.Tensor.half), each(weights, torch.Tensor.bfloat16)
    found = compared(tmp_path, half, brain)
    assert relations(found) == [Relation.UNDECIDED]
    assert "two casts of the same weights" in found.conclusions[0].sentence
    later = each(weights, lambda v: (v + 0.05 * v.abs().mean()).bfloat16())
    assert Relation.FINE_TUNED in relations(compared(tmp_path, half, later))


def test_two_casts_are_not_the_same_for_being_casts_of_one(trained, tmp_path):
    weights = weights_of(trained)
    paths = [
        saved(tmp_path, "half.pt", each(weights, torch.Tensor.half)),
        saved(tmp_path, "full.pt", weights),
        saved(tmp_path, "brain.pt", each(weights, torch.Tensor.bfloat16)),
    ]
    report = compare(paths, CompareRequest())
    assert [one.is_same for one in report.comparisons] == [True, False, True]
    assert report.line is not None
    assert (report.line.groups, report.line.sentence) == (((0, 1),), "2 different sets of weights")


@pytest.mark.parametrize(("factor", "words"), [(-1, "opposite"), (3, "3 times as long")])
def test_weights_times_a_number_are_neither_foreign_nor_trained_on(
    trained, tmp_path, factor, words
):
    weights = weights_of(trained)
    found = compared(tmp_path, weights, each(weights, lambda v: v * factor))
    assert relations(found) == [Relation.UNDECIDED]
    assert words in found.conclusions[0].sentence


def test_numbers_beyond_what_sums_hold_give_no_angle(trained, tmp_path):
    weights = weights_of(trained)
    found = compared(tmp_path, weights, each(weights, lambda v: v.double() * 1e300))
    assert relations(found) == [Relation.UNDECIDED]
    assert (found.relative_l2, found.cosine) == (None, None)


def test_nan_everywhere_is_named(trained, tmp_path):
    weights = weights_of(trained)
    found = compared(tmp_path, weights, each(weights, lambda v: v * float("nan")))
    assert relations(found) == [Relation.UNDECIDED]
    assert "are NaN or infinite" in found.conclusions[0].evidence[0]


def test_one_nan_is_an_edit_by_no_number(trained, tmp_path):
    weights = dict(weights_of(trained))
    other = {key: value.clone() for key, value in weights.items()}
    other["stem.weight"].view(-1)[3] = float("nan")
    found = compared(tmp_path, weights, other)
    assert relations(found) == [Relation.EDITED]
    assert found.conclusions[0].evidence[0].endswith("1 NaN or infinite on either side")


def test_counters_alone_are_an_edit(trained, tmp_path):
    weights = weights_of(trained)
    other = {k: v if v.is_floating_point() else v + 1 for k, v in weights.items()}
    assert relations(compared(tmp_path, weights, other)) == [Relation.EDITED]


def test_one_element_of_a_single_matrix_is_no_average(tmp_path):
    one = torch.randn(300, 300, generator=torch.Generator().manual_seed(0))
    other = one.clone()
    other[7, 7] += 1
    assert relations(compared(tmp_path, {"w": one}, {"w": other})) == [Relation.EDITED]
