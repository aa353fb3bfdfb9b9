"""What a file's names and shapes say of a RootNet.

Enters: a view of a state_dict. Leaves: a `Match`, an `Architecture`. Trunk and transposed
convolutions are read in `families.trunks`; here they are put together.
"""

from collections.abc import Sequence

from ckptscope.facts.architecture import Architecture
from ckptscope.facts.expected import ExpectedTensor
from ckptscope.families.base import Family, Given, Match
from ckptscope.families.concluding import (
    Conclusion,
    conclude,
    is_half_there,
    name_facts,
    presence_text,
)
from ckptscope.families.known.rootnet.configuration import (
    DEPTH_LAYER,
    DIALECT,
    HEAD,
    NAME,
    XY_LAYER,
    RootNetConfiguration,
    configuration_keys,
    count_configuration,
    read_fields,
    spell_out,
)
from ckptscope.families.readings import follow, hold_stated, sum_facts
from ckptscope.families.trunks.deconvolution_reading import (
    BaseReading,
    base_facts,
    plane_facts,
    read_base,
)
from ckptscope.families.trunks.deconvolution_settings import require_stack
from ckptscope.families.trunks.resnet import STRIDES
from ckptscope.families.view import NetworkView


def match_network(view: NetworkView) -> Match:
    """Say which tensors are a RootNet; none if less than half of one is there."""
    reading = read_base(view, prefix=HEAD, after=(f"{XY_LAYER}.weight",))
    if reading is None or not (reading.stack.convolutions or _outputs(view)):
        return Match()
    configuration = read_fields({name: fact.value for name, fact in reading.settings.items()})
    if 2 * count_configuration(configuration).tensors > 5 * len(view):
        return Match()
    table = tuple(configuration_keys(configuration))
    if not is_half_there(view, table):
        return Match()
    explained = frozenset(tensor.key for tensor in table if tensor.key in view)
    return Match(explained=explained, reasons=_reasons(reading, view, table))


def _outputs(view: NetworkView) -> tuple[str, ...]:
    """Return the layers for the outputs that are there."""
    return tuple(name for name in (XY_LAYER, DEPTH_LAYER) if f"{name}.weight" in view)


def _reasons(
    reading: BaseReading, view: NetworkView, table: Sequence[ExpectedTensor]
) -> tuple[str, ...]:
    outputs = " and ".join(map(repr, _outputs(view))) or "none"
    return (*reading.reasons, f"layers for the outputs: {outputs}", presence_text(view, table))


def infer_network(
    family: Family[RootNetConfiguration], view: NetworkView, given: Given
) -> Architecture:
    """Infer the architecture of a view that matches.

    Raises:
        UsageError: A stated setting is unknown, or has an impossible value.
    """
    reading = read_base(view, prefix=HEAD, after=(f"{XY_LAYER}.weight",))
    if reading is None:
        raise ValueError(f"expected a view that {family.name} matches, found another")
    settings = dict(reading.settings)
    observed = {name: fact.value for name, fact in settings.items()}
    stated = spell_out(given.stated)
    contradicted = hold_stated(settings, stated, read_fields({**observed, **stated}))
    configuration = read_fields({name: fact.value for name, fact in settings.items()})
    require_stack(configuration, family=NAME)
    counts = count_configuration(configuration)
    table = tuple(configuration_keys(configuration))
    conclusion = Conclusion(
        facts=(
            *base_facts(configuration, settings, reading),
            *plane_facts(configuration, settings),
            *name_facts(view, DIALECT, "'backbone.layer1', 'root.deconv_layers', ..."),
            *sum_facts(view, table, counts),
            follow("macs", counts.macs, "convolutions, for one image", settings.values(), STRIDES),
        ),
        settings=family.settings(configuration),
        counts=counts,
        table=table,
        dialect=DIALECT,
        reasons=_reasons(reading, view, table),
        contradicted=contradicted,
    )
    return conclude(family, view, conclusion)
