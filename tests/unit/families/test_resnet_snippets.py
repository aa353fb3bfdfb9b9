"""The code that loads a ResNet: torchvision's functions, its class, and what it cannot build."""

import pytest
from builders.state_dicts import shapes_of, state_dict_of

from ckptscope.facts.architecture import Snippet
from ckptscope.families.known.resnet import ResNet
from ckptscope.families.loading_code import literal, path_lookups
from ckptscope.families.probe import infer_architectures

FAMILY = ResNet()


def snippets(*, prefix: str = "", path: str = "network", lose: str = "", **settings):
    tensors = shapes_of(FAMILY.keys(FAMILY.configure({"backbone": "ResNet-50", **settings})))
    tensors.pop(lose, None)
    (found,) = infer_architectures(state_dict_of(tensors, prefix=prefix, path=path))
    return FAMILY.snippets(found)


def snippet(**options) -> Snippet:
    (found,) = snippets(**options)
    compile(found.code, "snippet", "exec")
    return found


def built(**options) -> str:
    """The lines that build the network."""
    return snippet(**options).code.partition("\n\ncheckpoint = ")[0].partition("\n\n")[2]


@pytest.mark.parametrize(
    ("settings", "lines"),
    [
        ({}, "model = resnet50(num_classes=1000)"),
        ({"backbone": "ResNet-18", "classes": 10}, "model = resnet18(num_classes=10)"),
        ({"backbone": "ResNeXt-101 64x4d"}, "model = resnext101_64x4d(num_classes=1000)"),
        ({"backbone": "Wide ResNet-50-2"}, "model = wide_resnet50_2(num_classes=1000)"),
        ({"classes": 0}, "model = resnet50()\nmodel.fc = torch.nn.Identity()"),
        (
            {"depths": (3, 4, 7, 3)},
            "model = ResNet(Bottleneck, [3, 4, 7, 3], num_classes=1000)",
        ),
        (
            {"groups": 32, "width_per_group": 8, "classes": 5},
            "model = ResNet(Bottleneck, [3, 4, 6, 3], groups=32, width_per_group=8, num_classes=5)",
        ),
        (
            {"input_channels": 1},
            "model = resnet50(num_classes=1000)\n"
            "model.conv1 = torch.nn.Conv2d(1, 64, 7, stride=2, padding=3, bias=False)",
        ),
    ],
)
def test_torchvision_builds_what_it_can(settings, lines: str) -> None:
    assert built(**settings) == lines


@pytest.mark.parametrize(
    "settings",
    [
        {"stem_width": 32},
        {"block": "BasicBlock", "dims": (32, 64, 128, 256), "depths": (2, 2, 2, 2)},
        {"group_dims": (64, 128, 256, 500)},
        {"block": "Bottleneck", "dims": (256, 512), "depths": (3, 4), "group_dims": (64, 128)},
    ],
)
def test_sizes_that_torchvision_cannot_build_get_no_code(settings) -> None:
    settings = {"backbone": "ResNet-50", **settings} if "block" not in settings else settings
    tensors = shapes_of(FAMILY.keys(FAMILY.configure(settings)))
    (found,) = infer_architectures(state_dict_of(tensors))
    assert found.misfits == ()
    assert FAMILY.snippets(found) == ()


def test_the_prefix_is_cut_off_and_the_path_followed() -> None:
    code = snippet(prefix="module.", path="model/state").code
    assert 'state_dict = checkpoint["model"]["state"]' in code
    assert "key[7:]: tensor" in code
    assert 'if key.startswith("module.")' in code
    assert "state_dict = checkpoint\nmodel" in snippet(path="").code


def test_a_path_taken_apart_at_slashes_is_a_caution() -> None:
    assert any("at each slash" in text for text in snippet(path="a/b").cautions)
    assert not any("at each slash" in text for text in snippet(path="a").cautions)


@pytest.mark.parametrize("prefix", ['a"b.', "a'b.", "a\n.", "\x1b[2J.", "\udc80.", "é.", "\\."])
def test_names_of_the_file_stand_as_literals(prefix: str) -> None:
    code = snippet(prefix=prefix, path=prefix).code
    assert code.isascii()
    assert all(line.isprintable() for line in code.splitlines())
    assert eval(literal(prefix)) == prefix
    # A subscript by itself is a list.
    assert eval(path_lookups(prefix)) == [prefix]


def test_what_is_assumed_or_does_not_load_is_a_caution() -> None:
    cautions = snippet(lose="layer4.0.conv1.weight").cautions
    assert any("input_size is [224, 224] by assumption" in text for text in cautions)
    assert any("load_state_dict will complain of 1 keys" in text for text in cautions)
    assert any("strides" in text for text in cautions)


def test_another_stem_is_a_caution() -> None:
    assert any("3×3 is not torchvision's" in text for text in snippet(stem_kernel=3).cautions)
