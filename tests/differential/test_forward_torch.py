"""The paper's variants, at their full size: against torch.load and plain functional calls."""

import pytest

torch = pytest.importorskip("torch")

import numpy as np  # noqa: E402
from builders import torch_references as references  # noqa: E402
from hypothesis import given  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from ckptscope.facts.claims import Verdict  # noqa: E402
from ckptscope.facts.trace import PassRequest  # noqa: E402
from ckptscope.families.registry import find_family  # noqa: E402
from ckptscope.families.trunks.convnext import NAMED_SIZES  # noqa: E402
from ckptscope.families.trunks.resnet import NAMED_TRUNKS  # noqa: E402
from ckptscope.forward.build import build_network  # noqa: E402
from ckptscope.forward.shapes import ShapeRules  # noqa: E402
from ckptscope.pipeline.choosing import Choice  # noqa: E402
from ckptscope.pipeline.forwarding import forward  # noqa: E402
from ckptscope.writers.torch_zip import write_torch_zip  # noqa: E402
from fixtures.checkpoint import Recipe, network  # noqa: E402
from fixtures.convnextpose import VARIANTS  # noqa: E402

pytestmark = pytest.mark.torch

#: Of the paper's table: upsampling, parameters, thousandths of a GMAC.
ROWS = {
    "XS": ((True, True, False), 3_528_008, 815),
    "S": ((True, True, False), 7_438_976, 1738),
    "M": ((True, True, True), 7_587_008, 2795),
    "L": ((True, True, True), 8_380_352, 4264),
}


@pytest.mark.parametrize("row", ROWS)
def test_a_variant_computes_what_torch_does_with_the_same_weights_bit_for_bit(
    row, tmp_path
) -> None:
    upsampling, parameters, milli = ROWS[row]
    variant = VARIANTS[row]
    recipe = Recipe(label=row, configuration=variant.configuration, location="cpu", optimizer=False)
    path = tmp_path / f"ConvNeXtPose_{row}.pth"
    write_torch_zip(path, {"network": network(recipe)}, root="archive")
    values = torch.load(path, weights_only=True)["network"]
    state = {key.removeprefix("module."): tensor for key, tensor in values.items()}
    x = torch.randn((1, 3, 256, 256), generator=torch.Generator().manual_seed(11))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with torch.no_grad():
        expected = references.pose(state, x, upsampling)
        places = references.soft_argmax(
            expected, variant.configuration.joints, variant.configuration.depth_bins
        )
    torch.set_num_threads(threads)
    report = forward(path, request=PassRequest(seed=11, threads=1), save=tmp_path / "out.npy")
    assert np.array_equal(np.load(tmp_path / "out.npy"), expected.numpy())
    found = [[one.x, one.y, one.z] for one in report.coordinates]
    assert torch.equal(torch.tensor(found), places[0])
    assert (report.parameters, round(report.macs.layers / 1e6)) == (parameters, milli)
    assert report.macs.agree
    assert report.upsampling is not None
    assert (report.upsampling.verdict, report.upsampling.best) == (Verdict.MATCHES, upsampling)
    assert report.read_bytes == 0


@pytest.mark.parametrize(
    ("family", "settings"),
    [
        *(("convnext", {"backbone": name}) for name in NAMED_SIZES),
        *(("convnext", {"backbone": name, "version": "v2"}) for name in NAMED_SIZES),
        *(("resnet", {"backbone": name}) for name in NAMED_TRUNKS),
        *(("posenet", {"backbone": f"ResNet-{n}", "joints": 18}) for n in (18, 50, 101, 152)),
        *(("rootnet", {"backbone": f"ResNet-{n}"}) for n in (18, 50, 101, 152)),
    ],
    ids=str,
)
def test_every_named_network_can_be_built_and_counts_as_its_family_says(family, settings) -> None:
    known = find_family(family)
    configuration = known.configure(settings)
    made = build_network(known, configuration, known.dialects[0])
    counts = known.count(configuration)
    with ShapeRules() as rules:
        made(torch.empty((1, made.input_channels, *configuration.input_size), device="meta"))
    assert rules.get_total_flops() == 2 * counts.macs
    assert sum(parameter.numel() for parameter in made.parameters()) == counts.parameters
    assert sum(buffer.numel() for buffer in made.buffers()) == counts.buffers


@st.composite
def pose_settings(draw):
    stages, layers = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    size = st.integers(1, 9)
    return {
        "dims": tuple(draw(size) for _ in range(stages)),
        "depths": tuple(draw(st.integers(1, 3)) for _ in range(stages)),
        "head_out_channels": tuple(draw(size) for _ in range(layers)),
        "head_kernels": tuple(draw(st.integers(1, 7)) for _ in range(layers)),
        "joints": draw(size),
        "depth_bins": draw(size),
        "upsampling": tuple(draw(st.booleans()) for _ in range(layers)),
        "kernel_size": draw(st.sampled_from([3, 5, 7])),
        "expansion": draw(st.integers(1, 4)),
        "norm": draw(st.sampled_from(["BatchNorm2d", "LayerNorm"])),
        "stem_kernel": draw(st.sampled_from([2, 4])),
        "layer_scale": draw(st.booleans()),
        "grn": draw(st.booleans()),
        "input_channels": draw(st.integers(1, 4)),
    }


@given(pose_settings())
def test_any_pose_network_has_the_keys_and_the_counts_that_its_family_gives(settings) -> None:
    family = find_family("convnextpose")
    stride = settings["stem_kernel"] * 2 ** (len(settings["dims"]) - 1)
    size = (2 * stride, stride)
    configuration = family.configure({**settings, "input_size": size})
    made = build_network(family, configuration, "named")
    assert made.stride == stride
    assert {key: tuple(value.shape) for key, value in made.state_dict().items()} == {
        row.key: row.shape for row in family.keys(configuration)
    }
    with ShapeRules() as rules:
        output = made(torch.empty((1, settings["input_channels"], *size), device="meta"))
    assert rules.get_total_flops() == 2 * family.count(configuration).macs
    assert tuple(output.shape[2:]) == configuration.heatmap


def test_an_input_of_other_sides_moves_the_trace_and_not_the_claims(tmp_path) -> None:
    recipe = Recipe(label="XS", configuration=VARIANTS["XS"].configuration, optimizer=False)
    path = tmp_path / "ConvNeXtPose_XS.pth"
    write_torch_zip(path, {"network": network(recipe)}, root="archive")
    request = PassRequest(size=(384, 288), device="meta")
    report = forward(path, request=request, choice=Choice())
    assert report.output_shape == (1, 576, 48, 36)
    assert report.upsampling is not None
    assert (report.upsampling.verdict, report.upsampling.input_size) == (
        Verdict.MATCHES,
        (256, 256),
    )
    assert report.macs.agree
