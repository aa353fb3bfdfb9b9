"""The same report as markdown: nothing of the file acts on the page."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_samples import finding, manifest, network, report, state_dict, tensor
from test_report_text import poisoned

from ckptscope.facts.report import Failure, FileReport, InspectReport
from ckptscope.reports import blocks
from ckptscope.reports.markdown import render_markdown, write_page
from ckptscope.reports.wanted import Wanted

loaded = st.text(st.sampled_from("`|\\'\"*_[]()<>&$~@#-+. \n\x1bab1"), max_size=30)


def outside_fences(markdown: str) -> list[str]:
    """The lines that are no block of code."""
    lines = []
    fence = ""
    for line in markdown.splitlines():
        opening = re.fullmatch("(`{3,})[^`]*", line)
        if fence:
            fence = "" if line == fence else fence
        elif opening is not None:
            fence = opening[1]
        else:
            lines.append(line)
    assert not fence
    return lines


def outside_code(markdown: str) -> list[str]:
    """The lines without code spans; a middle dot stands for each escaped character."""
    spans = re.compile(r"(?<!\\)(`+)(?!`).+?(?<!`)\1(?!`)")
    return [re.sub(r"\\.", "·", spans.sub("", line)) for line in outside_fences(markdown)]


@given(loaded)
def test_no_text_of_the_file_acts_on_the_page(evil: str) -> None:
    page = render_markdown(report(poisoned(evil), path=evil), Wanted(tensors=True))
    assert all(line.isprintable() for line in page.splitlines())
    for line in outside_code(page):
        assert not re.search(r"[\[\]$`@]|<[A-Za-z/!?]|://", line)
        assert re.match(r"#{2,3} |  - |- |\||\*\*not read|[A-Za-z0-9 ·]|$", line)


@given(loaded)
def test_every_row_of_a_table_has_the_cells_of_its_header(evil: str) -> None:
    page = render_markdown(report(poisoned(evil)), Wanted(tensors=True))
    widths: list[int] = []
    for line in outside_fences(page):
        if line.startswith("|"):
            widths.append(re.sub(r"\\[!-/:-@\[-`{-~]", "", line).count("|"))
        else:
            assert len(set(widths)) <= 1
            widths = []


def test_the_page_says_what_the_text_says() -> None:
    page = render_markdown(report(manifest(findings=(finding(),))))
    for words in (
        "## `weights/snapshot_67.pth.tar`",
        "tar > torch zip, 1.91 MiB (2,000,000 bytes)",
        "### contents: `dict of 4 entries`",
        "### state_dict `network`",
        "- prefix: `module.`",
        "| `backbone.stages.0.{0..2}",
        "- **error** `TEN003` storage `'7'` is shorter than its tensors need",
        "  - where: `network/head.weight`, in `archive/data/7` at byte 1,234,567",
    ):
        assert words in page


def test_the_table_of_modules_adds_up() -> None:
    page = render_markdown(report(manifest()))
    table = page[page.index("| module") :].partition("\n\n")[0].splitlines()[2:]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table]
    *modules, total = rows
    made = network()
    for column, expected in ((1, len(made.tensors)), (2, made.parameters), (3, made.buffers)):
        found = [int(row[column].replace(",", "")) for row in modules if row[column]]
        assert sum(found) == expected == int(total[column].replace(",", ""))


@pytest.mark.parametrize("words", ["# heading", "- item", "1. item", "> quote"])
def test_a_line_that_begins_like_a_block_stays_a_line(words: str) -> None:
    assert "\\" in write_page([blocks.line(words)])


def test_a_file_that_could_not_be_read_has_a_heading_and_the_reason() -> None:
    failure = Failure(kind="x", message="expected a checkpoint, found 'a <b>'")
    page = render_markdown(InspectReport(files=(FileReport(path="x.pth", failure=failure),)))
    assert page == "## `x.pth`\n\n**not read**: expected a checkpoint, found `'a <b>'`\n"


def test_every_tensor_is_listed_where_asked() -> None:
    made = state_dict(*(tensor(f"layer{index}.weight", 2) for index in range(50)))
    page = render_markdown(report(manifest(state_dicts=(made,))), Wanted(tensors=True))
    assert all(f"| `layer{index}.weight` " in page for index in range(50))
