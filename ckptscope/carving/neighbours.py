"""Networks that differ a little from the one that fits.

Enters: the best fit. Leaves: tables that must be tried before anything is certain: a block more or
less in a stage, a layer more or less behind the trunk, a part that others of the family have, the
same stem read otherwise, and the ends that families on the same trunk have.
"""

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from ckptscope.carving.alignment import Fit
from ckptscope.carving.equations import INPUT_CHANNELS, with_values
from ckptscope.carving.frames import Frame, build
from ckptscope.carving.shelf import Shelf
from ckptscope.carving.solving import solve_ends
from ckptscope.carving.tables import Table
from ckptscope.families.base import Configuration
from ckptscope.families.known.convnext.configuration import ConvNeXtConfiguration
from ckptscope.families.known.convnextpose.configuration import ConvNeXtPoseConfiguration
from ckptscope.families.known.posenet.configuration import PoseNetConfiguration
from ckptscope.families.known.resnet.configuration import ResNetConfiguration
from ckptscope.families.known.rootnet.configuration import RootNetConfiguration
from ckptscope.families.registry import KNOWN_NAMES
from ckptscope.families.trunks.convnext import BATCH_NORM, LAYER_NORM

#: Parts that a family may have or not.
_SWITCHES: Final = ("final_norm", "layer_scale", "grn")
#: Settings that say how wide and deep each layer behind the trunk is.
_LISTS: Final = ("head_out_channels", "head_kernels", "upsampling")
#: Families on the same trunk.
_SISTERS: Final = (("convnext", "convnextpose"), ("resnet", "posenet", "rootnet"))


def neighbours(fit: Fit, shelf: Shelf) -> Iterator[Table]:
    """Yield the tables that are as near to the one that fits as can be."""
    table = fit.table
    if table.family.name in KNOWN_NAMES:
        for configuration in _changed(table.configuration):
            made = build(table.family.name, configuration, table.dialect)
            if made is not None:
                yield made
        for frame in _sisters(table, fit.item):
            configuration_: Any = frame.configuration
            for other, _ in solve_ends(frame, configuration_.depths, shelf):
                yield other


def _changed(configuration: Any) -> Iterator[Configuration]:
    for stage, depth in enumerate(configuration.depths):
        for other in (depth - 1, depth + 1):
            if other > 0:
                yield with_values(configuration, {f"depths[{stage}]": other})
    for name in _SWITCHES:
        value = getattr(configuration, name, None)
        if isinstance(value, bool):
            yield msgspec.structs.replace(configuration, **{name: not value})
    norm = getattr(configuration, "norm", None)
    if norm is not None:
        other_norm = LAYER_NORM if norm == BATCH_NORM else BATCH_NORM
        yield msgspec.structs.replace(configuration, norm=other_norm)
    if getattr(configuration, "head_out_channels", ()):
        lists = {name: getattr(configuration, name, None) or () for name in _LISTS}
        if len(lists["head_kernels"]) != len(lists["head_out_channels"]):
            lists["head_kernels"] = configuration.kernels
        held = {name: value for name, value in lists.items() if value}
        if len(configuration.head_out_channels) > 1:
            yield msgspec.structs.replace(
                configuration, **{name: value[:-1] for name, value in held.items()}
            )
        yield msgspec.structs.replace(
            configuration, **{name: (*value, value[-1]) for name, value in held.items()}
        )
    yield from _other_stems(configuration)


def _other_stems(configuration: Any) -> Iterator[Configuration]:
    """Yield stems whose convolution is as large: only the product of channels and places shows."""
    if getattr(configuration, "stem_channels", None) is not None:
        return
    product = configuration.input_channels * configuration.stem_kernel**2
    for channels in INPUT_CHANNELS:
        for side in range(1, 2 * configuration.stem_kernel + 1):
            if channels != configuration.input_channels and channels * side**2 == product:
                yield msgspec.structs.replace(
                    configuration, input_channels=channels, stem_kernel=side
                )


def _sisters(table: Table, item: int) -> Iterator[Frame]:
    """Yield the trunk of a table as every family on such a trunk has it."""
    sisters = next((names for names in _SISTERS if table.family.name in names), ())
    given: Any = table.configuration
    for name in sisters:
        if name == table.family.name:
            yield Frame(family=name, configuration=given, dialect=table.dialect, item=item)
            continue
        found = _as_family(name, given)
        if found is not None:
            yield Frame(family=name, configuration=found, dialect="", item=item)


def _as_family(name: str, given: Any) -> Configuration | None:
    """Return the trunk of a configuration as another family's, with nothing behind it."""
    kinds: dict[str, tuple[Any, dict[str, Any]]] = {
        "convnext": (ConvNeXtConfiguration, {"classes": None}),
        "convnextpose": (ConvNeXtPoseConfiguration, {"head_out_channels": (), "undivided": 1}),
        "resnet": (ResNetConfiguration, {"classes": None}),
        "posenet": (PoseNetConfiguration, {"undivided": 1}),
        "rootnet": (RootNetConfiguration, {}),
    }
    kind, own = kinds[name]
    stack = {one: () for one in _LISTS} if name in ("posenet", "rootnet") else {}
    fields = set(kind.__struct_fields__)
    left_out = {*_LISTS, "input_size", "classes", "joints", "depth_bins", "undivided"}
    shared = {
        one: getattr(given, one)
        for one in type(given).__struct_fields__
        if one in fields and one not in left_out
    }
    if "stem_channels" in fields - shared.keys() or getattr(given, "stem_channels", None) is None:
        return kind(**shared, **stack, **own)  # type: ignore[no-any-return]
    return None
