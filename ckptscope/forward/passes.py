"""The passes through one network: its own, and those of the hypotheses worth running.

Enters: a network with its weights, an input. Leaves: rows of the trace, what norms met, the output,
and the hypotheses with what came of running them. Patterns of upsampling share one pass through the
backbone: nothing before the head depends on them.
"""

from collections.abc import Callable
from dataclasses import dataclass

import msgspec
import torch

from ckptscope.facts.trace import LayerRow, NormMemory
from ckptscope.facts.upsampling import Pattern, Upsampling
from ckptscope.forward.counting import torch_counter
from ckptscope.forward.network import Network, UpsamplingNetwork
from ckptscope.forward.norms import Met, median_distance
from ckptscope.forward.trace import Observer, Progress, no_progress, summarize

#: What norms met → their memories beside it, in the order of the network.
Remember = Callable[[dict[str, Met | None]], tuple[NormMemory, ...]]


@dataclass(frozen=True, kw_only=True)
class Pass:
    """What one pass showed.

    Attributes:
        output: What left the network.
        rows: The trace.
        norms: What BatchNorm layers remember, beside what they met.
        counted_macs: Multiply-accumulates of one input, by torch's counter.
        seconds: Time of all rows.
        upsampling: The hypotheses, those worth running with what came of it.
    """

    output: torch.Tensor
    rows: tuple[LayerRow, ...]
    norms: tuple[NormMemory, ...]
    counted_macs: int
    upsampling: Upsampling | None = None


def watch(
    network: Network,
    given: torch.Tensor,
    upsampling: Upsampling | None,
    remember: Remember,
    progress: Progress = no_progress,
) -> Pass:
    """Run a network, and the hypotheses that are worth it.

    Args:
        network: In eval mode.
        given: The input.
        upsampling: The hypotheses, if there is such a question.
        remember: Makes memories of what norms met.
        progress: Told of every row that is done.
    """
    batch = given.shape[0]
    counter = torch_counter(shapes_only=given.is_meta)
    with counter, Observer(network, counter, progress) as observer:
        features = network.trunk(given)
        in_trunk = counter.get_total_flops()
        output = network.top(features)
        counted = counter.get_total_flops()
    norms = remember(observer.met)
    own = Pass(output=output, rows=observer.rows(), norms=norms, counted_macs=counted // 2 // batch)
    if upsampling is None or not isinstance(network, UpsamplingNetwork):
        return own
    runs = {upsampling.ran: own}
    for hypothesis in upsampling.hypotheses:
        pattern = hypothesis.upsampling
        if hypothesis.is_plausible and pattern not in runs and network.can_run(pattern):
            runs[pattern] = _run_head(network, features, pattern, in_trunk, remember)
    network.set_upsampling(upsampling.ran)
    return Pass(
        output=output,
        rows=own.rows,
        norms=norms,
        counted_macs=own.counted_macs,
        upsampling=_with_runs(upsampling, runs),
    )


def _run_head(
    network: UpsamplingNetwork,
    features: torch.Tensor,
    pattern: Pattern,
    in_trunk: int,
    remember: Remember,
) -> Pass:
    """Run what stands on the backbone with another pattern."""
    network.set_upsampling(pattern)
    counter = torch_counter(shapes_only=features.is_meta)
    with counter, Observer(network, counter) as observer:
        output = network.top(features)
        in_head = counter.get_total_flops()
    return Pass(
        output=output,
        rows=observer.rows(),
        norms=remember(observer.met),
        counted_macs=(in_trunk + in_head) // 2 // features.shape[0],
    )


def _with_runs(upsampling: Upsampling, runs: dict[Pattern, Pass]) -> Upsampling:
    hypotheses = []
    for one in upsampling.hypotheses:
        run = runs.get(one.upsampling)
        if run is not None:
            one = msgspec.structs.replace(  # noqa: PLW2901
                one,
                output_shape=tuple(run.output.shape[1:]),
                counted_macs=run.counted_macs,
                values=summarize(run.output),
                norm_distance=median_distance(_behind_first(run.norms)),
            )
        hypotheses.append(one)
    return msgspec.structs.replace(upsampling, hypotheses=tuple(hypotheses))


def _behind_first(norms: tuple[NormMemory, ...]) -> tuple[NormMemory, ...]:
    """Return the norms of the head that an upsampling may stand before."""
    return tuple(norm for norm in norms if norm.part == "head")[1:]
