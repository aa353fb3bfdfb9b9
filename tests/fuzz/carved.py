"""Checkpoints without a pickle, at random: what they were, and what is left of them.

Enters: the number of a case. Leaves: a `Case`. The order of saving is written down here once more,
so that carving is not held against itself: a state_dict in its order, an optimizer by parameter.
"""

import random
from typing import Any, NamedTuple

from ckptscope.errors import UsageError
from ckptscope.facts.carving import Survivor
from ckptscope.facts.expected import ExpectedTensor
from ckptscope.facts.tensors import Kind
from ckptscope.families.known.convnext.configuration import ConvNeXtConfiguration
from ckptscope.families.known.convnextpose.configuration import ConvNeXtPoseConfiguration
from ckptscope.families.known.posenet.configuration import PoseNetConfiguration
from ckptscope.families.known.resnet.configuration import ResNetConfiguration
from ckptscope.families.known.rootnet.configuration import RootNetConfiguration
from ckptscope.families.registry import KNOWN_NAMES, known_family
from ckptscope.specs.loading import tables_for

#: Entries of a parameter's state, by the bytes of each: None stands for the parameter's own size.
OPTIMIZERS: dict[str, tuple[int | None, ...]] = {
    "none": (),
    "Adam, step a tensor": (4, None, None),
    "Adam, step a number": (None, None),
    "SGD with momentum": (None,),
    "amsgrad": (4, None, None, None),
}
_ITEMS = (4, 4, 4, 2, 8)


class Case(NamedTuple):
    """One damaged checkpoint."""

    survivors: list[Survivor]
    kind: str
    family: str
    item: int
    shapes: tuple[tuple[int, ...], ...]


def make_case(number: int) -> Case:
    """Make a case; the same on every machine."""
    rng = random.Random(f"carving {number}")
    item = rng.choice(_ITEMS)
    if rng.random() < 0.1:
        elements = unrelated_elements(rng, item)
        sizes = _with_state(rng, elements, item)
        return Case(_damage(rng, sizes, len(sizes)), "unrelated", "", item, ())
    name = rng.choice(KNOWN_NAMES)
    kind = "named" if rng.random() < 0.4 else "unnamed"
    tensors = random_tensors(rng, name, kind)
    sizes, behind = _saved(rng, tensors, item)
    shapes = tuple(tuple(size for size in one.shape if size != 1) for one in tensors)
    return Case(_damage(rng, sizes, behind), kind, name, item, shapes)


def random_tensors(rng: random.Random, name: str, kind: str) -> list[ExpectedTensor]:
    """List a network of a family: one that papers name, or any other."""
    return _named(rng, name) if kind == "named" else _unnamed(rng, name)


def _named(rng: random.Random, name: str) -> list[ExpectedTensor]:
    family = known_family(name)
    rows = [row for table in tables_for(name) for row in table.rows if row.settings]
    return _keys(rng, name, family.configure(rng.choice(rows).settings))


def _unnamed(rng: random.Random, name: str) -> list[ExpectedTensor]:
    return _keys(rng, name, _MAKERS[name](rng))


def _keys(rng: random.Random, name: str, configuration: Any) -> list[ExpectedTensor]:
    family = known_family(name)
    dialects = list(family.dialects)
    rng.shuffle(dialects)
    for dialect in dialects:
        try:
            return list(family.keys(configuration, dialect))
        except UsageError:
            continue
    raise AssertionError(f"no dialect of {name} builds {configuration}")


def _trunk(rng: random.Random) -> dict[str, Any]:
    stages = rng.choice((2, 3, 4, 4, 4, 4, 5))
    width = 8 * rng.randint(2, 16)
    dims = [width]
    while len(dims) < stages:
        dims.append(dims[-1] * 2 if rng.random() < 0.7 else dims[-1] + 8 * rng.randint(1, 20))
    return {
        "dims": tuple(dims),
        "depths": tuple(rng.choice((1, 2, 3, 3, 4, 6, 9)) for _ in dims),
        "kernel_size": rng.choice((7, 7, 7, 5, 3)),
        "expansion": rng.choice((4, 4, 4, 2, 3)),
        "input_channels": rng.choice((3, 3, 3, 1, 4)),
        "stem_kernel": rng.choice((4, 4, 4, 2)),
    }


def _convnextpose(rng: random.Random) -> Any:
    layers = rng.choice((1, 2, 3, 3, 3, 4))
    same = rng.choice((32, 64, 100, 128, 256))
    return ConvNeXtPoseConfiguration(
        **_trunk(rng),
        head_out_channels=tuple(
            same if rng.random() < 0.8 else 8 * rng.randint(2, 40) for _ in range(layers)
        ),
        head_kernels=tuple(rng.choice((3, 3, 3, 4, 5)) for _ in range(layers)),
        undivided=rng.choice((576, 1152, 18, 544, 17 * 8, 21 * 64)),
        norm=rng.choice(("BatchNorm2d", "BatchNorm2d", "BatchNorm2d", "LayerNorm")),
        layer_scale=rng.random() < 0.1,
        grn=rng.random() < 0.1,
    )


def _convnext(rng: random.Random) -> Any:
    is_first = rng.random() < 0.5
    trunk = _trunk(rng)
    between = rng.choice((None, None, None, trunk["dims"][0], trunk["dims"][0] // 2))
    if between is not None:
        trunk["stem_kernel"] = 3
    return ConvNeXtConfiguration(
        **trunk,
        classes=rng.choice((1000, 1000, 10, 100, 21841, None)),
        layer_scale=is_first,
        grn=not is_first,
        norm=rng.choice(("LayerNorm", "LayerNorm", "LayerNorm", "RMSNorm", "BatchNorm2d")),
        stem_channels=between,
        final_norm=rng.random() < 0.9,
        head_hidden=rng.choice((None, None, None, 512)),
    )


def _resnet_trunk(rng: random.Random) -> dict[str, Any]:
    is_basic = rng.random() < 0.5
    planes = 8 * rng.randint(2, 12)
    stages = rng.choice((2, 3, 4, 4, 4))
    inner = [planes * 2**i for i in range(stages)]
    groups = 1 if is_basic else rng.choice((1, 1, 1, 2, 4))
    ratio = 1 if is_basic else rng.choice((4, 4, 2))
    return {
        "block": "BasicBlock" if is_basic else "Bottleneck",
        "depths": tuple(rng.choice((1, 2, 2, 3, 4, 6)) for _ in inner),
        "dims": tuple(width * ratio for width in inner),
        "groups": groups,
        "group_dims": tuple(width // groups for width in inner),
        "stem_width": rng.choice((64, planes, planes)),
        "stem_kernel": rng.choice((7, 7, 3)),
        "input_channels": rng.choice((3, 3, 3, 1)),
    }


def _stack(rng: random.Random) -> dict[str, Any]:
    layers = rng.choice((1, 2, 3, 3, 3))
    return {
        "head_out_channels": tuple(rng.choice((256, 256, 128, 64)) for _ in range(layers)),
        "head_kernels": tuple(rng.choice((4, 4, 3, 2)) for _ in range(layers)),
        "upsampling": (True,) * layers,
    }


def _resnet(rng: random.Random) -> Any:
    return ResNetConfiguration(**_resnet_trunk(rng), classes=rng.choice((1000, 10, 100, None)))


def _posenet(rng: random.Random) -> Any:
    final = rng.choice((1152, 1344, 17, 16, 18 * 8))
    return PoseNetConfiguration(**_resnet_trunk(rng), **_stack(rng), undivided=final)


def _rootnet(rng: random.Random) -> Any:
    return RootNetConfiguration(**_resnet_trunk(rng), **_stack(rng))


_MAKERS = {
    "convnextpose": _convnextpose,
    "convnext": _convnext,
    "resnet": _resnet,
    "posenet": _posenet,
    "rootnet": _rootnet,
}


def _saved(rng: random.Random, tensors: list[ExpectedTensor], item: int) -> tuple[list[int], int]:
    """Return sizes in the order of saving, and how many come before the network's end."""
    network = [8 if one.is_counter else one.elements * item for one in tensors]
    entries = OPTIMIZERS[rng.choice(list(OPTIMIZERS))]
    parameters = [one for one in tensors if one.kind is Kind.PARAMETER]
    if rng.random() < 0.1:
        # Groups with and without weight decay.
        is_first = rng.random() < 0.5
        parameters.sort(key=lambda one: (len(one.shape) > 1) is is_first)
    state = [
        one.elements * item if size is None else size for one in parameters for size in entries
    ]
    order = rng.random()
    if order < 0.7:
        return network + state, len(network)
    if order < 0.8:
        return state + network, len(state) + len(network)
    if order < 0.9:
        return network + network + state, len(network)
    return [5056, *network, *state], 1 + len(network)


def _damage(rng: random.Random, sizes: list[int], behind: int) -> list[Survivor]:
    """Lose a prefix, sometimes a suffix, and a tenth of the rest."""
    first = 0 if rng.random() < 0.3 else rng.randrange(max(1, behind // 2))
    if rng.random() < 0.08:
        first = behind
    last = len(sizes) if rng.random() < 0.7 else rng.randint(len(sizes) // 2, len(sizes))
    is_numbered = rng.random() < 0.9
    lost = rng.choice((0.0, 0.1, 0.1, 0.1, 0.3))
    return [
        Survivor(key=str(number), number=number if is_numbered else None, size_bytes=size)
        for number, size in enumerate(sizes)
        if first <= number < last and rng.random() >= lost
    ]


def unrelated_elements(rng: random.Random, item: int) -> list[int]:
    """Return the elements of each tensor of a network that no family knows."""
    kind = rng.choice(("vgg", "mobilenet", "transformer", "mlp", "lstm", "noise"))
    elements: list[int] = []
    width = 8 * rng.randint(2, 16)
    if kind == "vgg":
        for out in (64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512):
            elements += [width * out * 9, out]
            width = out
        elements += [512 * 49 * 4096, 4096, 4096 * 4096, 4096, 4096 * 1000, 1000]
    elif kind == "mobilenet":
        for _ in range(rng.randint(8, 20)):
            inner, out = width * 6, 8 * rng.randint(2, 40)
            for weight, norm in ((width * inner, inner), (inner * 9, inner), (inner * out, out)):
                elements += [weight, *[norm] * 4, 8 // item]
            width = out
        elements += [width * 1280, 1280, 1280 * 1000, 1000]
    elif kind == "transformer":
        elements += [width * 5000, width * 512]
        for _ in range(rng.randint(2, 24)):
            elements += [3 * width**2, 3 * width, width**2, width, width, width]
            elements += [4 * width**2, 4 * width, 4 * width**2, width, width, width]
    elif kind == "mlp":
        for _ in range(rng.randint(3, 40)):
            elements += [width * width, width]
    elif kind == "lstm":
        for _ in range(rng.randint(2, 6)):
            elements += [4 * width * width, 4 * width * width, 4 * width, 4 * width]
    else:
        elements += [rng.randint(1, 100_000) for _ in range(rng.randint(10, 300))]
    return elements


def _with_state(rng: random.Random, elements: list[int], item: int) -> list[int]:
    """Return the sizes of these, and of an optimizer's state behind them."""
    entries = OPTIMIZERS[rng.choice(list(OPTIMIZERS))]
    state = [one * item if size is None else size for one in elements for size in entries]
    return [one * item for one in elements] + state
