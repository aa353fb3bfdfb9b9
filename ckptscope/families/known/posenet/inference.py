"""What a file's names and shapes say of a PoseNet.

Enters: a view of a state_dict. Leaves: a `Match`, an `Architecture`. Trunk and transposed
convolutions are read in `families.trunks`, their outputs divided in `division`; here they are put
together.
"""

from collections.abc import Sequence

import msgspec

from ckptscope.facts.architecture import Architecture, Evidence, Fact, FactValue
from ckptscope.facts.expected import ExpectedTensor
from ckptscope.facts.tensors import Origin
from ckptscope.families.ballots import Ballot
from ckptscope.families.base import Family, Given, Match
from ckptscope.families.concluding import (
    Conclusion,
    conclude,
    is_half_there,
    name_facts,
    presence_text,
)
from ckptscope.families.known.posenet.configuration import (
    DIALECT,
    FINAL_LAYER,
    HEAD,
    NAME,
    PoseNetConfiguration,
    configuration_keys,
    count_configuration,
    read_fields,
    spell_out,
)
from ckptscope.families.known.posenet.division import Divided, divide_channels
from ckptscope.families.readings import (
    follow,
    hear,
    hold_stated,
    settle,
    size_fact,
    sum_facts,
)
from ckptscope.families.trunks.deconvolution_reading import (
    BaseReading,
    base_facts,
    plane_facts,
    read_base,
)
from ckptscope.families.trunks.deconvolution_settings import require_stack
from ckptscope.families.trunks.resnet import STRIDES
from ckptscope.families.view import NetworkView

_DIVISION = ("joints", "depth_bins", "undivided")


def match_network(view: NetworkView) -> Match:
    """Say which tensors are a PoseNet; none if less than half of one is there."""
    reading = read_base(view, prefix=HEAD, after=(f"{FINAL_LAYER}.weight",))
    if reading is None:
        return Match()
    final = _read_final(view)
    if not reading.stack.convolutions and final.value is None:
        return Match()
    settings = {name: fact.value for name, fact in reading.settings.items()}
    configuration = read_fields({**settings, "undivided": final.value})
    if 2 * count_configuration(configuration).tensors > 5 * len(view):
        return Match()
    table = tuple(configuration_keys(configuration))
    if not is_half_there(view, table):
        return Match()
    explained = frozenset(tensor.key for tensor in table if tensor.key in view)
    return Match(explained=explained, reasons=_reasons(reading, view, table))


def _reasons(
    reading: BaseReading, view: NetworkView, table: Sequence[ExpectedTensor]
) -> tuple[str, ...]:
    return (
        *reading.reasons,
        f"a final layer {FINAL_LAYER!r}"
        if f"{FINAL_LAYER}.weight" in view
        else f"no {FINAL_LAYER!r}: the outputs are lost",
        presence_text(view, table),
    )


def infer_network(
    family: Family[PoseNetConfiguration], view: NetworkView, given: Given
) -> Architecture:
    """Infer the architecture of a view that matches.

    Raises:
        UsageError: A stated setting is unknown, or has an impossible value.
    """
    reading = read_base(view, prefix=HEAD, after=(f"{FINAL_LAYER}.weight",))
    if reading is None:
        raise ValueError(f"expected a view that {family.name} matches, found another")
    settings = dict(reading.settings)
    base, final, divided, contradicted = _settle(view, settings, given)
    configuration = _divided(base, final, divided)
    is_known = configuration.final_channels is not None
    counts = count_configuration(configuration) if is_known else None
    table = tuple(configuration_keys(configuration))
    macs = follow(
        "macs",
        None if counts is None else counts.macs,
        "convolutions, for one image",
        (*settings.values(), final),
        STRIDES,
    )
    conclusion = Conclusion(
        facts=(
            *base_facts(configuration, settings, reading),
            final,
            divided.joints,
            divided.bins,
            *plane_facts(configuration, settings),
            *name_facts(view, DIALECT, "'backbone.layer1', 'head.deconv_layers', ..."),
            *sum_facts(view, table, counts),
            *((macs,) if is_known else ()),
        ),
        settings=family.settings(configuration) if is_known else None,
        counts=counts,
        table=table,
        dialect=DIALECT,
        reasons=_reasons(reading, view, table),
        contradicted=contradicted,
        rankings=() if divided.ranking is None else (divided.ranking,),
    )
    return conclude(family, view, conclusion)


def _settle(
    view: NetworkView, settings: dict[str, Fact], given: Given
) -> tuple[PoseNetConfiguration, Fact, Divided, tuple[str, ...]]:
    """Bring together what the file says and what is stated.

    Args:
        view: The network.
        settings: Facts by setting; stated ones take their places in it.
        given: What is known beside the file.

    Returns:
        The configuration but for its outputs; the facts of these; what the file contradicts.
    """
    observed: dict[str, FactValue] = {name: fact.value for name, fact in settings.items()}
    spelled = spell_out(given.stated)
    typed = read_fields({**observed, **spelled})
    base_stated = {name: value for name, value in spelled.items() if name not in _DIVISION}
    contradicted = hold_stated(settings, base_stated, typed)
    base = read_fields({name: fact.value for name, fact in settings.items()})
    require_stack(base, family=NAME)
    final = _read_final(view)
    if typed.undivided is not None and final.value is None:
        evidence = (Evidence(text="stated by the user"),)
        final = msgspec.structs.replace(
            final, value=typed.undivided, origin=Origin.STATED, evidence=evidence
        )
    elif typed.undivided is not None and final.value != typed.undivided:
        contradicted.append(
            f"final_channels is {typed.undivided} as stated, and {final.value} in the file "
            f"({final.evidence[0].key!r})"
        )
    stated = {"joints": typed.joints, "depth_bins": typed.depth_bins}
    divided = divide_channels(
        final,
        base.heatmap[1],
        {name: value for name, value in stated.items() if value is not None},
        given.claims,
    )
    return base, final, divided, (*contradicted, *divided.contradicted)


def _divided(base: PoseNetConfiguration, final: Fact, divided: Divided) -> PoseNetConfiguration:
    """Add the outputs to a configuration, divided if it is known how."""
    joints, bins = divided.joints.value, divided.bins.value
    if isinstance(joints, int) and isinstance(bins, int):
        return msgspec.structs.replace(base, joints=joints, depth_bins=bins)
    undivided = final.value if isinstance(final.value, int) else None
    return msgspec.structs.replace(base, undivided=undivided)


def _read_final(view: NetworkView) -> Fact:
    """Read the channels that leave the network; None if there is no final layer."""
    ballot: Ballot[int] = Ballot("final_channels")
    for name, dimensions in (("weight", 4), ("bias", 1)):
        tensor = view.tensors.get(f"{FINAL_LAYER}.{name}")
        if tensor is not None and len(tensor.shape) == dimensions:
            hear(ballot, tensor, 0)
    said = settle(ballot)
    if said is not None:
        return size_fact("final_channels", said)
    return Fact(
        name="final_channels",
        value=None,
        origin=Origin.UNDETERMINED,
        evidence=(Evidence(text=f"no {FINAL_LAYER!r} in the file"),),
        decided_by="the configuration that it was trained with: the joint set and depth_dim",
    )
