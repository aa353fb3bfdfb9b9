"""Initial values: as each family's code sets them, and the same on every run."""

import math
import struct
from array import array

import pytest
from builders.convnextpose import SMALL, shapes

from ckptscope.errors import UsageError
from ckptscope.facts.carved_file import Distribution, Initial
from ckptscope.families.initial import initial_of, initialisation_of
from ckptscope.families.registry import KNOWN_NAMES
from ckptscope.tensors.initial_values import initial_pieces


def normal(deviation: float) -> Initial:
    return Initial(kind=Distribution.NORMAL, value=deviation)


def constant(value: float) -> Initial:
    return Initial(kind=Distribution.CONSTANT, value=value)


def drawn(initial: Initial, elements: int, key: str = "w", dtype: str = "float32") -> bytes:
    return b"".join(initial_pieces(initial, key, elements, dtype))


@pytest.mark.parametrize(
    ("key", "shape", "initial"),
    [
        ("backbone.downsample_layers.0.0.weight", (40, 3, 4, 4), normal(0.02)),
        ("backbone.stages.0.0.pwconv1.weight", (160, 40), normal(0.02)),
        ("backbone.stages.0.0.pwconv1.bias", (160,), constant(0)),
        ("backbone.stages.0.0.gamma", (40,), constant(1e-6)),
        ("backbone.stages.0.0.grn.gamma", (1, 1, 1, 160), constant(0)),
        ("backbone.stages.0.0.grn.beta", (1, 1, 1, 160), constant(0)),
        ("backbone.stages.0.0.norm.weight", (40,), constant(1)),
        ("backbone.stages.0.0.norm.bias", (40,), constant(0)),
        ("backbone.stages.0.0.norm.running_mean", (40,), constant(0)),
        ("backbone.stages.0.0.norm.running_var", (40,), constant(1)),
        ("backbone.stages.0.0.norm.num_batches_tracked", (), constant(0)),
        ("head.final_layer.weight", (576, 128, 1, 1), normal(0.001)),
        ("head.final_layer.bias", (576,), constant(0)),
    ],
)
def test_a_network_for_poses_begins_as_its_code_has_it(key, shape, initial):
    assert initial_of("convnextpose", key, shape) == initial


def test_other_families_draw_their_weights_in_their_own_ways():
    weight = (64, 3, 7, 7)
    assert initial_of("convnext", "head.weight", (10, 40)) == normal(0.02)
    assert initial_of("convnext", "stages.0.blocks.0.mlp.grn.weight", (160,)) == constant(0)
    assert initial_of("convnext", "features.1.0.layer_scale", (40, 1, 1)) == constant(1e-6)
    for family in ("posenet", "rootnet"):
        assert initial_of(family, "backbone.conv1.weight", weight) == normal(0.001)
    assert initial_of("resnet", "conv1.weight", weight) == normal(math.sqrt(2 / (64 * 49)))
    uniform = initial_of("resnet", "fc.weight", (10, 400))
    assert uniform == Initial(kind=Distribution.UNIFORM, value=0.05)


def test_every_known_family_has_values_and_another_is_refused():
    for name in KNOWN_NAMES:
        assert initialisation_of(name)
    with pytest.raises(UsageError, match=r"known \(convnext.*found 'other'"):
        initial_of("other", "w", (2, 2))


def test_every_tensor_of_a_network_has_finite_values():
    for key, shape in shapes(SMALL).items():
        size = math.prod(shape)
        values = array("f", drawn(initial_of("convnextpose", key, shape), size, key))
        assert len(values) == size
        assert all(map(math.isfinite, values))


def test_normal_values_have_their_mean_and_deviation():
    values = array("f", drawn(normal(0.02), 100_000))
    mean = sum(values) / len(values)
    deviation = math.sqrt(sum((one - mean) ** 2 for one in values) / len(values))
    assert abs(mean) < 0.0005
    assert abs(deviation - 0.02) < 0.0005
    assert max(values) > 0.06


def test_uniform_values_fill_their_bounds_and_leave_none():
    initial = Initial(kind=Distribution.UNIFORM, value=0.5)
    values = array("f", drawn(initial, 10_000))
    assert -0.5 <= min(values) < -0.49
    assert 0.49 < max(values) <= 0.5


def test_a_name_gives_the_same_values_on_every_run_and_another_gives_others():
    first = drawn(normal(1), 3)
    assert first == drawn(normal(1), 3)
    assert drawn(normal(1), 2) == first[:8]
    assert first != drawn(normal(1), 3, key="v")
    # The generator of Python promises these numbers for this seed.
    assert [round(one, 4) for one in struct.unpack("<3f", first)] == PROMISED


#: First numbers of the name `w`, drawn once.
PROMISED = [1.5489, 0.2814, 0.734]


@pytest.mark.parametrize(("dtype", "item"), [("float64", 8), ("float16", 2), ("bfloat16", 2)])
def test_every_floating_type_holds_them(dtype, item):
    assert len(drawn(normal(1), 70_000, dtype=dtype)) == 70_000 * item
    ones = drawn(constant(1), 2, dtype=dtype)
    expected = {"float64": struct.pack("<2d", 1, 1), "float16": b"\0\x3c" * 2}
    assert ones == expected.get(dtype, b"\x80\x3f" * 2)


def test_counters_are_zero():
    assert drawn(constant(0), 1, dtype="int64") == bytes(8)
    assert drawn(constant(0), 100_000, dtype="int64") == bytes(800_000)


def test_nothing_is_drawn_for_a_tensor_without_elements():
    assert drawn(normal(1), 0) == b""
