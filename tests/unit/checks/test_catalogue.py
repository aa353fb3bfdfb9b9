"""Every code has an entry, and two checkpoints that show what it means."""

from pathlib import Path
from types import ModuleType

import pytest
from builders.finding_cases import CASES, Subject
from builders.finding_cases.case import findings_of, judge

from ckptscope.checks.catalogue import (
    CATALOGUE,
    GROUPS,
    architecture,
    containers,
    entries_of,
    pickles,
    policy,
    safety,
    tensors,
    training,
    values,
)
from ckptscope.facts.findings import Code, Finding, Severity, Where

ROOMS = (containers, pickles, tensors, safety, values, architecture, training, policy)
WEIGHTS = (Severity.INFO, Severity.WARNING, Severity.ERROR)


def found(subject: Subject, code: Code) -> list[Finding]:
    return [one for one in findings_of(judge(subject)) if one.code is code]


def is_sentence(message: str) -> bool:
    first = message.split(" ", maxsplit=1)[0]
    return len(message.splitlines()) == 1 and not (first[0].isupper() and first[1:].islower())


@pytest.mark.parametrize("code", Code)
def test_a_code_has_an_entry_that_says_everything(code: Code) -> None:
    entry = CATALOGUE[code]
    assert entry.code is code
    assert not entry.title.endswith(".")
    assert not entry.title.startswith(("a ", "an ", "the "))
    for sentences in (entry.evidence, entry.why, entry.remedy, entry.silence or "Nothing."):
        assert sentences.endswith(".")
        assert sentences.count("`") % 2 == 0


@pytest.mark.parametrize("code", Code)
def test_a_code_has_a_checkpoint_that_trips_it(code: Code, tmp_path: Path) -> None:
    findings = found(CASES[code].trips(tmp_path), code)
    assert findings
    usual = WEIGHTS.index(CATALOGUE[code].severity)
    for one in findings:
        assert WEIGHTS.index(one.severity) <= usual
        assert is_sentence(one.message)
        assert one.evidence or one.where != Where()


@pytest.mark.parametrize("code", Code)
def test_a_code_has_a_checkpoint_that_passes(code: Code, tmp_path: Path) -> None:
    report = judge(CASES[code].passes(tmp_path))
    assert report.files
    assert [one for one in findings_of(report) if one.code is code] == []


def test_no_code_is_described_twice_and_each_stands_in_its_group() -> None:
    described = [entry.code for room in ROOMS for entry in room.ENTRIES]
    assert sorted(described) == sorted(set(described))
    assert {len({code.value[:3] for code in room_codes(room)}) for room in ROOMS} == {1}
    assert [code.value[:3] for code in CATALOGUE] == [
        prefix for prefix in GROUPS for _ in entries_of(prefix)
    ]


def room_codes(room: ModuleType) -> list[Code]:
    return [entry.code for entry in room.ENTRIES]
