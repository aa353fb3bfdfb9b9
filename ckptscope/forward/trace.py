"""One pass, watched: what enters and leaves each station, how long it takes, what BatchNorm meets.

Enters: a network and an input. Leaves: rows of the trace, and what BatchNorm layers met. Watching
reads and changes nothing: the output is that of the bare network, bit for bit.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from ckptscope.facts.trace import LayerRow
from ckptscope.facts.values import Values
from ckptscope.forward.counting import Counter
from ckptscope.forward.network import Network, Station
from ckptscope.forward.norms import Met

#: Called with the row that is done, its number from 1, and how many there are.
Progress = Callable[[str, int, int], None]


def no_progress(name: str, done: int, of: int) -> None:
    """Say nothing."""


def summarize(values: torch.Tensor) -> Values | None:
    """Return the statistics of a tensor; None for shapes alone."""
    if values.is_meta:
        return None
    elements = values.numel()
    least, greatest = torch.aminmax(values)
    not_finite = 0
    if not bool(torch.isfinite(least) & torch.isfinite(greatest)):
        values = values[torch.isfinite(values)]
        not_finite = elements - values.numel()
        if not values.numel():
            return Values(
                least=None, mean=None, greatest=None, elements=elements, not_finite=not_finite
            )
        least, greatest = torch.aminmax(values)
    # Sums of narrow types overflow.
    wide = torch.float64 if values.device.type == "cpu" else torch.float32
    return Values(
        least=least.item(),
        mean=values.mean(dtype=wide).item(),
        greatest=greatest.item(),
        elements=elements,
        not_finite=not_finite,
    )


@dataclass
class _Draft:
    """A row in the making."""

    input_shape: tuple[int, ...] = ()
    output_shape: tuple[int, ...] = ()
    macs: int = 0
    counted_macs: int = 0
    values: Values | None = None
    seconds: float = 0.0
    started: float = 0.0
    watched: float = 0.0
    counted_before: int = 0


class Observer:
    """Watches stations, norms and counted layers of one network while it is attached.

    Attributes:
        met: Mean and variance of each channel that entered a BatchNorm layer, by the name of the
            module; None for shapes alone.
    """

    def __init__(
        self, network: Network, counter: Counter, progress: Progress = no_progress
    ) -> None:
        self._network = network
        self._counter = counter
        self._progress = progress
        self._stations = network.stations()
        self._drafts = [_Draft() for _ in self._stations]
        self._current: _Draft | None = None
        self._hooks: list[torch.utils.hooks.RemovableHandle] = []
        # Time spent on watching, which is nobody's work.
        self._watching = 0.0
        self.met: dict[str, Met | None] = {}

    def __enter__(self) -> "Observer":
        for name, module in self._network.named_modules():
            if isinstance(module, nn.BatchNorm2d):
                self._hooks.append(module.register_forward_pre_hook(self._norm_hook(name)))
            elif isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
                self._hooks.append(module.register_forward_hook(self._count))
        for index, station in enumerate(self._stations):
            self._hooks.append(station.modules[0].register_forward_pre_hook(self._enter(index)))
            self._hooks.append(station.modules[-1].register_forward_hook(self._leave(index)))
        return self

    def __exit__(self, *_: object) -> None:
        for hook in self._hooks:
            hook.remove()

    def rows(self) -> tuple[LayerRow, ...]:
        """Return the rows of the stations that ran."""
        ran = [
            (station, draft)
            for station, draft in zip(self._stations, self._drafts, strict=True)
            if draft.output_shape
        ]
        total = sum(draft.seconds for _, draft in ran)
        return tuple(_row(station, draft, total) for station, draft in ran)

    def _enter(self, index: int) -> Callable[[nn.Module, tuple[torch.Tensor, ...]], None]:
        def hook(_: nn.Module, given: tuple[torch.Tensor, ...]) -> None:
            draft = self._drafts[index]
            draft.input_shape = tuple(given[0].shape[1:])
            draft.counted_before = self._counted()
            draft.watched = self._watching
            self._current = draft
            _synchronize(given[0])
            draft.started = time.perf_counter()

        return hook

    def _leave(self, index: int) -> Callable[[nn.Module, object, torch.Tensor], None]:
        def hook(_: nn.Module, __: object, output: torch.Tensor) -> None:
            _synchronize(output)
            draft = self._drafts[index]
            watched = self._watching - draft.watched
            draft.seconds = time.perf_counter() - draft.started - watched
            batch = output.shape[0]
            draft.counted_macs = (self._counted() - draft.counted_before) // 2 // batch
            draft.output_shape = tuple(output.shape[1:])
            draft.values = summarize(output)
            self._current = None
            self._progress(self._stations[index].name, index + 1, len(self._stations))

        return hook

    def _count(self, module: nn.Module, given: tuple[torch.Tensor, ...], out: torch.Tensor) -> None:
        """Count weights times places: of the output, or of the input where it spreads out."""
        if self._current is None:
            return
        weight = module.weight
        if not isinstance(weight, torch.Tensor):
            raise TypeError(f"expected a weight, found {weight!r}")
        if isinstance(module, nn.Linear):
            places = out.numel() // out.shape[-1]
        else:
            spread = given[0] if isinstance(module, nn.ConvTranspose2d) else out
            places = spread.numel() // spread.shape[1]
        self._current.macs += weight.numel() * places // out.shape[0]

    def _counted(self) -> int:
        return self._counter.get_total_flops()

    def _norm_hook(self, name: str) -> Callable[[nn.Module, tuple[torch.Tensor, ...]], None]:
        def hook(_: nn.Module, given: tuple[torch.Tensor, ...]) -> None:
            x = given[0]
            if x.is_meta:
                self.met[name] = None
                return
            before = time.perf_counter()
            variance, mean = torch.var_mean(x.float(), dim=(0, 2, 3), correction=0)
            self.met[name] = (mean, variance)
            self._watching += time.perf_counter() - before

        return hook


def _row(station: Station, draft: _Draft, total: float) -> LayerRow:
    is_timed = draft.values is not None
    return LayerRow(
        name=station.name,
        kind=station.kind,
        part=station.part,
        input_shape=draft.input_shape,
        output_shape=draft.output_shape,
        parameters=sum(p.numel() for module in station.modules for p in module.parameters()),
        macs=draft.macs,
        counted_macs=draft.counted_macs,
        upsampling=station.upsampling,
        values=draft.values,
        seconds=draft.seconds if is_timed else None,
        share=draft.seconds / total if is_timed and total else None,
    )


def _synchronize(values: torch.Tensor) -> None:
    """Wait for a GPU, whose calls return before they are done."""
    if values.is_cuda:
        torch.cuda.synchronize(values.device)
