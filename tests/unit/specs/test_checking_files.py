"""Files of claims: what they may hold, and where what is wrong in them stands."""

import re
from pathlib import Path

import jsonschema
import msgspec
import pytest
from builders.claims import HEAD, check_text

from ckptscope.errors import SpecError
from ckptscope.facts.checked import ClaimVerdict
from ckptscope.specs.arithmetic.files import load_document
from ckptscope.specs.arithmetic.judging import check_document
from ckptscope.specs.arithmetic.schema import claims_json_schema
from ckptscope.specs.loading import built_in_tables, text_of

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "checking-claims.md").read_text(encoding="utf-8")
CLAIM = '[[claims]]\nid = 1\nnetworks = [{ row = "S", params = "7.44 M" }]\n'


def between(name: str) -> str:
    found = re.search(
        rf"<!-- {name}: start -->\n```\w+\n(.*?)```\n<!-- {name}: end -->", PAGE, re.S
    )
    assert found is not None
    return found[1]


def loaded(text: str, tmp_path: Path):
    path = tmp_path / "claims.toml"
    path.write_text(text, encoding="utf-8")
    return load_document(path)


def test_the_example_of_the_page_gives_the_verdicts_of_the_page(tmp_path):
    report = check_document(loaded(between("example"), tmp_path))
    rows = [
        (
            claim.id,
            claim.verdict.value,
            next((part.remedies[0].text for part in claim.parts if part.remedies), ""),
        )
        for claim in report.claims
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    assert lines == between("verdicts").splitlines()


def test_the_files_keep_to_the_schema_that_is_printed():
    schema = msgspec.json.decode(claims_json_schema())
    assert schema["$id"] == "ckptscope/claims/1"
    thirteen = Path(__file__).parent / "claims" / "thirteen.toml"
    for text in (between("example"), thirteen.read_text(encoding="utf-8")):
        jsonschema.validate(msgspec.toml.decode(text), schema)


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("id = ", "claims.toml", "expected TOML"),
        ("", "claims.toml", "expected a value for 'claims', found none"),
        (CLAIM + "row = 'S'\n", "line 6: claims[0].row", "unknown key"),
        (
            "[[claims]]\nid = 1\n",
            "line 3: claims[0]",
            "expected a value for 'networks', found none",
        ),
        (CLAIM + CLAIM, "line 7: claims[1].id", "expected each id once, found '1' twice"),
        (
            '[[claims]]\nid = 1\nnetworks = [{ row = "XL" }]\n',
            "line 5: claims[0].networks[0].row",
            "no row 'XL'; there are: XS, S, M, L",
        ),
        (
            '[[claims]]\nid = 1\n[[claims.networks]]\nrow = "S"\n\nparms = "7.44 M"\n',
            "line 8: claims[0].networks[0].parms",
            "unknown attribute 'parms'; did you mean 'params'?",
        ),
        (
            '[[claims]]\nid = 1\n[[claims.networks]]\nrow = "S"\njoints = "many"\n',
            "line 7: claims[0].networks[0].joints",
            "expected a number, found 'many'",
        ),
        (
            "[[claims]]\nid = 1\n[[claims.networks]]\ndims = []\n",
            "line 6: claims[0].networks[0].dims",
            "expected at least one item, found an empty list",
        ),
        (
            "[[claims]]\nid = 1\n[[claims.networks]]\nparams = { about = 3 }\n",
            "line 6: claims[0].networks[0].params",
            "expected any_of or value, and tolerance, found 'about'",
        ),
        (
            "[[claims]]\nid = 1\n[[claims.networks]]\nhead_layers = 20001\n",
            "line 6: claims[0].networks[0].head_layers",
            "expected at most 20,000, found '20,001'",
        ),
        (
            CLAIM + 'relation = "loads"\n',
            "line 5: claims[0].networks",
            "expected at least two networks for a relation, found one",
        ),
        (CLAIM + 'relation = "likes"\n', "line 6: claims[0].relation", "likes"),
        (
            CLAIM + "because = { joints = 18 }\n",
            "line 3: claims[0]",
            "expected a value for 'therefore'",
        ),
        (
            '[attributes.bins]\nfact = "depth_dim"\n' + CLAIM,
            "line 4: attributes.bins.fact",
            "unknown attribute 'depth_dim'",
        ),
        ('table = "nowhere"\n' + CLAIM, "line 3: table", "no table 'nowhere' of convnextpose"),
        ('table = "absent.toml"\n' + CLAIM, "absent.toml", "cannot be read"),
    ],
)
def test_what_is_wrong_in_a_file_is_said_with_its_place(tmp_path, text, place, words):
    with pytest.raises(SpecError) as caught:
        loaded(HEAD.format(family="convnextpose") + text, tmp_path)
    assert place in caught.value.path
    assert words in str(caught.value)


def test_a_family_that_is_not_there_is_said_with_its_line(tmp_path):
    with pytest.raises(SpecError, match=r"claims.toml: line 2: family: no family 'convnextpost'"):
        loaded(HEAD.format(family="convnextpost") + CLAIM, tmp_path)


def test_another_schema_is_refused_by_name(tmp_path):
    with pytest.raises(SpecError, match="expected 'ckptscope/claims/1' or 'ckptscope/spec/1'"):
        loaded('schema = "ckptscope/claims/2"\nfamily = "convnextpose"\n' + CLAIM, tmp_path)


def test_bytes_that_are_no_text_are_refused(tmp_path):
    path = tmp_path / "claims.toml"
    path.write_bytes(b"schema = 'x'\n\xff\n")
    with pytest.raises(SpecError, match=r"claims.toml: line 2: expected UTF-8"):
        load_document(path)


def test_a_file_without_end_is_not_read(tmp_path):
    path = tmp_path / "claims.toml"
    path.write_bytes(b"#" * ((1 << 20) + 1))
    with pytest.raises(SpecError, match="expected claims of at most 1,048,576 bytes"):
        load_document(path)


@pytest.mark.parametrize("table", [table.name for table in built_in_tables()])
def test_the_tables_that_come_along_do_not_contradict_themselves(tmp_path, table):
    found = next(one for one in built_in_tables() if one.name == table)
    path = tmp_path / "table.toml"
    path.write_text(text_of(found), encoding="utf-8")
    report = check_document(load_document(path))
    assert [claim.id for claim in report.claims] == [row.name for row in found.rows]
    assert {claim.verdict for claim in report.claims} == {ClaimVerdict.HOLDS}


def test_a_row_that_prints_what_its_settings_do_not_give_contradicts_itself(tmp_path):
    path = tmp_path / "table.toml"
    text = text_of(next(one for one in built_in_tables() if one.name == "convnextpose"))
    path.write_text(text.replace("params = 8.38", "params = 8.48"), encoding="utf-8")
    verdicts = {one.id: one.verdict for one in check_document(load_document(path)).claims}
    assert verdicts["L"] is ClaimVerdict.CONTRADICTS_ITSELF
    assert verdicts["M"] is ClaimVerdict.HOLDS


def test_a_table_beside_the_claims_gives_its_rows(tmp_path):
    text = text_of(next(one for one in built_in_tables() if one.name == "convnextpose"))
    text = text.replace('name = "convnextpose"', 'name = "ours"').replace(
        "[variants.M", "[variants.Mine"
    )
    (tmp_path / "ours.toml").write_text(text, encoding="utf-8")
    claims = check_text(
        'table = "ours.toml"\n[[claims]]\nid = 1\n'
        'networks = [{ row = "Mine", upsamplings = 3, total = "7.59 M" }]\n',
        tmp_path,
    )
    assert claims["1"].verdict is ClaimVerdict.HOLDS
    assert claims["1"].parts[0].table == "ours"


def test_names_of_ones_own_stand_for_facts(tmp_path):
    claims = check_text(
        '[attributes.size]\nfact = "parameters"\nunit = "M"\ndecimals = 1\n[[claims]]\nid = 1\n'
        'networks = [{ row = "S", size = 7.4 }]\n[[claims]]\nid = 2\n'
        'networks = [{ row = "S", size = "7.3 M" }]\n',
        tmp_path,
    )
    assert claims["1"].verdict is ClaimVerdict.HOLDS
    assert claims["2"].verdict is not ClaimVerdict.HOLDS
