"""Code that loads a ConvNeXtPose, and what is said beside it; torch runs it elsewhere."""

import ast

import pytest
from builders.convnextpose import FAMILY, SMALL, infer, shapes, without
from builders.state_dicts import state_dict_of
from msgspec.structs import replace

from ckptscope.facts.architecture import Architecture, Snippet
from ckptscope.families.view import NetworkView

UNIFORM = replace(SMALL, head_out_channels=(10, 10, 10))


def snippets(architecture: Architecture) -> tuple[Snippet, ...]:
    found = FAMILY.snippets(architecture)
    for one in found:
        ast.parse(one.code)
        assert one.language == "python"
        assert not one.code.endswith("\n")
    return found


def test_the_authors_code_and_its_fork_take_what_their_configurations_name() -> None:
    authors, fork = snippets(infer(shapes(UNIFORM)))
    assert "cfg.backbone_cfg = ([2, 2, 5, 2], [4, 6, 8, 12])" in authors.code
    for line in ("cfg.depth = 10", "cfg.depth_dim = 32", "cfg.output_shape = (32, 32)"):
        assert line in authors.code.splitlines()
    assert "head_cfg" not in authors.code
    assert '"num_deconv_layers": 3' in fork.code
    assert '"deconv_channels": [10, 10, 10]' in fork.code
    assert '"deconv_kernels": [3, 3, 3]' in fork.code
    for one in (authors, fork):
        assert "weights_only=True" in one.code
        assert "strict=True" in one.code
        assert "joint_num=18" in one.code


def test_what_has_no_weights_is_said_with_what_was_assumed() -> None:
    for one in snippets(infer(shapes(UNIFORM))):
        said = "\n".join(one.cautions)
        assert "18 joints × 32 depth bins are assumed: the cube rule" in said
        assert "upsampling is [True, True, False] by assumption" in said
        assert "input_size is [256, 256] by assumption" in said


def test_layers_that_upsample_against_the_codes_habit_are_set() -> None:
    three = infer(shapes(replace(UNIFORM, depth_bins=64)))
    authors, fork = snippets(three)
    line = "model.head.deconv_layers_3.upsample1 = torch.nn.UpsamplingBilinear2d(scale_factor=2)"
    assert line in authors.code
    assert "upsample1" not in fork.code
    authors, fork = snippets(infer(shapes(UNIFORM)))
    assert "upsample1" not in authors.code
    assert "model.head.deconv_layers[2].upsample1 = torch.nn.Identity()" in fork.code
    assert fork.cautions[0].startswith("the code upsamples yes, yes, yes by itself")


def test_the_fork_alone_builds_uneven_heads() -> None:
    (fork,) = snippets(infer(shapes()))
    assert '"deconv_channels": [10, 14, 16]' in fork.code


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"kernel_size": 5}, "kernel_size is 5 in the file"),
        ({"norm": "LayerNorm"}, "norm is 'LayerNorm' in the file"),
        ({"grn": True}, "grn is True in the file"),
        ({"input_channels": 1}, "input_channels is 1 in the file"),
        ({"head_kernels": (9, 9, 9)}, "kernels [9, 9, 9]; no code is known"),
        ({"dims": (4, 6, 8), "depths": (1, 1, 1)}, "the file has 3 stages"),
    ],
)
def test_what_no_code_base_builds_is_said_beside_code_for_the_tensors(
    changes: dict[str, object], words: str
) -> None:
    (alone,) = snippets(infer(shapes(replace(SMALL, **changes))))
    assert words in alone.cautions[0]
    assert "get_pose_net" not in alone.code
    assert "state_dict" in alone.code


def test_a_network_that_cannot_be_built_has_no_code() -> None:
    assert snippets(infer(without(shapes(), "final_layer"))) == ()
    assert snippets(infer({})) == ()


def test_channels_that_cannot_be_divided_still_load_and_say_so() -> None:
    unknown = replace(UNIFORM, joints=None, depth_bins=None, undivided=416)
    authors, _ = snippets(infer(shapes(unknown)))
    assert "joint_num=416" in authors.code
    assert "cfg.depth_dim = 1" in authors.code
    assert "output_shape" not in authors.code
    said = "\n".join(authors.cautions)
    assert "how 416 final channels divide" in said
    assert "which layers upsample cannot be told" in said


HOSTILE = 'x"]; import os; os.system("id"); y["\n\\\'\u202e'


@pytest.mark.parametrize("where", ["prefix", "path"])
def test_names_of_the_file_stand_in_the_code_as_literals(where: str) -> None:
    prefix = f"{HOSTILE}." if where == "prefix" else "module."
    path = HOSTILE if where == "path" else "network"
    view = NetworkView(state_dict_of(shapes(UNIFORM), path=path, prefix=prefix), prefix)
    for one in snippets(FAMILY.infer(view)):
        assert one.code.isascii()
        texts = {
            node.value
            for node in ast.walk(ast.parse(one.code))
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
        }
        assert (prefix if where == "prefix" else path) in texts
        imports = [
            alias.name
            for node in ast.walk(ast.parse(one.code))
            if isinstance(node, ast.Import)
            for alias in node.names
        ]
        assert imports == ["torch"]


def test_what_load_state_dict_will_miss_is_said() -> None:
    for one in snippets(infer(without(shapes(UNIFORM), "stages.2.3."))):
        assert any("will complain of 10 keys" in text for text in one.cautions)


def test_a_head_under_two_names_is_not_renamed_onto_itself() -> None:
    again = {k: s for k, s in shapes(UNIFORM, "list").items() if k.startswith("head.")}
    authors, _ = snippets(infer(shapes(UNIFORM) | again))
    assert "renamed" not in authors.code
