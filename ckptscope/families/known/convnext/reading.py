"""Which tensors of a view are a ConvNeXt, in which code base's names, and what its classifier says.

Enters: a view of a state_dict. Leaves: a `NetworkReading`: a dialect, the trunk as
`trunks.convnext_reading` reads it, the tensors of the classifier. Of several dialects the one that
names most tensors wins.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import msgspec

from ckptscope.facts.architecture import Evidence
from ckptscope.facts.tensors import Origin, TensorInfo
from ckptscope.families.base import Match
from ckptscope.families.known.convnext.configuration import (
    ConvNeXtConfiguration,
    tensor_count,
)
from ckptscope.families.known.convnext.layouts import DIALECTS, Dialect
from ckptscope.families.trunks.convnext import Layout, Trunk
from ckptscope.families.trunks.convnext_names import Role
from ckptscope.families.trunks.convnext_reading import Reading, TrunkReading, read_trunk
from ckptscope.families.view import NetworkView

#: What is assumed where the tensors that would say it are missing: the first paper's.
USUAL: Final = Trunk(dims=(), depths=(), layer_scale=True)


class NetworkReading(msgspec.Struct, frozen=True, kw_only=True):
    """What the tensors of a view say of a ConvNeXt.

    Attributes:
        dialect: Whose names they bear.
        wrapper: What stands before the trunk's keys.
        trunk: Its sizes, and what says so.
        head: `classes`, `head_hidden` and `head_norm_first`, and what says so.
        explained: Keys of the view that belong to the network.
    """

    dialect: str
    wrapper: str
    trunk: TrunkReading
    head: dict[str, Reading]
    explained: frozenset[str]

    @property
    def settings(self) -> dict[str, Reading]:
        """What was read of each setting."""
        return {**self.trunk.settings, **self.head}

    @property
    def configuration(self) -> ConvNeXtConfiguration:
        """The network with these sizes; what nothing tells has its usual value."""
        return build_configuration(self.trunk.trunk, self.head)


def build_configuration(trunk: Trunk, head: Mapping[str, Reading]) -> ConvNeXtConfiguration:
    """Make a configuration of what was read, without judging its sizes."""
    fields = {name: getattr(trunk, name) for name in Trunk.__struct_fields__}
    fields.update({name: reading.value for name, reading in head.items()})
    return ConvNeXtConfiguration(**fields)


def match_network(view: NetworkView) -> Match:
    """Say which tensors of a view are a ConvNeXt.

    It is one if at least half of the tensors of the network that it would be are there, at least
    half of what stands among its stages belongs to it, and no more than a tenth of its blocks are
    something else under the same names: EdgeNeXt and InceptionNeXt are other networks.
    """
    found = read_network(view)
    if found is None or 2 * len(found.explained) < tensor_count(found.configuration):
        return Match()
    root = found.wrapper + DIALECTS[found.dialect].layout.block.partition("{")[0]
    strange = [key for key in view if key.startswith(root) and key not in found.explained]
    own = sum(key.startswith(root) for key in found.explained)
    blocks = sum(map(len, found.trunk.names.blocks.values()))
    if own < len(strange) or 10 * _foreign_blocks(found, strange) > blocks:
        return Match()
    return Match(explained=found.explained, reasons=match_reasons(found))


def _foreign_blocks(found: NetworkReading, strange: Iterable[str]) -> int:
    """Return how many blocks have other layers in place of the depthwise convolution.

    Args:
        found: What was read.
        strange: Keys among the stages that do not belong to the network.
    """
    layout = DIALECTS[found.dialect].layout
    without = {
        found.wrapper + layout.block_name(i, j)
        for i, stage in found.trunk.names.blocks.items()
        for j, block in stage.items()
        if Role.DEPTHWISE not in block
    }
    if not without:
        return 0
    parts = (found.wrapper + layout.block).count(".") + 1
    return len(without & {".".join(key.split(".")[:parts]) for key in strange})


def match_reasons(found: NetworkReading) -> tuple[str, ...]:
    """Say in words why it is a ConvNeXt."""
    trunk, wanted = found.trunk.trunk, tensor_count(found.configuration)
    blocks, stages = sum(trunk.depths), len(trunk.dims)
    return (
        f"{len(found.explained):,} tensors bear names of the layout {found.dialect!r}; a whole "
        f"network of these sizes has {wanted:,}",
        f"{blocks:,} blocks in {stages:,} stages: a depthwise {trunk.kernel_size}×"
        f"{trunk.kernel_size} convolution, a norm, two pointwise layers with {trunk.expansion} "
        "times the width between them",
    )


def read_network(view: NetworkView) -> NetworkReading | None:
    """Read a network in the dialect that names most of its tensors; None if there is no block."""
    best: NetworkReading | None = None
    for name, wrapper in _candidates(view):
        dialect = DIALECTS[name]
        layout, is_norm_first = _layout(view, dialect)
        trunk = read_trunk(view, layout, prefix=wrapper, usual=USUAL)
        if trunk is None:
            continue
        head, keys = _read_head(view, dialect, trunk.trunk.dims[-1], is_norm_first=is_norm_first)
        found = NetworkReading(
            dialect=name,
            wrapper=wrapper,
            trunk=trunk,
            head=head,
            explained=frozenset((*trunk.explained, *keys)),
        )
        if best is None or len(found.explained) > len(best.explained):
            best = found
    return best


def _candidates(view: NetworkView) -> Iterator[tuple[str, str]]:
    """Yield dialects, with what stands before the trunk, whose first words occur in the view."""
    words = {key.partition(".")[0] for key in view}
    for name, dialect in DIALECTS.items():
        if dialect.layout.block.partition(".")[0] in words:
            yield name, ""
        # Without a classifier the wrapper is a prefix like any other.
        if dialect.classifier in words:
            for wrapper in dialect.wrappers:
                if wrapper and wrapper[:-1] in words:
                    yield name, wrapper


def _layout(view: NetworkView, dialect: Dialect) -> tuple[Layout, bool]:
    """Return the trunk's names, and whether its last norm stands before pooling."""
    first = dialect.norm_first
    is_first = (
        first is not None
        and f"{first}.weight" in view
        and f"{dialect.layout.norm}.weight" not in view
    )
    return (dialect.norm_first_layout if is_first else dialect.layout), is_first


def _read_head(
    view: NetworkView, dialect: Dialect, width: int, *, is_norm_first: bool
) -> tuple[dict[str, Reading], list[str]]:
    """Return what the classifier says of its settings, and its keys."""
    hidden = Reading(value=None, origin=Origin.OBSERVED)
    keys: list[str] = []
    if dialect.hidden is not None:
        found, keys = _read_layer(view, dialect.hidden, "head_hidden", width)
        if isinstance(found.value, int):
            hidden, width = found, found.value
    classes, more = _read_layer(view, dialect.classifier, "classes", width)
    norm_first = Reading(value=is_norm_first, origin=Origin.OBSERVED)
    if is_norm_first:
        key = f"{dialect.norm_first}.weight"
        text = f"{dialect.norm_first} is the last norm"
        norm_first = Reading(
            value=True, origin=Origin.OBSERVED, evidence=(_evidence(view.tensors[key], text),)
        )
    head = {"classes": classes, "head_hidden": hidden, "head_norm_first": norm_first}
    return head, keys + more


def _read_layer(
    view: NetworkView, name: str, setting: str, width: int
) -> tuple[Reading, list[str]]:
    """Return how many outputs a linear layer has, and its keys; a bias tells it as well.

    A layer of that name that is neither linear nor a 1×1 convolution of the trunk's width is
    somebody else's.
    """
    keys = [key for key in (f"{name}.weight", f"{name}.bias") if key in view]
    for key in keys:
        tensor = view.tensors[key]
        axes = len(tensor.shape)
        if key.endswith(".bias"):
            is_linear = axes == 1
        else:
            is_linear = axes == 2 or tensor.shape[1:] == (width, 1, 1)
        if is_linear:
            text = f"{setting} = {tensor.shape[0]}"
            evidence = (_evidence(tensor, text, 0),)
            return Reading(value=tensor.shape[0], origin=Origin.OBSERVED, evidence=evidence), keys
        if key.endswith(".weight"):
            break
    absent = Evidence(text=f"no linear layer {name!r}: a trunk without it")
    return Reading(value=None, origin=Origin.OBSERVED, evidence=(absent,)), []


def _evidence(tensor: TensorInfo, text: str, axis: int | None = None) -> Evidence:
    return Evidence(text=text, key=tensor.key, axis=axis, shape=tensor.shape)
