"""Pickles written to get past a scanner: each is found out, and those that look like it are not."""

import pickle

import pytest
from builders.adversarial_pickles import CASES, NOTHING, Case, Outcome
from builders.reading import trace

from ckptscope.checks.safety import check_imports
from ckptscope.errors import ArtifactError
from ckptscope.facts.findings import Code, Finding
from ckptscope.facts.pickled import Import

ERRORS = (Code.IMPORT_DANGEROUS, Code.IMPORT_HIDDEN)


def imports_of(data: bytes) -> tuple[Import, ...]:
    """What a pickle names; of a damaged one what it had named by then."""
    try:
        return trace(data).imports
    except ArtifactError as error:
        return error.reached


def outcome_of(findings: tuple[Finding, ...]) -> Outcome:
    if any(one.code in ERRORS for one in findings):
        return Outcome.UNSAFE
    return Outcome.UNKNOWN if findings else Outcome.CLEAN


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_an_adversarial_pickle_has_the_outcome_that_its_case_says(case: Case) -> None:
    findings = check_imports(imports_of(case.data))
    assert outcome_of(findings) is case.outcome, findings
    if case.outcome is Outcome.UNSAFE:
        assert all(one.severity == "error" for one in findings if one.code in ERRORS)


@pytest.mark.parametrize(
    "case", [case for case in CASES if case.told], ids=[case.name for case in CASES if case.told]
)
def test_a_finding_tells_the_name_that_the_unpickler_would_reach(case: Case) -> None:
    findings = check_imports(imports_of(case.data))
    wanted = [one for one in findings if case.outcome is not Outcome.UNSAFE or one.code in ERRORS]
    assert any(f"'{case.told}'" in one.message for one in wanted), findings


@pytest.mark.parametrize(
    "case",
    [case for case in CASES if case.gives is not NOTHING],
    ids=[case.name for case in CASES if case.gives is not NOTHING],
)
def test_the_way_through_is_real(case: Case) -> None:
    # Payloads of this test's own: they ask for the process's number, or multiply.
    assert pickle.loads(case.data) == case.gives
