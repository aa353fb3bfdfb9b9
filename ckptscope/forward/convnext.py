"""ConvNeXt classifiers of both papers as modules.

Enters: a configuration, and the dialect of the file. Leaves: the network; and the tables of keys in
each dialect in the order of its parameters, since code bases list layers in different orders. GELU,
mean over the plane, norm, a linear layer: as in the original code.
"""

from collections.abc import Iterator

import msgspec
import torch
from torch import nn

from ckptscope.errors import UsageError
from ckptscope.facts.expected import ExpectedTensor
from ckptscope.families.known.convnext.configuration import (
    ConvNeXtConfiguration,
    configuration_keys,
    require_buildable,
    usual_wrapper,
)
from ckptscope.families.known.convnext.layouts import DIALECTS
from ckptscope.families.trunks.convnext import (
    HUGGING_FACE,
    LAYER_NORM,
    ORIGINAL,
    RMS_NORM,
    trunk_keys,
)
from ckptscope.forward.layers import LAYER_NORM_EPSILON, PlaneMean
from ckptscope.forward.network import Network, Reading, Station
from ckptscope.forward.trunk import ConvNeXtTrunk, norm_2d

#: Of the last norm in transformers (`layer_norm_eps`); blocks have that of the papers.
_HUGGING_FACE_EPSILON = 1e-12
_RMS_CAUTION = (
    "norms with a weight and no bias are computed as RMSNorm; timm's SimpleNorm has the same "
    "weights"
)


class ConvNeXtNetwork(Network):
    """Trunk, pooling, norm, and the classifier if there is one."""

    def __init__(self, configuration: ConvNeXtConfiguration, epsilon: float) -> None:
        super().__init__()
        self.body = ConvNeXtTrunk(configuration.trunk, nn.GELU)
        self.stride = self.body.stride
        self.configuration = configuration
        self.input_channels = configuration.input_channels
        is_classifier = configuration.classes is not None
        self.reading = Reading.CLASSES if is_classifier else Reading.FEATURES
        width = configuration.dims[-1]
        if configuration.norm == RMS_NORM:
            self.cautions = (_RMS_CAUTION,)
        self.norm: nn.Module | None = None
        if configuration.final_norm:
            self.norm = self._norm(width, epsilon)
        self.pool = PlaneMean()
        self.flatten = nn.Flatten()
        if configuration.head_hidden is not None:
            self.hidden = nn.Linear(width, configuration.head_hidden)
            self.act = nn.GELU()
            width = configuration.head_hidden
        if configuration.classes is not None:
            self.head = nn.Linear(width, configuration.classes)

    def _norm(self, width: int, epsilon: float) -> nn.Module:
        configuration = self.configuration
        if configuration.norm == LAYER_NORM and not configuration.head_norm_first:
            return nn.LayerNorm(width, eps=epsilon)
        return norm_2d(configuration.norm, width, epsilon)

    def trunk(self, x: torch.Tensor) -> torch.Tensor:
        """Compute features [N, dims[-1], H/32, W/32]."""
        return self.body(x)  # type: ignore[no-any-return]

    def top(self, features: torch.Tensor) -> torch.Tensor:
        """Compute logits [N, classes]."""
        x = features
        for module in self._top_modules():
            x = module(x)
        return x

    def _top_modules(self) -> Iterator[nn.Module]:
        """Yield what stands on the trunk, in the order in which it runs."""
        norm = self.norm
        is_late = isinstance(norm, nn.LayerNorm)
        if norm is not None and self.configuration.head_norm_first:
            yield norm
        yield self.pool
        if norm is not None and not is_late and not self.configuration.head_norm_first:
            yield norm
        yield self.flatten
        if norm is not None and is_late:
            yield norm
        if self.configuration.head_hidden is not None:
            yield self.hidden
            yield self.act
        if self.configuration.classes is not None:
            yield self.head

    def stations(self) -> tuple[Station, ...]:
        """List stem, stages, pooling, norm, classifier."""
        return (*self.body.stations(), *self._top_stations())

    def _top_stations(self) -> Iterator[Station]:
        configuration = self.configuration
        names: dict[nn.Module, tuple[str, str, str]] = {
            self.pool: ("pooling", "mean over the plane", "backbone")
        }
        if self.norm is not None:
            names[self.norm] = ("norm", configuration.norm, "backbone")
        if configuration.head_hidden is not None:
            names[self.hidden] = ("hidden layer", "Linear", "head")
        if configuration.classes is not None:
            names[self.head] = ("classifier", "Linear", "head")
        for module in self._top_modules():
            if module in names:
                name, kind, part = names[module]
                yield Station(name=name, kind=kind, part=part, modules=(module,))


def build(configuration: ConvNeXtConfiguration, dialect: str) -> ConvNeXtNetwork:
    """Return the network of a configuration, as the code base of a dialect has it."""
    is_hugging_face = dialect == HUGGING_FACE.name
    return ConvNeXtNetwork(
        configuration, _HUGGING_FACE_EPSILON if is_hugging_face else LAYER_NORM_EPSILON
    )


def key_tables(configuration: ConvNeXtConfiguration) -> tuple[tuple[ExpectedTensor, ...], ...]:
    """Return the keys in every dialect that can have them, in the order of the parameters."""
    tables = []
    for dialect in DIALECTS:
        try:
            require_buildable(configuration, dialect)
        except UsageError:
            continue  # a code base that has no such network
        tables.append(tuple(_table(configuration, dialect)))
    return tuple(tables)


def _table(configuration: ConvNeXtConfiguration, dialect: str) -> Iterator[ExpectedTensor]:
    names = DIALECTS[dialect]
    layout = names.norm_first_layout if configuration.head_norm_first else names.layout
    aligned = msgspec.structs.replace(layout, stages_first=ORIGINAL.stages_first)
    trunk = tuple(
        trunk_keys(configuration.trunk, aligned, prefix=usual_wrapper(configuration, dialect))
    )
    yield from trunk
    listed = {tensor.key for tensor in trunk}
    for tensor in configuration_keys(configuration, dialect):
        if tensor.key not in listed:
            yield tensor
