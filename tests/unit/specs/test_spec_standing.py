"""Which row of a table a network is, which comes second, and what tells them apart."""

import msgspec
import pytest
from paper_networks import ASSUMED, PAPER, architecture_of, settings_of, variant, with_fact

from ckptscope.facts.tables import SpecRow, SpecTable
from ckptscope.facts.tensors import Origin
from ckptscope.specs.compare import identify_standing, stand
from fixtures.convnextpose import VARIANTS, Dialect, state_dict_entries


def table_of(*rows: SpecRow, name: str = "mine") -> SpecTable:
    return msgspec.structs.replace(PAPER, name=name, rows=rows)


def row(name: str, claims: dict, **settings) -> SpecRow:
    return SpecRow(name=name, labels=(name,), claims=claims, settings=settings)


@pytest.mark.parametrize(("name", "runner_up"), [("XS", "S"), ("S", "M"), ("M", "L"), ("L", "M")])
def test_each_released_variant_is_its_row(name, runner_up):
    standing = stand(variant(name), PAPER)
    assert (standing.variant, standing.runner_up, standing.remark) == (name, runner_up, "")
    assert [fit.row for fit in standing.ranking if not fit.contradicts] == [name]


@pytest.mark.parametrize("dialect", ["named", "indexed", "list"])
def test_separating_tensors_are_tensors_of_the_rows_in_the_dialect_of_the_file(dialect):
    architecture = architecture_of(settings_of("XS"), dialect=dialect)
    entries = {
        name: {
            one.key: list(one.shape)
            for one in state_dict_entries(VARIANTS[name].configuration, Dialect(dialect))
        }
        for name in ("XS", "S")
    }
    told = stand(architecture, PAPER).separating
    assert told[0] == "head.final_layer.weight: [576, 128, 1, 1] in XS, [576, 256, 1, 1] in S"
    for sentence in told:
        key, _, rest = sentence.partition(": ")
        for name, shapes in entries.items():
            if f"not in {name}" in rest:
                assert key not in shapes
            else:
                assert f"{shapes[key]} in {name}" in rest
    assert any("not in XS" in sentence for sentence in told)


def test_s_and_m_differ_in_the_final_layer_alone():
    assert stand(variant("S"), PAPER).separating == (
        "head.final_layer.weight: [576, 256, 1, 1] in S, [1152, 256, 1, 1] in M",
    )


def test_a_network_that_every_row_contradicts_is_none_and_the_nearest_is_named():
    standing = stand(variant("L", joints=17), PAPER)
    assert standing.variant is None
    assert standing.remark == "no row fits: L comes nearest, with 2 claims contradicted"
    assert [text.partition(":")[0] for text in standing.ranking[0].contradictions] == [
        "params",
        "final_channels",
    ]
    said = stand(variant("S", joints=17), PAPER).remark
    assert said == "no row fits: S and M come nearest, each with 2 claims contradicted"


def test_two_rows_that_shapes_do_not_tell_apart_are_no_variant_whatever_is_assumed():
    three, two = (
        row(name, {"dims": (48, 96, 192, 384), "upsamplings": count})
        for name, count in (("M-3UP", 3), ("M-2UP", 2))
    )
    standing = stand(variant("M"), table_of(two, three))
    assert standing.variant is None
    assert standing.ranking[0].row == "M-3UP"
    assert standing.remark == (
        "M-3UP and M-2UP fit equally well in all that the file holds; "
        "what is assumed speaks for M-3UP"
    )


def test_two_rows_that_claim_the_same_are_no_variant():
    twins = (row(name, {"dims": (48, 96, 192, 384)}) for name in ("a", "b"))
    standing = stand(variant("S"), table_of(*twins))
    assert (standing.variant, standing.separating) == (None, ())
    assert standing.remark == "a and b fit equally well in all that the file holds"


def test_a_row_of_which_nothing_is_decided_is_no_variant():
    standing = stand(variant("S"), table_of(row("a", {"mpjpe": 51.8})))
    assert (standing.variant, standing.runner_up) == (None, None)
    assert standing.remark == "nothing in the file decides about any row"


def test_a_contradiction_weighs_more_than_any_number_of_matches():
    many = row("many", {"dims": (48, 96, 192, 384), "depths": (3, 3, 9, 3), "head_width": 1})
    few = row("few", {"dims": (48, 96, 192, 384)})
    standing = stand(variant("S"), table_of(many, few))
    assert [fit.row for fit in standing.ranking] == ["few", "many"]
    assert standing.variant == "few"


def test_assumed_facts_contradict_no_row_however_wrong_they_are():
    for name in ASSUMED:
        wrong = with_fact(variant("M"), name, value=1)
        assert stand(wrong, PAPER).variant == "M"


def test_stated_facts_contradict_no_row():
    stated = with_fact(variant("S"), "params", value=1, origin=Origin.STATED)
    stated = with_fact(stated, "final_channels", value=1, origin=Origin.STATED)
    assert stand(stated, PAPER).variant == "S"


def test_of_several_tables_the_one_that_fits_best_is_taken_and_of_equals_the_first():
    worse = table_of(row("a", {"head_width": 1}), name="worse")
    same = msgspec.structs.replace(PAPER, name="same")
    found = identify_standing(variant("S"), [worse, same, PAPER])
    assert (found.spec, found.variant) == ("same", "S")
    assert identify_standing(variant("S"), []) is None


def test_rows_without_settings_have_no_separating_tensors():
    rows = (row("a", {"head_width": 256}), row("b", {"head_width": 512}))
    standing = stand(variant("S"), table_of(*rows))
    assert (standing.variant, standing.separating) == ("a", ())


def test_rows_too_large_to_list_have_no_separating_tensors():
    rows = (
        row("a", {"head_width": 256}, **settings_of("S")),
        row("b", {"head_width": 512}, **(settings_of("S") | {"depths": (10**6,) * 4})),
    )
    assert stand(variant("S"), table_of(*rows)).separating == ()
