"""Code that loads a ConvNeXt: whose it is, its arguments, what it warns of."""

import pytest
from builders.state_dicts import shapes_of, state_dict_of

from ckptscope.families.known.convnext import ConvNeXt
from ckptscope.families.view import NetworkView

FAMILY = ConvNeXt()
SMALL = {"dims": (8, 16, 24, 32), "depths": (1, 2, 1, 1), "classes": 5}


def snippet(dialect: str, prefix: str = "", path: str = "model", **settings):
    """The one snippet for a network in a dialect."""
    shapes = shapes_of(FAMILY.keys(FAMILY.configure({**SMALL, **settings}), dialect))
    state_dict = state_dict_of(shapes, path=path, prefix=prefix)
    (written,) = FAMILY.snippets(FAMILY.infer(NetworkView(state_dict, prefix)))
    compile(written.code, dialect, "exec")
    assert written.language == "python"
    return written


@pytest.mark.parametrize(
    ("dialect", "version", "title", "lines"),
    [
        (
            "original",
            "v1",
            "facebookresearch/ConvNeXt",
            [
                "from models.convnext import ConvNeXt",
                "    depths=[1, 2, 1, 1],",
                "    num_classes=5,",
            ],
        ),
        (
            "original",
            "v2",
            "facebookresearch/ConvNeXt-V2",
            ["from models.convnextv2 import ConvNeXtV2", "    dims=[8, 16, 24, 32],"],
        ),
        (
            "timm",
            "v1",
            "timm",
            ["from timm.models.convnext import ConvNeXt", "    num_classes=5,"],
        ),
        ("timm", "v2", "timm", ["    use_grn=True,", "    ls_init_value=None,"]),
        (
            "torchvision",
            "v1",
            "torchvision",
            [
                "    CNBlockConfig(8, 16, 1),",
                "    CNBlockConfig(32, None, 1),",
                "    num_classes=5,",
            ],
        ),
        (
            "hugging face",
            "v1",
            "transformers",
            ["model = ConvNextForImageClassification(config)", "    hidden_sizes=[8, 16, 24, 32],"],
        ),
        (
            "hugging face",
            "v2",
            "transformers",
            ["model = ConvNextV2ForImageClassification(config)", "    num_labels=5,"],
        ),
    ],
)
def test_the_code_is_for_the_code_base_whose_names_the_file_bears(dialect, version, title, lines):
    written = snippet(dialect, version=version)
    assert written.title == title
    for line in (*lines, "model.load_state_dict(state_dict)", "model.eval()"):
        assert line in written.code.split("\n")


@pytest.mark.parametrize(
    ("settings", "argument"),
    [
        ({"stem_type": "overlap_act"}, "stem_type='overlap_act'"),
        ({"pointwise_convolutions": True}, "conv_mlp=True"),
        ({"head_norm_first": True}, "head_norm_first=True"),
        ({"head_hidden": 9}, "head_hidden_size=9"),
        ({"norm": "RMSNorm"}, "norm_layer='rmsnorm'"),
        ({"kernel_size": 5}, "kernel_sizes=5"),
        ({"input_channels": 1}, "in_chans=1"),
        ({"classes": 0}, "num_classes=0"),
    ],
)
def test_timm_takes_what_differs_from_its_defaults(settings, argument):
    assert f"    {argument}," in snippet("timm", **settings).code
    assert argument not in snippet("timm").code


@pytest.mark.parametrize(
    ("dialect", "line"),
    [
        ("original", "model.head = torch.nn.Identity()"),
        ("torchvision", "model.classifier[2] = torch.nn.Identity()"),
        ("hugging face", "model = ConvNextModel(config)"),
    ],
)
def test_a_trunk_alone_is_built_without_a_classifier(dialect, line):
    assert line in snippet(dialect, classes=0).code
    assert line not in snippet(dialect).code


def test_the_way_to_the_state_dict_and_its_prefix_stand_in_the_code():
    code = snippet("original", prefix="module.", path="ema/shadow").code
    assert 'checkpoint["ema"]["shadow"]' in code
    assert 'key.startswith("module.")' in code


def test_names_of_the_file_stand_in_the_code_as_literals():
    code = snippet("original", prefix='x"]; import os #\n.', path='p"] + evil["').code
    assert "import os #\n" not in code
    assert "\n." not in code


@pytest.mark.parametrize("dialect", ["original", "torchvision", "hugging face"])
def test_what_the_code_cannot_build_is_a_caution(dialect):
    settings = {"kernel_size": 5, "expansion": 3, "pointwise_convolutions": True}
    cautions = " ".join(snippet(dialect, **settings).cautions)
    for name, found in settings.items():
        assert f"{name} is {found!r} in the file" in cautions
        assert name not in " ".join(snippet(dialect).cautions)


def test_what_no_weight_tells_is_a_caution():
    cautions = " ".join(snippet("timm").cautions)
    assert "input_size is [224, 224] by assumption" in cautions
    assert "stochastic depth" in cautions
    assert "SimpleNorm" in " ".join(snippet("timm", norm="RMSNorm").cautions)


def test_a_network_that_cannot_be_built_has_no_code():
    shapes = shapes_of(FAMILY.keys(FAMILY.configure(SMALL)))
    shapes = {key: (0,) * len(shape) for key, shape in shapes.items()}
    architecture = FAMILY.infer(NetworkView(state_dict_of(shapes), ""))
    assert architecture.settings is None
    assert FAMILY.snippets(architecture) == ()
