"""Two checkpoints compared, as text: verdict first, few lines, nothing unsaid."""

import msgspec
import pytest
from builders.comparisons import (
    comparison,
    conclusion,
    fine_tuned,
    hostile,
    pair,
    rearranged,
    report,
    reports,
    same_weights,
    several,
    side,
    structure_only,
    tensor,
    unread,
)
from hypothesis import given

from ckptscope.facts.comparison import Block, DiffReport, Relation, RenamingRule, Structure, Way
from ckptscope.reports.compared import bar, describe_comparison
from ckptscope.reports.compared_phrases import (
    NOTHING,
    cosine_text,
    distance_text,
    share_changed,
)
from ckptscope.reports.text import lay_out


def text(made: DiffReport, *, width: int = 80, tensors: bool = False, color: bool = False) -> str:
    return lay_out(describe_comparison(made, tensors=tensors), width=width, color=color)


def words(made: DiffReport, **options) -> str:
    """The text without line breaks."""
    return " ".join(text(made, **options).split())


def verdict(*relations: Relation, **changes: object) -> str:
    made = report(comparison(*map(conclusion, relations), **changes))
    return text(made, width=200).splitlines()[0]


EVERY = [same_weights(), fine_tuned(), structure_only(), rearranged(), several(), hostile()]


@pytest.mark.parametrize("made", EVERY)
@pytest.mark.parametrize("width", [80, 120])
def test_no_line_is_wider_than_the_terminal(made, width):
    lines = text(made, width=width, tensors=True).splitlines()
    assert max(map(len, lines)) <= width


@pytest.mark.parametrize("made", EVERY)
def test_without_colours_nothing_but_printable_characters_is_written(made):
    assert all(line.isprintable() for line in text(made, tensors=True).splitlines())


@given(reports)
def test_any_comparison_is_laid_out_within_80_columns(made):
    for line in text(made, tensors=True).splitlines():
        assert line.isprintable()


def test_the_first_line_is_the_verdict():
    assert text(same_weights()).splitlines()[0] == (
        "a.pth and b.safetensors: same weights, in another container and dialect"
    )


def test_all_verdicts_that_fit_are_in_the_first_line_and_each_has_its_evidence():
    lines = text(fine_tuned()).splitlines()
    assert lines[0] == "a.pth and b.pth: head re-initialised and fine-tuned"
    assert lines[1:6] == [
        "  head re-initialised: begun anew: 'head.final'",
        "    evidence   there the cosine is 0.02",
        "  fine-tuned: trained on: 0.2% of the elements differ",
        "    evidence   e 1",
        "               e 2",
    ]


@pytest.mark.parametrize("relation", Relation)
def test_every_relation_has_a_phrase_and_a_word(relation):
    assert verdict(relation).startswith("a.pth and b.pth: ")
    made = several()
    one = msgspec.structs.replace(made.comparisons[0], conclusions=(conclusion(relation),))
    told = text(msgspec.structs.replace(made, comparisons=(one,)))
    assert "verdicts" in told


@pytest.mark.parametrize(
    ("only_left", "only_right", "phrase"),
    [
        ((), ("x",), "A is part of B"),
        (("x",), (), "B is part of A"),
        (("x",), ("y",), "the same in what both have"),
    ],
)
def test_of_a_part_it_is_said_which_file_is_one_of_which(only_left, only_right, phrase):
    structure = Structure(
        only_left=tuple(tensor(key, 1) for key in only_left),
        only_right=tuple(tensor(key, 1) for key in only_right),
    )
    assert verdict(Relation.PART_OF, structure=structure).endswith(f": {phrase}")


def test_every_way_in_which_the_same_weights_differ_is_named():
    told = verdict(Relation.SAME_WEIGHTS, ways=tuple(reversed(Way)))
    assert told.endswith("in another container, order, prefix, dialect and dtype")


def test_that_values_were_not_compared_is_in_the_verdict_and_below():
    told = text(structure_only())
    assert told.splitlines()[0] == "a.pth and b.pth: same structure; values were not compared"
    assert "--structure: names, shapes and dtypes alone were compared" in told
    assert "values by module" not in told


def test_files_of_one_name_are_told_apart_by_their_folders():
    one = comparison(conclusion(Relation.IDENTICAL))
    told = text(report(one, side("run/1/last.pth"), side("run/2/last.pth")))
    assert told.splitlines()[0] == "1/last.pth and 2/last.pth: identical"
    assert "run/1/last.pth: torch zip" in told


def test_many_missing_tensors_are_one_line():
    told = text(fine_tuned())
    assert "only in A  9 tensors, 6,048 elements\n" in told
    assert "             backbone.stages.2.{6..8}.* (9)\n" in told


def test_changes_of_shape_and_dtype_say_what_is_on_which_side():
    told = words(fine_tuned())
    assert "head.bias: 576 in A, 1152 in B" in told
    assert "head.scale: float32 in A, float16 in B" in told


def test_a_thousand_casts_are_one_line():
    cast = tuple(
        msgspec.structs.replace(pair(f"m.{i}.w", 2), right=tensor(f"m.{i}.w", 2, dtype="float16"))
        for i in range(1000)
    )
    pairs = (*cast, *(pair(f"m.{i}.steps") for i in range(1000)))
    one = comparison(
        conclusion(Relation.SAME_WEIGHTS), pairs=pairs, structure=Structure(retyped=cast)
    )
    told = text(report(one))
    assert "m.{0..999}.w (1,000): float32 in A, float16 in B" in told
    assert len(told.splitlines()) < 20


def test_every_tensor_of_another_shape_is_shown_or_counted():
    pairs = tuple(
        msgspec.structs.replace(pair(f"x{i}q", i + 1), right=tensor(f"x{i}q", i + 2))
        for i in range(40)
    )
    one = comparison(
        conclusion(Relation.UNRELATED), pairs=pairs, structure=Structure(reshaped=pairs)
    )
    told = words(report(one))
    assert "reshaped 40 tensors" in told
    assert "and 32 more tensors" in told


def test_renaming_is_told_as_rules():
    assert "  renamed    stages.{k} → layer{k}\n" in text(same_weights())
    rules = tuple(RenamingRule(left=f"a{i}", right=f"b{i}") for i in range(20))
    one = comparison(conclusion(Relation.RENAMED), structure=Structure(rules=rules))
    assert "and 8 more rules" in text(report(one))


def test_equal_structures_take_one_line():
    assert "structure: names, shapes and dtypes of 2 tensors agree\n" in text(structure_only())


def test_modules_have_a_bar_and_their_numbers_and_add_up():
    lines = text(fine_tuned(), width=100).splitlines()
    rows = [line.split() for line in lines if "%" in line]
    counts = ["head", "4", "1,095", "47.4", "%", "━━━━━"]
    assert [*counts, "1.4", "0.020000", "1", "not", "compared"] in rows
    assert ["1", "unchanged", "1", "2,304", "0", "%"] in rows
    assert ["total", "11", "9,399", "5.7", "%", "━", "0.31", "0.950000"] in rows


def test_of_the_same_weights_no_module_is_listed():
    assert "values by module" not in text(same_weights())


def test_of_very_many_modules_the_farthest_are_shown_and_the_others_summed_up():
    blocks = tuple(
        Block(name=f"m{i:03}", tensors=1, elements=10, changed=5, relative_l2=i / 100, cosine=0.5)
        for i in range(100)
    )
    told = text(report(comparison(conclusion(Relation.FINE_TUNED), blocks=blocks)))
    rows = [line.split() for line in told.splitlines()]
    shown = [row[0] for row in rows if row and row[0].startswith("m") and row[0] != "module"]
    assert shown == [f"m{i:03}" for i in range(60, 100)]
    assert ["60", "nearer", "60", "600", "50.0", "%"] in rows


@pytest.mark.parametrize(
    ("changed", "elements", "share", "length"),
    [
        (0, 100, "0 %", 0),
        (1, 10**7, "<0.1 %", 1),
        (50, 100, "50.0 %", 5),
        (10**7 - 1, 10**7, ">99.9 %", 9),
        (100, 100, "100 %", 10),
        (0, 0, NOTHING, 0),
        (2**70, 2**71, "50.0 %", 5),
    ],
)
def test_some_never_looks_like_none_nor_most_like_all(changed, elements, share, length):
    assert share_changed(changed, elements) == share
    assert len(bar(changed, elements)) == length


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (1.0, "1.000000"),
        (1 - 1e-12, ">0.999999"),
        (-0.5, "-0.500000"),
        (None, NOTHING),
        (float("nan"), NOTHING),
    ],
)
def test_a_cosine_is_1_only_if_it_is(value, told):
    assert cosine_text(value) == told


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (0.0, "0"),
        (0.01234, "0.0123"),
        (1.2345e-8, "1.23e-8"),
        (None, NOTHING),
        (float("inf"), "inf"),
    ],
)
def test_a_distance_has_three_digits(value, told):
    assert distance_text(value) == told


def test_metadata_is_side_by_side_where_it_differs_and_counted_where_not():
    told = text(fine_tuned())
    assert "metadata: 2 differ, 1 the same\n" in told
    assert ["epoch", "3", "70"] in [line.split() for line in told.splitlines()]
    assert f"  optimizer: group 0: lr  0.1  {NOTHING}\n" in told
    assert "seed" not in told


def test_what_was_not_compared_is_said():
    told = text(fine_tuned())
    assert "  unread     1 tensor: the storage is cut off\n" in told
    assert "  reshaped   values of 1 tensor\n" in told
    assert "  ignored    7 tensors by --ignore\n" in told
    assert "  else in A  optimizer, (top level)\n" in text(same_weights())


def test_a_transposed_tensor_was_compared():
    assert "not compared" not in text(rearranged())


def test_tensors_that_differ_are_listed_on_request_and_no_others():
    assert "tensors in A and B" not in text(fine_tuned())
    told = text(fine_tuned(), tensors=True, width=120)
    listed = told.partition("tensors in A and B: 9 differ")[2]
    assert "backbone.stages.2.1.weight" in listed
    assert "backbone.stages.2.0.weight" not in listed
    assert "1 of 1,000" in listed
    assert "not read: the storage is cut off" in listed
    assert "576 → 1152" in listed
    assert "float32 → float16" in listed


def test_the_counterpart_of_a_renamed_tensor_is_listed():
    rows = [line.split() for line in text(same_weights(), tensors=True).splitlines()]
    assert ["stages.3.2.weight", "layer3.2.weight", "0", "%", "0", "0", "by", "dialect"] in rows


def test_another_order_of_axes_or_channels_is_listed():
    told = words(rearranged(), tensors=True, width=120)
    assert "6 moved on axis 0" in told
    assert "8×4 → 4×8; axes 1, 0" in told


def test_a_file_that_cannot_be_read_is_all_there_is_to_say():
    made = DiffReport(sides=(side(), unread()), comparisons=())
    assert text(made) == "cut.pth: not read: it is cut off; download it again\n"


def test_colours_are_used_only_where_they_are_welcome():
    assert "\x1b[" in text(fine_tuned(), color=True)
    assert "\x1b[" not in text(fine_tuned())
