"""ConvNeXtPose networks for tests: small configurations, their files, and what is inferred of them."""

import random
from collections.abc import Callable, Mapping

from builders.state_dicts import Shape, shapes_of, state_dict_of
from ckptscope.facts.architecture import Architecture, Fact, FactValue
from ckptscope.facts.claims import Claim, Rule
from ckptscope.families.base import Given
from ckptscope.families.known.convnextpose import ConvNeXtPose
from ckptscope.families.known.convnextpose.configuration import (
    DIALECTS,
    JOINT_SETS,
    ConvNeXtPoseConfiguration,
)
from ckptscope.families.trunks.convnext import BATCH_NORM, LAYER_NORM
from ckptscope.families.view import NetworkView

FAMILY = ConvNeXtPose()

#: Two blocks a stage at least, and no two widths the same, so that no two axes are confused.
SMALL = ConvNeXtPoseConfiguration(
    dims=(4, 6, 8, 12),
    depths=(2, 2, 5, 2),
    head_out_channels=(10, 14, 16),
    head_kernels=(3, 3, 3),
    joints=18,
    depth_bins=32,
    upsampling=(True, True, False),
)
GFLOPS = Rule(attribute="gflops", fact="macs", unit="G", scale=1e9, decimals=2, tolerance=0.02)
UPSAMPLINGS = Rule(attribute="upsamplings", fact="upsamplings")


def claim(rule: Rule, value: FactValue, subject: str = "S") -> Claim:
    return Claim(subject=subject, rule=rule, value=value)


def shapes(
    configuration: ConvNeXtPoseConfiguration = SMALL, dialect: str = "named"
) -> dict[str, Shape]:
    """Names and shapes of a whole network, to be damaged."""
    return shapes_of(FAMILY.keys(configuration, dialect))


def view_of(found: Mapping[str, Shape], prefix: str = "module.") -> NetworkView:
    return NetworkView(state_dict_of(found, prefix=prefix), prefix)


def infer(
    found: Mapping[str, Shape],
    *,
    prefix: str = "module.",
    stated: Mapping[str, FactValue] | None = None,
    claims: tuple[Claim, ...] = (),
) -> Architecture:
    given = Given(stated=dict(stated or {}), claims=claims)
    return FAMILY.infer(view_of(found, prefix), given)


def fact(architecture: Architecture, name: str) -> Fact:
    found = architecture.fact(name)
    assert found is not None, name
    return found


def without(found: Mapping[str, Shape], *parts: str) -> dict[str, Shape]:
    """The same without the keys in which one of these texts occurs."""
    return {key: shape for key, shape in found.items() if not any(part in key for part in parts)}


def renamed(found: Mapping[str, Shape], change: Callable[[str], str]) -> dict[str, Shape]:
    return {change(key): shape for key, shape in found.items()}


def random_configuration(rng: random.Random) -> ConvNeXtPoseConfiguration:
    """A network of which everything can be inferred: a known joint set, and a cube."""
    stages, layers = rng.choice((3, 4, 4, 4, 5)), rng.randint(1, 5)
    stem_kernel = rng.choice((2, 4, 4))
    side = 256 // stem_kernel // 2 ** (stages - 1)
    count = rng.randint(0, min(layers, 3))
    norm = rng.choice((BATCH_NORM, BATCH_NORM, LAYER_NORM))
    return ConvNeXtPoseConfiguration(
        dims=tuple(rng.randint(1, 90) for _ in range(stages)),
        depths=tuple(rng.randint(1, 4) for _ in range(stages)),
        head_out_channels=tuple(rng.randint(1, 60) for _ in range(layers)),
        head_kernels=tuple(rng.choice((1, 3, 5, 7)) for _ in range(layers)),
        joints=rng.choice(tuple(JOINT_SETS)),
        depth_bins=side * 2**count,
        upsampling=tuple(i < count for i in range(layers)),
        kernel_size=rng.choice((3, 5, 7)),
        expansion=rng.randint(1, 5),
        norm=norm,
        stem_kernel=stem_kernel,
        layer_scale=rng.random() < 0.3,
        grn=rng.random() < 0.3,
        input_channels=rng.choice((1, 3, 3, 3)),
    )


def random_names(rng: random.Random) -> tuple[str, str]:
    """A dialect and a prefix."""
    return rng.choice(DIALECTS), rng.choice(("", "module.", "_orig_mod.module.", "ema.student."))
