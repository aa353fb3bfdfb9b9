"""What the families PoseNet and RootNet say of whole, odd and damaged state_dicts."""

import pytest
from builders.state_dicts import shapes_of, state_dict_of

from ckptscope.errors import UsageError
from ckptscope.facts.architecture import Architecture
from ckptscope.facts.claims import Claim, Rule
from ckptscope.facts.tensors import Origin
from ckptscope.families.base import Given
from ckptscope.families.known.posenet import PoseNet
from ckptscope.families.known.rootnet import RootNet
from ckptscope.families.probe import infer_architectures

POSENET, ROOTNET = PoseNet(), RootNet()
Shapes = dict[str, tuple[int, ...]]


def shapes(family=POSENET, **settings) -> Shapes:
    if family is POSENET and not {"joints", "final_channels"} & settings.keys():
        settings["joints"] = 18
    return shapes_of(family.keys(family.configure({"backbone": "ResNet-50", **settings})))


def infer(tensors: Shapes, *, prefix: str = "", stated=None, claims=(), **options) -> Architecture:
    given = Given(stated=stated or {}, claims=claims)
    (found,) = infer_architectures(state_dict_of(tensors, prefix=prefix, **options), given)
    return found


def value(architecture: Architecture, name: str):
    fact = architecture.fact(name)
    assert fact is not None, name
    return fact.value


def origin(architecture: Architecture, name: str) -> Origin:
    fact = architecture.fact(name)
    assert fact is not None, name
    return fact.origin


def said(architecture: Architecture) -> str:
    return "\n".join(architecture.misfits)


def claim(fact: str, claimed, subject: str = "some row") -> Claim:
    return Claim(subject=subject, rule=Rule(attribute=fact, fact=fact), value=claimed, source="x")


@pytest.mark.parametrize("backbone", ["ResNet-18", "ResNet-50", "ResNet-152", "ResNeXt-50 32x4d"])
@pytest.mark.parametrize("prefix", ["", "module."])
@pytest.mark.parametrize("family", [POSENET, ROOTNET], ids=lambda one: one.name)
def test_every_trunk_is_recognised_under_any_prefix(family, backbone: str, prefix: str) -> None:
    found = infer(shapes(family, backbone=backbone), prefix=prefix)
    assert (found.family, found.prefix, found.coverage) == (family.name, prefix, 1.0)
    assert value(found, "backbone") == backbone
    assert found.misfits == ()
    assert found.settings is not None
    assert family.settings(family.configure(found.settings)) == found.settings


@pytest.mark.parametrize(
    ("joints", "parameters"), [(17, 34_274_944), (18, 34_291_392), (21, 34_340_736)]
)
def test_parameters_and_joints_of_the_released_networks(joints: int, parameters: int) -> None:
    found = infer(shapes(joints=joints), prefix="module.")
    assert value(found, "final_channels") == joints * 64
    assert (value(found, "joints"), value(found, "depth_bins")) == (joints, 64)
    assert value(found, "parameters") == parameters
    assert origin(found, "parameters") is Origin.DERIVED
    assert value(found, "backbone_parameters") == 23_508_032


def test_what_no_shape_says_is_assumed_with_its_reasons() -> None:
    found = infer(shapes())
    assumed = {fact.name for fact in found.facts if fact.origin is Origin.ASSUMED}
    assert assumed == {"joints", "depth_bins", "upsampling", "input_size", "heatmap", "macs"}
    for fact in found.facts:
        assert bool(fact.assumptions) == (fact.name in assumed), fact.name
    assert value(found, "upsampling") == (True, True, True)
    assert value(found, "input_size") == (256, 256)
    assert value(found, "heatmap") == (64, 64)
    assert value(found, "head_in_channels") == (2048, 256, 256)
    assert value(found, "head_out_channels") == (256, 256, 256)
    assert value(found, "head_kernels") == (4, 4, 4)
    assert value(found, "head_layers") == 3


def test_the_division_is_ranked_by_cube_rule_and_joint_sets() -> None:
    (ranking,) = infer(shapes(joints=18)).rankings
    assert ranking.question == "joints × depth bins of 1152 final channels"
    pairs = [(one.values["joints"], one.values["depth_bins"]) for one in ranking.candidates]
    assert pairs[0] == (18, 64)
    # 16 is MPII's set and has 72 bins; 36 × 32 has nothing for it.
    assert pairs.index((16, 72)) < pairs.index((36, 32))
    assert all(joints * bins == 1152 for joints, bins in pairs)
    assert ranking.ties == 0
    # 1152 is 2^7 × 3^2, which has 8 × 3 divisors.
    assert len(pairs) + ranking.left_out == 24
    first, second = ranking.candidates[:2]
    assert first.speaks_for == (
        "cube rule: 64 depth bins, as many as the heatmap is wide",
        "known joint set: 18 of Human3.6M (17 and a thorax)",
    )
    assert first.speaks_against == ()
    assert second.speaks_against == ("cube rule: the heatmap is 64 wide, not 72",)


def test_joints_show_what_else_they_could_be() -> None:
    fact = infer(shapes(joints=18)).fact("joints")
    assert fact is not None
    assert fact.evidence[0].text == "1152 = 18 × 64"
    assert fact.evidence[0].key == "head.final_layer.weight"
    assert [one.value for one in fact.alternatives] == [16, 9, 36]
    assert fact.decided_by


def test_a_heatmap_of_another_size_moves_the_cube_rule() -> None:
    found = infer(shapes(joints=18), stated={"input_size": (128, 128)})
    assert value(found, "heatmap") == (32, 32)
    # 18 is known for 64 bins, and 36 × 32 keeps the cube rule: neither has more for it.
    (ranking,) = found.rankings
    assert ranking.ties >= 1
    assert (value(found, "joints"), value(found, "depth_bins")) == (36, 32)


def test_claims_help_to_rank_and_stay_assumptions() -> None:
    claims = (claim("joints", 36), claim("depth_bins", 32), claim("parameters", 1))
    found = infer(shapes(joints=18), claims=claims)
    assert (value(found, "joints"), value(found, "depth_bins")) == (36, 32)
    assert origin(found, "joints") is Origin.ASSUMED
    (ranking,) = found.rankings
    assert "joints 36 of some row (x)" in ranking.candidates[0].speaks_for
    authors = next(one for one in ranking.candidates if one.values["joints"] == 18)
    assert "joints 36 of some row (x)" in authors.speaks_against


def test_a_claim_that_no_division_meets_decides_nothing() -> None:
    found = infer(shapes(joints=18), claims=(claim("joints", 17),))
    assert value(found, "joints") == 18


def test_a_stated_joint_set_decides() -> None:
    found = infer(shapes(joints=18), stated={"joints": 36})
    assert (value(found, "joints"), value(found, "depth_bins")) == (36, 32)
    assert (origin(found, "joints"), origin(found, "depth_bins")) == (Origin.STATED, Origin.STATED)
    assert found.misfits == ()


def test_stated_depth_bins_decide() -> None:
    assert value(infer(shapes(joints=18), stated={"depth_bins": 32}), "joints") == 36


def test_stated_joints_that_divide_nothing_are_contradicted() -> None:
    found = infer(shapes(joints=18), prefix="module.", stated={"joints": 17})
    assert (value(found, "joints"), origin(found, "joints")) == (18, Origin.ASSUMED)
    assert "joints 17, as stated, does not divide the 1152 final channels" in said(found)
    assert "'module.head.final_layer.weight'" in said(found)


def test_stated_final_channels_that_the_file_contradicts_are_said() -> None:
    found = infer(shapes(joints=18), stated={"final_channels": 1088})
    assert value(found, "final_channels") == 1152
    assert "final_channels is 1088 as stated, and 1152 in the file" in said(found)


def test_channels_with_nothing_for_any_division_stay_undetermined() -> None:
    found = infer(shapes(final_channels=11 * 13))
    fact = found.fact("joints")
    assert fact is not None
    assert (fact.value, fact.origin) == (None, Origin.UNDETERMINED)
    assert {one.value for one in fact.alternatives} <= {1, 11, 13, 143}
    assert found.settings is not None
    assert (found.settings["undivided"], found.settings["joints"]) == (143, None)
    assert found.counts is not None
    assert value(found, "parameters") == found.counts.parameters
    assert POSENET.snippets(found) == ()


def test_a_lost_final_layer_leaves_the_outputs_undetermined() -> None:
    tensors = {k: v for k, v in shapes().items() if "final_layer" not in k}
    found = infer(tensors)
    assert (value(found, "final_channels"), value(found, "joints")) == (None, None)
    assert (found.settings, found.counts, found.rankings) == (None, None, ())
    assert value(found, "backbone") == "ResNet-50"
    assert "no 'head.final_layer': the outputs are lost" in found.reasons
    stated = infer(tensors, stated={"joints": 18, "depth_bins": 64})
    assert value(stated, "joints") == 18
    assert stated.settings is not None
    assert stated.differences.missing == ("head.final_layer.weight", "head.final_layer.bias")


def test_a_head_with_a_lost_layer_has_a_gap() -> None:
    tensors = {
        k: v
        for k, v in shapes().items()
        if not k.startswith(("head.deconv_layers.3", "head.deconv_layers.4"))
    }
    found = infer(tensors)
    assert value(found, "head_layers") == 3
    assert origin(found, "head_layers") is Origin.ASSUMED
    assert found.differences.missing[0] == "head.deconv_layers.3.weight"
    assert value(found, "head_out_channels") == (256, 256, 256)


def test_a_head_cut_off_behind_its_first_layer_has_one() -> None:
    gone = tuple(f"head.deconv_layers.{i}" for i in (3, 4, 6, 7))
    found = infer({k: v for k, v in shapes().items() if not k.startswith(gone)})
    assert value(found, "head_out_channels") == (256,)
    assert value(found, "heatmap") == (16, 16)
    assert found.misfits == ()


def test_a_trunk_that_does_not_fit_its_head_is_named() -> None:
    tensors = {k: v for k, v in shapes().items() if not k.startswith("backbone.layer4.")}
    found = infer(tensors)
    assert value(found, "dims") == (256, 512, 1024)
    assert "head.deconv_layers.0.weight [2048, 256, 4, 4], expected [1024, 256, 4, 4]" in said(
        found
    )


def test_without_its_head_the_file_is_a_resnet_trunk() -> None:
    found = infer({k: v for k, v in shapes().items() if k.startswith("backbone.")})
    assert (found.family, found.prefix, found.coverage) == ("resnet", "backbone.", 1.0)


def test_the_resnet_in_a_posenet_is_its_rival() -> None:
    (found,) = infer_architectures(state_dict_of({**shapes(), "more": (1,)}, prefix="module."))
    assert found.family == "posenet"
    assert found.rivals == (("resnet", 318 / 339),)


def test_numbers_of_layers_without_end_are_cut() -> None:
    """Each layer doubles the plane: of thousands the size alone would fill the memory."""
    endless = {f"head.deconv_layers.{3 * k}.weight": (256, 256, 4, 4) for k in range(3, 100_000)}
    found = infer({**shapes(), **endless})
    assert value(found, "head_layers") == 16
    assert len(found.differences.unexpected) == 100_000 - 16


def test_a_rootnet_is_no_posenet_and_the_other_way_round() -> None:
    assert infer(shapes(ROOTNET)).family == "rootnet"
    assert infer(shapes(POSENET)).family == "posenet"


def test_a_file_that_holds_both_holds_two_networks() -> None:
    pose = {f"pose.{k}": v for k, v in shapes().items()}
    root = {f"root_net.{k}": v for k, v in shapes(ROOTNET).items()}
    found = infer_architectures(state_dict_of({**pose, **root}))
    assert [(one.family, one.prefix) for one in found] == [
        ("rootnet", "root_net."),
        ("posenet", "pose."),
    ]


def test_a_rootnet_has_two_outputs_and_no_joints() -> None:
    found = infer(shapes(ROOTNET), prefix="module.")
    assert found.fact("joints") is None
    tensors = shapes(ROOTNET)
    assert tensors["root.xy_layer.weight"] == (1, 256, 1, 1)
    assert tensors["root.depth_layer.weight"] == (1, 2048, 1, 1)
    # Trunk, three transposed convolutions with their norms, two outputs with a bias.
    convolutions = 2048 * 256 * 16 + 2 * 256 * 256 * 16 + 3 * 512
    assert value(found, "parameters") == 23_508_032 + convolutions + 257 + 2049
    assert "layers for the outputs: 'root.xy_layer' and 'root.depth_layer'" in found.reasons


def test_a_rootnet_with_a_lost_output_misses_it() -> None:
    tensors = {k: v for k, v in shapes(ROOTNET).items() if "depth_layer" not in k}
    found = infer(tensors)
    assert found.differences.missing == ("root.depth_layer.weight", "root.depth_layer.bias")


@pytest.mark.parametrize("family", [POSENET, ROOTNET], ids=lambda one: one.name)
def test_old_files_without_counters_fit(family) -> None:
    tensors = {k: v for k, v in shapes(family).items() if not k.endswith("_tracked")}
    found = infer(tensors)
    assert found.differences.is_empty
    assert len(found.differences.tolerated) == 56
    assert len(found.misfits) == 1


@pytest.mark.parametrize(
    ("stated", "message"),
    [
        ({"classes": 1000}, "posenet has no setting 'classes'"),
        ({"joints": 0}, "expected 'joints' between 1 and"),
        ({"joints": 18, "final_channels": 100}, "expected 'final_channels' to be 18 × ..."),
        ({"upsampling": (True,)}, "as many values of 'upsampling' as of 'head_out_channels'"),
        ({"joints": "many"}, "posenet: 'joints': expected `int | null`, got `str`"),
    ],
)
def test_a_stated_setting_that_cannot_be_is_an_error(stated, message: str) -> None:
    with pytest.raises(UsageError) as raised:
        infer(shapes(), stated=stated)
    assert message in str(raised.value)


def test_the_snippet_names_what_the_authors_configuration_needs() -> None:
    found = infer(shapes(joints=21), prefix="module.")
    (snippet,) = POSENET.snippets(found)
    assert "cfg.resnet_type = 50" in snippet.code
    assert "cfg.depth_dim = 64" in snippet.code
    assert "cfg.output_shape = (64, 64)" in snippet.code
    assert "model = get_pose_net(cfg, False, 21)" in snippet.code
    assert 'if key.startswith("module.")' in snippet.code
    compile(snippet.code, "snippet", "exec")
    for name in (
        "21 joints × 64 depth bins are an assumption",
        "upsampling is",
        "input_size is",
        "strides",
    ):
        assert any(name in caution for caution in snippet.cautions), name


def test_the_snippet_says_what_the_authors_head_fixes() -> None:
    (snippet,) = POSENET.snippets(infer(shapes(backbone="ResNet-18", head_width=128)))
    assert "HeadNet fixes self.inplanes at 2048: change it to 512" in snippet.cautions
    (snippet,) = ROOTNET.snippets(infer(shapes(ROOTNET)))
    assert "model = get_pose_net(cfg, False)" in snippet.code
    assert not any("fixes" in caution for caution in snippet.cautions)
    assert any("second input, k" in caution for caution in snippet.cautions)


def test_a_trunk_that_the_authors_code_cannot_build_gets_no_snippet() -> None:
    assert POSENET.snippets(infer(shapes(backbone="ResNeXt-50 32x4d"))) == ()
    assert ROOTNET.snippets(infer(shapes(ROOTNET, backbone="Wide ResNet-50-2"))) == ()
