"""What is said of a checkpoint that lost its pickle: the verdict, its grounds, and what is open."""

import json
import re

import jsonschema
import pytest
from builders.carvings import (
    carving,
    fit,
    nothing_fits,
    report_of,
    survivor,
    tensor,
)
from hypothesis import given
from hypothesis import strategies as st
from test_report_markdown import outside_code

from ckptscope.facts.carving import Carving, Found, Slot
from ckptscope.reports.carved_lists import numbers_text
from ckptscope.reports.escaping import cell_width
from ckptscope.reports.json import inspect_json_schema, render_json
from ckptscope.reports.markdown import render_markdown
from ckptscope.reports.text import render_text
from ckptscope.reports.wanted import Wanted


def text(*carvings: Carving, width: int = 100, tensors: bool = False, path: str = "a.pth") -> str:
    wanted = Wanted(tensors=tensors)
    return render_text(report_of(*carvings, path=path), width=width, color=False, wanted=wanted)


def lines(shown: str) -> list[str]:
    return [" ".join(line.split()) for line in shown.splitlines()]


def test_the_verdict_stands_first_and_the_damage_follows():
    shown = lines(text(carving()))
    assert shown[0] == "a.pth"
    assert shown[1] == "ConvNeXtPose S: 4 of 5 storages have its sizes."
    assert shown[2] == "damage data.pkl is missing"
    assert shown[3] == "left 5 storages, 199 bytes"
    assert "not read" not in shown[1]


def test_how_many_of_those_that_are_left_agree_is_told_of_network_and_optimizer():
    shown = lines(text(carving()))
    assert "network 3 of 3 storages that are left agree, of 5 tensors; numbers 0 to 4" in shown
    assert "state 1 of 1 storages that are left agree, of 1 tensor; numbers 5" in shown
    contradicted = carving(survivors=(*carving().survivors, survivor(0, 99)))
    assert "network 3 of 4 storages that are left agree, of 5 tensors; numbers 0 to 4" in lines(
        text(contradicted)
    )


def test_without_numbers_nothing_is_said_of_places():
    unnumbered = tuple(survivor(n, 16, number=None) for n in (2, 3, 4, 5))
    shown = lines(text(carving(survivors=unnumbered)))
    assert "network 3 of 5 tensors have a storage of their size, in order" in shown


def test_missing_tensors_are_named_by_pattern_with_their_numbers():
    assert "missing 2 tensors of the network, numbers 0 to 1: stem.*" in lines(text(carving()))
    gone = tensor(5, "head.weight", 5, 4, slot=Slot.MOMENTUM, found=Found.MISSING)
    shown = lines(text(carving(tensors=(*carving().tensors[:5], gone))))
    assert "1 tensor of momentum_buffer of the optimizer, numbers 5: head.weight" in shown


def test_a_storage_that_is_no_tensor_and_one_that_is_cut_are_named():
    found = carving(survivors=(*carving().survivors, survivor(10, 3, is_whole=False)))
    shown = lines(text(found))
    assert "no tensor 1 storage: 9 of 7 bytes" in shown
    assert "cut off 1 storage: 10 of 3 bytes" in shown
    assert "left 6 storages, 202 bytes; 1 of them cut off, which tells no size" in shown


def test_the_runner_up_is_told_by_what_differs_and_ties_are_said():
    shown = lines(text(carving()))
    assert "runner-up ConvNeXtPose M of dims 48, 99: the sizes of 2 storages" in shown
    assert "tried 12 tables; no other explains as many storages" in shown
    tied = lines(text(carving(alike=2, is_certain=False)))
    assert "what it was: ConvNeXtPose S (not certain)" in tied
    assert any("2 others explain as many storages: sizes do not decide" in one for one in tied)


def test_what_values_contradict_stands_before_what_they_confirm():
    shown = lines(text(carving()))
    start = shown.index("what values say")
    assert shown[start + 1] == "fails every running variance is non-negative (2 of 3)"
    assert shown[start + 2] == "holds counters agree (1,000 × 3)"
    assert shown[start + 3] == "not read second moments"


def test_the_training_record_has_origins_and_what_could_decide():
    shown = lines(text(carving()))
    assert "steps 1,346,328 (derived): 134 of 134 agree" in shown
    assert "epochs undetermined" in shown
    assert "decided by epochs: the epoch, which the pickle would have held" in shown


def test_what_is_assumed_and_what_nothing_tells_is_said_in_words():
    shown = " ".join(lines(text(carving())))
    assert "assumed names and shapes are those that the table of ConvNeXtPose S gives" in shown
    assert "weight, bias, mean and variance of a BatchNorm" in shown
    assert "unknown in which dialect the keys were named" in shown
    assert "what prefix stood before the keys" in shown
    without_norm = carving(tensors=(carving().tensors[4],))
    assert "BatchNorm" not in text(without_norm)
    open_ = carving(best=fit(open_settings=("head", "stem_kernel")))
    assert "head, stem kernel: no storage shows it" in " ".join(lines(text(open_)))


def test_what_the_pickle_had_named_is_told_apart():
    shown = " ".join(lines(text(carving(observed=4))))
    assert "the pickle named 4 tensors before it broke off" in shown
    assert "where the pickle did not tell them" in shown


def test_no_table_is_an_answer_with_the_storages_by_size():
    shown = lines(text(nothing_fits()))
    assert shown[1].startswith("no table fits")
    assert "tried 12 tables of known families" in shown
    assert "80 80 bytes 2 4 to 5" in shown
    assert "16 16 bytes 2 2 to 3" in shown
    assert "what it was" not in " ".join(shown)


def test_without_a_table_the_names_that_the_pickle_told_are_shown():
    named = tuple(tensor(n, f"net.{n}.weight", 4, found=Found.OBSERVED) for n in (2, 3))
    shown = lines(text(nothing_fits(tensors=named, observed=2)))
    assert "named 2 tensors by the pickle: net.*" in shown


def test_what_the_pickle_told_is_no_open_question():
    named = tuple(tensor(n, f"net.{n}.weight", 4, found=Found.OBSERVED) for n in (2, 3))
    assert "what prefix" not in text(carving(tensors=named, observed=2))
    mixed = text(carving(tensors=(*named, tensor(4, "net.4.weight", 5, 4)), observed=2))
    assert "what prefix stood before the keys that the pickle did not tell" in " ".join(
        lines(mixed)
    )


def test_many_sizes_are_cut_and_add_up():
    survivors = tuple(survivor(n, n + 1) for n in range(50))
    shown = lines(text(nothing_fits(survivors=survivors)))
    assert "50 50 bytes 1 49" in shown
    assert "30 of 30 smaller sizes" in shown


def test_on_request_every_storage_stands_with_its_tensor():
    shown = lines(text(carving(), tensors=True, width=120))
    start = shown.index("storages and tensors")
    rows = shown[start + 2 :]
    assert rows[0] == "0 48 missing stem.weight 4×3 float32"
    assert rows[2] == "2 2 16 carved norm.weight 4 float32"
    assert rows[5] == "5 5 80 carved momentum_buffer head.weight 5×4 float32"
    assert rows[6] == "9 9 7 unexplained"
    assert "storages and tensors" not in lines(text(carving()))


def test_nothing_left_is_told_as_a_file_that_was_not_read():
    shown = text(nothing_fits(survivors=()))
    assert "a.pth: not read: expected data.pkl, found none" in shown


HOSTILE = "a\x1b[31m`<b>|\n\u202e[x](http://e)"


def hostile() -> Carving:
    named = tensor(3, HOSTILE, 4, found=Found.OBSERVED)
    gone = tensor(1, HOSTILE * 3, 4, found=Found.MISSING)
    strange = survivor(9, 7, key=HOSTILE)
    return carving(
        tensors=(carving().tensors[2], named, gone),
        survivors=(*carving().survivors[:2], strange),
        observed=2,
        damage=f"expected data.pkl, found {HOSTILE!r}",
    )


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("tensors", [False, True])
def test_hostile_names_send_nothing_and_break_no_line(width, tensors):
    for one in (hostile(), nothing_fits(survivors=hostile().survivors)):
        shown = text(one, width=width, tensors=tensors, path=HOSTILE)
        assert all(cell_width(line) <= width for line in shown.splitlines())
        assert "\x1b" not in shown
        assert "\u202e" not in shown
        page = render_markdown(report_of(one, path=HOSTILE), Wanted(tensors=tensors))
        assert all(line.isprintable() for line in page.splitlines())
        for line in outside_code(page):
            assert not re.search(r"[\[\]$`@]|<[A-Za-z/!?]|://", line)


@given(
    st.lists(st.text(st.characters(), max_size=40), min_size=1, max_size=6),
    st.sampled_from([40, 80, 120]),
)
def test_whatever_a_pickle_named_stays_within_the_width(names, width):
    tensors = tuple(
        tensor(n, name, 4, found=Found.OBSERVED if n % 2 else Found.MISSING)
        for n, name in enumerate(names)
    )
    shown = text(carving(tensors=tensors, observed=len(names)), width=width, tensors=True)
    assert all(cell_width(line) <= width for line in shown.splitlines())


def test_markdown_says_the_same():
    page = render_markdown(report_of(carving()))
    assert "### what it was: ConvNeXtPose S (certain)" in page
    assert "ConvNeXtPose S: 4 of 5 storages have its sizes." in page
    assert "- missing: 2 tensors of the network, numbers 0 to 1: stem.\\*" in page
    assert "| bytes |" in render_markdown(report_of(nothing_fits())).replace("|   bytes", "| bytes")


def test_colours_come_only_where_they_are_welcome():
    report = report_of(carving(is_certain=False))
    assert "\x1b[" in render_text(report, width=80, color=True)
    assert "\x1b" not in render_text(report, width=80, color=False)


def test_the_json_has_all_of_it_beside_the_failure_and_fits_the_schema():
    found = json.loads(render_json(report_of(carving(), nothing_fits(), hostile())))
    schema = json.loads(inspect_json_schema())
    jsonschema.validate(found, schema, jsonschema.Draft202012Validator)
    first = found["files"][0]
    assert first["failure"]["message"] == "expected data.pkl, found none"
    assert first["carved"]["best"]["variant"] == "S"
    assert [one["found"] for one in first["carved"]["tensors"]] == ["missing"] * 2 + ["carved"] * 4
    assert first["carved"]["training"][0]["value"] == 1_346_328
    assert found["files"][1]["carved"]["best"] is None
    assert len(found["files"][1]["carved"]["survivors"]) == 5


@given(st.lists(st.integers(0, 30)))
def test_numbers_as_ranges_stand_for_exactly_these(numbers):
    shown = numbers_text(numbers)
    spelled: set[int] = set()
    for part in filter(None, shown.split(", ")):
        if part.startswith("and "):
            break
        start, _, end = part.partition(" to ")
        spelled |= set(range(int(start), int(end or start) + 1))
    else:
        assert spelled == set(numbers)
    assert spelled <= set(numbers)
