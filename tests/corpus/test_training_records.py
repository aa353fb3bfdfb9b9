"""Training records of real files: what is told of them is in them, and none holds a secret."""

from pathlib import Path
from zipfile import ZipFile, is_zipfile

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
        assert f"/{name}/".encode() in unpacked(Path(path))


def unpacked(path: Path) -> bytes:
    """The bytes of a file, and of what it may hold deflated."""
    content = path.read_bytes()
    if is_zipfile(path):
        with ZipFile(path) as archive:
            content += b"".join(map(archive.read, archive.namelist()))
    return content


def test_a_record_is_information_with_its_numbers(told: list[tuple[str, Finding]]) -> None:
    records = [one for _, one in told if one.code is Code.RECORD_OF_TRAINING]
    assert records
    assert all(one.severity is Severity.INFO and one.evidence for one in records)
