"""Malformed, odd and unsafe files: read rightly, refused, or found wrong, as their table says."""

import pickletools
import re

import pytest
from corpus_files import errors, read, require, short, table

from ckptscope.errors import ArtifactError, UsageError
from ckptscope.facts.containers import ContainerKind
from ckptscope.facts.report import FileReport
from ckptscope.pipeline import inspect

CORPUS = require()
CASES = table("hostile/cases.json")
MALICIOUS = sorted(
    str(path.relative_to(CORPUS)) for path in (CORPUS / "malicious").rglob("*") if path.is_file()
)

UNKNOWN = "UnknownContainerError"

pytestmark = pytest.mark.corpus


def outcome(path) -> tuple[str, list[FileReport], list[str]]:
    try:
        reports = read(path)
    except (ArtifactError, UsageError) as error:
        return "error", [], [str(error)]
    found = errors(reports)
    return "error" if found or not reports else "ok", reports, found


def allowed(case) -> set[str]:
    also = re.match(r"(?:unknown )?\[also: (ok|error|unsafe)\]", case["note"])
    return {case["expect"], *([also.group(1)] if also else [])}


@pytest.mark.parametrize("case", CASES, ids=[case["name"].rstrip("/") for case in CASES])
def test_a_hostile_file_has_the_outcome_of_its_table(case):
    found, reports, messages = outcome(CORPUS / "hostile" / case["name"])
    expected = allowed(case)
    if "unsafe" in expected:
        # Judging imports is another room's; here the file has to be read, imports and all.
        assert expected == {"error", "unsafe"} or reports, messages
        return
    assert found in expected, messages


@pytest.mark.parametrize(
    "case", [c for c in CASES if c["expect"] == "unsafe"], ids=lambda case: case["name"]
)
def test_every_import_of_an_unsafe_file_is_listed_with_its_place(case):
    path = CORPUS / "hostile" / case["name"]
    (report,) = read(path)
    assert report.manifest
    named = case["name"].removeprefix("imp_").removesuffix(".pt").removeprefix("form_")
    if case["name"] == "imp_other_extension.pt":
        assert report.manifest.unclaimed_members
        return
    imports = {f"{one.module}.{one.name}" for one in report.manifest.imports}
    wanted = named if "." in named else "os.system"
    assert wanted in imports, imports
    assert all(one.offset_bytes >= 0 for one in report.manifest.imports)


@pytest.mark.parametrize("name", MALICIOUS, ids=[short(name) for name in MALICIOUS])
def test_a_file_of_a_scanners_test_suite_never_leaves_the_error_tree(name):
    try:
        report = inspect(CORPUS / name)
    except (ArtifactError, UsageError) as error:
        assert "\n" not in str(error)  # noqa: PT017
        return
    assert report.files or report.skipped
    for one in report.files:
        if one.failure:
            assert "\n" not in one.failure.message


@pytest.mark.parametrize("name", MALICIOUS, ids=[short(name) for name in MALICIOUS])
def test_the_imports_of_a_malicious_pickle_are_at_the_places_that_pickletools_gives(name):
    data = (CORPUS / name).read_bytes()
    try:
        expected = [
            place
            for op, _, place in pickletools.genops(data)
            if op.name in ("GLOBAL", "STACK_GLOBAL", "INST")
        ]
    except Exception:
        # No single pickle from end to end; the test above reads it all the same.
        return
    files = inspect(CORPUS / name).files
    if not expected or not files or (files[0].failure and files[0].failure.kind != UNKNOWN):
        return
    (report, *_) = files
    assert report.manifest is not None, report.failure
    if report.manifest.containers != (ContainerKind.PICKLE,):
        return
    end = report.manifest.pickles[0].size_bytes
    found = dict.fromkeys(
        one.offset_bytes
        for one in report.manifest.imports
        # Others are what functions of these names look up; one name may stand for two.
        if one.offset_bytes < end and one.opcode in ("GLOBAL", "STACK_GLOBAL", "INST")
    )
    assert list(found) == expected


def test_the_whole_corpus_in_one_run_reports_on_every_file():
    report = inspect([CORPUS / "hostile"])
    assert len(report.files) + len(report.skipped) >= len(
        [c for c in CASES if "index" not in c["name"]]
    )
