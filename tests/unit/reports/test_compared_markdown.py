"""Checkpoints compared, as markdown for a pull request: nothing of a file acts on the page."""

import re

import pytest
from builders.comparisons import fine_tuned, hostile, reports, same_weights, several
from hypothesis import given
from markdown_it import MarkdownIt

from ckptscope.facts.comparison import DiffReport
from ckptscope.reports.blocks import Name, line
from ckptscope.reports.compared import describe_comparison
from ckptscope.reports.markdown import write_page

ALLOWED = {
    "paragraph",
    "heading",
    "text",
    "code_inline",
    "bullet_list",
    "list_item",
    "inline",
    "table",
    "thead",
    "tbody",
    "tr",
    "th",
    "td",
    "softbreak",
}


def page(made: DiffReport, *, tensors: bool = False) -> str:
    return write_page(describe_comparison(made, tensors=tensors))


def tokens(markdown: str):
    for token in MarkdownIt("gfm-like", {"html": True, "linkify": False}).parse(markdown):
        yield token
        yield from token.children or ()


def require_inert(markdown: str) -> None:
    assert all(row.isprintable() for row in markdown.splitlines())
    for token in tokens(markdown):
        assert re.sub("_(open|close)$", "", token.type) in ALLOWED
        if token.type == "text":
            assert not re.search(r"@\w|://|www\.", token.content)


@given(reports)
def test_no_text_of_a_file_acts_on_the_page(made):
    require_inert(page(made, tensors=True))


@pytest.mark.parametrize("made", [hostile(), same_weights(), fine_tuned(), several()])
def test_every_kind_of_comparison_is_plain_markdown(made):
    require_inert(page(made, tensors=True))


def test_inline_code_side_by_side_stays_two_pieces():
    made = write_page([line(Name("a"), ", see http://e.org", Name("b"))])
    code = [one.content for one in tokens(made) if one.type == "code_inline"]
    assert code == ["a", ", see http://e.org", "b"]


def test_the_heading_is_the_verdict():
    assert page(same_weights()).startswith(
        "## `a.pth` and `b.safetensors`: same weights, in another container and dialect\n"
    )


def test_tables_have_numbers_and_no_bars():
    made = page(fine_tuned())
    assert "━" not in made
    row = next(one for one in made.splitlines() if one.startswith("| `head`"))
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells == ["`head`", "4", "1,095", "47.4 %", "1.4", "0.020000", "1 not compared"]


def test_the_matrix_is_a_table():
    made = page(several())
    assert re.search(r"^\| A +\| fine-tuned +\| fine-tuned +\| identical +\|$", made, re.MULTILINE)
