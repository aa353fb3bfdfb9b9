"""What causes rest on: the tables of every family say which settings their sizes follow from."""

import math

import pytest
from builders.loading import FAMILY, S

from ckptscope.differences.grounds import MOST_TENSORS, table_of, values_of, variation
from ckptscope.differences.values import (
    UNKNOWN,
    are_different,
    option_text,
    subject_of,
    value_of,
    value_text,
)
from ckptscope.errors import UsageError
from ckptscope.families.registry import KNOWN_NAMES, find_family
from ckptscope.specs.loading import tables_for


def rows_of(name: str):
    family = find_family(name)
    for table in tables_for(name):
        for row in table.rows:
            if row.settings:
                yield family, family.settings(family.configure(row.settings))


@pytest.mark.parametrize("name", KNOWN_NAMES)
def test_every_size_of_every_row_is_the_product_of_the_settings_on_its_axis(name):
    tables = 0
    for family, settings in rows_of(name):
        values = values_of(family, settings)
        for dialect in family.dialects:
            for tensor in (table_of(family, settings, dialect) or {}).values():
                tables += 1
                for size, names in zip(tensor.shape, tensor.terms, strict=True):
                    factors = [value_of(values, one) for one in names]
                    assert not names or math.prod(factors) == size, (tensor.key, names)
                held = [value_of(values, one) for one in tensor.presence]
                assert UNKNOWN not in held, (tensor.key, tensor.presence)
    assert tables


def test_a_network_larger_than_any_is_not_laid_out():
    huge = {**S, "depths": (3, 3, 100_000, 3)}
    assert FAMILY.count(FAMILY.configure(huge)).tensors > MOST_TENSORS
    assert table_of(FAMILY, huge, "named") is None


def test_settings_that_build_nothing_have_no_table_and_no_values():
    assert table_of(FAMILY, {**S, "depths": (3,)}, "named") is None
    with pytest.raises(UsageError):
        values_of(FAMILY, {**S, "depths": (3,)})


def test_a_variation_takes_the_named_settings_of_the_file_alone():
    vary = variation(FAMILY, S, {**S, "joints": 17, "norm": "LayerNorm"}, "named")
    assert vary(("joints",))["head.final_layer.bias"].shape == (17 * 32,)
    assert "backbone.norm.running_mean" in vary(("joints",))
    assert "backbone.norm.running_mean" not in vary(("norm",))


def test_an_item_of_a_list_has_its_own_value_and_the_whole_is_spoken_of_if_more_differ():
    found, expected = {"dims": (1, 2, 3)}, {"dims": (1, 5, 3)}
    assert value_of(found, "dims[1]") == 2
    assert value_of(found, "dims[9]") is None
    assert value_of(found, "depths[0]") is UNKNOWN
    assert not are_different(found, expected, "dims[0]")
    assert not are_different(found, expected, "depths[0]")
    assert subject_of(found, expected, "dims[1]") == "dims[1]"
    assert subject_of(found, {"dims": (9, 5, 3)}, "dims[1]") == "dims"
    assert subject_of(found, {"dims": (1, 5)}, "dims[1]") == "dims"


def test_values_are_written_as_people_and_as_the_command_line_write_them():
    assert value_text((48, 96)) == "48, 96"
    assert value_text(((3, 3), (5, 5))) == "3×3, 5×5"
    assert value_text(True) == "true"
    assert value_text(None) == "none"
    assert option_text("dims", (48, 96)) == "dims=48,96"
