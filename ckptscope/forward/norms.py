"""What BatchNorm layers remember of training, beside what they met in a pass.

Enters: a network with its weights, means and variances that its norms met. Leaves: `NormMemory`s.
"""

import statistics
from collections.abc import Collection, Iterable, Mapping
from typing import TypeAlias

import msgspec
import torch
from torch import nn

from ckptscope.facts.trace import NormMemory
from ckptscope.forward.network import Network

#: Mean and variance of each channel that entered a BatchNorm layer.
Met: TypeAlias = tuple[torch.Tensor, torch.Tensor]


def norm_memories(
    network: Network,
    met: Mapping[str, Met | None],
    file_keys: Mapping[str, str],
    counted: Collection[str],
) -> tuple[NormMemory, ...]:
    """Return what each BatchNorm layer remembers, beside what it met.

    Args:
        network: With its weights.
        met: Mean and variance over each channel, by name of the module.
        file_keys: Names in the file, by the network's own.
        counted: The network's names of those counters that the file holds.
    """
    parts = {
        module: station.part
        for station in network.stations()
        for outer in station.modules
        for module in outer.modules()
    }
    found = []
    for name, module in network.named_modules():
        seen = met.get(name)
        if seen is None or not isinstance(module, nn.BatchNorm2d):
            continue
        draft = _memory(module, seen, has_counter=f"{name}.num_batches_tracked" in counted)
        key = file_keys[f"{name}.running_mean"].removesuffix(".running_mean")
        found.append(msgspec.structs.replace(draft, key=key, part=parts.get(module, "")))
    return tuple(found)


def _memory(module: nn.BatchNorm2d, seen: Met, *, has_counter: bool) -> NormMemory:
    """Return a layer's memory, not yet named."""
    met_mean, met_variance = (values.float() for values in seen)
    stored = module.running_mean, module.running_var
    mean, variance = (values.float() for values in stored if values is not None)
    counter = module.num_batches_tracked
    batches = int(counter.item()) if has_counter and counter is not None else None
    untouched = bool((mean == 0).all() & (variance == 1).all())
    distance = (met_mean - mean).abs() / torch.sqrt(variance + module.eps)
    return NormMemory(
        key="",
        part="",
        channels=module.num_features,
        batches=batches,
        stored_mean=_number(mean.mean()),
        stored_variance=_number(variance.mean()),
        pass_mean=_number(met_mean.mean()),
        pass_variance=_number(met_variance.mean()),
        mean_distance=_number(distance.median()),
        variance_ratio=_number(((met_variance + module.eps) / (variance + module.eps)).median()),
        is_untrained=untouched and not batches,
    )


def _number(value: torch.Tensor) -> float | None:
    found = float(value.item())
    return found if torch.isfinite(value) else None


def median_distance(memories: Iterable[NormMemory]) -> float | None:
    """Return the median of the distances of several layers; None if none has one."""
    distances = [one.mean_distance for one in memories if one.mean_distance is not None]
    return statistics.median(distances) if distances else None
