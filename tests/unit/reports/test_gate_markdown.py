"""What the gate says as markdown for a comment: bounded, and nothing of a file acts in it."""

import html
import re

import msgspec
import pytest
from builders.gate_reports import (
    EXPIRED,
    UNDECIDED,
    every_verdict,
    gate_file,
    gate_report,
    inconclusive,
    many,
    passed,
    refused,
    reports,
    ruling,
    unreadable,
)
from hypothesis import given
from markdown_it import MarkdownIt

from ckptscope.facts.findings import Code, Where
from ckptscope.facts.gate import GateReport
from ckptscope.reports.gate_markdown import MOST_CHARACTERS, render_gate_markdown

#: Links, mentions and images would reach beyond the comment.
ALLOWED = {
    "paragraph",
    "heading",
    "text",
    "code_inline",
    "bullet_list",
    "list_item",
    "strong",
    "inline",
    "html_block",
    "table",
    "thead",
    "tbody",
    "tr",
    "th",
    "td",
    "softbreak",
}


def page(report: GateReport) -> str:
    return render_gate_markdown(report).decode()


def tokens(markdown: str):
    for token in MarkdownIt("gfm-like", {"html": True, "linkify": False}).parse(markdown):
        yield token
        yield from token.children or ()


@given(reports)
def test_no_text_of_a_file_acts_on_the_page(report):
    made = page(report)
    for line in made.splitlines():
        assert line.isprintable()
    for token in tokens(made):
        assert re.sub("_(open|close)$", "", token.type) in ALLOWED
        if token.type == "html_block":
            assert re.fullmatch(
                r"<details><summary><code>[^<>]*</code>: [a-z]+</summary>\n|</details>\n?",
                token.content,
            )
        if token.type == "text":
            assert not re.search(r"@\w|://|www\.", token.content)


@given(reports)
def test_every_fold_that_is_opened_is_closed(report):
    blocks = [one.content for one in tokens(page(report)) if one.type == "html_block"]
    assert [one.startswith("<details>") for one in blocks] == [True, False] * (len(blocks) // 2)


def rows(report: GateReport) -> list[list[str]]:
    """The cells of the table."""
    return [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in page(report).splitlines()
        if line.startswith("| ")
    ][1:]


def test_the_table_has_a_row_for_each_file_with_its_verdict_and_reason():
    made = rows(every_verdict())
    assert [row[0] for row in made] == [
        "`weights/good.pth`",
        "`weights/bad.pth`",
        "`weights/unclear.pth`",
        "`weights/cut.pth > inner.tar`",
    ]
    assert [row[1].split()[1] for row in made] == ["pass", "refused", "inconclusive", "unreadable"]
    assert made[1][2].startswith("2 findings that the policy fails on (TEN001, SAF001)")


def test_the_heading_says_the_verdict():
    assert page(every_verdict()).startswith("## ⛔ ckptscope gate: unreadable\n")
    assert page(gate_report(passed())).startswith("## ✅ ckptscope gate: pass\n")


def folds(report: GateReport) -> dict[str, str]:
    """What is folded up, by the name of its file."""
    found = re.findall(
        r"<details><summary><code>(.*?)</code>.*?</summary>\n(.*?)</details>",
        page(report),
        re.DOTALL,
    )
    return {html.unescape(name): body for name, body in found}


def test_the_details_of_the_gravest_files_come_first():
    assert list(folds(every_verdict())) == [
        "weights/cut.pth > inner.tar",
        "weights/bad.pth",
        "weights/unclear.pth",
        "weights/good.pth",
    ]


def test_details_say_what_was_found_where_and_what_to_do():
    told = folds(gate_report(refused()))["weights/bad.pth"]
    assert "- **error** `SAF001` `'posix.system'` is called with `'true'` when this" in told
    assert "  - where: in `archive/data.pkl` at byte 61" in told
    assert "  - evidence: `GLOBAL 'posix system' at byte 61`" in told
    assert "  - help: do not load it; ask its author for a safetensors file" in told
    assert "ignored: 1 by the policy (TRN010)" in told
    assert "- not met: at most 16.00 MiB (32.44 MiB)" in told


def test_details_say_what_is_waived_and_which_checks_were_not_made():
    told = folds(gate_report(passed()))["weights/good.pth"]
    assert "waived until 2026-12-31: a folder of the cluster" in told
    assert "- not asked: crc, values" in told
    assert (
        "unfinished: values (9 tensors" in folds(gate_report(inconclusive()))["weights/unclear.pth"]
    )


def test_a_file_of_which_nothing_is_to_be_told_has_no_details():
    assert folds(gate_report(gate_file("x"))) == {}
    assert len(rows(gate_report(gate_file("x")))) == 1


def test_a_file_that_could_not_be_read_and_named_nothing_has_its_reason_in_full():
    bare = msgspec.structs.replace(unreadable(), rulings=())
    assert "it is cut off; download it again" in folds(gate_report(bare))[bare.name]


def test_faults_of_the_policy_are_told():
    assert "`POL020`" in page(gate_report(passed(), notices=(EXPIRED,)))


@pytest.mark.parametrize(
    "report",
    [
        many(5, files=3000),
        many(3000, files=30, characters=4000),
        many(1, files=100, characters=100_000),
    ],
    ids=["files", "findings", "texts"],
)
def test_the_page_fits_a_comment_and_says_what_is_missing(report):
    made = page(report)
    assert MOST_CHARACTERS // 3 < len(made) <= MOST_CHARACTERS
    details = len(folds(report))
    left_out = re.search(r"the details of ([\d,]+) files?", made)
    assert details + int(left_out[1].replace(",", "")) == len(report.files)


def test_of_many_files_the_gravest_are_in_the_table_and_the_others_counted():
    good = [passed(f"{index}.pth") for index in range(100)]
    made = rows(gate_report(*good, refused("bad.pth")))
    assert made[0][0] == "`bad.pth`"
    assert made[-1][0] == "and 61 more files"
    assert len(made) == 41


def test_one_file_of_many_kinds_of_findings_is_cut_to_the_room_there_is():
    found = [ruling(code, message="m" * 4000, evidence=("e" * 4000,) * 9) for code in Code]
    report = gate_report(gate_file("x", *found, UNDECIDED))
    made = page(report)
    assert len(made) <= MOST_CHARACTERS
    assert "Left out for want of room: " in folds(report)["x"]


def test_texts_that_grow_when_they_are_escaped_stay_within_the_room():
    name = "\U000e0001`|" * 200
    found = [ruling(code, message=name, where=Where(key=name), help=name) for code in Code]
    report = gate_report(*(gate_file(f"{index}{name}", *found) for index in range(50)), policy=name)
    assert len(page(report)) <= MOST_CHARACTERS
