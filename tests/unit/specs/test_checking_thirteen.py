"""Thirteen claims that five documents make about the released files, judged by arithmetic."""

from functools import cache
from pathlib import Path

import pytest
from builders.claims import told

from ckptscope.facts.checked import ChangeKind, CheckedClaim, ClaimVerdict
from ckptscope.families.registry import find_family
from ckptscope.specs.arithmetic.evaluation import evaluate
from ckptscope.specs.arithmetic.files import load_document
from ckptscope.specs.arithmetic.judging import check_document

FILE = Path(__file__).parent / "claims" / "thirteen.toml"
HOLDS = ClaimVerdict.HOLDS
ITSELF = ClaimVerdict.CONTRADICTS_ITSELF
TABLE = ClaimVerdict.CONTRADICTS_TABLE


@cache
def claims() -> dict[str, CheckedClaim]:
    return {claim.id: claim for claim in check_document(load_document(FILE)).claims}


@pytest.mark.parametrize(
    ("name", "verdict"),
    [
        ("1", ITSELF),
        ("2", ITSELF),
        ("3", TABLE),
        ("4", TABLE),
        ("5", ITSELF),
        ("6", ITSELF),
        ("7", ITSELF),
        ("8", ITSELF),
        ("9", ITSELF),
        ("10", TABLE),
        ("11", HOLDS),
        ("12", ClaimVerdict.DOES_NOT_FOLLOW),
        ("13", ITSELF),
    ],
)
def test_each_of_the_thirteen_claims_gets_its_verdict(name, verdict):
    assert claims()[name].verdict is verdict


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("1", "3,515,835 elements"),
        ("1", "7,379,577 elements"),
        ("1", "no joints × depth_bins fits XS and S together"),
        ("2", "7,596,986 elements (7.60 M), claimed 7.45 M"),
        ("3", "head 155,328 → 229,632"),
        ("3", "head 388,928 → 536,960"),
        ("5", "17 × 64 = 1,088 final channels"),
        ("5", "8,358,522 elements (8.36 M), claimed 8.39 M"),
        ("6", "8,274,746 elements"),
        ("7", "7,680,826 elements"),
        ("8", "head_input is 8×8 (256 ÷ 32), claimed 64×64"),
        ("8", "heatmap is 32×32 (256 ÷ 8), claimed 256×256 or 512×512"),
        ("8", "heatmap is 64×64 (256 ÷ 4), claimed 256×256 or 512×512"),
        ("9", "all 260 tensors have the same names and shapes; upsampling has no weights"),
        ("9", "4.26 GMACs and 2.45 GMACs"),
        ("9", "32×32 under 64 depth bins is no cube"),
        ("10", "XS and S: dims [40, 80, 160, 320] and [48, 96, 192, 384]"),
        ("10", "S and M: depth_bins 32 and 64 (+148,032 elements)"),
        ("10", "S and M: upsampling [yes, yes, no] and [yes, yes, yes] (no weights)"),
        ("11", "7,587,008 parameters (7.59 M)"),
        ("12", "no tensor depends on upsampling[2]"),
        ("12", "head.deconv_layers_3.pwconv.weight [128, 128, 1, 1] has 16,384 elements"),
        ("13", "12,961,292 elements (12.96 M), claimed 7.45 M"),
        ("13", "\N{MINUS SIGN}5,505,408 parameters"),
    ],
)
def test_the_arithmetic_behind_each_verdict_is_told_to_the_element(name, number):
    assert number in told(claims()[name])


@pytest.mark.parametrize(
    ("name", "subject", "change"),
    [
        ("1", "S", "head_layers = 3"),
        ("2", "S", "depth_bins = 32"),
        ("3", "XS", "depth_bins = 32"),
        ("4", "XS", "row = S"),
        ("5", "L", "joints = 18"),
        ("6", "L", "head_out_channels[0] = 512"),
        ("7", "M", "[384, 256, 256] read as head_in_channels"),
        ("13", "S", "depths[2] = 9"),
    ],
)
def test_the_smallest_change_is_named(name, subject, change):
    parts = {part.subject: part for part in claims()[name].parts}
    assert parts[subject].remedies[0].text == change


def test_two_layers_fit_neither_row_and_three_fit_both():
    claim = claims()["1"]
    assert any(text.startswith("with head_layers = 3 all of it holds") for text in claim.evidence)


def test_depth_dim_64_is_wrong_of_two_rows_and_right_of_the_others():
    verdicts = {part.subject: part.verdict for part in claims()["3"].parts}
    assert verdicts == {"XS": TABLE, "S": TABLE, "M": HOLDS, "L": HOLDS}


def test_the_numbers_that_xs_is_given_are_those_of_s():
    owners = claims()["4"].parts[0].same_numbers
    assert [(owner.table, owner.row) for owner in owners] == [("convnextpose", "S")]
    assert "7,448,954 elements (7.45 M)" in owners[0].values


def test_27_blocks_and_50_million_are_those_of_a_classifier():
    owners = claims()["13"].parts[1].same_numbers
    assert [(owner.table, owner.row) for owner in owners] == [("convnext", "V1-Small")]


def test_the_two_upsampling_head_loads_and_is_not_equivalent():
    verdicts = {part.subject: part.verdict for part in claims()["9"].parts}
    assert verdicts == {"loads": HOLDS, "equivalent": ITSELF}


def test_a_list_that_is_read_otherwise_keeps_its_numbers():
    change = claims()["7"].parts[0].remedies[0].changes[0]
    assert change.kind is ChangeKind.READING
    assert change.claimed == change.value == (384, 256, 256)


def test_what_says_the_same_as_a_changed_setting_changes_with_it():
    remedy = claims()["5"].parts[0].remedies[0]
    assert [follower.text for follower in remedy.follows] == ["final_channels = 1,152"]
    assert "head.final_layer.weight [1088, 512, 1, 1] → [1152, 512, 1, 1]: +32,768" in remedy.effect


def test_every_remedy_is_a_network_that_can_be_counted_again():
    family = find_family("convnextpose")
    counted = {
        name: evaluate(family, claims()[name].parts[-1].remedies[0].settings).facts[
            "state_elements"
        ]
        for name in ("1", "2", "5", "6", "7")
    }
    assert counted == {
        "1": 7_448_954,
        "2": 7_448_954,
        "5": 8_391_354,
        "6": 8_391_354,
        "7": 7_596_986,
    }


def test_what_a_verdict_rests_on_is_named():
    assumptions = claims()["1"].parts[1].assumptions
    assert any("as in its row of" in text for text in assumptions)
    assert any("joints 18, 16, 19, 21, 17" in text for text in assumptions)
    # 18 × 64 are said, so that nothing is left open.
    assert not any("joints" in text for text in claims()["2"].parts[0].assumptions)


def test_the_lines_of_the_claims_are_kept():
    text = FILE.read_text().splitlines()
    for claim in claims().values():
        assert text[claim.line - 1] == "[[claims]]"
        assert text[claim.line] == f"id = {claim.id}"
