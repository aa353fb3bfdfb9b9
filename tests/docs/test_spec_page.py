"""The page on writing a spec: its example is a table, and what it says of it is so."""

import re
from pathlib import Path

import pytest

from ckptscope.errors import SpecError
from ckptscope.specs.labels import rows_named
from ckptscope.specs.loading import load_table
from ckptscope.specs.schema import UNITS, AttributeEntry, SpecEntry, VariantEntry

PAGE = (Path(__file__).parents[2] / "docs/writing-a-spec.md").read_text(encoding="utf-8")
EXAMPLE = re.search(
    r"<!-- example: start -->\n```toml\n(.*?)```\n<!-- example: end -->", PAGE, re.DOTALL
)[1]


@pytest.fixture
def example(tmp_path):
    path = tmp_path / "gym.toml"
    path.write_text(EXAMPLE, encoding="utf-8")
    return path


def test_the_example_is_a_sound_table(example):
    table = load_table(example)
    assert [row.name for row in table.rows] == ["lite", "full"]
    assert all(row.settings for row in table.rows)


def test_the_names_that_the_page_gives_mean_the_rows_that_it_says(example):
    table = load_table(example)
    said = re.findall(r"`([\w.-]+\.pth)` (?:is held )?against (?:the row )?`(\w+)`", PAGE)
    assert said == [("gym-lite_2024-05.pth", "lite"), ("FULL.pth", "full")]
    for name, row in said:
        assert rows_named(name, table) == (row,)


def test_the_mistake_that_the_page_shows_is_said_like_that(example):
    (shown,) = re.findall(r"^ckptscope: (gym\.toml: .*)$", PAGE, re.MULTILINE)
    example.write_text(EXAMPLE.replace("params = 3.53", "params = '3.53M'"), encoding="utf-8")
    with pytest.raises(SpecError) as caught:
        load_table(example)
    assert str(caught.value) == shown


def test_every_key_of_the_schema_has_its_line_in_the_tables_and_no_other_has():
    described = set(re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE))
    kinds = (SpecEntry, AttributeEntry, VariantEntry)
    keys = {name for kind in kinds for name in kind.__struct_fields__}
    assert described == keys - {"attributes", "variants"}


def test_every_unit_that_the_page_names_is_one():
    line = next(line for line in PAGE.splitlines() if line.startswith("| `unit` |"))
    assert set(re.findall(r"`([^`]+)`", line)) - {"unit"} <= set(UNITS)
