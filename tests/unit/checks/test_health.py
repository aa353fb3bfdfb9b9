"""What is said of weights: every sentence that it should be, and none about what is ordinary."""

import numpy as np
import pytest
from builders.finding_cases.values import CASES, Scanned
from builders.pickles import Raw, tensor
from builders.reading import build_one
from builders.weights import Arrays, random_weights, spelled, training_zip, weights_zip
from builders.zips import torch_zip

from ckptscope.checks.health import check_values
from ckptscope.facts.findings import Code, Finding, Severity
from ckptscope.tensors.scanning import scan_values


def judged(content: bytes) -> list[Finding]:
    build = build_one(content)
    return list(check_values(build.manifest, scan_values(build)))


def of(arrays: Arrays) -> list[Finding]:
    return judged(weights_zip(arrays))


def one(arrays: Arrays) -> Finding:
    (found,) = of(arrays)
    return found


def codes(found: list[Finding]) -> list[Code]:
    return [finding.code for finding in found]


@pytest.mark.parametrize("code", CASES)
def test_a_case_trips_its_own_code_and_what_passes_trips_none_of_the_others(code, tmp_path):
    tripped = codes(judged_case(CASES[code].trips, tmp_path))
    passed = codes(judged_case(CASES[code].passes, tmp_path))
    assert set(tripped) == {code}
    assert passed == []


def judged_case(case: Scanned, folder) -> list[Finding]:
    return judged(case(folder).path.read_bytes())


def test_the_numbers_of_a_finding_are_those_of_the_tensor():
    array = random_weights(10, 10)
    array[0, :3] = np.nan
    found = one({"head.weight": array})
    assert (found.severity, found.where.key) == (Severity.ERROR, "head.weight")
    assert found.evidence == ("3 of 100 elements (3 %)",)


def test_many_tensors_get_one_finding_that_counts_them_and_names_the_first():
    found = one({f"layers.{i}.bias": np.full(2, np.nan, np.float32) for i in range(40)})
    assert found.message == "40 tensors hold NaN"
    assert len(found.evidence) == 9
    assert found.evidence[0] == "'layers.0.bias': 2 of 2 elements (100 %)"
    assert found.evidence[-1] == "and 32 more"


def test_a_mask_of_minus_infinity_is_no_runaway_weight():
    mask = np.triu(np.full((8, 8), -np.inf, np.float32), 1)
    assert of({"mask": np.nan_to_num(mask, nan=0.0, neginf=-np.inf)}) == []
    mask[0, 0] = 0.5
    assert codes(of({"weight": mask})) == [Code.VALUES_INFINITE]


def test_a_range_that_has_seen_nothing_yet_is_no_runaway_weight():
    start = {"min_val": np.array([np.inf], np.float32), "max_val": np.array([-np.inf], np.float32)}
    assert of({f"observer.{name}": value for name, value in start.items()}) == []
    assert codes(of({"scale.weight": np.array([np.inf], np.float32)})) == [Code.VALUES_INFINITE]


@pytest.mark.parametrize("key", ["bn.bias", "gate", "running_mean"])
def test_zeros_that_are_an_ordinary_start_are_not_told(key):
    assert of({key: np.zeros(1 if key == "gate" else 8, np.float32)}) == []


def test_the_scale_of_a_norm_that_is_zero_throughout_is_told():
    assert codes(of({"norm.weight": np.zeros(8, np.float32)})) == [Code.VALUES_ZERO]


def test_the_scale_of_a_norm_that_is_one_throughout_is_not():
    assert of({"norm.weight": np.ones(8, np.float32)}) == []


def test_small_numbers_of_float16_are_ordinary_though_denormal():
    assert of({"a.weight": (random_weights(8, 8) * 1e-4).astype(np.float16)}) == []


def test_the_padding_row_of_an_embedding_is_no_dead_channel():
    table = random_weights(50, 8)
    table[0] = 0
    assert of({"embedding.weight": table}) == []
    assert codes(of({"fc.weight": table, "fc.bias": random_weights(50)})) == [Code.CHANNELS_DEAD]


def test_few_dead_channels_are_told_for_information_and_their_bias_with_them():
    weight, bias = random_weights(50, 8), random_weights(50, seed=1)
    weight[[3, 7]] = 0
    bias[7] = 0
    found = one({"fc.weight": weight, "fc.bias": bias})
    assert (found.severity, found.message) == (Severity.INFO, "2 of 50 channels are all zero")
    assert found.evidence == ("channels 3, 7; the bias of 1 of them is zero, too",)
    weight[:10] = 0
    assert one({"fc.weight": weight, "fc.bias": bias}).severity is Severity.WARNING


def test_filters_that_are_all_the_same_were_fixed_and_not_learned():
    blur = np.tile(np.outer([1, 2, 1], [1, 2, 1]).astype(np.float32), (32, 1, 1, 1))
    assert of({"blur.weight": blur}) == []


def test_zeros_of_dead_channels_are_not_told_twice():
    weight = random_weights(20, 30)
    weight[:5] = 0
    assert codes(of({"a.weight": weight})) == [Code.CHANNELS_DEAD]


def test_a_variance_of_zero_is_less_than_a_negative_one():
    variance = np.array([0.5, 0, 0.25], np.float32)
    arrays = {"bn.running_mean": random_weights(3), "bn.running_var": variance}
    found = one(arrays)
    assert (found.severity, found.evidence) == (Severity.WARNING, ("channels 1",))
    variance[2] = -1
    severities = [each.severity for each in of(arrays)]
    assert severities == [Severity.ERROR, Severity.WARNING]


def test_a_norm_that_counted_batches_and_kept_its_start_is_told_as_odd():
    arrays = {
        "bn.running_mean": np.zeros(4, np.float32),
        "bn.running_var": np.ones(4, np.float32),
        "bn.num_batches_tracked": np.array(12),
    }
    assert "yet batches were counted" in one(arrays).message
    arrays["bn.num_batches_tracked"] = np.array(0)
    assert "yet" not in one(arrays).message


def siblings(count: int = 8) -> dict[str, np.ndarray]:
    return {f"layers.{i}.weight": random_weights(8, 8, seed=i) for i in range(count)}


def test_an_outlier_of_less_than_a_thousand_times_is_told_for_information():
    head = {"head.weight": random_weights(8, 8, seed=50, scale=30)}
    found = one(siblings() | head)
    assert (found.code, found.severity) == (Code.MAGNITUDE_OUTLIER, Severity.INFO)


def test_a_weight_that_decayed_to_nothing_is_an_outlier_too():
    head = {"head.weight": random_weights(8, 8, seed=50, scale=1e-9)}
    assert "smaller" in one(siblings() | head).message


def test_wider_layers_have_smaller_weights_and_are_no_outliers():
    wide = {"wide.weight": random_weights(2, 40_000, seed=60, scale=0.1 / 70)}
    assert of(siblings() | wide) == []


def test_a_handful_of_layers_have_no_outlier():
    assert of(siblings(4) | {"head.weight": random_weights(8, 8, seed=50, scale=500)}) == []


def test_a_mask_of_the_most_negative_number_is_not_near_overflow():
    mask = np.triu(np.full((8, 8), -65504, np.float16), 1)
    assert Code.NEAR_OVERFLOW not in codes(of({"mask": mask}))


def shared(**views: Raw) -> list[Finding]:
    return judged(torch_zip(views, {"0": random_weights(12).tobytes()}))


def test_tied_weights_are_information_transposed_ones_too():
    first = tensor("0", (3, 4))
    (found,) = shared(a=first, b=first)
    assert (found.code, found.severity) == (Code.STORAGE_SHARED, Severity.INFO)
    assert found.evidence == ("also 'b'",)
    (found,) = shared(a=first, b=tensor("0", (4, 3), stride=(1, 4)))
    assert found.severity is Severity.INFO


def test_a_slice_beside_the_whole_is_an_overlap():
    (found,) = shared(a=tensor("0", (3, 4)), b=tensor("0", (1, 4), elements=12, offset=4))
    assert (found.code, found.severity) == (Code.STORAGE_SHARED, Severity.WARNING)
    assert "'a'" in found.message or "'b'" in found.message


def test_columns_that_lie_between_each_other_do_not_overlap():
    left = tensor("0", (3, 2), stride=(4, 1), elements=12)
    right = tensor("0", (3, 2), stride=(4, 1), elements=12, offset=2)
    assert shared(a=left, b=right) == []
    wider = tensor("0", (3, 3), stride=(4, 1), elements=12)
    assert [each.severity for each in shared(a=wider, b=right)] == [Severity.WARNING]


def test_a_copy_that_is_the_network_itself_is_told_once():
    tensors, storages = spelled({f"{i}.weight": random_weights(4, 4, seed=i) for i in range(9)})
    (found,) = judged(torch_zip({"network": tensors, "ema": tensors}, storages))
    assert (
        found.message
        == "9 tensors of 'network' are shared by 'network' and 'ema', which hold the same"
    )


def test_moments_may_be_zero_throughout_but_no_nan():
    state = {"exp_avg": np.zeros((1, 2), np.float32), "exp_avg_sq": np.zeros((1, 2), np.float32)}
    network = {"a.weight": random_weights(1, 2)}
    assert judged(training_zip(network, state)) == []
    state["exp_avg"][0, 0] = np.nan
    (found,) = judged(training_zip(network, state))
    assert (found.code, found.where.key) == (Code.VALUES_NAN, "optimizer/state/0/exp_avg")


def test_a_name_of_the_file_is_quoted_and_cut():
    long = "w\n" * 2000
    found = one({long: np.full((2, 2), np.nan, np.float32)})
    assert len(found.message) < 500
    assert len(found.where.key) <= 400


def severities(found: list[Finding]) -> list[tuple[Code, Severity]]:
    return [(finding.code, finding.severity) for finding in found]


@pytest.mark.parametrize(
    ("array", "code"),
    [
        (np.zeros((8, 9)), Code.VALUES_ZERO),
        (np.full((8, 9), 0.5), Code.VALUES_CONSTANT),
        (np.repeat(random_weights(2, 9), 4, axis=0), Code.FILTERS_DUPLICATE),
        (random_weights(8, 9) * (np.arange(8) > 4)[:, None], Code.CHANNELS_DEAD),
    ],
)
def test_what_may_be_a_buffer_by_its_name_is_told_for_information_only(array, code):
    array = array.astype(np.float32)
    assert severities(of({"position_table": array})) == [(code, Severity.INFO)]
    for key in ("fc.weight", "rnn.weight_ih_l0", "fc.parametrizations.weight.original"):
        assert severities(of({key: array})) == [(code, Severity.WARNING)]


def test_a_parameter_that_the_optimizer_confirms_needs_no_telling_name():
    state = {"exp_avg": random_weights(8, 9), "exp_avg_sq": random_weights(8, 9) ** 2}
    found = judged(training_zip({"table": np.zeros((8, 9), np.float32)}, state))
    assert severities(found) == [(Code.VALUES_ZERO, Severity.WARNING)]


@pytest.mark.parametrize("key", ["attn_mask", "fc.weight_mask", "layers.0.window_mask"])
@pytest.mark.parametrize("number", [0, 1])
def test_masks_are_no_weights_whatever_they_hold(key, number):
    mask = np.full((16, 32), number, np.float32)
    assert of({key: mask}) == []
    mask[:8] = 1 - number
    assert of({key: mask}) == []


def test_what_a_mask_is_filled_with_may_be_infinite_in_float16():
    filler = np.array([-np.inf], np.float16)
    assert of({"attn.masked_bias": filler}) == []
    assert codes(of({"attn.bias": filler})) == [Code.VALUES_INFINITE]


def test_a_variance_of_zero_behind_a_scale_of_zero_is_information():
    arrays = {
        "bn.running_mean": random_weights(3),
        "bn.running_var": np.array([0.5, 0, 0.25], np.float32),
        "bn.weight": np.array([1, 0, 0.5], np.float32),
    }
    found = one(arrays)
    assert (found.code, found.severity) == (Code.VARIANCE_NOT_POSITIVE, Severity.INFO)
    assert found.evidence == ("channels 1; the scale is zero there, too",)
    arrays["bn.weight"] = np.array([1, 0.1, 0], np.float32)
    assert one(arrays).severity is Severity.WARNING


def test_the_scales_of_channels_are_no_outliers_however_equal_they_are():
    scale = 1 + random_weights(8, 1, seed=70, scale=1e-6)
    assert of(siblings() | {"head.weight_g": scale.astype(np.float32)}) == []


def test_rows_of_an_embedding_are_passed_on_as_they_are_and_not_summed():
    table = random_weights(8, 4096, seed=70, scale=12)
    assert of(siblings() | {"embedding.weight": table}) == []
    found = one(siblings() | {"head.weight": table})
    assert found.code is Code.MAGNITUDE_OUTLIER
