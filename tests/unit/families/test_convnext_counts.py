"""What ConvNeXt classifiers add up to: numbers that others printed."""

import pytest

from ckptscope.facts.claims import Claim, Rule
from ckptscope.families.known.convnext import ConvNeXt

FAMILY = ConvNeXt()

#: Published parameters of classifiers of 1000 classes; torchvision's metadata has the first four
#: of Tiny to Large exactly, timm's tables the others to two decimals.
PUBLISHED = {
    ("v1", "Atto"): 3_695_520,
    ("v1", "Femto"): 5_217_784,
    ("v1", "Pico"): 9_045_672,
    ("v1", "Nano"): 15_593_560,
    ("v1", "Tiny"): 28_589_128,
    ("v1", "Small"): 50_223_688,
    ("v1", "Base"): 88_591_464,
    ("v1", "Large"): 197_767_336,
    ("v1", "XLarge"): 350_196_968,
    ("v2", "Atto"): 3_708_400,
    ("v2", "Femto"): 5_233_240,
    ("v2", "Pico"): 9_066_280,
    ("v2", "Nano"): 15_623_800,
    ("v2", "Tiny"): 28_635_496,
    ("v2", "Base"): 88_717_800,
    ("v2", "Large"): 197_956_840,
    ("v2", "Huge"): 660_289_640,
}

#: Columns FLOPs of the READMEs of both papers' code: version, name, side of the input, G, decimals.
FLOPS = (
    ("v1", "Tiny", 224, 4.5, 1),
    ("v1", "Small", 224, 8.7, 1),
    ("v1", "Base", 224, 15.4, 1),
    ("v1", "Large", 224, 34.4, 1),
    ("v1", "XLarge", 224, 60.9, 1),
    ("v1", "Tiny", 384, 13.1, 1),
    ("v1", "Small", 384, 25.5, 1),
    ("v1", "Large", 384, 101.0, 1),
    ("v1", "XLarge", 384, 179.0, 1),
    ("v2", "Atto", 224, 0.55, 2),
    ("v2", "Femto", 224, 0.78, 2),
    ("v2", "Pico", 224, 1.37, 2),
    ("v2", "Nano", 224, 2.45, 2),
    ("v2", "Base", 224, 15.4, 1),
    ("v2", "Large", 224, 34.4, 1),
    ("v2", "Huge", 224, 115.0, 0),
    ("v2", "Tiny", 384, 13.1, 1),
    ("v2", "Huge", 512, 600.8, 0),
)


def configured(version: str, name: str, **settings):
    return FAMILY.configure({"version": version, "backbone": name, **settings})


@pytest.mark.parametrize(("version", "name"), PUBLISHED)
def test_parameters_are_the_published_ones(version, name):
    counts = FAMILY.count(configured(version, name))
    assert counts.parameters == PUBLISHED[version, name]
    assert counts.buffers == 0


@pytest.mark.parametrize(("version", "name", "side", "printed", "decimals"), FLOPS)
def test_multiply_accumulates_round_to_what_the_papers_call_flops(
    version, name, side, printed, decimals
):
    macs = FAMILY.count(configured(version, name, input_size=(side, side))).macs
    rule = Rule(attribute="gflops", fact="macs", unit="G", scale=1e9, decimals=decimals)
    assert Claim(subject=name, rule=rule, value=printed).admits(macs)


@pytest.mark.parametrize(
    ("name", "operations"),
    [("Tiny", 4.456), ("Small", 8.684), ("Base", 15.355), ("Large", 34.361)],
)
def test_multiply_accumulates_are_torchvisions_operations_to_three_decimals(name, operations):
    assert round(FAMILY.count(configured("v1", name)).macs / 1e9, 3) == operations


@pytest.mark.parametrize(
    ("name", "stem", "millions", "giga"),
    [
        ("Atto", "overlap_tiered", 3.70, 0.96),
        ("Femto", "overlap_tiered", 5.23, 1.35),
        ("Pico", "overlap_tiered", 9.06, 2.37),
        ("Nano", "overlap", 15.65, 4.38),
    ],
)
def test_overlapping_stems_count_as_timm_prints_them_for_288_pixels(name, stem, millions, giga):
    counts = FAMILY.count(configured("v1", name, stem_type=stem, input_size=(288, 288)))
    assert round(counts.parameters / 1e6, 2) == millions
    assert counts.macs / 1e9 == pytest.approx(giga, rel=0.02)


def test_a_hidden_layer_of_1536_makes_large_mlp_of_200_million_parameters():
    counts = FAMILY.count(configured("v1", "Large", head_hidden=1536))
    assert counts.parameters == 200_128_168


def test_counts_are_the_sums_of_the_table_of_keys():
    configuration = configured("v2", "Pico", stem_type="overlap_act", norm="BatchNorm2d")
    counts, table = FAMILY.count(configuration), FAMILY.keys(configuration, "timm")
    for part in ("backbone", "head"):
        own = [tensor for tensor in table if tensor.part == part]
        assert counts.part(part).tensors == len(own)
        assert counts.part(part).elements == sum(tensor.elements for tensor in own)
    assert counts.buffers == sum(one.elements for one in table if one.kind == "buffer") > 0


def test_the_plain_classifier_is_counted_whatever_the_head_of_the_file():
    whole = configured("v1", "Tiny")
    for settings in ({"classes": 10}, {"classes": 0}, {"classes": 0, "final_norm": False}):
        other = configured("v1", "Tiny", **settings)
        assert FAMILY.count(other).parameters < 28_000_000
        assert FAMILY.attributes(other)["classifier_parameters"] == FAMILY.count(whole).parameters


def test_attributes_name_what_a_configuration_gives():
    attributes = FAMILY.attributes(configured("v2", "Tiny", classes=21_841))
    assert attributes["version"] == "v2"
    assert attributes["backbone"] == "Tiny"
    assert attributes["stem"] == "Conv2d 3→96 4×4, LayerNorm"
    assert attributes["stem_type"] == "patch"
    assert attributes["classes"] == 21_841
    assert attributes["head_parameters"] == 21_841 * 769
    assert attributes["parameters"] == attributes["backbone_parameters"] + 21_841 * 769


def test_sizes_that_no_paper_names_have_no_name():
    settings = {"dims": (384, 768, 1536, 3072), "depths": (3, 4, 30, 3)}
    attributes = FAMILY.attributes(FAMILY.configure(settings))
    assert attributes["backbone"] is None
    assert attributes["parameters"] == 846_471_016
