"""What the gate says as JUnit XML, read back by junitparser."""

import io
from xml.etree import ElementTree as ET

import pytest
from builders.gate_reports import (
    CHECKS,
    EXPIRED,
    HOSTILE,
    REQUIRED,
    UNDECIDED,
    UNUSED,
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
from junitparser import Error, Failure, JUnitXml, Skipped, TestCase, TestSuite

from ckptscope.facts.findings import Code
from ckptscope.facts.gate import GateReport
from ckptscope.reports.gate_phrases import check_of
from ckptscope.reports.junit import render_junit

#: What `junit-10.xsd` of the Jenkins xUnit plugin allows, as far as it is used.
ALLOWED = {
    "testsuites": {"name", "tests", "failures", "errors"},
    "testsuite": {"name", "tests", "failures", "errors", "skipped", "file"},
    "testcase": {"name", "classname"},
    "failure": {"type", "message"},
    "error": {"type", "message"},
    "skipped": {"message"},
    "system-out": set(),
}


def read(report: GateReport) -> JUnitXml:
    return JUnitXml.fromroot(JUnitXml.fromstring(render_junit(report).decode())._elem)


def cases(report: GateReport, suite: int = 0) -> dict[str, TestCase]:
    return {case.name: case for case in list(read(report))[suite]}


def outcome(case: TestCase) -> str:
    return type(case.result[0]).__name__ if case.result else "passed"


@given(reports)
def test_any_report_is_well_formed_and_its_totals_add_up(report):
    root = ET.fromstring(render_junit(report))
    for element in root.iter():
        assert set(element.attrib) <= ALLOWED[element.tag]
    for suite in [root, *root.iter("testsuite")]:
        assert int(suite.get("tests")) == len(list(suite.iter("testcase")))
        assert int(suite.get("failures")) == len(list(suite.iter("failure")))
        assert int(suite.get("errors")) == len(list(suite.iter("error")))
    for suite in root.iter("testsuite"):
        assert int(suite.get("skipped")) == len(list(suite.iter("skipped")))
    assert len(root) == max(len(report.files), 1) + bool(report.notices)


@given(reports)
def test_a_suite_fails_just_where_its_file_does_not_pass(report):
    root = ET.fromstring(render_junit(report))
    for suite, file in zip(root, report.files, strict=False):
        is_clean = suite.get("failures") == suite.get("errors") == "0"
        assert is_clean == (file.verdict == "pass")


def test_where_nothing_was_judged_there_is_an_error_and_no_empty_success():
    (suite,) = ET.fromstring(render_junit(gate_report()))
    assert (suite.get("tests"), suite.get("errors")) == ("1", "1")
    assert "no checkpoint was judged" in suite.find("testcase/error").get("message")


def test_a_file_is_a_suite_and_a_check_a_case():
    suites = list(read(every_verdict()))
    assert [one.name for one in suites[:3]] == [
        "weights/good.pth",
        "weights/bad.pth",
        "weights/unclear.pth",
    ]
    names = ["reading", *(one.name for one in CHECKS)]
    assert [case.name for case in suites[0]] == names
    assert all(isinstance(one, TestSuite) for one in suites)


@pytest.mark.parametrize(
    ("file", "check", "what"),
    [
        (passed(), "safety", "passed"),
        (passed(), "training", "passed"),
        (passed(), "crc", "Skipped"),
        (refused(), "safety", "Failure"),
        (refused(), "integrity", "Failure"),
        (refused(), "weights_only", "passed"),
        (inconclusive(), "policy", "Failure"),
        (inconclusive(), "values", "Skipped"),
        (unreadable(), "reading", "Error"),
        (unreadable(), "safety", "Failure"),
    ],
)
def test_each_outcome_is_what_ci_systems_call_it(file, check, what):
    assert outcome(cases(gate_report(file))[check]) == what


def test_a_failure_says_whether_the_file_is_refused_or_could_not_be_decided():
    assert cases(gate_report(refused()))["safety"].result[0].type == "refused"
    assert cases(gate_report(inconclusive()))["policy"].result[0].type == "inconclusive"


def test_a_failure_holds_the_finding_with_place_evidence_and_advice():
    failure = cases(gate_report(refused()))["safety"].result[0]
    assert isinstance(failure, Failure)
    assert failure.message.startswith("error[SAF001] 'posix.system' is called with 'true'")
    for said in ("'archive/data.pkl', at byte 61", "REDUCE at byte 93", "ask its author"):
        assert said in failure.text


def test_an_error_names_what_kind_it_was():
    error = cases(gate_report(unreadable()))["reading"].result[0]
    assert isinstance(error, Error)
    assert error.type == "ContainerFormatError"
    assert "it is cut off" in error.message


def test_a_check_that_was_not_made_says_why():
    skipped = cases(gate_report(inconclusive()))["values"].result[0]
    assert isinstance(skipped, Skipped)
    assert skipped.message == "unfinished: 9 tensors, 3 not read"


def test_what_is_waived_or_only_warned_of_does_not_fail_and_is_told():
    told = cases(gate_report(passed()))["training"].system_out
    assert "warning[TRN003]" in told
    assert "waived until 2026-12-31: a folder of the cluster" in told
    assert "1 finding ignored by the policy" in told
    assert "cuda:0" not in told


def test_a_check_with_a_refusing_and_an_undecided_finding_is_refused_and_fails_once():
    file = gate_file("x", UNDECIDED, ruling(Code.FAMILY_REQUIRED))
    case = cases(gate_report(file))["policy"]
    assert [one.type for one in case.result] == ["refused"]
    assert "POL001" in case.result[0].text
    assert "POL010" in case.result[0].text


def test_the_case_of_the_policy_lists_what_it_demands():
    met = gate_file("x", requirements=REQUIRED[:1])
    case = cases(gate_report(met))["policy"]
    assert outcome(case) == "passed"
    assert case.system_out == "met: family posenet (posenet, by its shapes)\n"
    assert "not met: at most 16.00 MiB" in cases(gate_report(refused()))["policy"].system_out


def test_faults_of_the_policy_are_a_suite_of_their_own():
    suites = list(read(gate_report(passed(), notices=(EXPIRED, UNUSED))))
    assert suites[1].name == "policy ckptscope.toml"
    (case,) = suites[1]
    assert outcome(case) == "Failure"
    assert "POL021" in case.system_out


def test_findings_beyond_a_number_are_counted():
    failure = cases(many(3000))["integrity"].result[0]
    assert "(and 999 more)" in failure.message
    assert failure.text.count("error[TEN001]") == 100
    assert "and 900 more findings" in failure.text


def test_hostile_text_comes_back_as_visible_text():
    found = ruling(Code.IMPORT_UNKNOWN, message=HOSTILE)
    made = render_junit(gate_report(gate_file(HOSTILE, found)))
    for _, element in ET.iterparse(io.BytesIO(made)):
        assert "script" not in element.tag
    failure = cases(gate_report(gate_file(HOSTILE, found)))["safety"].result[0]
    for shown in ("\\x1b[2J", "\\x00", "\\ufffe", "\\ud800", "\\n::error::owned\\r", "]]>"):
        assert shown in failure.message


@pytest.mark.parametrize("code", list(Code))
def test_every_code_belongs_to_a_check(code):
    assert check_of(code) in {*(one.name for one in CHECKS), "policy"}


def test_the_forecast_of_loading_is_a_check_beside_safety():
    assert check_of(Code.WEIGHTS_ONLY_REFUSED) == "weights_only"
    assert check_of(Code.IMPORT_DANGEROUS) == "safety"
    assert check_of(Code.MEMBER_CRC) == "crc"
