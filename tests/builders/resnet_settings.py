"""Settings of networks on ResNet trunks, at random: small, and odd where shapes allow it."""

from random import Random

from ckptscope.facts.architecture import FactValue

Settings = dict[str, FactValue]


def trunk_settings(random: Random) -> Settings:
    stages = random.randint(2, 5)
    block = random.choice(("BasicBlock", "Bottleneck"))
    groups = random.choice((1, 1, 2, 4)) if block == "Bottleneck" else 1
    widths = tuple(random.randint(1, 12) for _ in range(stages))
    # A grouped BasicBlock is in no code, and its outgoing channels would have to divide.
    dims = tuple(random.randint(1, 24) for _ in range(stages))
    return {
        "block": block,
        "depths": tuple(random.randint(1, 4) for _ in range(stages)),
        "dims": dims,
        "group_dims": widths,
        "groups": groups,
        "stem_width": random.choice((dims[0], random.randint(1, 16))),
        "stem_kernel": random.choice((3, 5, 7)),
        "input_channels": random.choice((1, 3, 4)),
    }


def resnet_settings(random: Random) -> Settings:
    return {
        **trunk_settings(random),
        "classes": random.choice((None, random.randint(1, 30))),
        "input_size": _input_size(random),
    }


def stack_settings(random: Random) -> Settings:
    layers = random.randint(1, 4)
    return {
        **trunk_settings(random),
        "head_out_channels": tuple(random.randint(1, 16) for _ in range(layers)),
        "head_kernels": tuple(random.choice((2, 3, 4)) for _ in range(layers)),
        "upsampling": (True,) * layers,
        "input_size": _input_size(random),
    }


def posenet_settings(random: Random) -> Settings:
    return {
        **stack_settings(random),
        "joints": random.randint(1, 25),
        "depth_bins": random.choice((1, 7, 8, 16, 32)),
    }


def _input_size(random: Random) -> tuple[int, int]:
    return random.randint(33, 130), random.randint(33, 130)
