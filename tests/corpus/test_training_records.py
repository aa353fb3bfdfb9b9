"""Training records of real files: what is told of them is in them, and none holds a secret."""

import pytest
from corpus_files import require

from ckptscope.facts.findings import Code, Finding, Severity
from ckptscope.pipeline.gating import gate

CORPUS = require()

pytestmark = pytest.mark.corpus


@pytest.fixture(scope="module")
def told() -> list[tuple[str, Finding]]:
    report = gate([CORPUS / "benign", CORPUS / "torch-made"])
    return [
        (file.path, ruling.finding)
        for file in report.files
        for ruling in file.rulings
        if ruling.finding.code.value.startswith("TRN")
    ]


def test_no_benign_file_has_an_error_in_its_training_record(
    told: list[tuple[str, Finding]],
) -> None:
    assert len(told) > 40
    assert [(path, one) for path, one in told if one.severity is Severity.ERROR] == []


def test_every_user_that_is_told_stands_in_the_file(told: list[tuple[str, Finding]]) -> None:
    named = [(path, one) for path, one in told if one.code is Code.USER_RECORDED]
    assert named
    for path, one in named:
        name = one.message.rpartition(": ")[2].strip("'")
        with open(path, "rb") as file:
            assert f"/{name}/".encode() in file.read()


def test_the_released_network_is_told_to_have_counted_its_batches(
    told: list[tuple[str, Finding]],
) -> None:
    """What public files tell of the length of their training goes with their counters."""
    records = [one for _, one in told if one.code is Code.RECORD_OF_TRAINING]
    assert records
    assert all(one.severity is Severity.INFO and one.evidence for one in records)
