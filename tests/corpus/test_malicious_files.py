"""What the safety checks say of real files: every unsafe one is found out, no benign one accused."""

import pytest
from builders.scanned_files import UNREAD, Scanned, Truth, scanned_files
from corpus_files import require, short

from ckptscope.checks.catalogue import CATALOGUE
from ckptscope.facts.findings import Code, Finding, Severity
from ckptscope.facts.gate import GateVerdict
from ckptscope.pipeline.gating import gate

CORPUS = require()
FILES = scanned_files(CORPUS)
ERRORS = (Code.IMPORT_DANGEROUS, Code.IMPORT_HIDDEN)

pytestmark = pytest.mark.corpus


def with_truth(truth: Truth):
    chosen = [one for one in FILES if one.truth is truth]
    return pytest.mark.parametrize(
        "file", chosen, ids=[short(str(one.path.relative_to(CORPUS))) for one in chosen]
    )


def safety_errors(file: Scanned) -> list[Finding]:
    return [
        ruling.finding
        for held in gate(file.path).files
        for ruling in held.rulings
        if ruling.finding.code in ERRORS and ruling.finding.severity is Severity.ERROR
    ]


@with_truth(Truth.UNSAFE)
def test_an_unsafe_file_gets_an_error_of_the_safety_checks(file):
    if file.path.name in UNREAD and not safety_errors(file):
        assert all(one.verdict is GateVerdict.UNREADABLE for one in gate(file.path).files)
        return
    assert safety_errors(file)


@with_truth(Truth.BENIGN)
def test_a_benign_file_gets_no_error_of_the_safety_checks(file):
    assert safety_errors(file) == []


@with_truth(Truth.UNSAFE)
def test_an_unsafe_file_does_not_pass_the_gate(file):
    assert gate(file.path).verdict is not GateVerdict.PASSED


def test_a_class_of_a_third_party_is_neither_clean_nor_accused():
    (unknown,) = [one for one in FILES if "imp_unknown" in one.path.name]
    (held,) = gate(unknown.path).files
    found = [one.finding for one in held.rulings if one.finding.code is Code.IMPORT_UNKNOWN]
    assert ["'mylab.models.nets.PoseNet'" in one.message for one in found] == [True]
    assert held.verdict is GateVerdict.INCONCLUSIVE
    assert CATALOGUE[Code.IMPORT_UNKNOWN].undecided


def test_the_files_are_those_that_the_truth_was_set_up_for():
    counts = {truth: sum(one.truth is truth for one in FILES) for truth in Truth}
    assert counts[Truth.UNSAFE] > 130
    assert counts[Truth.BENIGN] > 180
    assert {one.path.name for one in FILES} >= set(UNREAD)
