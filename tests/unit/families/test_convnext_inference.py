"""ConvNeXt from names and shapes: whole files, trunks, damaged ones, and others' networks."""

import pytest
from builders.state_dicts import shapes_of, state_dict_of

from ckptscope.errors import UsageError
from ckptscope.facts.tensors import Origin
from ckptscope.families.base import Given
from ckptscope.families.known.convnext import ConvNeXt
from ckptscope.families.known.convnextpose import ConvNeXtPose
from ckptscope.families.probe import infer_architectures
from ckptscope.families.view import NetworkView

FAMILY = ConvNeXt()
VERSIONS = {
    "v1": ("Atto", "Femto", "Pico", "Nano", "Tiny", "Small", "Base", "Large", "XLarge"),
    "v2": ("Atto", "Femto", "Pico", "Nano", "Tiny", "Base", "Large", "Huge"),
}
ROWS = [
    (version, name, dialect)
    for version, names in VERSIONS.items()
    for name in names
    for dialect in FAMILY.dialects
    if (version, dialect) != ("v2", "torchvision")
]
SMALL = {"dims": (8, 16, 24, 32), "depths": (2, 2, 3, 2), "classes": 5}


def table(dialect: str = "original", **settings) -> dict[str, tuple[int, ...]]:
    return shapes_of(FAMILY.keys(FAMILY.configure({**SMALL, **settings}), dialect))


def inferred(shapes, *, prefix: str = "", **given):
    """The one network of a state_dict, whoever knows it."""
    (architecture,) = infer_architectures(state_dict_of(shapes, prefix=prefix), Given(**given))
    return architecture


def value(architecture, name: str):
    return architecture.fact(name).value


@pytest.mark.parametrize(("version", "name", "dialect"), ROWS)
def test_every_named_size_is_told_by_its_shapes(version, name, dialect):
    configuration = FAMILY.configure({"version": version, "backbone": name})
    shapes = shapes_of(FAMILY.keys(configuration, dialect))
    architecture = inferred(shapes, prefix="module.")
    assert architecture.family == "convnext"
    assert value(architecture, "version") == version
    assert value(architecture, "backbone") == name
    assert value(architecture, "dialect") == architecture.dialect == dialect
    assert value(architecture, "prefix") == architecture.prefix == "module."
    assert value(architecture, "classes") == 1000
    counts = FAMILY.count(configuration)
    assert value(architecture, "parameters") == counts.parameters
    assert value(architecture, "state_elements") == counts.elements
    assert value(architecture, "head_parameters") == counts.part("head").parameters
    assert value(architecture, "macs") == counts.macs
    assert FAMILY.configure(architecture.settings) == configuration
    assert architecture.counts == counts
    assert architecture.coverage == 1
    assert architecture.differences.is_empty
    assert architecture.misfits == ()


def test_sizes_are_observed_and_what_follows_is_derived():
    architecture = inferred(table())
    for name in ("dims", "depths", "kernel_size", "layer_scale", "grn", "classes", "dialect"):
        assert architecture.fact(name).origin is Origin.OBSERVED, name
    for name in ("version", "backbone", "stem_type", "parameters", "classifier_parameters"):
        assert architecture.fact(name).origin is Origin.DERIVED, name
    classes = architecture.fact("classes").evidence[0]
    assert (classes.key, classes.axis, classes.shape) == ("head.weight", 0, (5, 32))
    assert {one.key for one in architecture.fact("dims").evidence} <= set(table())


def test_the_input_size_is_assumed_and_macs_with_it():
    architecture = inferred(table())
    for name in ("input_size", "macs"):
        fact = architecture.fact(name)
        assert fact.origin is Origin.ASSUMED
        assert any("224×224" in text for text in fact.assumptions)
    assert FAMILY.weightless == ("input_size",)
    assert any("size of the images" in text for text in architecture.blind_spots)


@pytest.mark.parametrize(
    ("stem_type", "text"),
    [
        ("patch", "Conv2d 3→40 4×4, LayerNorm"),
        ("overlap", "Conv2d 3→40 3×3, Conv2d 40→40 3×3, LayerNorm"),
        ("overlap_tiered", "Conv2d 3→24 3×3, Conv2d 24→40 3×3, LayerNorm"),
        ("overlap_act", "Conv2d 3→40 3×3, activation, Conv2d 40→40 3×3, LayerNorm"),
    ],
)
def test_overlapping_stems_are_told_by_their_shapes(stem_type, text):
    architecture = inferred(table("timm", dims=(40, 80, 160, 320), stem_type=stem_type))
    assert value(architecture, "stem_type") == stem_type
    assert value(architecture, "stem") == text
    assert architecture.differences.is_empty


@pytest.mark.parametrize(
    ("setting", "found"),
    [
        ("kernel_size", 5),
        ("expansion", 3),
        ("norm", "RMSNorm"),
        ("norm", "BatchNorm2d"),
        ("pointwise_convolutions", True),
        ("head_norm_first", True),
        ("head_hidden", 9),
        ("input_channels", 1),
        ("stem_kernel", 2),
        ("final_norm", False),
    ],
)
def test_every_setting_is_a_fact(setting, found):
    architecture = inferred(table("timm", **{setting: found}))
    assert value(architecture, setting) == found
    assert architecture.settings[setting] == found
    assert architecture.misfits == ()


@pytest.mark.parametrize("dialect", FAMILY.dialects)
@pytest.mark.parametrize("has_norm", [True, False])
def test_a_trunk_alone_has_no_classes(dialect, has_norm):
    architecture = inferred(table(dialect, classes=0, final_norm=has_norm), prefix="trunk.")
    assert architecture.prefix == "trunk."
    assert value(architecture, "classes") == 0
    assert architecture.settings["classes"] is None
    assert architecture.fact("head_parameters") is None
    assert value(architecture, "final_norm") is has_norm
    assert architecture.misfits == ()


def test_a_classifier_of_hugging_face_without_its_classifier_is_a_trunk_under_a_prefix():
    shapes = table("hugging face", version="v2")
    del shapes["classifier.weight"], shapes["classifier.bias"]
    architecture = inferred(shapes)
    assert architecture.prefix == "convnextv2."
    assert value(architecture, "classes") == 0
    assert architecture.differences.is_empty


def test_a_wrapper_that_the_code_would_not_write_is_said():
    shapes = {
        key.replace("convnextv2.", "convnext."): shape
        for key, shape in table("hugging face", version="v2").items()
    }
    architecture = inferred(shapes)
    assert value(architecture, "version") == "v2"
    assert any(
        "'convnext.' where hugging face writes 'convnextv2.'" in text
        for text in architecture.misfits
    )
    assert architecture.differences.is_empty


@pytest.mark.parametrize("dialect", FAMILY.dialects)
def test_a_trunk_inside_a_detector_is_explained_and_the_rest_is_named(dialect):
    trunk = {f"backbone.{key}": shape for key, shape in table(dialect, classes=0).items()}
    rest = {f"neck.lateral.{i}.conv.weight": (256, 8, 1, 1) for i in range(4)}
    architecture = inferred({**trunk, **rest}, prefix="model.")
    assert architecture.prefix == "model.backbone."
    assert architecture.coverage == len(trunk) / (len(trunk) + 4)
    assert value(architecture, "classes") == 0
    assert any("model.neck.lateral.0.conv.weight" in text for text in architecture.misfits)
    assert (
        value(architecture, "backbone_parameters")
        == FAMILY.count(FAMILY.configure({**SMALL, "classes": 0})).parameters
    )


def test_norms_of_feature_maps_are_left_over():
    shapes = table(classes=0, final_norm=False)
    for i, dim in enumerate(SMALL["dims"]):
        shapes |= {f"norm{i}.weight": (dim,), f"norm{i}.bias": (dim,)}
    architecture = inferred(shapes, prefix="backbone.")
    assert value(architecture, "final_norm") is False
    assert any("8 tensors do not belong" in text for text in architecture.misfits)


def test_a_head_that_is_no_linear_layer_is_somebody_elses():
    shapes = {**table(classes=0), "head.weight": (19, 512, 3, 3), "head.bias": (19,)}
    architecture = inferred(shapes)
    assert value(architecture, "classes") == 0
    assert any("head.weight" in text for text in architecture.misfits)


def test_two_networks_in_one_state_dict_are_two_architectures():
    shapes = {f"student.{key}": shape for key, shape in table().items()}
    shapes |= {f"teacher.{key}": shape for key, shape in table("timm", version="v2").items()}
    teacher, student = infer_architectures(state_dict_of(shapes))
    assert (teacher.prefix, teacher.dialect, student.prefix, student.dialect) == (
        "teacher.",
        "timm",
        "student.",
        "original",
    )
    assert value(teacher, "version") == "v2"
    assert any("outside the network's prefix" in text for text in student.misfits)


def test_a_convnextpose_is_not_claimed_more_strongly_than_by_its_own_family():
    pose = ConvNeXtPose()
    settings = {
        "backbone": "Atto",
        "head_width": 128,
        "joints": 18,
        "depth_bins": 32,
        "upsamplings": 2,
    }
    state_dict = state_dict_of(shapes_of(pose.keys(pose.configure(settings))), prefix="module.")
    match = FAMILY.matches(NetworkView(state_dict, "module.backbone."))
    assert 0 < len(match.explained) < len(state_dict.tensors)
    assert all(
        key.startswith(("downsample_layers.", "stages.", "norm.")) for key in match.explained
    )


@pytest.mark.parametrize("dialect", FAMILY.dialects)
def test_the_order_of_the_tensors_does_not_matter(dialect):
    shapes = table(dialect)
    there, back = inferred(shapes), inferred(dict(reversed(shapes.items())))
    assert {fact.name: fact.value for fact in there.facts} == {
        fact.name: fact.value for fact in back.facts
    }


@pytest.mark.parametrize("dialect", FAMILY.dialects)
def test_single_missing_tensors_are_named_and_cost_no_fact(dialect):
    whole = table(dialect)
    expected = inferred(whole)
    lost = [key for key in whole if key.endswith("weight")]
    for key in (lost[0], lost[len(lost) // 2], lost[-1]):
        architecture = inferred({name: shape for name, shape in whole.items() if name != key})
        assert architecture.differences.missing == (key,), key
        assert any("missing" in text and key in text for text in architecture.misfits)
        if not key.startswith(("head", "classifier")):
            assert value(architecture, "dims") == SMALL["dims"]
        assert value(architecture, "depths") == SMALL["depths"]
        assert value(architecture, "version") == value(expected, "version")


def test_the_classes_are_told_by_the_bias_where_the_weight_is_lost():
    shapes = table()
    del shapes["head.weight"]
    architecture = inferred(shapes)
    assert value(architecture, "classes") == 5
    assert architecture.fact("classes").evidence[0].key == "head.bias"
    assert architecture.differences.missing == ("head.weight",)


def test_a_lost_stem_is_said_and_its_kernel_assumed():
    shapes = {
        key: shape for key, shape in table().items() if not key.startswith("downsample_layers.0")
    }
    architecture = inferred(shapes)
    assert value(architecture, "dims") == SMALL["dims"]
    assert architecture.fact("stem_kernel").origin is Origin.ASSUMED
    assert architecture.fact("stem").origin is Origin.ASSUMED
    assert any("stem" in text for text in architecture.misfits)


def test_a_lost_block_is_named():
    shapes = {key: shape for key, shape in table().items() if not key.startswith("stages.2.1.")}
    architecture = inferred(shapes)
    assert value(architecture, "depths") == SMALL["depths"]
    assert any("stage 2" in text and "block" in text for text in architecture.misfits)
    assert len(architecture.differences.missing) == 9


def test_half_a_network_is_still_one_and_less_is_none():
    whole = list(table().items())
    assert infer_architectures(state_dict_of(whole[: len(whole) * 2 // 3]))
    few = [(key, shape) for key, shape in whole if "stages.2.2" in key or "stages.3" in key]
    assert len(few) < len(whole) / 2
    assert infer_architectures(state_dict_of(few)) == ()


def test_a_tensor_of_another_shape_is_named():
    shapes = {**table(), "stages.1.0.pwconv1.weight": (64, 17)}
    architecture = inferred(shapes)
    assert value(architecture, "dims") == SMALL["dims"]
    (mismatch,) = architecture.differences.mismatched
    assert (mismatch.key, mismatch.found) == ("stages.1.0.pwconv1.weight", (64, 17))
    assert any("stages.1.0.pwconv1.weight" in text for text in architecture.misfits)


def test_adapters_inside_the_blocks_are_left_over():
    shapes = table()
    for key in [key for key in shapes if "pwconv1.weight" in key]:
        shapes[key.replace("weight", "lora_A")] = (4, 8)
        shapes[key.replace("weight", "lora_B")] = (32, 4)
    architecture = inferred(shapes)
    assert value(architecture, "dims") == SMALL["dims"]
    assert any("18 tensors do not belong" in text for text in architecture.misfits)


def test_blocks_with_another_mixer_under_the_same_names_are_another_network():
    shapes = {
        key.replace("conv_dw.", "token_mixer.dwconv_hw."): shape
        for key, shape in table("timm").items()
    }
    assert infer_architectures(state_dict_of(shapes)) == ()


def test_a_network_with_some_attention_blocks_among_its_stages_is_another():
    shapes = table("timm")
    for i, j in ((1, 1), (2, 2), (3, 1)):
        block = f"stages.{i}.blocks.{j}"
        for leaf in ("weight", "bias"):
            del shapes[f"{block}.conv_dw.{leaf}"]
        shapes[f"{block}.xca.qkv.weight"] = (48, 16)
    assert infer_architectures(state_dict_of(shapes)) == ()


def test_neither_scale_nor_grn_leaves_the_version_open():
    architecture = inferred(table(layer_scale=False))
    version = architecture.fact("version")
    assert version.origin is Origin.UNDETERMINED
    assert version.value is None
    assert version.alternatives[0].value == "v1"
    assert architecture.settings is not None


def test_scale_and_grn_together_are_no_papers_version():
    version = inferred(table(layer_scale=True, grn=True)).fact("version")
    assert version.value is None
    assert {one.value for one in version.alternatives} == {"v1", "v2"}


def test_what_the_user_states_replaces_what_is_assumed():
    architecture = inferred(table(), stated={"input_size": (64, 96), "norm": "RMSNorm"})
    size = architecture.fact("input_size")
    assert (size.value, size.origin) == ((64, 96), Origin.STATED)
    assert architecture.fact("macs").origin is not Origin.DERIVED
    assert (
        value(architecture, "macs")
        == FAMILY.count(FAMILY.configure({**SMALL, "input_size": (64, 96)})).macs
    )
    assert value(architecture, "norm") == "RMSNorm"


def test_a_statement_that_a_shape_contradicts_is_said_and_not_believed():
    architecture = inferred(table(), stated={"classes": 7, "version": "v2"})
    assert value(architecture, "classes") == 5
    assert value(architecture, "version") == "v1"
    assert any("classes is 7 as stated, and 5 in the file" in text for text in architecture.misfits)
    assert any(
        "grn is True as stated, and False in the file" in text for text in architecture.misfits
    )


@pytest.mark.parametrize(
    "stated",
    [
        {"joints": 17},
        {"classes": -3},
        {"backbone": "Mega"},
        {"stem_type": "round"},
        {"depths": (1, 1)},
    ],
)
def test_a_statement_that_makes_no_sense_is_refused(stated):
    with pytest.raises(UsageError):
        inferred(table(), stated=stated)


@pytest.mark.parametrize("dialect", FAMILY.dialects)
@pytest.mark.parametrize("size", [0, 2**62])
def test_sizes_that_no_layer_has_are_no_settings(dialect, size):
    shapes = {
        key: tuple(size if axis == 8 else axis for axis in shape)
        for key, shape in table(dialect).items()
    }
    (architecture,) = infer_architectures(state_dict_of(shapes))
    assert architecture.settings is None or FAMILY.configure(architecture.settings)
    assert architecture.misfits


def test_a_view_without_a_block_gives_no_facts_and_no_error():
    view = NetworkView(state_dict_of({"downsample_layers.0.0.weight": (8, 3, 4, 4)}), "")
    assert FAMILY.matches(view).explained == frozenset()
    architecture = FAMILY.infer(view)
    assert architecture.facts == ()
    assert architecture.settings is None


def test_numbers_without_end_in_names_cost_nothing():
    shapes = {
        **table(),
        "stages.999999999.999999999.dwconv.weight": (8, 1, 7, 7),
        "stages.0.123456789012345678901234567890.dwconv.weight": (8, 1, 7, 7),
        "stages.0.\u0662.dwconv.weight": (8, 1, 7, 7),
    }
    architecture = inferred(shapes)
    assert value(architecture, "depths") == SMALL["depths"]
    assert len(architecture.differences.unexpected) == 3
