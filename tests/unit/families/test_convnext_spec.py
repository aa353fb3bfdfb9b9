"""The table of ConvNeXt's papers: its numbers against the family's arithmetic."""

import pytest
from builders.state_dicts import shapes_of, state_dict_of

from ckptscope.facts.claims import Verdict
from ckptscope.families.known.convnext import ConvNeXt
from ckptscope.families.view import NetworkView
from ckptscope.specs.compare import judge_row, stand
from ckptscope.specs.labels import rows_named
from ckptscope.specs.loading import claims_of, tables_for

FAMILY = ConvNeXt()
(TABLE,) = tables_for("convnext")
ROWS = [row.name for row in TABLE.rows]


def architecture(dialect: str, **settings):
    configuration = FAMILY.configure(settings)
    return FAMILY.infer(
        NetworkView(state_dict_of(shapes_of(FAMILY.keys(configuration, dialect))), "")
    )


def dialects_of(row: str) -> list[str]:
    if row.endswith("OLS"):
        return ["timm"]
    return [one for one in FAMILY.dialects if not (row.startswith("V2") and one == "torchvision")]


@pytest.mark.parametrize("row", ROWS)
def test_what_a_row_prints_follows_from_its_settings(row):
    attributes = FAMILY.attributes(FAMILY.configure(TABLE.row(row).settings))
    claims = claims_of(TABLE, row)
    assert claims
    for claim in claims:
        assert claim.rule.source
        assert claim.admits(attributes[claim.rule.fact]), claim


def test_every_published_row_is_there():
    sizes = ["Atto", "Femto", "Pico", "Nano", "Tiny", "Small", "Base", "Large", "XLarge"]
    assert set(ROWS) >= {f"V1-{size}" for size in sizes}
    assert set(ROWS) >= {f"V2-{size}" for size in [*sizes[:5], "Base", "Large", "Huge"]}


@pytest.mark.parametrize(
    ("row", "dialect"), [(row, one) for row in ROWS for one in dialects_of(row)]
)
def test_a_network_of_a_rows_settings_stands_in_that_row(row, dialect):
    standing = stand(architecture(dialect, **TABLE.row(row).settings), TABLE)
    assert standing.variant == row
    assert standing.runner_up != row
    assert standing.separating


@pytest.mark.parametrize("classes", [0, 10, 21_841])
def test_another_classifier_does_not_make_it_another_row(classes):
    found = architecture("timm", backbone="Tiny", version="v1", classes=classes)
    assert stand(found, TABLE).variant == "V1-Tiny"
    verdicts = {one.attribute: one.verdict for one in judge_row(found, TABLE, "V1-Tiny")}
    assert verdicts["parameters"] is Verdict.MATCHES
    assert verdicts["gflops"] is Verdict.NOT_DECIDABLE


def test_version_2_contradicts_the_row_of_version_1():
    found = architecture("original", backbone="Tiny", version="v2")
    verdicts = {one.attribute: one.verdict for one in judge_row(found, TABLE, "V1-Tiny")}
    assert verdicts["version"] is Verdict.CONTRADICTS
    assert verdicts["dims"] is Verdict.MATCHES


@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("convnext_tiny_1k_224_ema.pth", "V1-Tiny"),
        ("convnext_tiny-983f1562.pth", "V1-Tiny"),
        ("convnextv2_tiny_22k_384_ema.pt", "V2-Tiny"),
        ("convnext_xlarge_22k_1k_384_ema.pth", "V1-XLarge"),
        ("convnextv2-huge-22k-512.bin", "V2-Huge"),
        ("ConvNeXt-V2-T.pt", "V2-Tiny"),
        ("ConvNeXt-XL.pth", "V1-XLarge"),
        ("convnext_atto_ols_a2-78d1c8f3.pth", "V1-Atto-OLS"),
    ],
)
def test_names_of_released_files_mean_their_rows(name, row):
    assert rows_named(name, TABLE) == (row,)
