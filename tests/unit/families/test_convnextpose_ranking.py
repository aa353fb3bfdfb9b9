"""Joints × depth bins and upsampling: what speaks for each answer, and who wins."""

import pytest
from builders.convnextpose import (
    FAMILY,
    GFLOPS,
    SMALL,
    UPSAMPLINGS,
    claim,
    fact,
    infer,
    shapes,
    without,
)
from msgspec.structs import replace

from ckptscope.facts.architecture import Architecture, Candidate, Ranking
from ckptscope.facts.claims import Rule
from ckptscope.facts.tensors import Origin
from fixtures.convnextpose import VARIANTS, state_dict_entries

CHANNELS = ("joints", "depth_bins")


def with_final(channels: int, **changes: object) -> dict[str, tuple[int, ...]]:
    configuration = replace(SMALL, joints=None, depth_bins=None, undivided=channels, **changes)
    return shapes(configuration)


def released(name: str) -> dict[str, tuple[int, ...]]:
    variant = VARIANTS[name]
    return {e.key: e.shape for e in state_dict_entries(variant.configuration, variant.dialect)}


def ranking(architecture: Architecture, setting: str) -> Ranking:
    (found,) = (one for one in architecture.rankings if setting in one.settings)
    return found


def candidates(architecture: Architecture, *settings: str) -> list[tuple[object, ...]]:
    found = ranking(architecture, settings[0]).candidates
    return [tuple(one.values[name] for name in settings) for one in found]


def candidate(architecture: Architecture, name: str, value: object) -> Candidate:
    found = ranking(architecture, name).candidates
    return next(one for one in found if one.values[name] == value)


def test_1152_channels_are_18_times_64_before_36_times_32_and_others() -> None:
    found = infer(with_final(1152))
    assert candidates(found, *CHANNELS)[:5] == [(18, 64), (36, 32), (72, 16), (144, 8), (16, 72)]
    assert (9, 128) in candidates(found, *CHANNELS)
    best = candidate(found, "joints", 18)
    assert best.speaks_for == ("the cube rule: 64 = 8 · 2^3", "18 joints: Human3.6M")
    assert best.speaks_against == ()
    assert candidate(found, "joints", 36).speaks_against == ("no known joint set has 36",)
    assert candidate(found, "joints", 16).speaks_against == (
        "no cube: the heatmap is 8, 16, 32, 64 wide, not 72",
    )


def test_every_division_is_a_candidate_or_counted() -> None:
    found = ranking(infer(with_final(1152)), "joints")
    assert len(found.candidates) + found.left_out == 24
    assert all(one.values["joints"] * one.values["depth_bins"] == 1152 for one in found.candidates)


@pytest.mark.parametrize("joints", [16, 17, 18, 19, 21])
@pytest.mark.parametrize(("bins", "count"), [(8, 0), (16, 1), (32, 2), (64, 3)])
def test_a_known_joint_set_in_a_cube_is_found(joints: int, bins: int, count: int) -> None:
    found = infer(with_final(joints * bins))
    assert fact(found, "joints").value == joints
    assert fact(found, "depth_bins").value == bins
    assert fact(found, "upsampling").value == tuple(i < count for i in range(3))
    assumptions = fact(found, "joints").assumptions
    assert any("cube rule" in text for text in assumptions)
    assert any(f"has {joints} joints" in text for text in assumptions)


def test_what_nothing_tells_apart_is_undetermined_and_lists_the_equals() -> None:
    found = infer(with_final(416))
    for name, options in (("joints", {13, 26, 52, 16}), ("depth_bins", {32, 16, 8, 26})):
        one = fact(found, name)
        assert (one.value, one.origin) == (None, Origin.UNDETERMINED)
        assert {option.value for option in one.alternatives} == options
    assert ranking(found, "joints").ties == 3
    assert fact(found, "upsampling").value is None
    assert fact(found, "macs").value is None
    assert fact(found, "heatmap").value is None
    assert found.misfits == ()


def test_settings_without_a_division_still_give_the_keys_of_the_file() -> None:
    found = infer(with_final(416))
    assert found.settings is not None
    assert found.settings["final_channels"] == 416
    assert {"joints", "depth_bins", "upsampling"}.isdisjoint(found.settings)
    assert found.differences.is_empty
    table = FAMILY.keys(FAMILY.configure(found.settings))
    assert {one.key: one.shape for one in table} == with_final(416)
    assert found.counts is not None
    assert found.counts.macs is None


def test_a_prime_number_of_channels_is_no_division_that_anything_speaks_for() -> None:
    found = infer(with_final(1009))
    assert fact(found, "joints").value is None
    assert candidates(found, *CHANNELS) == [(1, 1009), (1009, 1)]


def test_a_number_of_channels_beyond_reason_is_not_divided() -> None:
    found = infer(with_final(2**61 * 3))
    assert fact(found, "joints").origin is Origin.UNDETERMINED
    assert not any("joints" in one.settings for one in found.rankings)


def test_claims_tell_equals_apart_and_are_then_an_assumption() -> None:
    found = infer(with_final(416), claims=(claim(UPSAMPLINGS, 2),))
    assert fact(found, "joints").value == 13
    assert "upsamplings: 2, as claimed of S" in fact(found, "joints").assumptions
    other = infer(with_final(416), claims=(claim(UPSAMPLINGS, 1),))
    assert fact(other, "joints").value == 26


def test_claims_that_were_not_needed_are_no_assumption() -> None:
    found = infer(with_final(576), claims=(claim(UPSAMPLINGS, 2),))
    assert not any("claimed" in text for text in fact(found, "joints").assumptions)
    assert "upsamplings: 2, as claimed of S" in candidate(found, "joints", 18).speaks_for


def test_claims_of_another_row_speak_against_and_do_not_win() -> None:
    found = infer(with_final(576), claims=(claim(UPSAMPLINGS, 3, "M"),))
    assert fact(found, "joints").value == 18
    assert candidate(found, "joints", 18).speaks_against == ("upsamplings: 2, and 3 claimed of M",)
    assert candidate(found, "joints", 9).speaks_for[-1] == "upsamplings: 3, as claimed of M"


def test_a_claim_on_joints_or_bins_is_heard() -> None:
    joints = Rule(attribute="joint_num", fact="joints")
    found = infer(with_final(416), claims=(claim(joints, 16),))
    assert fact(found, "joints").value == 16
    assert "joint_num: 16, as claimed of S" in candidate(found, "joints", 16).speaks_for


def test_all_patterns_of_three_layers_are_shown_with_plane_and_cost() -> None:
    found = infer(released("M"))
    patterns = ranking(found, "upsampling")
    assert len(patterns.candidates) == 8
    assert patterns.left_out == 0
    three = candidate(found, "upsampling", (True, True, True))
    two = candidate(found, "upsampling", (True, True, False))
    assert (three.values["heatmap"], two.values["heatmap"]) == ((64, 64), (32, 32))
    assert (three.macs, two.macs) == (2_794_962_944, 1_888_993_280)
    assert three.speaks_for == ("a cube: 64 bins, 64×64 heatmap",)
    assert two.speaks_against == ("no cube: 64 bins, 32×32 heatmap",)


def test_patterns_are_weighed_against_claimed_gflops() -> None:
    claims = (claim(GFLOPS, 0.82, "XS"), claim(UPSAMPLINGS, 2, "XS"))
    found = infer(released("XS"), claims=claims)
    order = candidates(found, "upsampling")
    assert order[0] == ((True, True, False),)
    assert order[1] == ((True, False, True),)
    first = candidate(found, "upsampling", (True, True, False))
    second = candidate(found, "upsampling", (True, False, True))
    minus = "\N{MINUS SIGN}"
    assert f"gflops: 0.8152 G, {minus}0.6 % from the 0.82 G claimed of XS" in first.speaks_for
    assert f"gflops: 0.8017 G, {minus}2.2 % from the 0.82 G claimed of XS" in (
        second.speaks_against
    )


def test_macs_of_other_patterns_are_alternatives() -> None:
    macs = fact(infer(released("M")), "macs")
    others = {one.value: one for one in macs.alternatives}
    assert 1_888_993_280 in others
    assert others[1_888_993_280].speaks_for[0] == "upsampling: yes, yes, no"
    heatmaps = fact(infer(released("M")), "heatmap").alternatives
    assert {one.value for one in heatmaps} == {(32, 32), (16, 16), (8, 8)}


def test_the_formula_of_macs_adds_up() -> None:
    macs = fact(infer(released("S")), "macs")
    backbone, head = (
        int(part.split()[-1].replace(",", ""))
        for part in macs.evidence[0].text.rpartition(": ")[2].split("+")
    )
    assert backbone + head == macs.value


def test_a_pattern_against_the_order_wins_only_by_claims() -> None:
    two = infer(released("XS"))
    ordered = candidate(two, "upsampling", (True, True, False)).macs
    other = candidate(two, "upsampling", (False, True, True)).macs
    assert ordered is not None
    assert other is not None
    exact = Rule(attribute="macs", fact="macs", tolerance=0.001)
    found = infer(released("XS"), claims=(claim(exact, other, "XS"),))
    assert fact(found, "upsampling").value == (False, True, True)
    assert any("as claimed of XS" in text for text in fact(found, "upsampling").assumptions)


@pytest.mark.parametrize("layers", [1, 8])
def test_up_to_eight_layers_are_weighed_in_every_pattern(layers: int) -> None:
    channels = {"head_out_channels": (5,) * layers, "head_kernels": (3,) * layers}
    found = infer(with_final(576, **channels, upsampling=None))
    patterns = ranking(found, "upsampling")
    assert len(patterns.candidates) + patterns.left_out == 2**layers


def test_longer_heads_are_weighed_by_the_number_of_upsamplings() -> None:
    channels = {"head_out_channels": (5,) * 40, "head_kernels": (3,) * 40}
    found = infer(with_final(576, **channels, upsampling=None))
    assert fact(found, "upsampling").value == (True, True, *(False,) * 38)
    patterns = ranking(found, "upsampling")
    assert len(patterns.candidates) + patterns.left_out == 21


def test_without_a_final_layer_there_is_no_ranking_of_divisions() -> None:
    found = infer(without(shapes(), "final_layer"))
    assert not any("joints" in one.settings for one in found.rankings)
