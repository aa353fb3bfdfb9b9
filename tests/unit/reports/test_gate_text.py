"""What the gate says, laid out for terminals."""

import re

import msgspec
import pytest
from builders.gate_reports import (
    CHECKS,
    EXPIRED,
    TOLD,
    UNDECIDED,
    every_verdict,
    gate_file,
    gate_report,
    inconclusive,
    many,
    passed,
    refused,
    reports,
    ruling,
    unreadable,
)
from hypothesis import given
from hypothesis import strategies as st

from ckptscope.checks.catalogue import CATALOGUE
from ckptscope.facts.findings import Code, Severity
from ckptscope.facts.gate import Action, CheckState, GateReport
from ckptscope.reports.escaping import cell_width
from ckptscope.reports.gate import describe_gate
from ckptscope.reports.text import lay_out


def text(report: GateReport, width: int = 80, *, color: bool = False) -> str:
    return lay_out(describe_gate(report), width=width, color=color)


def joined(report: GateReport) -> str:
    """The text without the breaks of its lines."""
    return re.sub(r"\n +", " ", text(report, 120))


@pytest.mark.parametrize("width", [80, 120])
def test_layout_of_one_refused_file(snapshot, width):
    assert text(gate_report(refused()), width) == snapshot


def test_layout_of_one_file_that_passes(snapshot):
    assert text(gate_report(passed())) == snapshot


@pytest.mark.parametrize("width", [80, 120])
def test_layout_of_several_files(snapshot, width):
    assert text(every_verdict(), width) == snapshot


@given(reports, st.sampled_from([40, 80, 120]))
def test_no_line_is_wider_than_the_terminal_and_nothing_acts_on_it(report, width):
    for line in text(report, width).splitlines():
        assert cell_width(line) <= width
        assert line.isprintable()


@given(reports)
def test_colours_are_all_that_is_added_for_a_terminal(report):
    coloured = text(report, color=True)
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == text(report)


@pytest.mark.parametrize(
    ("file", "second"),
    [
        (passed(), "pass: nothing that the policy fails on; 1 warning"),
        (refused(), "refused: 2 findings that the policy fails on (TEN001, SAF001)"),
        (inconclusive(), "inconclusive: could not be decided: the policy asks for values"),
        (unreadable(), "unreadable: expected 4,096 bytes, found 12: it is cut off"),
    ],
)
def test_the_verdict_stands_first_with_its_reason(file, second):
    lines = text(gate_report(file), 120).splitlines()
    assert lines[0] == file.name
    assert lines[1].strip().startswith(second)


def test_a_failing_finding_is_told_with_its_place_its_evidence_and_what_to_do():
    told = joined(gate_report(refused()))
    assert "error[SAF001] 'posix.system' is called with 'true'" in told
    assert "where      in archive/data.pkl at byte 61" in told
    assert "evidence   GLOBAL 'posix system' at byte 61 REDUCE at byte 93" in told
    assert "help       do not load it; ask its author for a safetensors file" in told


def test_what_to_do_about_findings_alike_is_told_once():
    advice = CATALOGUE[Code.VIEW_OUTSIDE_STORAGE].remedy.replace("`", "")
    again = ruling(Code.VIEW_OUTSIDE_STORAGE, message="the view ends at byte 8 of 4 (held)")
    own = ruling(Code.VIEW_OUTSIDE_STORAGE, message="the view ends at 9", help="ask its author")
    told = joined(gate_report(gate_file("a.pth", again, again, own, again)))
    assert told.count("error[TEN001]") == 4
    assert told.count(advice) == 1
    assert told.count("ask its author") == 1


def test_a_warning_is_told_without_its_evidence():
    told = joined(gate_report(passed()))
    assert "warning[TRN003] an optimizer takes 64.00 MiB of 96.00 MiB" in told
    assert "2 moments" not in told


def test_what_is_waived_is_told_with_its_reason_and_its_last_day():
    told = joined(gate_report(passed()))
    assert "accepted: 2" in told
    assert "waived until 2026-12-31: a folder of the cluster" in told
    assert "known by the baseline: known.json" in told


def test_what_is_ignored_is_counted_alone():
    told = joined(gate_report(passed()))
    assert "ignored: 1 by the policy (TRN010)" in told
    assert "cuda:0" not in told


def test_of_one_file_every_check_is_listed_with_its_state():
    told = joined(gate_report(inconclusive()))
    assert "ran        safety (12 imports), weights_only, integrity, training, architecture" in told
    assert "not asked  crc unfinished" in told
    assert "unfinished values (9 tensors, 3 not read)" in told


def test_every_demand_of_the_policy_is_told_with_what_came_out():
    told = text(gate_report(refused()), 120)
    assert "  met        family posenet (posenet, by its shapes)\n" in told
    assert "  not met    at most 16.00 MiB (32.44 MiB)\n" in told
    assert "  undecided  values are read\n" in told


def test_of_several_files_checks_are_listed_once_with_the_number_of_files():
    told = joined(every_verdict())
    assert told.count("\nchecks") == 2  # the unfinished one of its file, and those of all
    assert "not asked  crc, values (2 of 3 files)" in told
    assert "unfinished values (1 of 3 files)" in told


def test_what_an_unreadable_file_named_before_its_damage_is_still_told():
    told = joined(gate_report(unreadable()))
    assert "found nevertheless: 1 finding" in told
    assert "error[SAF001]" in told


def test_several_files_are_summed_up_in_one_line():
    told = joined(gate_report(passed("a"), passed("b"), refused("c")))
    assert told.endswith("summary refused: 3 checkpoints: 2 pass, 1 refused\n")


def test_among_several_a_file_that_passes_with_nothing_to_tell_is_told_in_two_lines():
    told = text(gate_report(gate_file("a", TOLD), refused("b")))
    assert told.startswith("a\n  pass: nothing that the policy fails on\n\n\nb\n")
    assert "what it is torch zip" in text(gate_report(gate_file("a", TOLD)))


def test_one_file_has_no_summary():
    assert "summary" not in text(gate_report(refused()))


def test_a_policy_that_fails_by_itself_is_not_hidden_behind_a_file_that_passes():
    told = joined(gate_report(passed(), notices=(EXPIRED,)))
    assert "error[POL020] the waiver of 'TRN011'" in told
    assert "refused: 1 checkpoint: 1 pass; the policy itself has 1 fault" in told


def test_nothing_judged_is_said():
    assert "inconclusive: no checkpoint was judged" in text(gate_report())


def test_many_findings_of_one_code_are_counted():
    told = joined(many(200))
    assert told.count("error[TEN001]") == 5
    failing = sum(one.is_failing for one in many(200).files[0].rulings)
    assert f"refused: {failing} findings that the policy fails on" in told
    rest = [int(count) for count in re.findall(r"and (\d+) more", told)]
    warned = 200 - failing
    assert sum(rest) + told.count("TEN001] ") + told.count("SAF002] ") == failing + warned


def test_a_finding_without_advice_of_its_own_has_that_of_the_catalogue():
    told = joined(gate_report(gate_file("x", ruling(Code.VIEW_OUTSIDE_STORAGE))))
    assert CATALOGUE[Code.VIEW_OUTSIDE_STORAGE].remedy in told


def test_an_undecided_finding_does_not_hide_why_a_file_is_refused():
    told = joined(gate_report(refused()))
    assert "1 question not decided" in told
    assert "\nnot decided: 1 finding" in told


def test_a_finding_of_less_severity_that_the_policy_fails_on_is_a_reason():
    found = ruling(Code.VALUES_SPARSE, Severity.INFO, Action.FAIL)
    told = joined(gate_report(gate_file("x", found)))
    assert "refused for: 1 finding" in told
    assert "info[VAL011]" in told


def test_a_check_that_could_not_be_finished_is_told_at_its_file():
    cut = msgspec.structs.replace(
        CHECKS[4], state=CheckState.UNFINISHED, remark="no room on the disk"
    )
    report = gate_report(passed("a"), gate_file("b", UNDECIDED, checks=(cut,)))
    assert "unfinished values (no room on the disk)" in joined(report)
