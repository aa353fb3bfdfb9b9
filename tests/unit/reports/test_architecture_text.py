"""What a person reads of the architecture: short, each part with what it rests on, nothing acted."""

import re

import msgspec
import pytest
from builders.architectures import (
    PARAMETERS,
    architecture,
    counts,
    fact,
    identified,
    ranking,
    snippet,
    standing,
)
from hypothesis import given
from hypothesis import strategies as st
from report_samples import manifest, network, state_dict, tensor
from test_report_markdown import outside_code

from ckptscope.facts.architecture import Alternative, Architecture, Candidate, Evidence, Ranking
from ckptscope.facts.differences import KeyDifferences, ShapeMismatch
from ckptscope.facts.report import FileReport, InspectReport
from ckptscope.facts.standing import Identified, RowFit
from ckptscope.facts.tensors import Origin, Role
from ckptscope.reports.architecture_phrases import phrase
from ckptscope.reports.escaping import cell_width
from ckptscope.reports.markdown import render_markdown
from ckptscope.reports.text import render_text
from ckptscope.reports.wanted import Wanted

EVERYTHING = Wanted(evidence=True, snippets=True)
anything = st.text(st.characters(), max_size=60)


def reported(*found: Identified, **changes: object) -> InspectReport:
    one = FileReport(path="x.pth", manifest=manifest(**changes), identified=found)
    return InspectReport(files=(one,))


def text(*found: Identified, width: int = 100, **wanted: bool) -> str:
    made = reported(*found or (identified(),))
    return render_text(made, width=width, color=False, wanted=Wanted(**wanted))


def section(shown: str, title: str) -> list[str]:
    """The lines below the first heading that begins with `title`, up to the next heading."""
    lines = shown.splitlines()
    start = next(index for index, line in enumerate(lines) if line.startswith(title))
    body = lines[start + 1 :]
    end = next((i for i, line in enumerate(body) if line and not line.startswith(" ")), len(body))
    return body[:end]


def labelled(shown: str, label: str) -> str:
    """What stands behind a label of the architecture, its lines joined."""
    lines = iter(section(shown, "architecture"))
    for line in lines:
        if line[2:13].strip() == label:
            found = [line[13:].strip()]
            for more in lines:
                if more[:13].strip():
                    break
                found.append(more.strip())
            return " ".join(filter(None, found))
    raise AssertionError(f"no {label!r} in {shown}")


def fact_changed(found: Architecture, name: str, **changes: object) -> Architecture:
    facts = tuple(
        msgspec.structs.replace(one, **changes) if one.name == name else one for one in found.facts
    )
    return msgspec.structs.replace(found, facts=facts)


def without(found: Architecture, *names: str) -> Architecture:
    kept = tuple(one for one in found.facts if one.name not in names)
    return msgspec.structs.replace(found, facts=kept)


def test_the_architecture_stands_before_the_long_tables_and_names_the_variant() -> None:
    shown = text()
    assert "architecture of network: ConvNeXtPose S" in shown.splitlines()
    headings = [line for line in shown.splitlines() if line[:1].strip()]
    places = [i for i, line in enumerate(headings) if line.startswith("architecture")]
    assert headings[places[0] - 1].startswith("contents")
    assert headings[places[0] + 1].startswith("state_dict")


def test_each_part_of_a_line_says_what_it_rests_on() -> None:
    shown = text()
    assert labelled(shown, "backbone") == (
        "Femto-L: dims 48, 96, 192, 384; depths 3, 3, 9, 3 (observed)"
    )
    assert labelled(shown, "output") == (
        "576 channels (observed) = 18 joints × 32 depth bins (assumed)"
    )
    assert labelled(shown, "upsampling") == (
        "layers 1 and 2 of 3: heatmap 32×32 of input 256×256 (assumed)"
    )


def test_channels_that_enter_the_head_are_told_apart_from_those_that_leave_it() -> None:
    found = fact_changed(architecture(), "head_out_channels", value=(512, 512, 512))
    found = fact_changed(found, "head_in_channels", value=(384, 512, 512))
    line = labelled(text(identified(found)), "head")
    assert "channels in 384, 512, 512, out 512, 512, 512" in line


def test_parameters_and_elements_are_two_numbers_and_the_buffers_their_difference() -> None:
    line = labelled(text(), "counts")
    assert line.startswith(
        "7,438,976 parameters (7.44 M) + 9,978 buffers = 7,448,954 elements (7.45 M) (derived)"
    )


def test_the_parts_are_shown_where_they_add_up_to_the_whole_and_only_there() -> None:
    assert "backbone 7,050,048 + head 388,928 parameters" in text()
    numbers = re.findall(r"(?:backbone|head) ([\d,]+)", labelled(text(), "counts"))
    assert sum(int(number.replace(",", "")) for number in numbers) == PARAMETERS
    damaged = fact_changed(architecture(), "parameters", value=PARAMETERS - 1)
    assert "backbone 7,050,048" not in text(identified(damaged))


def test_multiply_accumulates_are_never_called_flops() -> None:
    assert labelled(text(), "MACs") == "1,738,014,720 (1.738 G) (assumed)"
    assert "FLOP" not in text().upper()


def test_counts_that_nobody_could_hold_are_told_by_their_size() -> None:
    found = fact_changed(architecture(rankings=()), "macs", value=1 << 4000)
    assert "about 2^4000" in labelled(text(identified(found)), "MACs")
    found = fact_changed(found, "parameters", value=1 << 4000)
    found = fact_changed(found, "state_elements", value=(1 << 4000) + 7)
    assert "about 2^4000 parameters" in labelled(text(identified(found)), "counts")


def test_a_network_without_buffers_has_no_sum() -> None:
    found = fact_changed(architecture(), "state_elements", value=PARAMETERS)
    line = labelled(text(identified(found)), "counts")
    assert line.startswith("7,438,976 parameters (7.44 M) (derived)")


def test_what_cannot_be_told_is_said_to_be_undetermined_and_joins_nothing() -> None:
    found = architecture()
    for name in ("joints", "depth_bins", "upsampling", "heatmap"):
        found = fact_changed(found, name, value=None, origin=Origin.UNDETERMINED, assumptions=())
    shown = text(identified(found))
    assert labelled(shown, "output") == (
        "576 channels (observed), joints undetermined, depth bins undetermined"
    )
    assert labelled(shown, "upsampling") == (
        "undetermined, heatmap undetermined, input 256×256 (assumed)"
    )
    assert "  joints (undetermined)" in text(identified(found), evidence=True).splitlines()


def test_a_backbone_that_is_none_of_the_named_ones_is_an_answer() -> None:
    found = fact_changed(architecture(), "backbone", value=None, origin=Origin.DERIVED)
    shown = text(identified(found), evidence=True)
    assert labelled(shown, "backbone") == (
        "none of the named ones (derived): dims 48, 96, 192, 384; depths 3, 3, 9, 3 (observed)"
    )
    assert "  backbone none of the named ones (derived)" in shown.splitlines()


def test_what_the_user_stated_is_marked_as_such() -> None:
    found = fact_changed(architecture(), "joints", value=17, origin=Origin.STATED)
    line = labelled(text(identified(found)), "output")
    assert line == "576 channels (observed) = 17 joints (stated) × 32 depth bins (assumed)"


def test_every_assumption_is_said_once_however_many_facts_rest_on_it() -> None:
    shown = text()
    assert labelled(shown, "assuming") == (
        "18 joints are those of Human3.6M the cube rule: depth bins = side"
    )


def test_what_could_decide_stands_beside_what_is_open() -> None:
    assert "a count of multiply-accumulates" in labelled(text(), "decided by")


def test_the_next_candidates_stand_below_the_line_that_they_are_about() -> None:
    lines = section(text(), "architecture")
    below = next(i for i, line in enumerate(lines) if line.startswith("  output")) + 1
    assert " ".join(lines[below].split()) == "or 9 joints × 64 depth bins; and 7 more"


def test_where_nothing_is_chosen_the_first_candidate_is_told_too() -> None:
    found = architecture()
    for name in ("joints", "depth_bins"):
        found = fact_changed(found, name, value=None, origin=Origin.UNDETERMINED)
    expected = "18 joints × 32 depth bins; 9 joints × 64 depth bins; and 7 more"
    assert labelled(text(identified(found)), "could be") == expected


def test_candidates_that_are_not_shown_are_counted() -> None:
    values = ({"joints": n, "depth_bins": 576 // n} for n in (18, 9, 36, 72, 144))
    made = Ranking(
        question="?",
        settings=("joints", "depth_bins"),
        candidates=tuple(Candidate(values=one) for one in values),
        left_out=7,
    )
    shown = text(identified(architecture(rankings=(made,))))
    expected = "9 joints × 64 depth bins; 36 joints × 16 depth bins; and 9 more"
    assert labelled(shown, "or") == expected


def test_the_runner_up_is_named_with_what_speaks_against_it() -> None:
    shown = text()
    assert labelled(shown, "variant") == "S: 9 of 9 claims met, 3 not decidable"
    assert labelled(shown, "runner-up") == (
        "M; against it: params: 7,438,976 in the file, 7.59 M claimed"
    )


def test_a_network_that_is_no_row_of_its_table_says_why() -> None:
    none = standing(variant=None, remark="S and T fit equally well")
    shown = text(identified(standing=none))
    assert "architecture of network: ConvNeXtPose" in shown.splitlines()
    assert labelled(shown, "variant") == "none: S and T fit equally well"
    assert "runner-up" not in shown


def test_a_family_without_a_table_has_no_variant() -> None:
    shown = text(identified(standing=None))
    assert "variant" not in shown
    assert "runner-up" not in shown


def test_a_clean_file_is_said_to_fit_and_a_damaged_one_never() -> None:
    assert labelled(text(), "fits").startswith("all 260 names and shapes are those of this network")
    for damaged in (
        architecture(coverage=0.9),
        architecture(misfits=("1 missing key: 'head.final_layer.bias'",)),
        architecture(differences=KeyDifferences(missing=("head.final_layer.bias",))),
    ):
        line = labelled(text(identified(damaged)), "fits")
        assert "no others" not in line
        assert "of the tensors belong to this network" in line


def test_misfits_are_listed_and_those_beyond_a_number_counted() -> None:
    found = architecture(misfits=tuple(f"misfit {index}" for index in range(12)))
    line = labelled(text(identified(found)), "misfits")
    assert line == "misfit 0 misfit 1 misfit 2 misfit 3 misfit 4 and 7 more"


def test_blind_spots_are_said() -> None:
    assert labelled(text(), "blind to") == "whether a head layer upsamples the size of the input"


def test_the_reason_for_a_blind_spot_is_told_with_the_evidence() -> None:
    found = identified(architecture(blind_spots=("whether it upsamples: that has no weights",)))
    assert labelled(text(found), "blind to") == "whether it upsamples"
    shown = section(text(found, evidence=True), "evidence")
    assert "  blind to   whether it upsamples: that has no weights" in shown


def test_weights_that_could_not_be_read_are_said() -> None:
    assert labelled(text(identified(unread="storage '3' is missing")), "not read") == (
        "storage '3' is missing"
    )


def test_shares_of_weights_are_whole_only_where_they_are() -> None:
    found = architecture()
    shares = fact("head_nonzero", (1.0, 0.9999999, 0.0, 1e-9, 0.5), Origin.OBSERVED)
    found = msgspec.structs.replace(found, facts=(*found.facts, shares))
    line = labelled(text(identified(found)), "non-zero")
    assert line == "100 %, 99.9999 %, 0 %, 0.0001 %, 50 % (observed)"


def test_a_copy_of_the_same_structure_is_named_and_not_described_again() -> None:
    shown = text(identified(copies=("ema/shadow",)))
    assert labelled(shown, "also") == "ema/shadow: the same names and shapes"
    assert shown.count("architecture of") == 1


def test_facts_of_a_family_that_is_not_known_here_are_told_by_their_names() -> None:
    found = architecture(
        facts=(fact("blocks_per_ring", (1, 2, 3)), fact("has_skips", True), fact("odd", None)),
        counts=None,
        rankings=(),
    )
    assert labelled(text(identified(found)), "further") == (
        "blocks per ring 1, 2, 3, has skips yes (observed)"
    )


def test_facts_beyond_a_number_are_counted_and_lists_without_end_are_cut() -> None:
    many = (fact(f"setting{index}", index + 1) for index in range(100))
    shown = text(identified(architecture(facts=tuple(many), counts=None, rankings=())))
    assert labelled(shown, "further").endswith("and 84 more")
    assert phrase("depths", tuple(range(1000))).endswith("11, … 988 more")


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("grn", False, "no GRN"),
        ("layer_scale", True, "layer scale"),
        ("head_kernels", (3, 3, 3), "kernels 3×3"),
        ("head_kernels", (3, 5), "kernels 3×3, 5×5"),
        ("head_layers", 1, "1 layer"),
        ("upsampling", (True, True), "every one of 2 layers"),
        ("upsampling", (False, False), "none of 2 layers"),
        ("upsampling", (False, True, False), "layer 2 of 3"),
        ("upsampling", (), "no layer"),
        ("heatmap", (64, 48), "heatmap 64×48"),
        ("macs", 500_000, "500,000 (0.500 M)"),
        ("upsampling", "?", "upsampling ?"),
        ("parameters", 1 << 200, "parameters about 2^200"),
        ("kernel_size", (7, 7), "kernels 7×7"),
    ],
)
def test_a_value_is_said_as_its_name_asks_and_else_plainly(
    name: str, value: object, said: str
) -> None:
    assert phrase(name, value) == said  # type: ignore[arg-type]


def test_a_file_of_no_known_family_says_so_in_one_line() -> None:
    shown = render_text(reported(), width=80, color=False)
    lines = [line for line in shown.splitlines() if "architecture" in line or "family" in line]
    assert lines == ["architecture: no known family"]


def test_a_file_without_a_network_says_nothing_of_families() -> None:
    only = state_dict(tensor("a", 2), role=Role.OPTIMIZER)
    shown = render_text(reported(state_dicts=(only,)), width=80, color=False)
    assert "family" not in shown


def test_a_second_network_of_no_known_family_is_named() -> None:
    other = msgspec.structs.replace(network(), path="critic")
    made = reported(identified(), state_dicts=(network(), other))
    shown = render_text(made, width=80, color=False)
    assert "of no known family: critic" in shown


def test_networks_beyond_a_number_stand_in_a_table_then_in_a_count() -> None:
    found = [identified(architecture(state_dict=f"net{index}")) for index in range(40)]
    shown = text(*found, evidence=True, snippets=True)
    assert shown.count("architecture of net") == 8
    assert "32 more networks" in shown
    assert "12 more" in shown
    assert "evidence of net7" in shown
    assert "evidence of net8" not in shown


@pytest.mark.parametrize("width", [40, 80, 120])
def test_no_line_but_code_is_too_long(width: int) -> None:
    long = identified(
        architecture(
            prefix="p" * 300 + ".",
            misfits=("3 missing keys: " + ", ".join(["'" + "k" * 90 + "'"] * 3),),
            snippets=(snippet(code="c" * 300),),
        ),
        standing=standing(remark="r " * 200, variant=None),
    )
    lines = text(long, width=width, evidence=True, snippets=True).splitlines()
    assert [line for line in lines if len(line) > width] == ["c" * 300]


def test_without_being_asked_no_evidence_and_no_code_is_shown() -> None:
    shown = text(identified(architecture(snippets=(snippet(),))))
    assert "evidence of" not in shown
    assert "import torch" not in shown


def test_evidence_names_tensor_axis_assumption_alternative_and_what_could_decide() -> None:
    found = identified(architecture(rankings=()))
    lines = section(text(found, evidence=True), "evidence of network")
    start = lines.index("  joints 18 (assumed)")
    assert lines[start + 1 : start + 5] == [
        "    rests on   576 = 18 × 32, in module.head.final_layer.weight, axis 0",
        "    assumes    18 joints are those of Human3.6M",
        "    or         36; against it: no known joint set has 36",
        "    decided by the code that trained it",
    ]


def test_alternatives_that_stand_in_a_table_of_candidates_are_told_there_alone() -> None:
    shown = text(evidence=True)
    lines = section(shown, "evidence of network")
    start = lines.index("  joints 18 (assumed)")
    assert lines[start + 3] == "    or         as the candidates below have it"
    assert "no known joint set has 36" not in shown


def test_only_settings_are_told_to_be_open_and_not_what_follows_from_them() -> None:
    found = fact_changed(architecture(), "heatmap", decided_by="the same")
    told = labelled(text(identified(found)), "decided by")
    assert told == (
        "joints: the code that trained it upsampling: a count of multiply-accumulates, or the code "
        "that comes with the file"
    )


def test_candidates_of_what_upsamples_are_told_as_the_line_above_them() -> None:
    values = (
        {"upsampling": (True, True, False), "heatmap": (32, 32)},
        {"upsampling": (True, False, False), "heatmap": (16, 16)},
    )
    made = Ranking(
        question="?",
        settings=("upsampling", "heatmap"),
        candidates=tuple(Candidate(values=one) for one in values),
    )
    shown = text(identified(architecture(rankings=(made,))), evidence=True)
    assert labelled(shown, "or") == "layer 1 of 3: heatmap 16×16"
    assert any(
        re.match(r" +2  yes, no, no +16×16$", line) for line in section(shown, "candidates for ?")
    )


def test_evidence_has_every_fact_by_the_name_that_the_json_gives_it() -> None:
    shown = section(text(evidence=True), "evidence of network")
    for one in architecture().facts:
        assert any(line.startswith(f"  {one.name} ") for line in shown), one.name


def test_evidence_says_why_it_is_this_family_and_how_far_others_come() -> None:
    found = architecture(rivals=(("convnext", 0.875),))
    shown = "\n".join(section(text(identified(found), evidence=True), "evidence"))
    assert "ConvNeXtPose: 231 keys of a ConvNeXt trunk" in shown
    assert "convnext explains 87.5 % of the tensors" in shown


@pytest.mark.parametrize("width", [80, 120])
def test_a_ranking_is_a_table_whose_reasons_are_not_cut(width: int) -> None:
    reasons = "a reason that is told in full, " * 4
    candidate = Candidate(
        values={"joints": 9, "depth_bins": 64},
        speaks_for=(reasons.strip(),),
        speaks_against=("no known joint set has 9",),
    )
    made = msgspec.structs.replace(ranking(), candidates=(*ranking().candidates, candidate), ties=1)
    shown = text(identified(architecture(rankings=(made,))), width=width, evidence=True)
    lines = section(shown, "candidates for joints × depth bins of 576 final channels")
    header = next(line for line in lines if "rank" in line)
    start = header.index("for it")
    end = header.index("against it")
    column = " ".join(line[start:end].strip() for line in lines[lines.index(header) + 1 :])
    assert " ".join(reasons.split()) in " ".join(column.split())
    assert "the first ties with 1 more" in " ".join(shown.split())
    assert any(line.strip() == "7 more" for line in lines)


def test_where_room_is_short_the_multiply_accumulates_give_way_to_the_reasons() -> None:
    def header(width: int) -> str:
        lines = section(text(width=width, evidence=True), "candidates for")
        return next(line for line in lines if "rank" in line)

    assert "MACs" in header(80)
    assert "MACs" not in header(60)


def test_rows_of_the_table_are_ranked_with_what_contradicts_them() -> None:
    shown = text(evidence=True)
    lines = section(shown, "rows of the table convnextpose")
    assert any(re.match(r"  S +9 +0 +3$", line) for line in lines)
    assert any(re.match(r"  M +7 +1 +4  params: 7,438,976 in the file", line) for line in lines)
    assert "told apart head.final_layer.weight: [576, 256, 1, 1] in S" in shown


def test_evidence_names_the_keys_that_are_not_as_they_should_be() -> None:
    mismatch = ShapeMismatch(key="w", found=(1,), expected=(2,))
    differences = KeyDifferences(
        missing=tuple(f"a{i}" for i in range(9)), unexpected=("b",), mismatched=(mismatch,)
    )
    shown = text(identified(architecture(differences=differences)), evidence=True)
    assert "missing    9: a0, a1, a2, a3, a4, a5, ..." in shown
    assert "unexpected 1: b" in shown
    assert "mismatched 1: w" in shown


def test_evidence_of_a_fact_beyond_a_number_is_counted() -> None:
    found = fact_changed(
        architecture(),
        "dims",
        evidence=tuple(Evidence(text=f"stage {index}") for index in range(100)),
        alternatives=tuple(Alternative(value=index) for index in range(100)),
    )
    shown = text(identified(found), evidence=True)
    assert "and 76 more" in shown
    assert "and 88 more" in shown


def test_code_stands_in_lines_that_can_be_copied_with_its_cautions_above() -> None:
    code = "def f(a):\n    if a:\n        return " + "a + " * 60 + "a"
    found = architecture(snippets=(snippet(code=code),))
    lines = text(identified(found), width=80, snippets=True).splitlines()
    start = lines.index("code that loads network: the authors' code")
    assert lines[start + 1] == "  caution    the third layer does not upsample: assumed"
    assert lines[start + 3 : start + 6] == code.split("\n")
    compile("\n".join(lines[start + 3 : start + 6]), "snippet", "exec")


def test_code_of_a_network_that_cannot_be_built_is_said_to_be_missing() -> None:
    assert "code that loads network: none is known for this ConvNeXtPose" in text(snippets=True)


def test_code_on_a_page_stands_behind_a_fence_that_it_cannot_close() -> None:
    found = architecture(snippets=(snippet(code='key = "```"\nprint(key)'),))
    page = render_markdown(reported(identified(found)), Wanted(snippets=True))
    assert '````python\nkey = "```"\nprint(key)\n````\n' in page


def test_on_a_page_the_further_lines_of_a_label_stand_below_it() -> None:
    page = render_markdown(reported(identified()))
    assert "- blind to: whether a head layer upsamples\n  - the size of the input\n" in page


def test_origins_are_coloured_only_where_colours_are_welcome() -> None:
    painted = render_text(reported(identified()), width=100, color=True)
    assert "\x1b[1;33m (assumed)" in painted or "\x1b[1;33m(assumed)" in painted
    assert "\x1b" not in text()


def poisoned(evil: str) -> Identified:
    """A network whose every text is the same."""
    evidence = Evidence(text=f"about {evil!r}", key=evil, axis=0)
    first = fact(
        "dims",
        (evil, 3),
        Origin.ASSUMED,
        evidence=(evidence,),
        assumptions=(evil,),
        alternatives=(Alternative(value=evil, speaks_for=(evil,), speaks_against=(evil,)),),
        decided_by=evil,
    )
    candidate = Candidate(values={"joints": evil}, speaks_for=(evil,), speaks_against=(evil,))
    return Identified(
        architecture=Architecture(
            family="x",
            title=evil,
            state_dict=evil,
            prefix=evil,
            reasons=(evil,),
            coverage=0.5,
            facts=(first, fact("prefix", evil), fact("own", evil), fact("joints", evil)),
            settings=None,
            dialect=evil,
            counts=counts(),
            rankings=(
                Ranking(question=evil, settings=("joints",), candidates=(candidate, candidate)),
            ),
            differences=KeyDifferences(missing=(evil,), unexpected=(evil,)),
            misfits=(evil,),
            blind_spots=(evil,),
            snippets=(snippet(title=evil, code=f"a = {evil!r}", cautions=(evil,), language=evil),),
            rivals=((evil, 0.1),),
        ),
        standing=standing(
            spec=evil,
            source=evil,
            remark=evil,
            separating=(evil,),
            runner_up=evil,
            ranking=(
                RowFit(row=evil, matches=1, contradicts=1, undecided=0, contradictions=(evil,)),
            ),
        ),
        copies=(evil,),
        unread=evil,
    )


@given(anything, st.sampled_from([40, 80, 120]))
def test_no_text_of_a_file_reaches_the_terminal_raw_or_widens_a_line(evil: str, width: int) -> None:
    shown = render_text(reported(poisoned(evil)), width=width, color=False, wanted=EVERYTHING)
    code = f"a = {evil!r}"
    for line in shown.splitlines():
        assert line.isprintable()
        assert cell_width(line) <= width or line.startswith(code[:3])


loaded = st.text(st.sampled_from("`|\\'\"*_[]()<>&$~@#-+. \n\x1bab1"), max_size=30)


@given(loaded)
def test_no_text_of_a_file_acts_on_a_page(evil: str) -> None:
    page = render_markdown(reported(poisoned(evil)), EVERYTHING)
    assert all(line.isprintable() for line in page.splitlines())
    for line in outside_code(page):
        assert not re.search(r"[\[\]$`@]|<[A-Za-z/!?]|://", line)
