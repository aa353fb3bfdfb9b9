"""One network, built, filled, run and told of.

Enters: a `Subject` (what the file's network is) and a `PassRequest`. Leaves: a `ForwardReport`, and
the output as a tensor.
"""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import msgspec
import torch

from ckptscope.errors import LimitError
from ckptscope.facts.architecture import FactValue
from ckptscope.facts.trace import ForwardReport, LayerRow, MacCount, PassInput, PassRequest
from ckptscope.facts.upsampling import Plane
from ckptscope.facts.values import Values
from ckptscope.forward.build import build_network, key_tables
from ckptscope.forward.hypotheses import SETTING, has_question, weigh
from ckptscope.forward.inputs import batch_of, make_input, planned_size
from ckptscope.forward.machine import (
    refusing_too_much,
    require_bearable,
    require_device,
    with_threads,
)
from ckptscope.forward.network import Network, Reading
from ckptscope.forward.norms import norm_memories
from ckptscope.forward.passes import Pass, watch
from ckptscope.forward.reading import best_classes, coordinate_rows, root_rows, soft_argmax
from ckptscope.forward.shapes import ShapeRules
from ckptscope.forward.subject import Subject
from ckptscope.forward.trace import Progress, no_progress, summarize
from ckptscope.forward.weights import (
    FLOATING,
    Loaded,
    Pairing,
    choose_dtype,
    load_weights,
    pair_keys,
)

#: Tensors of a network that are built as modules; the largest of the known families has 1,300.
_MOST_TENSORS = 20_000
#: Input of most recognisers, for families that say nothing of theirs.
_USUAL_SIZE: Plane = (224, 224)
#: Tensors as large as the largest that are held at once: what enters a layer, what leaves it, and
#: what is added to it.
_HELD = 3
#: Things that do not fit which are told; the rest is in `inspect`.
_MOST_MISFITS = 5
COUNTED = (
    "convolutions and linear layers, for one input; not biases, norms, activations, pooling and "
    "upsampling"
)
BY_COUNTER = "torch's FlopCounterMode"
BY_FORMULAS = "the formulas of torch's FlopCounterMode"


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A network that is ready to run.

    Attributes:
        network: With its weights, in eval mode; without them on the meta device.
        pairing: Which tensor of the file filled what.
        loaded: What that took.
        device: Where it is.
        dtype: Element type of the pass.
        given: The input.
        described: What the input is.
        closed_form: Multiply-accumulates for one such input, by the family.
    """

    network: Network
    pairing: Pairing
    loaded: Loaded
    device: torch.device
    dtype: str
    given: torch.Tensor
    described: PassInput
    closed_form: int | None


def run_network(
    subject: Subject, request: PassRequest, progress: Progress | None = None
) -> tuple[ForwardReport, torch.Tensor]:
    """Build, fill and run a network, and tell what it did.

    Raises:
        UsageError: The request does not fit the network or the machine.
        ArtifactError: The weights do not fit the network, or cannot be read.
    """
    with with_threads(request.threads), refusing_too_much(), torch.no_grad():
        weighed = None
        if has_question(subject.family):
            weighed = weigh(subject.family, subject.configuration, subject.question)
            subject = _with_setting(subject, SETTING, weighed.ran)
        ready = prepare(subject, request)
        counted = {own for own, tensor in ready.pairing.tensors.items() if tensor is not None}
        remember = partial(
            norm_memories, ready.network, file_keys=ready.pairing.keys, counted=counted
        )
        found = watch(ready.network, ready.given, weighed, remember, progress or no_progress)
        return _report(subject, ready, found), found.output


def float32_bytes(output: torch.Tensor) -> bytes:
    """Return the elements of a tensor as little-endian float32 in C order."""
    return output.float().cpu().contiguous().numpy().astype("<f4", copy=False).tobytes()


def prepare(subject: Subject, request: PassRequest) -> Prepared:
    """Build and fill a network, and make its input.

    Raises:
        UsageError: The request does not fit the network or the machine.
        ArtifactError: The weights do not fit the network, or cannot be read.
    """
    if len(subject.view) > _MOST_TENSORS:
        raise LimitError("forward_tensors", allowed=_MOST_TENSORS, actual=len(subject.view))
    device = require_device(request.device)
    dialect = subject.architecture.dialect
    network = build_network(subject.family, subject.configuration, dialect)
    tables = key_tables(subject.family, subject.configuration, dialect)
    pairing = pair_keys(network, tables, subject.view, foreign=subject.foreign)
    dtype = choose_dtype(pairing, request.dtype, device.type)
    usual: Plane = getattr(subject.configuration, "input_size", _USUAL_SIZE)
    size = planned_size(network, usual, request)
    closed_form = _closed_form(subject, size)
    loaded = Loaded()
    if device.type != "meta":
        _require_bearable(network, (batch_of(network, request), network.input_channels, *size))
    given, described = make_input(network, size, request)
    if device.type != "meta":
        loaded = load_weights(network, pairing, subject.build, dtype=dtype, device=str(device))
    return Prepared(
        network=network,
        pairing=pairing,
        loaded=loaded,
        device=device,
        dtype=dtype,
        given=given.to(device, FLOATING[dtype]),
        described=described,
        closed_form=closed_form,
    )


def _require_bearable(network: Network, shape: tuple[int, ...]) -> None:
    """Follow the shapes of a pass before it is made, and refuse what is too much.

    Raises:
        UsageError: It is.
    """
    with ShapeRules() as rules:
        network(torch.empty(shape, device="meta"))
    weights = sum(parameter.numel() for parameter in network.parameters())
    elements = weights + _HELD * rules.largest
    require_bearable(rules.get_total_flops() // 2, elements * torch.float32.itemsize)


def _closed_form(subject: Subject, size: Plane) -> int | None:
    if "input_size" in type(subject.configuration).__struct_fields__:
        subject = _with_setting(subject, "input_size", size)
    return subject.family.count(subject.configuration).macs


def _with_setting(subject: Subject, name: str, value: FactValue) -> Subject:
    changed = msgspec.structs.replace(subject.configuration, **{name: value})
    return dataclasses.replace(subject, configuration=changed)


def _report(subject: Subject, ready: Prepared, found: Pass) -> ForwardReport:
    architecture = subject.architecture
    settings = subject.family.settings(subject.configuration)
    output = summarize(found.output)
    macs = MacCount(
        closed_form=ready.closed_form,
        layers=sum(row.macs for row in found.rows),
        counter=found.counted_macs,
        counted_by=BY_COUNTER if output is not None else BY_FORMULAS,
        what=COUNTED,
    )
    draft = ForwardReport(
        path=subject.path,
        state_dict=architecture.state_dict,
        prefix=architecture.prefix,
        family=subject.family.name,
        title=subject.family.title,
        dialect=architecture.dialect,
        settings=settings,
        origins={fact.name: fact.origin for fact in architecture.facts if fact.name in settings},
        device=str(ready.device),
        dtype=ready.dtype,
        threads=torch.get_num_threads() if ready.device.type == "cpu" else None,
        torch=str(torch.__version__),
        given=ready.described,
        rows=found.rows,
        output_shape=tuple(found.output.shape),
        output=output,
        macs=macs,
        parameters=sum(parameter.numel() for parameter in ready.network.parameters()),
        mapped_bytes=ready.loaded.mapped_bytes,
        read_bytes=ready.loaded.read_bytes,
        label=subject.question.label,
        contradictions=tuple(subject.question.contradictions),
        upsampling=found.upsampling,
        norms=found.norms,
        notes=(*subject.notes, *notes_about(subject, ready)),
        failures=(
            *ready.loaded.finite_failures(),
            *output_failures(found.rows, output),
            *count_failures(macs),
        ),
        seconds=None if output is None else sum(row.seconds or 0.0 for row in found.rows),
    )
    return draft if output is None else _with_reading(draft, ready.network, found.output)


def _with_reading(draft: ForwardReport, network: Network, output: torch.Tensor) -> ForwardReport:
    """Add what the output says."""
    if network.reading is Reading.VOLUME:
        joints, depth_bins = draft.settings.get("joints"), draft.settings.get("depth_bins")
        if not isinstance(joints, int) or not isinstance(depth_bins, int):
            return draft
        volume = (depth_bins, output.shape[2], output.shape[3])
        places = soft_argmax(output, joints, depth_bins)
        return msgspec.structs.replace(
            draft, volume=volume, coordinates=tuple(coordinate_rows(places, volume))
        )
    if network.reading is Reading.ROOT:
        return msgspec.structs.replace(draft, root=tuple(root_rows(output)))
    if network.reading is Reading.CLASSES:
        return msgspec.structs.replace(draft, scores=tuple(best_classes(output)))
    return draft


def notes_about(subject: Subject, ready: Prepared) -> Iterator[str]:
    """Yield what was decided on the way."""
    for misfit in subject.architecture.misfits[:_MOST_MISFITS]:
        yield f"what the file holds does not fit: {misfit}"
    if ready.network.reading is Reading.VOLUME and subject.lacks_joints:
        yield (
            "how the outputs divide into joints and depth bins is not known, so there are no "
            "coordinates; --assume joints=N says it"
        )
    yield from ready.network.cautions
    stored = tuple(ready.loaded.stored_dtypes)
    if stored and stored != (ready.dtype,):
        yield (
            f"the weights are stored in {' and '.join(stored)} and were converted to "
            f"{ready.dtype} for the pass; --dtype asks for another type"
        )
    if ready.pairing.missing_counters:
        count = ready.pairing.missing_counters
        yield (
            f"{count} BatchNorm counters (num_batches_tracked) are not in the file; they do not "
            "enter the pass"
        )


def output_failures(rows: tuple[LayerRow, ...], output: Values | None) -> Iterator[str]:
    """Yield a line if the output is not finite."""
    if output is None or output.is_finite:
        return
    first = next(
        (row.name for row in rows if row.values is not None and not row.values.is_finite), ""
    )
    yield (
        f"{output.not_finite:,} of {output.elements:,} elements of the output are NaN or infinite"
        + (f"; the first layer with such is {first!r}" if first else "")
    )


def count_failures(macs: MacCount) -> Iterator[str]:
    """Yield a line if the ways to count do not agree."""
    if not macs.agree:
        yield (
            f"multiply-accumulates do not agree: {macs.closed_form} in closed form, "
            f"{macs.layers:,} by layers, {macs.counter:,} by torch's counter"
        )
