"""Keys of ConvNeXt in four code bases, and settings that go with them."""

import pytest

from ckptscope.errors import UsageError
from ckptscope.families.known.convnext import ConvNeXt

FAMILY = ConvNeXt()
SMALL = {"dims": (8, 16, 24, 32), "depths": (1, 2, 1, 1), "classes": 5}


def keys(dialect: str, **settings) -> dict[str, tuple[int, ...]]:
    table = FAMILY.keys(FAMILY.configure({**SMALL, **settings}), dialect)
    return {tensor.key: tensor.shape for tensor in table}


@pytest.mark.parametrize(
    ("dialect", "first", "block", "reduction", "norm", "last"),
    [
        (
            "original",
            "downsample_layers.0.0.weight",
            "stages.1.1.pwconv1.weight",
            "downsample_layers.1.1.weight",
            "norm.weight",
            "head.bias",
        ),
        (
            "timm",
            "stem.0.weight",
            "stages.1.blocks.1.mlp.fc1.weight",
            "stages.1.downsample.1.weight",
            "head.norm.weight",
            "head.fc.bias",
        ),
        (
            "torchvision",
            "features.0.0.weight",
            "features.3.1.block.3.weight",
            "features.2.1.weight",
            "classifier.0.weight",
            "classifier.2.bias",
        ),
        (
            "hugging face",
            "convnext.embeddings.patch_embeddings.weight",
            "convnext.encoder.stages.1.layers.1.pwconv1.weight",
            "convnext.encoder.stages.1.downsampling_layer.1.weight",
            "convnext.layernorm.weight",
            "classifier.bias",
        ),
    ],
)
def test_each_code_base_has_names_of_its_own(dialect, first, block, reduction, norm, last):
    table = keys(dialect, version="v1")
    assert next(iter(table)) == first
    assert list(table)[-1] == last
    assert table[first] == (8, 3, 4, 4)
    assert table[block] == (64, 16)
    assert table[reduction] == (16, 8, 2, 2)
    assert table[norm] == (32,)
    assert table[last] == (5,)


def test_the_first_dialect_is_the_papers_code():
    configuration = FAMILY.configure(SMALL)
    assert FAMILY.dialects[0] == "original"
    assert FAMILY.keys(configuration) == FAMILY.keys(configuration, "original")


def test_layer_scale_has_axes_of_its_own_in_torchvision():
    assert keys("original", version="v1")["stages.0.0.gamma"] == (8,)
    assert keys("timm", version="v1")["stages.0.blocks.0.gamma"] == (8,)
    assert keys("torchvision", version="v1")["features.1.0.layer_scale"] == (8, 1, 1)
    key = "convnext.encoder.stages.0.layers.0.layer_scale_parameter"
    assert keys("hugging face", version="v1")[key] == (8,)


def test_version_2_has_grn_of_another_shape_in_timm():
    assert keys("original", version="v2")["stages.0.0.grn.gamma"] == (1, 1, 1, 32)
    assert keys("timm", version="v2")["stages.0.blocks.0.mlp.grn.weight"] == (32,)
    key = "convnextv2.encoder.stages.0.layers.0.grn.bias"
    assert keys("hugging face", version="v2")[key] == (1, 1, 1, 32)


def test_torchvision_has_no_version_2():
    with pytest.raises(UsageError, match="'torchvision' cannot build a convnext with 'grn'"):
        keys("torchvision", version="v2")


@pytest.mark.parametrize(
    ("setting", "value"),
    [("stem_type", "overlap"), ("head_norm_first", True), ("head_hidden", 7)],
)
@pytest.mark.parametrize("dialect", ["original", "torchvision", "hugging face"])
def test_what_timm_alone_builds_has_no_names_elsewhere(setting, value, dialect):
    assert keys("timm", **{setting: value})
    with pytest.raises(UsageError, match=f"the code behind the dialect '{dialect}' cannot build"):
        keys(dialect, **{setting: value})


def test_an_unknown_dialect_is_refused_with_those_that_there_are():
    with pytest.raises(UsageError, match=r"no dialect 'keras'.*original, timm, torchvision"):
        keys("keras")


def test_small_models_of_timm_have_convolutions_for_linear_layers():
    table = keys("timm", pointwise_convolutions=True)
    assert table["stages.0.blocks.0.mlp.fc1.weight"] == (32, 8, 1, 1)
    assert table["stages.0.blocks.0.mlp.fc2.weight"] == (8, 32, 1, 1)


def test_overlapping_stems_are_two_convolutions_of_3_by_3():
    tiered = keys("timm", dims=(40, 16, 24, 32), stem_type="overlap_tiered")
    assert tiered["stem.0.weight"] == (24, 3, 3, 3)
    assert tiered["stem.1.weight"] == (40, 24, 3, 3)
    assert tiered["stem.2.weight"] == (40,)
    plain = keys("timm", stem_type="overlap")
    assert plain["stem.1.weight"] == (8, 8, 3, 3)
    activated = keys("timm", stem_type="overlap_act")
    assert activated["stem.2.weight"] == (8, 8, 3, 3)
    assert activated["stem.3.weight"] == (8,)


def test_a_norm_before_pooling_has_another_name():
    table = keys("timm", head_norm_first=True)
    assert "norm_pre.weight" in table
    assert "head.norm.weight" not in table


def test_a_hidden_layer_stands_before_the_classes():
    table = keys("timm", head_hidden=7)
    assert table["head.pre_logits.fc.weight"] == (7, 32)
    assert table["head.fc.weight"] == (5, 7)


@pytest.mark.parametrize("dialect", FAMILY.dialects)
def test_no_classes_is_a_trunk_alone(dialect):
    table = keys(dialect, classes=0)
    whole = keys(dialect)
    assert len(whole) - len(table) == 2
    assert not any(
        tensor.part == "head"
        for tensor in FAMILY.keys(FAMILY.configure({**SMALL, "classes": 0}), dialect)
    )


def test_a_trunk_alone_of_hugging_face_goes_without_the_classifiers_prefix():
    assert "embeddings.patch_embeddings.weight" in keys("hugging face", classes=0)
    assert "layernorm.weight" in keys("hugging face", classes=0)


def test_axes_name_the_settings_behind_them():
    configuration = FAMILY.configure({**SMALL, "stem_type": "overlap_tiered", "head_hidden": 7})
    terms = {tensor.key: tensor.terms for tensor in FAMILY.keys(configuration, "timm")}
    assert terms["stem.0.weight"][:2] == (("stem_channels",), ("input_channels",))
    assert terms["stages.1.blocks.0.mlp.fc1.weight"] == (("expansion", "dims[1]"), ("dims[1]",))
    assert terms["head.fc.weight"] == (("classes",), ("head_hidden",))
    presence = {tensor.key: tensor.presence for tensor in FAMILY.keys(configuration, "timm")}
    assert presence["stages.1.blocks.0.gamma"] == ("depths[1]", "layer_scale")
    assert presence["head.fc.bias"] == ("classes",)


def test_version_and_backbone_say_several_settings_at_once():
    configuration = FAMILY.configure({"backbone": "Atto", "version": "v2"})
    assert configuration.dims == (40, 80, 160, 320)
    assert configuration.depths == (2, 2, 6, 2)
    assert (configuration.layer_scale, configuration.grn) == (False, True)
    assert configuration.version == "v2"
    assert configuration.classes == 1000


def test_settings_are_taken_back_as_they_are_given():
    configuration = FAMILY.configure({**SMALL, "stem_type": "overlap_act", "classes": 0})
    assert FAMILY.configure(FAMILY.settings(configuration)) == configuration


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"backbone": "Mega"}, "no backbone 'Mega' of convnext; there are: Atto"),
        ({"version": "v3"}, "no version 'v3' of convnext; there are: v1, v2"),
        ({"stem_type": "round"}, "no stem_type 'round' of convnext; there are: patch"),
        ({"width": 3}, "convnext has no setting 'width'"),
        ({"depths": (1, 1)}, "as many values of 'depths' as of 'dims', found 2 and 4"),
        ({"dims": (), "depths": ()}, "at least one stage in 'dims'"),
        ({"norm": "GroupNorm"}, "'norm' to be one of LayerNorm, RMSNorm, BatchNorm2d"),
        ({"stem_activation": True}, "expected 'stem_channels' where"),
        ({"classes": -1}, "'classes' between 1 and"),
        ({"classes": "many"}, "'classes'"),
        ({"input_size": (224,)}, "'input_size'"),
    ],
)
def test_settings_that_make_no_sense_are_refused_by_name(settings, message):
    with pytest.raises(UsageError, match=message):
        FAMILY.configure({**SMALL, **settings})


def test_a_missing_setting_is_named():
    with pytest.raises(UsageError, match="expected a value for 'depths', found none"):
        FAMILY.configure({"dims": (8, 16, 24, 32)})
