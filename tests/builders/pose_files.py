"""Small ConvNeXtPose checkpoints that torch saves, sound and unsound.

Enters: what is to be wrong with them. Leaves: files.
"""

from collections import OrderedDict

import torch

from builders.forward_networks import CASES, case, random_state

SETTINGS = CASES["pose"][1]
SIDES = CASES["pose"][2]
#: As --assume takes it: the fixture is no cube, so nothing else says it.
ASSUMED = {"joints": 3, "upsampling": (True, True, False)}


def pose_state(seed=0):
    """Give the state_dict of the small network, under the authors' names."""
    family, configuration, _ = case("pose")
    return random_state(family.keys(configuration), seed)


def save_pose(path, change=None, *, prefix="module.", dtype=None, seed=0, **more):
    """Save the small network as the authors do; `change` alters its state_dict first."""
    state = pose_state(seed)
    if dtype is not None:
        state = {
            key: value.to(dtype) if value.is_floating_point() else value
            for key, value in state.items()
        }
    if change is not None:
        change(state)
    network = OrderedDict((prefix + key, value) for key, value in state.items())
    torch.save({"epoch": 3, "network": network, **more}, path)
    return path
