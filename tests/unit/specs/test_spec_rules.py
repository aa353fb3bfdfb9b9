"""One claim against one fact: what decides, what does not, and what is said about near-misses."""

import pytest
from paper_networks import PAPER, settings_of, variant, with_fact

from ckptscope.facts.architecture import Evidence, Fact
from ckptscope.facts.claims import Claim, Rule, Verdict
from ckptscope.facts.tensors import Origin
from ckptscope.specs.compare import judge_row
from ckptscope.specs.rules import judge

PARAMS = Rule(attribute="params", fact="parameters", unit="M", scale=1e6, decimals=2)
ELEMENTS = Rule(attribute="elements", fact="state_elements", unit="M", scale=1e6, decimals=2)
GFLOPS = Rule(attribute="gflops", fact="macs", unit="G", scale=1e9, decimals=2, tolerance=0.02)
OUT = Rule(attribute="out", fact="head_out_channels")
S = variant("S")


def claim(rule, value):
    return Claim(subject="S", rule=rule, value=value)


def judged(row, architecture):
    return {one.attribute: one for one in judge_row(architecture, PAPER, row)}


@pytest.mark.parametrize("row", ["XS", "S", "M", "L"])
def test_a_released_variant_contradicts_nothing_of_its_row_and_meets_what_shapes_decide(row):
    found = judged(row, variant(row))
    verdicts = {name: one.verdict for name, one in found.items()}
    decided = ("backbone", "depths", "dims", "head_width", "params", "final_channels")
    assert {verdicts[name] for name in decided} == {Verdict.MATCHES}
    for name in ("upsamplings", "gflops"):
        assert (verdicts[name], found[name].agrees) == (Verdict.NOT_DECIDABLE, True)
    assert verdicts["mpjpe"] is Verdict.NOT_DECIDABLE
    claimed = Verdict.NOT_DECIDABLE if row in ("M", "L") else Verdict.NOT_CLAIMED
    assert verdicts["pa_mpjpe"] is claimed


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("S", "7.45 M elements = 7,438,976 parameters (paper: 7.44 M) + 9,978 buffer elements"),
        ("M", "7.60 M elements = 7,587,008 parameters (paper: 7.59 M) + 9,978 buffer elements"),
        ("L", "8.39 M elements = 8,380,352 parameters (paper: 8.38 M) + 11,002 buffer elements"),
        ("XS", "3,528,008 parameters round to 3.53 M"),
    ],
)
def test_parameters_and_elements_are_told_apart_where_they_are_printed_differently(row, said):
    assert judged(row, variant(row))["params"].explanation == said


@pytest.mark.parametrize(
    ("rule", "value", "verdict", "said"),
    [
        (PARAMS, 7.44, Verdict.MATCHES, "7.45 M elements = 7,438,976 parameters (paper: 7.44 M)"),
        (PARAMS, 7.45, Verdict.CONTRADICTS, "7.45 M counts all 7,448,954 elements = 7,438,976 par"),
        (PARAMS, 7.43, Verdict.CONTRADICTS, "7,438,976 parameters round to 7.44 M, not 7.43 M"),
        (ELEMENTS, 7.45, Verdict.MATCHES, "(paper: the same) = 7,438,976 parameters (7.44 M)"),
        (ELEMENTS, 7.44, Verdict.CONTRADICTS, "7.44 M counts the 7,438,976 parameters alone"),
        (PARAMS, 0.39, Verdict.CONTRADICTS, "0.39 M fits the head parameters"),
        (OUT, (256, 256, 256), Verdict.MATCHES, ""),
        (OUT, (384, 256, 256), Verdict.CONTRADICTS, "384, 256, 256 enter the layers; 256, 256, 2"),
        (OUT, (128, 128, 128), Verdict.CONTRADICTS, ""),
    ],
)
def test_a_near_miss_is_explained_by_what_else_the_number_is(rule, value, verdict, said):
    found = judge(claim(rule, value), S)
    assert found.verdict is verdict
    assert said in found.explanation
    assert bool(said) == bool(found.explanation)


def test_incoming_channels_are_told_from_outgoing_ones_in_both_directions():
    large = variant("L")
    into = Rule(attribute="in", fact="head_in_channels")
    said = judge(claim(into, (512, 512, 512)), large)
    assert said.explanation == ""  # three equal numbers may be anything
    assert said.verdict is Verdict.CONTRADICTS
    uneven = variant("L", head_out_channels=(512, 256, 128))
    said = judge(claim(into, (512, 256, 128)), uneven).explanation
    assert said == "512, 256, 128 leave the layers; 384, 512, 256 enter them"


def test_rounding_admits_both_ends_and_nothing_beyond():
    for count, verdict in (
        (7_435_000, Verdict.MATCHES),
        (7_445_000, Verdict.MATCHES),
        (7_434_999, Verdict.CONTRADICTS),
        (7_445_001, Verdict.CONTRADICTS),
    ):
        assert (
            judge(claim(PARAMS, 7.44), with_fact(S, "parameters", value=count)).verdict is verdict
        )


def test_a_claim_with_a_tolerance_says_by_how_much_it_is_missed():
    sure = with_fact(S, "macs", origin=Origin.DERIVED)
    near = judge(claim(GFLOPS, 1.76), sure)
    assert near.verdict is Verdict.MATCHES
    assert near.explanation == ("1.738 GMACs, \N{MINUS SIGN}1.3 % of the 1.76 claimed (within 2 %)")
    far = judge(claim(GFLOPS, 1.6), sure)
    assert far.verdict is Verdict.CONTRADICTS
    assert far.explanation == "1.738 GMACs, +8.6 % of the 1.60 claimed (beyond 2 %)"
    assert judge(claim(GFLOPS, 0.0), sure).verdict is Verdict.CONTRADICTS


@pytest.mark.parametrize("origin", [Origin.ASSUMED, Origin.STATED])
@pytest.mark.parametrize(("value", "agrees"), [(7.44, True), (9.99, False)])
def test_what_is_assumed_or_stated_never_decides_whether_it_fits_or_not(origin, value, agrees):
    weak = with_fact(S, "parameters", origin=origin, assumptions=("names of buffers",))
    found = judge(claim(PARAMS, value), weak)
    assert (found.verdict, found.agrees) == (Verdict.NOT_DECIDABLE, agrees)
    assert found.explanation.startswith(f"{origin}: 7,438,976, ")
    assert ("fits" in found.explanation) == agrees


def test_an_assumed_fact_names_what_it_rests_on():
    found = judged("S", variant("S"))["upsamplings"]
    assert found.explanation == "assumed: 2, fits"
    assert found.assumptions == ("the cube rule",)
    assert judged("S", variant("S"))["dims"].assumptions == ()


def test_nothing_is_an_answer_where_the_file_decides():
    none = with_fact(S, "backbone", value=None, evidence=(Evidence(text="none of the named ones"),))
    found = judged("S", none)["backbone"]
    assert (found.verdict, found.found_text) == (Verdict.CONTRADICTS, "none")
    assert found.explanation == "none of the named ones"
    assumed = with_fact(none, "backbone", origin=Origin.ASSUMED)
    assert judged("S", assumed)["backbone"].verdict is Verdict.NOT_DECIDABLE


def test_an_undetermined_fact_says_what_could_decide():
    open_ = with_fact(
        S, "upsamplings", value=None, origin=Origin.UNDETERMINED, decided_by="the training code"
    )
    found = judged("S", open_)["upsamplings"]
    assert (found.verdict, found.agrees) == (Verdict.NOT_DECIDABLE, None)
    assert found.explanation == (
        "upsamplings cannot be told from the weights; it takes the training code"
    )


def test_a_fact_that_a_family_does_not_tell_is_undecided():
    rule = Rule(attribute="colour", fact="colour")
    assert judge(claim(rule, "red"), S).verdict is Verdict.NOT_DECIDABLE


def test_numbers_beyond_any_float_are_compared_and_written_without_failing():
    huge = with_fact(S, "parameters", value=2**2480)
    found = judge(claim(PARAMS, 7.44), huge)
    assert found.verdict is Verdict.CONTRADICTS
    assert found.found_text == "about 2^2480"


def test_text_of_a_file_is_cut_and_long_lists_are_counted():
    odd = with_fact(S, "dims", value=tuple(range(1, 1001)))
    found = judged("S", odd)["dims"]
    assert found.found_text.endswith("… 988 more")
    assert found.explanation == "1,000 values, not 4"
    named = with_fact(S, "backbone", value="x" * 10_000)
    assert len(judged("S", named)["backbone"].found_text) < 300


def test_a_long_list_says_where_it_differs():
    odd = with_fact(S, "dims", value=tuple(range(1, 9)))
    rule = Rule(attribute="dims", fact="dims")
    said = judge(claim(rule, (1, 2, 3, 9, 9, 9, 9, 9)), odd).explanation
    assert said == "dims[3] is 4, not 9, dims[4] is 5, not 9, dims[5] is 6, not 9, and 2 more"


def test_a_judgement_carries_the_source_of_its_claim():
    found = judged("M", variant("M"))
    assert found["params"].source.startswith("tables 4 and 5 of the paper")
    assert found["final_channels"].source == "the released files"


def test_every_fact_that_decides_in_these_tests_is_one_that_the_family_tells():
    names = {fact.name for fact in S.facts}
    assert {rule.fact for rule in PAPER.rules if rule.fact} <= names
    assert all(isinstance(fact, Fact) for fact in S.facts)
    assert settings_of("S")["joints"] == 18
