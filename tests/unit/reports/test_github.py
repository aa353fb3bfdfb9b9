"""What the gate says as workflow commands, read by the runner's own rules."""

from pathlib import Path

import msgspec
import pytest
from builders.gate_reports import (
    DANGEROUS,
    EXPIRED,
    HOSTILE,
    UNUSED,
    every_verdict,
    gate_file,
    gate_report,
    many,
    passed,
    refused,
    reports,
    ruling,
    unreadable,
)
from hypothesis import given

from ckptscope.facts.findings import Code, Severity
from ckptscope.facts.gate import Action, GateReport
from ckptscope.reports.github import render_github

#: What the runner knows besides annotations; a line with one of these would change a workflow.
COMMANDS = {
    "error",
    "warning",
    "notice",
    "debug",
    "group",
    "endgroup",
    "set-env",
    "set-output",
    "save-state",
    "add-path",
    "add-mask",
    "add-matcher",
    "remove-matcher",
    "stop-commands",
    "echo",
    "internal-set-repo-path",
}


def runner_lines(made: bytes) -> list[str]:
    """Lines as .NET's StreamReader parts them: at line feeds, carriage returns, and both."""
    return made.decode().replace("\r\n", "\n").replace("\r", "\n").splitlines()


class Command(msgspec.Struct):
    name: str
    properties: dict[str, str]
    message: str


def parse(line: str) -> Command | None:
    """Read a line as `ActionCommand.TryParseV2` of actions/runner does, then as `TryParse`."""
    trimmed = line.lstrip()
    if trimmed.startswith("::") and (end := trimmed.find("::", 2)) >= 0:
        info = trimmed[2:end]
        name, _, rest = info.partition(" ")
        if name in COMMANDS:
            pairs = (one.split("=", 1) for one in rest.strip().split(",") if "=" in one)
            properties = {key: unescape(text, "\r\n:,%") for key, text in pairs}
            return Command(name, properties, unescape(trimmed[end + 2 :], "\r\n%"))
    start = line.find("##[")
    if start >= 0 and (end := line.find("]", start)) >= 0:
        name = line[start + 3 : end].partition(" ")[0]
        if name in COMMANDS:
            return Command(name, {}, line[end + 1 :])
    return None


def unescape(text: str, characters: str) -> str:
    for character in characters:
        text = text.replace(f"%{ord(character):02X}", character)
    return text


def annotations(report: GateReport, root: Path | None = None) -> list[Command]:
    parsed = [parse(line) for line in runner_lines(render_github(report, root=root))]
    return [one for one in parsed if one is not None]


@given(reports)
def test_whatever_a_file_spells_there_are_but_annotations_and_one_plain_line(report):
    lines = runner_lines(render_github(report, root=None))
    parsed = [parse(line) for line in lines]
    assert parsed[-1] is None
    assert lines[-1].startswith("ckptscope gate: ")
    assert len(lines) <= 11
    assert not any("##[" in line for line in lines)
    for one in parsed[:-1]:
        assert one is not None
        assert one.name in ("error", "warning")
        assert set(one.properties) <= {"file", "title"}


@given(reports)
def test_there_is_an_error_just_where_the_report_does_not_pass(report):
    has_error = any(one.name == "error" for one in annotations(report))
    assert has_error == (report.verdict != "pass")


def test_a_hostile_file_starts_no_command_of_its_own():
    found = ruling(Code.IMPORT_UNKNOWN, message=HOSTILE, evidence=(HOSTILE,), help=HOSTILE)
    report = gate_report(gate_file(HOSTILE, found, location=(HOSTILE,)), policy=HOSTILE)
    (one,) = annotations(report)
    assert one.name == "error"
    # What the eye sees is the name itself, with what is invisible spelled out.
    assert "\\n::error::owned\\r\\n::stop-commands::x##\\x5berror]y" in one.properties["file"]
    assert "%0A%25:,;]x" in one.properties["file"]
    assert "%0A%25:,;]x" in one.message


@pytest.mark.parametrize("form", ["##[error]x", "a ##[stop-commands]x", "::error::x"])
def test_the_plain_line_holds_no_command(form):
    absent = msgspec.structs.replace(unreadable(), path=form)
    lines = runner_lines(render_github(gate_report(absent, passed(form)), root=None))
    assert parse(lines[-1]) is None


def test_an_annotation_names_file_code_and_what_to_do():
    found = [one for one in annotations(every_verdict()) if "SAF001" in one.properties["title"]]
    assert found[0].properties["file"] == "weights/bad.pth"
    assert found[0].message.splitlines() == [
        "'posix.system' is called with 'true' when this file is loaded",
        "where: in 'archive/data.pkl', at byte 61",
        "evidence: GLOBAL 'posix system' at byte 61",
        "evidence: REDUCE at byte 93",
        "help: do not load it; ask its author for a safetensors file",
    ]


def test_files_are_named_relative_to_the_repository(tmp_path):
    report = gate_report(refused(str(tmp_path / "a" / "b.pth")), refused("/elsewhere/c.pth"))
    files = {one.properties["file"] for one in annotations(report, tmp_path)}
    assert files == {"a/b.pth", "/elsewhere/c.pth"}


def test_a_checkpoint_inside_a_file_is_named_in_the_message():
    (first, _) = annotations(gate_report(unreadable()))
    assert first.properties == {"file": "weights/cut.pth", "title": "unreadable"}
    assert first.message.startswith("inner.tar: expected 4,096 bytes")


def test_there_are_at_most_ten_and_the_others_are_counted():
    report = many(100, files=3)
    lines = runner_lines(render_github(report, root=None))
    assert len(annotations(report)) == 10
    told = sum(one.action != "ignore" for file in report.files for one in file.rulings)
    assert lines[-1].endswith(f"{told - 10:,} further findings not annotated")


def test_errors_come_before_warnings_and_one_of_each_code_before_any_second():
    noisy = [ruling(Code.IMPORT_UNKNOWN, message=f"class {index}") for index in range(30)]
    warned = [
        ruling(Code.VALUES_SPARSE, Severity.WARNING, Action.WARN, message=f"{index}")
        for index in range(30)
    ]
    report = gate_report(gate_file("a", *warned, *noisy, DANGEROUS), gate_file("b", *noisy))
    made = annotations(report)
    assert {one.name for one in made} == {"error"}
    first = [(one.properties["file"], one.properties["title"][:6]) for one in made[:3]]
    assert sorted(first) == [("a", "SAF001"), ("a", "SAF002"), ("b", "SAF002")]


def test_many_unreadable_files_do_not_hide_the_one_that_runs_code():
    broken = [unreadable(f"{index}.pth") for index in range(40)]
    bare = [msgspec.structs.replace(one, rulings=()) for one in broken]
    made = annotations(gate_report(*bare, gate_file("z.pth", DANGEROUS)))
    assert [one.properties["title"][:6] for one in made[:3]] == ["unread", "SAF001", "unread"]


def test_what_is_waived_or_ignored_is_not_annotated():
    assert [one.properties["title"][:6] for one in annotations(gate_report(passed()))] == ["TRN003"]


def test_faults_of_the_policy_stand_at_the_policy():
    made = annotations(gate_report(passed(), notices=(EXPIRED, UNUSED)))
    at_policy = [one.name for one in made if one.properties["file"] == "ckptscope.toml"]
    assert at_policy == ["error", "warning"]


def test_the_last_line_sums_up():
    lines = runner_lines(render_github(every_verdict(), root=None))
    assert lines[-1].startswith(
        "ckptscope gate: unreadable: 4 checkpoints: 1 pass, 1 inconclusive, 1 refused, 1 unreadable"
    )
