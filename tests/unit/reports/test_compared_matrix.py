"""Several checkpoints compared: a matrix of verdicts, distances, the line that they form."""

import msgspec
import pytest
from builders.comparisons import comparison, conclusion, several, side, structure_only

from ckptscope.facts.comparison import DiffReport, Relation
from ckptscope.reports.compared import describe_comparison
from ckptscope.reports.compared_phrases import letter
from ckptscope.reports.text import lay_out


def text(made: DiffReport, width: int = 80) -> str:
    return lay_out(describe_comparison(made), width=width, color=False)


def rows(made: DiffReport, title: str) -> list[list[str]]:
    """The words of the lines of a section."""
    _, _, rest = text(made).partition(f"\n{title}")
    return [line.split() for line in rest.partition("\n\n")[0].splitlines()[1:]]


def test_the_first_line_says_which_files_are_the_same():
    assert text(several()).splitlines()[0] == "4 files: A, D are the same"
    assert text(several(failed=True)).splitlines()[0] == "4 files: no two are the same; 1 not read"


def test_two_files_that_a_third_is_the_same_as_are_not_said_to_be_the_same():
    made = several(3)
    same = [
        msgspec.structs.replace(one, conclusions=(conclusion(relation),))
        for one, relation in zip(
            made.comparisons, (Relation.SAME_WEIGHTS,) * 2 + (Relation.UNDECIDED,), strict=True
        )
    ]
    made = msgspec.structs.replace(made, comparisons=tuple(same), line=None)
    assert text(made).splitlines()[0] == "3 files: A, B are the same"


def test_files_that_are_all_the_same_are_one_verdict():
    made = several(3)
    same = tuple(
        msgspec.structs.replace(one, conclusions=(conclusion(Relation.IDENTICAL),))
        for one in made.comparisons
    )
    all_same = msgspec.structs.replace(made, comparisons=same, line=None)
    assert text(all_same).splitlines()[0] == "3 files: all the same weights"
    unread = tuple(
        msgspec.structs.replace(
            one, conclusions=(conclusion(Relation.SAME_STRUCTURE),), values_compared=False
        )
        for one in same
    )
    told = text(msgspec.structs.replace(all_same, comparisons=unread))
    assert told.splitlines()[0] == "3 files: all the same structure; values were not compared"
    assert "--structure: names, shapes and dtypes alone" in told


def test_letters_stand_for_files_that_a_legend_names():
    assert rows(several(), "files")[1][:2] == ["A", "snapshot_0.pth"]


def test_the_matrix_has_a_short_word_for_each_two_files():
    assert rows(several(), "verdicts") == [
        ["B", "C", "D"],
        ["A", "fine-tuned", "fine-tuned", "identical"],
        ["B", "fine-tuned", "fine-tuned"],
        ["C", "fine-tuned"],
    ]


def test_distances_stand_below():
    assert rows(several(), "distances")[1] == ["A", "0.01", "0.02", "0"]


def test_the_line_shows_copies_together_and_how_far_the_next_is():
    told = text(several())
    assert "by distance: in a line\n  A = D —0.01— B —0.01— C\n" in told
    made = several()
    bent = msgspec.structs.replace(made, line=msgspec.structs.replace(made.line, is_line=False))
    assert "they form no line" in text(bent)


def test_each_two_files_have_their_sentence():
    assert ["A,", "D", "identical:", "sentence", "of", "0", "and", "3"] in rows(several(), "pairs")


def test_of_many_pairs_those_that_are_the_same_come_first_and_the_others_are_counted():
    found = rows(several(12), "pairs")
    assert found[0][:3] == ["A,", "L", "identical:"]
    assert found[-1] == ["and", "51", "more", "pairs"]
    assert len(found) == 16


@pytest.mark.parametrize("count", [3, 6, 7, 8, 30])
@pytest.mark.parametrize("width", [80, 120])
def test_no_cell_is_cut_whatever_the_number_of_files(count, width):
    told = text(several(count), width)
    assert max(map(len, told.splitlines())) <= width
    matrix = told.partition("\nverdicts")[2].partition("\ndistances")[0]
    assert matrix.count("fine-tuned") + matrix.count("identical") == count * (count - 1) // 2
    assert "…" not in matrix


def test_a_file_that_cannot_be_read_is_named_and_not_in_the_matrix():
    told = text(several(failed=True))
    assert "  D          not read: it is cut off; download it again\n" in told
    assert rows(several(failed=True), "verdicts")[0] == ["B", "C"]


def test_that_another_verdict_fits_is_marked():
    one = comparison(conclusion(Relation.FINE_TUNED), conclusion(Relation.HEAD_RESET))
    sides = (side("a"), side("b"), side("c", others=("ema",)))
    told = text(DiffReport(sides=sides, comparisons=(one,)))
    assert "fine-tuned +" in told
    assert "another verdict fits, too" in told
    either = comparison(conclusion(Relation.FINE_TUNED), conclusion(Relation.AVERAGED))
    told_either = text(DiffReport(sides=sides, comparisons=(either,)))
    assert "fine-tuned +" not in told_either
    assert "fine-tuned or averaged" in told_either
    assert "  else in C  ema\n" in told


def test_without_distances_none_are_drawn():
    made = several(3)
    one = structure_only().comparisons[0]
    assert "distances" not in text(msgspec.structs.replace(made, comparisons=(one,), line=None))


@pytest.mark.parametrize(
    ("index", "name"), [(0, "A"), (25, "Z"), (26, "AA"), (51, "AZ"), (52, "BA"), (702, "AAA")]
)
def test_letters_do_not_run_out(index, name):
    assert letter(index) == name
