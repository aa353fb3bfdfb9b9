"""What networks are said to be to each other, and what is concluded about one."""

import pytest
from builders.claims import check_one, network_of, told

from ckptscope.facts.checked import ClaimVerdict

HOLDS = ClaimVerdict.HOLDS
ITSELF = ClaimVerdict.CONTRADICTS_ITSELF
TABLE = ClaimVerdict.CONTRADICTS_TABLE
NOT = ClaimVerdict.DOES_NOT_FOLLOW
OPEN = ClaimVerdict.NOT_DECIDABLE

S, M, L = network_of(row="S"), network_of(row="M"), network_of(row="L")
S_WITH_64 = network_of(name="S with 64 bins", row="S", depth_bins=64)
L_WITH_2UP = network_of(name="L with 2UP", row="L", upsamplings=2)


@pytest.mark.parametrize(
    ("relation", "networks", "verdict"),
    [
        ("loads", (S, S), HOLDS),
        ("loads", (L, L_WITH_2UP), HOLDS),
        ("loads", (S, M), TABLE),
        ("loads", (M, S_WITH_64), HOLDS),
        ("loads", (S, S_WITH_64), ITSELF),
        ("equivalent", (S, S), HOLDS),
        ("equivalent", (L, L_WITH_2UP), ITSELF),
        ("equivalent", (M, S_WITH_64), ITSELF),
        ("same_architecture", (network_of(row=["S", "S"]),), HOLDS),
        ("same_architecture", (network_of(row=["XS", "S", "M"]),), TABLE),
        ("loads", (S, network_of(dims=[48, 96])), OPEN),
    ],
)
def test_a_relation_follows_from_settings_and_keys(tmp_path, relation, networks, verdict):
    claim = check_one(tmp_path, *networks, more=f'relation = "{relation}"')
    assert claim.verdict is verdict, told(claim)


def test_a_file_that_does_not_load_is_told_with_the_shapes_that_differ(tmp_path):
    claim = check_one(tmp_path, S, M, more='relation = "loads"')
    assert "load_state_dict would report 2 mismatched shapes" in told(claim)
    assert "head.final_layer.bias: [576] in the file, [1152] in the network" in told(claim)


def test_two_networks_become_equivalent_by_the_setting_that_differs(tmp_path):
    claim = check_one(tmp_path, L, L_WITH_2UP, more='relation = ["loads", "equivalent"]')
    remedies = [part.remedies for part in claim.parts]
    assert remedies[0] == ()
    assert remedies[1][0].text == "upsampling = [yes, yes, yes] in L with 2UP"


def test_networks_that_are_only_described_need_not_be_those_of_their_rows(tmp_path):
    claim = check_one(tmp_path, M, S_WITH_64, more='relation = "loads"')
    assert [part.kind for part in claim.parts] == ["relation"]


@pytest.mark.parametrize(
    ("facts", "verdict"), [(["backbone", "dims"], HOLDS), (["head_width"], TABLE)]
)
def test_facts_in_common_are_compared(tmp_path, facts, verdict):
    claim = check_one(tmp_path, network_of(row=["S", "M", "L"]), more=f"same = {facts}")
    assert claim.verdict is verdict


@pytest.mark.parametrize(
    ("row", "because", "therefore", "verdict"),
    [
        # A plane needs the upsampling that doubles it.
        ("S", 'heatmap = "64×64"', "upsamplings = 3", HOLDS),
        ("S", 'heatmap = "64×64"', "upsamplings = 2", ITSELF),
        ("S", 'heatmap = "100×100"', "upsamplings = 2", ITSELF),
        ("M", 'gflops = "2.82 G"', "upsamplings = 3", HOLDS),
        ("S", "upsamplings = 3", 'heatmap = "64×64"', HOLDS),
        # Weights know nothing of upsampling, whatever they are.
        ("XS", 'weights = "none is zero"', '"upsampling[2]" = true', NOT),
        ("XS", 'weights = "none is zero"', "upsamplings = 2", NOT),
        ("XS", 'parameters = "3.53 M"', "upsamplings = 2", NOT),
        # 1,152 are 36 × 32, too.
        ("M", "final_channels = 1152", "joints = 18", NOT),
        ("M", "depth_bins = 64\nfinal_channels = 1152", "joints = 18", HOLDS),
        ("S", "depth_bins = 64", 'elements = "7.60 M"', HOLDS),
    ],
)
def test_a_conclusion_follows_if_no_network_has_the_premise_without_it(
    tmp_path, row, because, therefore, verdict
):
    more = f"[claims.because]\n{because}\n[claims.therefore]\n{therefore}\n"
    claim = check_one(tmp_path, network_of(row=row), more=more)
    assert claim.verdict is verdict, told(claim)


def test_a_premise_about_values_is_held_against_the_tensors_sizes(tmp_path):
    more = (
        '[claims.because.nonzero]\n"head.deconv_layers_3.norm.weight" = "256/256"\n'
        '[claims.therefore]\n"upsampling[2]" = true\n'
    )
    claim = check_one(tmp_path, network_of(row="XS"), more=more)
    assert claim.verdict is ITSELF
    assert claim.reason == "head.deconv_layers_3.norm.weight has 128 elements [128], claimed 256"


def test_what_does_not_follow_is_told_with_the_other_network(tmp_path):
    more = "[claims.because]\nfinal_channels = 1152\n[claims.therefore]\njoints = 18\n"
    claim = check_one(tmp_path, network_of(row="M"), more=more)
    assert claim.reason == "36 × 32 = 1,152 final channels goes with the premise, too"
