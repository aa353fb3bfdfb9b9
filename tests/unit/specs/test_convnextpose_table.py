"""The table of the ConvNeXtPose paper: its numbers, and that its settings add up to them."""

import pytest
from paper_networks import PAPER

from ckptscope.families.registry import find_family
from ckptscope.specs.loading import built_in_tables, claims_of
from fixtures.convnextpose import VARIANTS, state_dict_entries

#: As printed: backbone, upsampling layers, head width, params (M), GFLOPS, MPJPE, PA MPJPE (mm).
PRINTED = {
    "XS": ("Atto", 2, 128, 3.53, 0.82, 56.61, None),
    "S": ("Femto-L", 2, 256, 7.44, 1.76, 51.80, None),
    "M": ("Femto-L", 3, 256, 7.59, 2.82, 51.05, 34.5),
    "L": ("Femto-L", 3, 512, 8.38, 4.30, 49.75, 32.8),
}
ATTRIBUTES = ("backbone", "upsamplings", "head_width", "params", "gflops", "mpjpe", "pa_mpjpe")


@pytest.mark.parametrize("row", PAPER.rows, ids=lambda row: row.name)
def test_a_row_claims_what_the_paper_prints(row):
    assert tuple(row.claims.get(name) for name in ATTRIBUTES) == PRINTED[row.name]


@pytest.mark.parametrize("row", PAPER.rows, ids=lambda row: row.name)
def test_the_settings_of_a_row_give_the_keys_and_shapes_of_the_released_file(row):
    family = find_family("convnextpose")
    variant = VARIANTS[row.name]
    made = family.keys(family.configure(row.settings), variant.dialect.value)
    wanted = state_dict_entries(variant.configuration, variant.dialect)
    assert [(one.key, one.shape) for one in made] == [(one.key, one.shape) for one in wanted]


@pytest.mark.parametrize("table", built_in_tables(), ids=lambda table: table.name)
def test_the_settings_of_a_row_meet_every_claim_of_it(table):
    family = find_family(table.family)
    unmet = []
    for row in table.rows:
        if row.settings:
            attributes = family.attributes(family.configure(row.settings))
            unmet += [
                (row.name, claim.rule.attribute, claim.value, attributes[claim.rule.fact])
                for claim in claims_of(table, row.name)
                if claim.rule.fact and not claim.admits(attributes[claim.rule.fact])
            ]
    assert unmet == []


def test_what_comes_from_the_files_and_not_from_the_paper_says_so():
    sources = {rule.attribute: rule.source for rule in PAPER.rules}
    of_files = {name for name, source in sources.items() if source == "the released files"}
    assert of_files == {"head_layers", "final_channels"}
    assert "released files" in PAPER.settings_source
