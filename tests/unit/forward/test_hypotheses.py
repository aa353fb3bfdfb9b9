"""Which layers upsample: patterns in closed form against the paper's claims, by arithmetic alone."""

import itertools

import pytest
from builders.subjects import variant_settings

from ckptscope.facts.claims import Claim, Rule, Verdict
from ckptscope.facts.tensors import Origin
from ckptscope.families.registry import find_family
from ckptscope.forward.hypotheses import Question, pattern_text, weigh
from ckptscope.specs.labels import row_claims
from ckptscope.specs.loading import tables_for

FAMILY = find_family("convnextpose")
TWO, THREE = (True, True, False), (True, True, True)


def paper(row):
    (table,) = tables_for("convnextpose")
    return Question(label=row, claims=row_claims(table, row, "a test"))


def weighed(row, question=None, **settings):
    configuration = FAMILY.configure({**variant_settings(row), **settings})
    return weigh(FAMILY, configuration, paper(row) if question is None else question)


def by_pattern(found):
    return {one.upsampling: one for one in found.hypotheses}


@pytest.mark.parametrize(
    ("row", "best", "gmacs"),
    [("XS", TWO, 0.8152), ("S", TWO, 1.7380), ("M", THREE, 2.7950), ("L", THREE, 4.2638)],
)
def test_each_row_of_the_paper_is_met_by_its_own_pattern(row, best, gmacs) -> None:
    found = weighed(row)
    assert (found.verdict, found.best) == (Verdict.MATCHES, best)
    assert by_pattern(found)[best].macs / 1e9 == pytest.approx(gmacs, abs=5e-5)
    assert by_pattern(found)[best].is_cube


def test_all_patterns_are_counted_fewest_upsamplings_first() -> None:
    found = weighed("S")
    patterns = [one.upsampling for one in found.hypotheses]
    assert sorted(patterns) == sorted(itertools.product((False, True), repeat=3))
    assert [sum(pattern) for pattern in patterns] == sorted(map(sum, patterns))
    for one in found.hypotheses:
        side = 8 * 2 ** sum(one.upsampling)
        assert one.heatmap == (side, side)
        assert one.is_cube == (side == 32)
        configuration = FAMILY.configure({**variant_settings("S"), "upsampling": one.upsampling})
        assert one.macs == FAMILY.count(configuration).macs


def test_m_with_two_upsamplings_stands_beside_m_with_three() -> None:
    found = weighed("M")
    two = by_pattern(found)[TWO]
    assert two.is_plausible
    assert not two.is_met
    assert two.macs / 1e9 == pytest.approx(1.8890, abs=5e-5)
    assert (two.heatmap, two.is_cube, found.depth_bins) == ((32, 32), False, 64)
    assert found.not_separated == ()
    told = " ".join(found.sentences)
    assert "up, up, up (2.795 GMACs, -0.9 % of 2.82 G, 64 bins over 64×64: a cube)" in told
    assert "-33.0 % of 2.82 G, 64 bins over 32×32: no cube" in told


def test_patterns_of_xs_that_no_evidence_separates_are_named_as_such() -> None:
    found = weighed("XS")
    assert found.not_separated == ((True, False, True),)
    rival = by_pattern(found)[(True, False, True)]
    assert (rival.is_met, rival.is_near, rival.is_plausible) == (False, True, True)
    told = " ".join(found.sentences)
    assert "no evidence separates from it: up, no, up (0.802 GMACs, -2.2 % of 0.82 G" in told


def test_a_file_of_another_row_meets_no_pattern() -> None:
    configuration = FAMILY.configure(variant_settings("S"))
    found = weigh(FAMILY, configuration, paper("XS"))
    assert found.verdict is Verdict.CONTRADICTS
    assert found.best is None
    assert found.sentences[0].startswith("no pattern meets row XS; nearest is ")


def test_claims_that_the_tensors_contradict_outweigh_every_pattern() -> None:
    claimed = paper("S")
    found = weighed(
        "S",
        Question(label="S", claims=claimed.claims, contradictions=("dims: 48 is not 40",)),
    )
    assert found.verdict is Verdict.CONTRADICTS
    assert "contradicted whatever upsamples: dims: 48 is not 40" in found.sentences[0]


def test_without_claims_the_cube_rule_speaks_and_nothing_is_judged() -> None:
    found = weighed("M", Question())
    assert (found.verdict, found.best) == (Verdict.NOT_CLAIMED, THREE)
    assert "the cube rule (assumed)" in " ".join(found.sentences)


def test_without_claims_and_without_a_cube_nothing_speaks() -> None:
    found = weighed("S", Question(), joints=16, depth_bins=36)
    assert (found.verdict, found.best) == (Verdict.NOT_CLAIMED, None)
    assert "does not decide either" in found.sentences[-1]


def test_where_nothing_says_the_pattern_the_best_is_run() -> None:
    found = weighed("M", upsampling=None)
    assert (found.ran, found.origin) == (THREE, Origin.UNDETERMINED)
    bare = weighed("M", Question(), upsampling=None, depth_bins=None, joints=None, undivided=1152)
    # As in the code that the authors published: all but the last.
    assert (bare.ran, bare.depth_bins) == (TWO, None)
    assert all(one.is_cube is None for one in bare.hypotheses)


def test_the_pattern_of_the_settings_is_run_even_where_another_fits_better() -> None:
    found = weighed("M", upsampling=(False, True, False))
    assert found.ran == (False, True, False)
    assert found.best == THREE
    assert by_pattern(found)[(False, True, False)].is_plausible


def test_very_many_layers_are_counted_by_their_usual_patterns_alone() -> None:
    layers = 40
    pattern = tuple(index % 2 == 0 for index in range(layers))
    found = weighed(
        "S",
        Question(),
        head_out_channels=(16,) * layers,
        upsampling=pattern,
        head_kernels=(3,) * layers,
    )
    assert len(found.hypotheses) == layers + 2
    assert found.left_out == 2**layers - len(found.hypotheses)
    assert found.ran == pattern


def test_a_claim_is_near_within_its_rounding_and_not_beyond() -> None:
    rule = Rule(attribute="gflops", fact="macs", unit="G", scale=1e9, decimals=2, tolerance=0.01)
    # up, up, no has 1.737998336 GMACs.
    checks = {
        value: by_pattern(
            weighed("S", Question(label="x", claims=(Claim(subject="x", rule=rule, value=value),)))
        )[TWO]
        for value in (1.74, 1.76, 1.77)
    }
    assert [(one.is_met, one.is_near) for one in checks.values()] == [
        (True, True),
        (False, True),
        (False, False),
    ]
    assert checks[1.76].checks[0].claimed == "1.76 G"


def test_a_transposed_convolution_leaves_its_stride_open_too() -> None:
    family = find_family("posenet")
    configuration = family.configure({"backbone": "ResNet-50", "joints": 18})
    found = weigh(family, configuration, Question())
    assert len(found.hypotheses) == 8
    assert found.best == (True, True, True)


def test_patterns_are_told_in_words() -> None:
    assert pattern_text((True, False)) == "up, no"
