"""The comparison with a paper, as it is laid out for terminals and pages."""

import json
import re

import msgspec
import pytest
from paper_samples import fit, one_file, paper_file, several_files, standing

from ckptscope.facts.paper import PaperOutcome, PaperReport
from ckptscope.reports.blocks import Branch, Listing, Name, Outline, field, line
from ckptscope.reports.markdown import write_page
from ckptscope.reports.pages import write_html, write_latex
from ckptscope.reports.paper import describe_paper
from ckptscope.reports.paper_json import render_paper_json
from ckptscope.reports.text import lay_out

#: What would act on a terminal, a page of markdown or HTML, or a run of LaTeX.
HOSTILE = "a|b\n# x\x1b[2J<script>alert(1)</script>[l](http://e.org)@all\\input{/etc/x}$y$`z`%_^~&"


def text(report: PaperReport, width: int = 80) -> str:
    return lay_out(describe_paper(report), width=width, color=False)


WRITERS = {
    "text": text,
    "markdown": lambda report: write_page(describe_paper(report)),
    "html": lambda report: write_html(describe_paper(report)),
    "latex": lambda report: write_latex(describe_paper(report)),
}


@pytest.mark.parametrize("width", [80, 120])
def test_layout_of_one_file_for_a_terminal(snapshot, width):
    assert text(one_file(), width) == snapshot


def test_layout_of_several_files_for_a_terminal(snapshot):
    assert text(several_files()) == snapshot


def test_layout_of_a_folder_for_a_terminal(snapshot):
    assert text(several_files(is_walk=True)) == snapshot


@pytest.mark.parametrize("form", ["markdown", "html", "latex"])
def test_layout_of_a_page(snapshot, form):
    assert WRITERS[form](several_files(is_walk=True)) == snapshot


def test_a_folder_is_one_matrix_without_a_table_for_each_file():
    assert "attribute" not in text(several_files(is_walk=True))
    assert text(several_files()).count("attribute") == 3


@pytest.mark.parametrize(
    ("report", "said"),
    [
        (one_file(), "matches: labelled S by the name 'NobodyNet_S.tar'"),
        (several_files(), "contradicts: labelled M by the name 'NobodyNet_M.tar'"),
        (several_files(), "but its content is S"),
        (several_files(), "not labelled: held against S, which it is by content"),
        (several_files(), "not compared: no family knows its network"),
        (several_files(), "cut.pth: not read: it is cut off"),
        (several_files(), "swapped    'NobodyNet_M.tar' holds S, 'NobodyNet_S.tar' holds M"),
        (several_files(), "duplicates 'NobodyNet_M.tar', 'snapshot_67.pth' hold the same tensors"),
        (several_files(), "missing    no file holds L"),
        (several_files(), "2 other files, which are no checkpoints"),
    ],
)
def test_each_outcome_is_said_in_words(report, said):
    assert said in re.sub(r"\n +", " ", text(report, 120))


def test_assumptions_are_told_once_with_the_attributes_that_rest_on_them():
    upsamplings = paper_file("x").judgements[2]
    both = ("the cube rule", "a 256 input")
    judgements = tuple(
        msgspec.structs.replace(upsamplings, attribute=name, assumptions=rests)
        for name, rests in (("a", both), ("b", both), ("c", ("the cube rule",)))
    )
    told = text(PaperReport(files=(paper_file("x", judgements=judgements),)))
    assert "assumed for a, b, c: the cube rule\n" in told
    assert "assumed for a, b: a 256 input\n" in told


def test_what_tells_a_file_from_its_label_is_said():
    file = paper_file("x", "M", told_from_label=("w: [1] in S, [2] in M", "v: [1] in S, not in M"))
    told = text(PaperReport(files=(file,)))
    assert "not M      w: [1] in S, [2] in M\n             v: [1] in S, not in M\n" in told


def test_many_files_that_are_not_compared_are_counted_by_reason():
    idle = [paper_file(f"{i}.pth", judgements=(), remark="it holds no network") for i in range(9)]
    told = text(PaperReport(files=tuple(idle), is_walk=True), 120)
    assert "it holds no network: 0.pth, 1.pth, 2.pth, 3.pth, 4.pth, and 4 more\n" in told


def test_the_cells_of_the_matrix_say_fit_contradictions_or_nothing():
    rows = [line.split() for line in text(several_files(is_walk=True)).splitlines()]
    assert ["NobodyNet_M.tar", "M", "✓", "2", "~", "S"] in rows
    assert ["NobodyNet_S.tar", "S", "2", "✓", "~", "M"] in rows


def test_of_a_long_table_only_the_rows_that_matter_are_shown():
    rows = tuple(f"row{index:02}" for index in range(30))
    fits = [fit(row, 1, 3) for row in rows]
    fits[7] = fit("row07", 3, 0)
    fits.sort(key=lambda one: one.contradicts)
    found = standing("row07", *fits)
    report = several_files(is_walk=True)
    matrix = msgspec.structs.replace(
        report.matrices[0],
        rows=rows,
        files=(2,),
        standings=(found,),
        assignment=(),
        mislabelled=(),
        swapped=(),
        missing=rows[8:],
    )
    told = text(msgspec.structs.replace(report, matrices=(matrix,)))
    assert "row07" in told
    assert "row08" not in told
    assert "29 other rows of the table" in told


def test_a_file_that_contradicts_its_label_and_is_no_row_says_what_contradicts():
    odd = standing(None, fit("S", 2, 1), fit("M", 1, 2))
    file = msgspec.structs.replace(several_files().files[0], standing=odd)
    report = several_files(is_walk=True)
    matrix = msgspec.structs.replace(
        report.matrices[0],
        files=(0,),
        rows=("S", "M"),
        standings=(odd,),
        mislabelled=(),
        swapped=(),
    )
    files = (file, *report.files[1:])
    told = re.sub(
        r"\n +", " ", text(msgspec.structs.replace(report, files=files, matrices=(matrix,)))
    )
    assert "labelled M, which its content contradicts: params: 0 too many; and 1 more" in told


@pytest.mark.parametrize("form", list(WRITERS))
def test_text_of_a_file_never_acts_where_it_is_shown(form):
    file = paper_file(HOSTILE, "S", misfits=(HOSTILE,), further=(HOSTILE,), location=(HOSTILE,))
    report = several_files(files=(file, *several_files().files[1:]))
    page = WRITERS[form](report)
    assert "\x1b" not in page
    assert "\n# x" not in page
    if form == "html":
        assert "<script" not in page
    if form == "latex":
        assert "\\input" not in page
        assert re.search(r"(?<!\\)[%#&](?! )", page.replace(" & ", " ")) is None
    if form == "markdown":
        outside_code = re.sub(r"(`+)(?!`).*?[^`]\1(?!`)", "", page)
        assert "<script" not in outside_code
        assert "](http" not in outside_code
        assert "@all" not in outside_code


def test_hostile_names_are_in_the_json_as_they_are():
    report = PaperReport(files=(paper_file(HOSTILE + "\udcff", "S"),))
    decoded = json.loads(render_paper_json(report))
    assert decoded["files"][0]["path"] == HOSTILE + "\udcff"


def test_the_outcome_follows_from_the_judgements():
    files = several_files().files
    assert [file.outcome for file in files] == [
        PaperOutcome.CONTRADICTS,
        PaperOutcome.CONTRADICTS,
        PaperOutcome.UNLABELLED,
        PaperOutcome.NOT_COMPARED,
        PaperOutcome.UNREAD,
    ]
    undecided = paper_file("S.tar", "S", judgements=paper_file("x").judgements[2:])
    assert undecided.outcome is PaperOutcome.UNDECIDED
    assert "nothing in the file decides" in text(PaperReport(files=(undecided,)))


def test_pages_write_every_kind_of_block():
    blocks = [
        line("a sentence"),
        field("label", Name("x_y")),
        Outline((Branch(0, "top", "1"), Branch(1, "below", "<2>"))),
        Listing("python", ("if x:", "    y = {1}")),
    ]
    page = write_html(blocks)
    assert "<li>label: <code>x_y</code></li>" in page
    assert "below &lt;2&gt;" in page
    assert "<pre><code>\nif x:\n    y = {1}\n</code></pre>" in page
    page = write_latex(blocks)
    assert "\\item label: \\texttt{x\\_y}" in page
    assert "\\texttt{~~~~y~=~\\{1\\}}" in page
