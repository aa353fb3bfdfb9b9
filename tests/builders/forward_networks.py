"""Configurations of every family, and weights for them.

Enters: the name of a case. Leaves: a family, a configuration, a state_dict under the names of any
dialect, with plausible values.
"""

import math
from contextlib import suppress

import torch

from ckptscope.errors import UsageError
from ckptscope.families.registry import find_family

#: Small networks with the structure of large ones: family, settings, sides of the input.
CASES = {
    "pose": (
        "convnextpose",
        {
            "dims": (4, 6, 8, 12),
            "depths": (1, 2, 3, 1),
            "head_out_channels": (10, 11, 13),
            "joints": 3,
            "depth_bins": 4,
            "upsampling": (True, True, False),
        },
        (64, 32),
    ),
    "pose, three upsamplings": (
        "convnextpose",
        {
            "dims": (4, 6, 8, 12),
            "depths": (1, 1, 1, 1),
            "head_out_channels": (10, 10, 10),
            "head_kernels": (3, 5, 7),
            "joints": 2,
            "depth_bins": 16,
            "upsampling": (True, True, True),
        },
        (64, 64),
    ),
    "pose of another making": (
        "convnextpose",
        {
            "dims": (4, 6, 8),
            "depths": (1, 2, 1),
            "head_out_channels": (10, 9),
            "head_kernels": (3, 4),
            "joints": 3,
            "depth_bins": 4,
            "upsampling": (False, True),
            "norm": "LayerNorm",
            "layer_scale": True,
            "grn": True,
            "kernel_size": 5,
            "expansion": 3,
            "stem_kernel": 2,
        },
        (32, 48),
    ),
    "convnext v1": (
        "convnext",
        {"dims": (4, 6, 8, 12), "depths": (1, 2, 1, 1), "classes": 7},
        (64, 32),
    ),
    "convnext v2": (
        "convnext",
        {"dims": (4, 6, 8, 12), "depths": (2, 1, 1, 1), "classes": 9, "version": "v2"},
        (32, 64),
    ),
    "convnext with an overlapping stem": (
        "convnext",
        {
            "dims": (8, 6, 8, 12),
            "depths": (1, 1, 1, 1),
            "classes": 5,
            "stem_type": "overlap_act",
            "pointwise_convolutions": True,
            "norm": "RMSNorm",
            "head_hidden": 10,
        },
        (32, 32),
    ),
    "convnext with BatchNorm": (
        "convnext",
        {"dims": (4, 6, 8, 12), "depths": (1, 1, 1, 1), "classes": 5, "norm": "BatchNorm2d"},
        (32, 32),
    ),
    "convnext with its norm before pooling": (
        "convnext",
        {"dims": (4, 6), "depths": (1, 1), "classes": 5, "head_norm_first": True},
        (32, 32),
    ),
    "convnext without classes": (
        "convnext",
        {"dims": (4, 6, 8, 12), "depths": (1, 1, 1, 1), "classes": 0},
        (32, 32),
    ),
    "resnet of basic blocks": (
        "resnet",
        {
            "block": "BasicBlock",
            "depths": (1, 2, 1, 1),
            "dims": (64, 8, 10, 12),
            "classes": 6,
        },
        (64, 32),
    ),
    "resnet of bottlenecks": (
        "resnet",
        {
            "block": "Bottleneck",
            "depths": (2, 1, 1, 1),
            "dims": (16, 24, 32, 40),
            "groups": 2,
            "group_dims": (2, 3, 4, 5),
            "classes": 6,
        },
        (32, 64),
    ),
    "resnet without classes": (
        "resnet",
        {"block": "BasicBlock", "depths": (1, 1, 1, 1), "dims": (8, 8, 10, 12), "classes": 0},
        (32, 32),
    ),
    "posenet": (
        "posenet",
        {
            "block": "Bottleneck",
            "depths": (1, 1, 1, 1),
            "dims": (16, 24, 32, 40),
            "head_out_channels": (6, 7, 8),
            "joints": 3,
            "depth_bins": 8,
        },
        (32, 32),
    ),
    "rootnet": (
        "rootnet",
        {
            "block": "Bottleneck",
            "depths": (1, 1, 1, 1),
            "dims": (16, 24, 32, 40),
            "head_out_channels": (6, 7, 8),
        },
        (32, 64),
    ),
}


def case(name):
    """Give family, configuration for the case's input, and sides."""
    family_name, settings, sides = CASES[name]
    family = find_family(family_name)
    return family, family.configure({**settings, "input_size": sides}), sides


def buildable_dialects(family, configuration):
    """Give the dialects whose code can build a configuration."""
    found = []
    for dialect in family.dialects:
        with suppress(UsageError):
            family.keys(configuration, dialect)
            found.append(dialect)
    return found


def random_state(rows, seed=0):
    """Give tensors for rows of a table of keys, their values in bounds."""
    source = torch.Generator().manual_seed(seed)
    state = {}
    for row in rows:
        if row.is_counter:
            state[row.key] = torch.tensor(7)
        elif row.key.endswith("running_var"):
            state[row.key] = torch.rand(row.shape, generator=source) + 0.5
        elif len([size for size in row.shape if size > 1]) > 1:
            fan_in = max(math.prod(row.shape[1:]), 1)
            state[row.key] = torch.randn(row.shape, generator=source) / fan_in**0.5
        else:
            state[row.key] = 0.3 * torch.randn(row.shape, generator=source)
            if row.key.endswith(("weight", "gamma")):
                state[row.key] += 1
    return state


def filled(network, state):
    """Give a network with the tensors of a state, in its own order."""
    own = network.state_dict()
    values = dict(zip(own, state.values(), strict=True))
    network.load_state_dict(
        {key: value.reshape(own[key].shape) for key, value in values.items()},
        strict=True,
        assign=True,
    )
    return network.eval()


def noise(sides, channels=3, batch=2, seed=1):
    """Give an input."""
    source = torch.Generator().manual_seed(seed)
    return torch.randn((batch, channels, *sides), generator=source)
