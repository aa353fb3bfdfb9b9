"""Architectures made by hand: what a family says of a ConvNeXtPose, and parts to vary it."""

import msgspec

from ckptscope.facts.architecture import (
    Alternative,
    Architecture,
    Candidate,
    Evidence,
    Fact,
    FactValue,
    Ranking,
    Snippet,
)
from ckptscope.facts.expected import Counts, PartCount
from ckptscope.facts.standing import Identified, RowFit, Standing
from ckptscope.facts.tensors import Origin

#: Totals of the variant S, as the paper's configuration gives them.
PARAMETERS, BUFFERS, MACS = 7_438_976, 9_978, 1_738_014_720

OBSERVED: dict[str, FactValue] = {
    "dims": (48, 96, 192, 384),
    "depths": (3, 3, 9, 3),
    "backbone": "Femto-L",
    "stem": "Conv2d 3→48 4×4, BatchNorm2d",
    "kernel_size": 7,
    "expansion": 4,
    "norm": "BatchNorm2d",
    "layer_scale": False,
    "grn": False,
    "head_layers": 3,
    "head_in_channels": (384, 256, 256),
    "head_out_channels": (256, 256, 256),
    "head_kernels": (3, 3, 3),
    "final_channels": 576,
}


def fact(name: str, value: FactValue, origin: Origin = Origin.OBSERVED, **more: object) -> Fact:
    return msgspec.structs.replace(Fact(name=name, value=value, origin=origin), **more)


def facts(prefix: str = "module.") -> tuple[Fact, ...]:
    """What is said of S: sizes observed, the split of its channels and what upsamples assumed."""
    final = f"{prefix}head.final_layer.weight"
    joints = Evidence(text="576 = 18 × 32", key=final, axis=0, shape=(576, 256, 1, 1))
    return (
        *(fact(name, value) for name, value in OBSERVED.items()),
        fact(
            "joints",
            18,
            Origin.ASSUMED,
            evidence=(joints,),
            assumptions=("18 joints are those of Human3.6M",),
            alternatives=(Alternative(value=36, speaks_against=("no known joint set has 36",)),),
            decided_by="the code that trained it",
        ),
        fact("depth_bins", 32, Origin.ASSUMED, assumptions=("the cube rule: depth bins = side",)),
        fact(
            "upsampling",
            (True, True, False),
            Origin.ASSUMED,
            assumptions=("the cube rule: depth bins = side",),
            decided_by="a count of multiply-accumulates, or the code that comes with the file",
        ),
        fact("heatmap", (32, 32), Origin.ASSUMED),
        fact("input_size", (256, 256), Origin.ASSUMED),
        fact("dialect", "named"),
        fact("prefix", prefix),
        fact("parameters", PARAMETERS, Origin.DERIVED),
        fact("state_elements", PARAMETERS + BUFFERS, Origin.DERIVED),
        fact("backbone_parameters", 7_050_048, Origin.DERIVED),
        fact("head_parameters", 388_928, Origin.DERIVED),
        fact("macs", MACS, Origin.ASSUMED),
    )


def counts() -> Counts:
    backbone = PartCount(
        part="backbone", tensors=231, parameters=7_050_048, buffers=8_183, macs=1_500_000_000
    )
    head = PartCount(part="head", tensors=29, parameters=388_928, buffers=1_795, macs=238_014_720)
    return Counts(parts=(backbone, head))


def ranking() -> Ranking:
    first = Candidate(
        values={"joints": 18, "depth_bins": 32},
        speaks_for=("the cube rule: 8·2^2 = 32", "18 joints: Human3.6M"),
        macs=MACS,
    )
    second = Candidate(
        values={"joints": 9, "depth_bins": 64},
        speaks_for=("the cube rule: 8·2^3 = 64",),
        speaks_against=("no known joint set has 9",),
        macs=2_400_000_000,
    )
    return Ranking(
        question="joints × depth bins of 576 final channels",
        settings=("joints", "depth_bins"),
        candidates=(first, second),
        left_out=7,
    )


def snippet(**changes: object) -> Snippet:
    made = Snippet(
        title="the authors' code",
        language="python",
        code="import torch\n\nfor key in state:\n    print(key)",
        cautions=("the third layer does not upsample: assumed",),
    )
    return msgspec.structs.replace(made, **changes)


def architecture(**changes: object) -> Architecture:
    """The architecture of a clean file of S."""
    made = Architecture(
        family="convnextpose",
        title="ConvNeXtPose",
        state_dict="network",
        prefix="module.",
        reasons=("231 keys of a ConvNeXt trunk", "a head of depthwise and pointwise layers"),
        coverage=1.0,
        facts=facts(),
        settings=None,
        dialect="named",
        counts=counts(),
        rankings=(ranking(),),
        blind_spots=("whether a head layer upsamples", "the size of the input"),
    )
    return msgspec.structs.replace(made, **changes)


def standing(**changes: object) -> Standing:
    made = Standing(
        spec="convnextpose",
        source="IEEE Access 11 (2023)",
        variant="S",
        runner_up="M",
        ranking=(
            RowFit(row="S", matches=9, contradicts=0, undecided=3),
            RowFit(
                row="M",
                matches=7,
                contradicts=1,
                undecided=4,
                contradictions=("params: 7,438,976 in the file, 7.59 M claimed",),
            ),
        ),
        separating=("head.final_layer.weight: [576, 256, 1, 1] in S, [1152, 256, 1, 1] in M",),
    )
    return msgspec.structs.replace(made, **changes)


def identified(found: Architecture | None = None, **changes: object) -> Identified:
    made = Identified(architecture=found or architecture(), standing=standing())
    return msgspec.structs.replace(made, **changes)
