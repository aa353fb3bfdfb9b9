"""The page of findings is the catalogue's, whole and not stale."""

import re

import pytest
from findings_page import COMMAND, PAGE

from ckptscope.checks.catalogue import CATALOGUE, GROUPS
from ckptscope.facts.findings import Code
from ckptscope.reports.catalogue import write_findings_page


def test_the_page_is_what_the_catalogue_says() -> None:
    current = PAGE.read_text(encoding="utf-8") == write_findings_page()
    assert current, f"{PAGE.name} is stale: run `{COMMAND}`"


@pytest.mark.parametrize("code", Code)
def test_a_code_has_one_section_under_its_group(code: Code) -> None:
    page = write_findings_page()
    assert len(re.findall(rf"^### {code.value}$", page, re.MULTILINE)) == 1
    before = page[: page.index(f"### {code.value}\n")]
    group = re.findall(r"^## (\w+): ", before, re.MULTILINE)[-1]
    assert (group, group in GROUPS) == (code.value[:3], True)


def test_a_sentence_of_an_entry_stands_on_the_page_as_it_is_written() -> None:
    page = write_findings_page()
    entry = CATALOGUE[Code.STORAGE_MISSING]
    assert f"- why: {entry.why}\n" in page
    assert f"- what to do: {entry.remedy}\n" in page
