"""Tables as TOML: what is read, what is refused, and how the place of a mistake is said."""

import tomllib
from pathlib import Path

import pytest

from ckptscope.errors import SpecError
from ckptscope.facts.claims import ClaimSource
from ckptscope.specs import loading
from ckptscope.specs.loading import (
    all_tables,
    built_in_tables,
    claims_of,
    load_table,
    load_tables,
    tables_for,
    text_of,
)
from ckptscope.specs.places import line_of
from ckptscope.specs.plain import read_plain

DATA = Path(loading.__file__).parent / "data"
MINE = """\
schema = "ckptscope/spec/1"
name = "mine"
family = "convnextpose"
title = "Mine"
source = "a page"

[attributes.size]
fact = "parameters"
unit = "M"
decimals = 1

[variants.one.claims]
size = 7.4
dims = [48, 96, 192, 384]

[variants.one.settings]
backbone = "Femto-L"
head_out_channels = [256, 256, 256]
joints = 18
depth_bins = 32
upsamplings = 2

[variants.two]
labels = ["deux", "2 two"]
[variants.two.claims]
size = 9
"""


@pytest.fixture
def written(tmp_path):
    def write(text, name="mine.toml"):
        path = tmp_path / name
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    return write


def complaint(path) -> str:
    with pytest.raises(SpecError) as caught:
        load_table(path)
    return str(caught.value)


def test_a_table_is_read_with_its_rules_rows_and_defaults(written):
    table = load_table(written(MINE))
    assert (table.name, table.family, [row.name for row in table.rows]) == (
        "mine",
        "convnextpose",
        ["one", "two"],
    )
    assert [row.labels for row in table.rows] == [("one",), ("deux", "2 two")]
    size, dims = table.rules
    assert (size.fact, size.scale, size.decimals, size.source) == ("parameters", 1e6, 1, "a page")
    assert (dims.attribute, dims.fact) == ("dims", "dims")
    assert table.settings_source == "a page"


def test_lists_become_tuples_and_a_row_gives_its_claims_in_the_order_of_the_table(written):
    table = load_table(written(MINE))
    claims = claims_of(table, "one")
    assert [claim.value for claim in claims] == [7.4, (48, 96, 192, 384)]
    assert {claim.made_by for claim in claims} == {ClaimSource.PAPER}
    assert claims_of(table, "three") == ()


def test_an_attribute_described_without_a_fact_and_named_like_one_speaks_of_it(written):
    text = MINE.replace("[attributes.size]", '[attributes.dims]\nnote = "x"\n[attributes.size]')
    (rule,) = [rule for rule in load_table(written(text)).rules if rule.attribute == "dims"]
    assert (rule.fact, rule.note) == ("dims", "x")


@pytest.mark.parametrize("file", sorted(DATA.glob("*.toml")), ids=lambda path: path.name)
def test_a_table_that_comes_along_passes_the_checks_of_a_users_table(file):
    table = load_table(file)
    assert table.family == file.stem.partition("-")[0], "a file is named after its family"
    assert all(rule.source for rule in table.rules)
    plain = next(one for one in built_in_tables() if one.name == table.name)
    assert (plain.rules, plain.rows) == (table.rules, table.rows)


def test_a_users_table_comes_first_and_replaces_the_built_in_one_of_its_name(written):
    mine = load_table(written(MINE))
    assert [table.name for table in tables_for("convnextpose", [mine])] == ["mine", "convnextpose"]
    same = load_table(written(MINE.replace('"mine"', '"convnextpose"')))
    assert tables_for("convnextpose", [same]) == (same,)
    assert [table for table in all_tables([same]) if table.name == "convnextpose"] == [same]
    assert mine not in tables_for("resnet", [mine])


def test_two_users_tables_of_one_name_are_refused(written):
    paths = [written(MINE), written(MINE, "again.toml")]
    with pytest.raises(SpecError, match=r"again\.toml: name: expected another name"):
        load_tables(paths)


def test_the_text_of_a_table_is_the_toml_that_it_was_read_from(written):
    path = written(MINE)
    assert text_of(load_table(path)) == MINE
    (own,) = tables_for("convnextpose")
    assert text_of(own) == (DATA / "convnextpose.toml").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("size = 7.4", "size = 'x'", "line 13: variants.one.claims.size: expected a number"),
        ("size = 7.4", "size = 'x'", "found 'x'"),
        ("size = 7.4", "size = nan", "line 13: variants.one.claims.size: expected a number"),
        ("size = 7.4", "size = 1e99", "found 1e+99"),
        ("size = 7.4", "size = 2020-01-01", "found datetime.date(2020, 1, 1)"),
        ("size = 7.4", "size = {a = 1}", "found {'a': 1}"),
        ("size = 7.4", "size = []", "found []"),
        ("size = 7.4", "siz = 7.4", "line 13: variants.one.claims.siz: expected an attribute"),
        ("size = 7.4", "siz = 7.4", "did you mean 'size'?"),
        ("[48, 96, 192, 384]", "[48,\n[1.5]]", "line 14: variants.one.claims.dims: expected a w"),
        ("[48, 96, 192, 384]", "48", "line 14: variants.one.claims.dims: expected a list"),
        ('"parameters"', '"paramters"', "line 8: attributes.size.fact: unknown fact 'paramters'"),
        ('"parameters"', '"paramters"', "did you mean 'parameters'?"),
        ('"parameters"', "3", "line 8: attributes.size.fact: expected a text, found 3"),
        ('unit = "M"', 'unit = "mm"', "line 9: attributes.size.unit: expected one of '', '%'"),
        ("decimals = 1", "decimals = -1", "line 10: attributes.size.decimals: expected a whole"),
        ("decimals = 1", "decimals = 1.5", "expected a whole number, found 1.5"),
        ("decimals = 1", "tolerance = 1", "attributes.size.tolerance: expected a number below 1"),
        ("decimals = 1", "digits = 1", "line 10: attributes.size.digits: unknown key"),
        ("[attributes.size]", "[attributes.siz]", "line 7: attributes.siz: expected a row that"),
        ('"ckptscope/spec/1"', '"ckptscope/spec/2"', "line 1: schema: expected 'ckptscope/spec/1'"),
        ('name = "mine"\n', "", "mine.toml: expected a value for 'name', found none"),
        ('name = "mine"', 'name = ""', "line 2: name: expected a text that is not empty"),
        ('"convnextpose"', '"convnextpos"', "line 3: family: no family 'convnextpos'"),
        ('["deux", "2 two"]', "[]", "line 24: variants.two.labels: expected a list that is not"),
        ('["deux", "2 two"]', "[2]", "line 24: variants.two.labels: expected a text, found 2"),
        ('["deux", "2 two"]', '["--"]', "line 24: variants.two.labels: expected a label with"),
        ('["deux", "2 two"]', '["ONE"]', "label 'ONE' means row 'one' already"),
        ("size = 9", "", "line 25: variants.two.claims: expected at least one claim"),
        ("joints = 18", "joint = 18", "line 16: variants.one.settings: convnextpose"),
        ("joints = 18", "joints = 0", "line 16: variants.one.settings: convnextpose: expected"),
        ("[variants.two]", "[variants.'']", "variants: expected a name, found an empty"),
        ("[variants.two]", "[variants.two", "mine.toml: expected TOML, found: Expected ']'"),
        ('title = "Mine"', "title = " + "[" * 5000, "lists or tables without end"),
        ('title = "Mine"', "title = " + "9" * 5000, "expected TOML, found: Exceeds the limit"),
    ],
)
def test_a_mistake_is_said_in_one_line_with_file_line_and_key(written, old, new, said):
    text = MINE.replace(old, new, 1)
    assert text != MINE
    told = complaint(written(text))
    assert said in told
    assert told.startswith("mine.toml: ")
    assert "\n" not in told


def test_a_table_without_rows_is_refused(written):
    head = MINE[: MINE.index("[attributes")]
    assert "expected a value for 'variants', found none" in complaint(written(head))
    said = complaint(written(head + "variants = {}\n"))
    assert "line 7: variants: expected a table that is not empty, found {}" in said


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "expected a value for 'schema'"),
        (b"schema = '\xff'", "line 1: expected UTF-8"),
        (b"\n\n# \xe9\n", "line 3: expected UTF-8"),
        (b"#" * (1 << 20) + b"\n#", "expected a table of at most 1,048,576 bytes"),
    ],
)
def test_a_file_that_is_no_table_at_all_is_refused(written, content, said):
    assert said in complaint(written(content))


def test_a_table_that_is_not_there_is_refused(tmp_path):
    assert complaint(tmp_path / "no.toml") == "no.toml: cannot be read: No such file or directory"
    assert "cannot be read" in complaint(tmp_path)


def test_without_settings_facts_are_checked_against_the_built_in_table_of_the_family(written):
    start, end = MINE.index("[variants.one.settings]"), MINE.index("[variants.two]")
    text = MINE[:start] + MINE[end:]
    assert load_table(written(text)).rules[0].fact == "parameters"
    assert "unknown fact" in complaint(written(text.replace('"parameters"', '"params"')))


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        (("a",), 1),
        (("b",), 2),
        (("c", "d"), 6),
        (("c",), 5),
        (("c", "e f", "g"), 9),
        (("c", "e f"), 9),
        (("last",), None),
        (("c", "d", "x"), None),
        ((), None),
    ],
)
def test_a_value_is_found_on_the_line_on_which_it_begins(keys, line):
    text = 'a = 1\nb = [\n  2,\n]\n[c]\nd = """\nx\n"""\n"e f".g = [1,\n2]\n# end\n'
    assert line_of(text, keys) == line


@pytest.mark.parametrize("path", sorted(DATA.glob("*.toml")), ids=lambda path: path.stem)
def test_a_table_that_comes_along_is_plain_enough_to_be_read_fast(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert read_plain(text) == tomllib.loads(text)
