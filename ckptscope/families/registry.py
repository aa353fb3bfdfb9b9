"""Which families there are.

Enters: nothing. Leaves: `Family` objects: those that come along, and those that other packages
offer by the entry-point group `ckptscope.families`. An entry point names a subclass of `Family`.

A family that comes along is imported only where one of its anchors is met, or where it is asked for
by name: all of them together take as long as reading a file.
"""

import functools
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

import msgspec

from ckptscope.errors import UsageError
from ckptscope.families.base import BrokenFamilyError, Family

#: Entry-point group under which packages offer families.
GROUP: Final = "ckptscope.families"

AnyFamily = Family[Any]


def _convnextpose() -> AnyFamily:
    from ckptscope.families.known.convnextpose import ConvNeXtPose

    return ConvNeXtPose()


def _convnext() -> AnyFamily:
    from ckptscope.families.known.convnext import ConvNeXt

    return ConvNeXt()


def _posenet() -> AnyFamily:
    from ckptscope.families.known.posenet import PoseNet

    return PoseNet()


def _rootnet() -> AnyFamily:
    from ckptscope.families.known.rootnet import RootNet

    return RootNet()


def _resnet() -> AnyFamily:
    from ckptscope.families.known.resnet import ResNet

    return ResNet()


#: Name, what imports it, and its anchors, which must be known before that; of two families that
#: explain the same tensors the first wins.
_KNOWN: Final[dict[str, tuple[Callable[[], AnyFamily], tuple[str, ...]]]] = {
    "convnextpose": (
        _convnextpose,
        (
            "head.final_layer.weight",
            "backbone.downsample_layers.0.0.weight",
            "head.deconv_layers_1.dwconv.weight",
            "head.deconv_layers_1.0.weight",
            "head.deconv_layers.0.dwconv.weight",
        ),
    ),
    "convnext": (
        _convnext,
        (
            "downsample_layers.0.0.weight",
            "stages.0.0.dwconv.weight",
            "stem.0.weight",
            "stages.0.blocks.0.conv_dw.weight",
            "features.0.0.weight",
            "features.1.0.block.0.weight",
            "convnext.embeddings.patch_embeddings.weight",
            "convnextv2.embeddings.patch_embeddings.weight",
            "embeddings.patch_embeddings.weight",
            "encoder.stages.0.layers.0.dwconv.weight",
        ),
    ),
    "posenet": (
        _posenet,
        (
            "head.deconv_layers.0.weight",
            "head.deconv_layers.3.weight",
            "head.deconv_layers.6.weight",
        ),
    ),
    "rootnet": (
        _rootnet,
        (
            "root.xy_layer.weight",
            "root.depth_layer.weight",
            "root.deconv_layers.0.weight",
            "root.deconv_layers.3.weight",
            "root.deconv_layers.6.weight",
        ),
    ),
    "resnet": (
        _resnet,
        (
            "layer1.0.conv1.weight",
            "layer2.0.conv1.weight",
            "layer3.0.conv1.weight",
            "layer4.0.conv1.weight",
        ),
    ),
}
#: Families that come along, by name.
KNOWN_NAMES: Final = tuple(_KNOWN)


def known_anchors(name: str) -> tuple[str, ...]:
    """Return the anchors of a family that comes along, without importing it."""
    return _KNOWN[name][1]


@functools.cache
def known_family(name: str) -> AnyFamily:
    """Return a family that comes along by its name, one of `KNOWN_NAMES`."""
    return _KNOWN[name][0]()


def known_families() -> tuple[AnyFamily, ...]:
    """Return the families that come along, all of them."""
    return tuple(known_family(name) for name in KNOWN_NAMES)


class Offers(msgspec.Struct, frozen=True, kw_only=True):
    """What other installed packages offer.

    Attributes:
        families: Those that can be used.
        problems: Why others cannot, one line each.
    """

    families: tuple[AnyFamily, ...]
    problems: tuple[str, ...]


@functools.cache
def offered_families() -> Offers:
    """Look for the families that other installed packages offer.

    It takes as long as inspecting a file; it is done only where no family that comes along explains
    everything, or where one is asked for by another name. An entry point that cannot be loaded, is
    no family, or takes a name that is taken, is a problem and no error: the others still work.
    """
    if not _is_anything_offered():
        return Offers(families=(), problems=())
    from importlib.metadata import entry_points

    from ckptscope.families.offered import load_offer

    places = dict.fromkeys(KNOWN_NAMES, "ckptscope")
    families: list[AnyFamily] = []
    problems: list[str] = []
    for point in sorted(entry_points(group=GROUP), key=lambda point: (point.name, point.value)):
        try:
            family = load_offer(point.load, point.value)
        except BrokenFamilyError as error:
            problems.append(str(error))
            continue
        if family.name in places:
            problems.append(
                f"expected another name than {family.name!r} at {point.value!r}: a family of "
                f"{places[family.name]!r} has it"
            )
            continue
        places[family.name] = point.value
        families.append(family)
    return Offers(families=tuple(families), problems=tuple(problems))


def _is_anything_offered() -> bool:
    """Whether the metadata of any installed package name the group.

    importlib.metadata would say it, and takes ten times as long to import and to look.
    """
    group = GROUP.encode()
    for folder in map(str, sys.path):
        # An archive or an egg is importlib.metadata's to look into.
        if os.path.isfile(folder) or (folder.endswith(".egg") and os.path.isdir(folder)):
            return True
        try:
            names = os.listdir(folder or ".")
        except OSError:
            continue
        for name in names:
            if name.endswith((".dist-info", ".egg-info")):
                place = os.path.join(folder or ".", name, "entry_points.txt")
                with suppress(OSError), open(place, "rb") as stream:
                    if group in stream.read():
                        return True
    return False


def find_family(name: str) -> AnyFamily:
    """Return a family by its name.

    Raises:
        UsageError: There is none; the message names those that there are.
    """
    if name in _KNOWN:
        return known_family(name)
    offers = offered_families()
    for family in offers.families:
        if family.name == name:
            return family
    names = ", ".join((*KNOWN_NAMES, *(family.name for family in offers.families)))
    raise UsageError("; ".join((f"no family {name!r}; there are: {names}", *offers.problems)))
