"""A ConvNeXtPose from names and shapes: facts with their evidence, and what does not fit.

Enters: a view of a state_dict, what the user states, claims. Leaves: a `Match`, or an
`Architecture`. The trunk is read by `trunks.convnext_reading`, the head by `head`; what no shape
decides comes from `open_facts`.

Settings are given wherever a network can be built that has the file's keys, and that asks for less
than all facts: a division of the final channels that cannot be told is left out (`final_channels`
stands for it), and so is a pattern of upsampling, on which no key depends. There are none where a
width or a depth is lost, the final layer is, or a size is beyond reason; the keys are compared as
far as they are known all the same.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from ckptscope.errors import UsageError
from ckptscope.facts.architecture import Alternative, Architecture, Evidence, Fact, FactValue
from ckptscope.facts.expected import ExpectedTensor
from ckptscope.facts.tensors import Origin
from ckptscope.families.base import Family, Given, Match
from ckptscope.families.concluding import Conclusion, compare_view, conclude, name_facts
from ckptscope.families.known.convnextpose.configuration import (
    FINAL_LAYER,
    NAMED,
    ConvNeXtPoseConfiguration,
    configuration_keys,
    count_configuration,
)
from ckptscope.families.known.convnextpose.derived_facts import (
    backbone_fact,
    element_facts,
    stem_fact,
    width_fact,
)
from ckptscope.families.known.convnextpose.head import HeadReading, read_head
from ckptscope.families.known.convnextpose.open_facts import find_open_facts
from ckptscope.families.known.convnextpose.spelling import read_stated
from ckptscope.families.readings import FROM_THE_FILE, hold_stated
from ckptscope.families.trunks.convnext import BATCH_NORM, ORIGINAL, Trunk, trunk_counts
from ckptscope.families.trunks.convnext_reading import Reading, TrunkReading, read_trunk
from ckptscope.families.view import NetworkView

#: What a trunk of this family has where no tensor says otherwise.
USUAL: Final = Trunk(dims=(), depths=(), norm=BATCH_NORM, pointwise_convolutions=True)
#: Tensors of the authors' head, where nothing of it is there.
_HEAD_TENSORS: Final = 29
#: Settings that are read from the trunk.
_OF_TRUNK: Final = (
    "dims",
    "depths",
    "kernel_size",
    "expansion",
    "norm",
    "stem_kernel",
    "layer_scale",
    "grn",
    "input_channels",
)
#: Facts in the order in which they are told; those of the counts follow.
_ORDER: Final = (
    "depths",
    "dims",
    "backbone",
    "stem",
    "stem_kernel",
    "input_channels",
    "kernel_size",
    "expansion",
    "norm",
    "layer_scale",
    "grn",
    "head_layers",
    "head_in_channels",
    "head_out_channels",
    "head_width",
    "head_kernels",
    "final_channels",
    "joints",
    "depth_bins",
    "upsampling",
    "upsamplings",
    "head_input",
    "heatmap",
    "input_size",
)
_DECIDED_BY: Final = "the tensors that are missing, or the configuration that comes with the file"


class NetworkReading(msgspec.Struct, frozen=True, kw_only=True):
    """What the tensors of a view say of a ConvNeXtPose.

    Attributes:
        trunk: The backbone.
        head: Its head.
        configuration: Everything that was read; 1 for a width or a depth that is lost, and no
            division of the final channels.
        lost: Settings that nothing tells.
    """

    trunk: TrunkReading
    head: HeadReading
    configuration: ConvNeXtPoseConfiguration
    lost: tuple[str, ...]

    @property
    def explained(self) -> tuple[str, ...]:
        """Keys of the view that belong to the network."""
        return self.trunk.explained + self.head.explained

    @property
    def is_posed(self) -> bool:
        """Whether it is of this family: it has its head, or at least its sort of blocks."""
        trunk = self.trunk.trunk
        own_blocks = trunk.norm == BATCH_NORM and trunk.pointwise_convolutions
        return bool(self.head.explained) or (own_blocks and not trunk.layer_scale)


def read_network(view: NetworkView) -> NetworkReading | None:
    """Read a network; None if there is no block of its backbone."""
    # A view is asked for a match, then to infer.
    return view.remember("convnextpose", lambda: _read_network(view))


def _read_network(view: NetworkView) -> NetworkReading | None:
    trunk = read_trunk(view, ORIGINAL, prefix="backbone.", usual=USUAL)
    if trunk is None:
        return None
    dims = trunk.settings["dims"].value
    width = trunk.trunk.dims[-1] if dims is not None else None
    head = read_head(view, width, trunk.trunk.norm)
    out = head.readings["head_out_channels"].value
    fields: dict[str, Any] = {name: getattr(trunk.trunk, name) for name in _OF_TRUNK}
    fields |= {
        "head_out_channels": tuple(one.out.value or 1 for one in head.layers)
        if out is None
        else out,
        "head_kernels": head.readings["head_kernels"].value,
        "undivided": head.readings["final_channels"].value,
    }
    configuration = ConvNeXtPoseConfiguration(**fields)
    readings = {**trunk.settings, **head.readings}
    lost = [name for name, one in readings.items() if one.origin is Origin.UNDETERMINED]
    return NetworkReading(trunk=trunk, head=head, configuration=configuration, lost=tuple(lost))


def match_network(view: NetworkView) -> Match:
    """Say which tensors of a view are a ConvNeXtPose, of which at least half must be there."""
    found = read_network(view)
    if found is None or not found.is_posed:
        return Match()
    explained = found.explained
    wanted = trunk_counts(found.trunk.trunk)[0]
    wanted += 9 * len(found.head.layers) + 2 if found.head.explained else _HEAD_TENSORS
    if 2 * len(explained) < wanted:
        return Match()
    return Match(explained=frozenset(explained), reasons=_reasons(found))


def infer_network(family: Family[Any], view: NetworkView, given: Given) -> Architecture:
    """Infer an architecture; a view without a block of a backbone gives one without facts.

    Raises:
        UsageError: A stated setting is unknown, or has an impossible value.
    """
    found = read_network(view)
    layers = len(found.head.layers) if found is not None else None
    stated, notes = read_stated(given.stated, layers)
    if found is None:
        return conclude(family, view, _NOTHING)
    facts = {name: _fact(name, found.trunk.settings[name]) for name in _OF_TRUNK}
    facts |= {name: _fact(name, one) for name, one in found.head.readings.items()}
    configuration = _settle(found, facts, stated, notes)
    lost = [name for name in found.lost if facts[name].origin is Origin.UNDETERMINED]
    problem = _problem(family, configuration)
    if problem:
        lost.append("")
        notes.insert(0, f"no network can be built of what the tensors say: {problem}")
    opened = find_open_facts(
        configuration, facts["final_channels"], stated, given.claims, is_whole=not lost
    )
    configuration = opened.configuration
    notes += opened.notes
    is_known = not lost and configuration.final_channels > 0
    counts = count_configuration(configuration) if is_known else None
    facts |= opened.facts
    facts |= _derived(facts, configuration)
    dialect = found.head.dialect or NAMED
    named = _table(configuration, found.head.dialects)
    told = [facts[name] for name in _ORDER]
    told += _name_facts(view, found.head)
    told += element_facts(view, named, counts)
    told.append(facts["macs"])
    architecture = conclude(
        family,
        view,
        Conclusion(
            facts=told,
            settings=family.settings(configuration) if is_known else None,
            counts=counts,
            table=named,
            dialect=dialect,
            reasons=_reasons(found),
            contradicted=(*notes, *found.head.notes, *found.trunk.notes),
            rankings=opened.rankings,
        ),
    )
    # The words speak of the names that each layer has; load_state_dict knows those of one dialect.
    differences = architecture.differences
    if any(part != dialect for layer in found.head.dialects for part in layer):
        differences = compare_view(view, _table(configuration, dialect))
    return msgspec.structs.replace(
        architecture,
        coverage=len(found.explained) / len(view.state_dict.tensors),
        differences=differences,
    )


_NOTHING: Final = Conclusion(
    facts=(),
    settings=None,
    counts=None,
    table=(),
    dialect=NAMED,
    reasons=(),
    contradicted=("no block of a ConvNeXt backbone is there",),
)


def _fact(name: str, reading: Reading) -> Fact:
    is_open = reading.origin not in FROM_THE_FILE
    return Fact(
        name=name,
        value=reading.value,
        origin=reading.origin,
        evidence=reading.evidence,
        assumptions=reading.assumptions,
        alternatives=tuple(Alternative(value=value) for value in reading.alternatives),
        decided_by=_DECIDED_BY if is_open else "",
    )


def _settle(
    found: NetworkReading,
    facts: dict[str, Fact],
    stated: Mapping[str, FactValue],
    notes: list[str],
) -> ConvNeXtPoseConfiguration:
    """Let what is stated replace what does not rest on the file, and note what it contradicts."""
    read = found.configuration
    said: dict[str, FactValue] = {}
    for name, value in stated.items():
        own = getattr(read, name, None)
        if name not in facts:
            continue
        if isinstance(own, tuple) and isinstance(value, tuple) and len(own) != len(value):
            notes.append(f"stated {name} has {len(value)} values, the file has {len(own)} of them")
        else:
            said[name] = value
    fields: dict[str, Any] = {
        "undivided" if name == "final_channels" else name: value for name, value in said.items()
    }
    notes += hold_stated(facts, said, msgspec.structs.replace(read, **fields))
    taken = {
        name: value
        for name, value in fields.items()
        if facts["final_channels" if name == "undivided" else name].origin is Origin.STATED
    }
    joints, bins = stated.get("joints"), stated.get("depth_bins")
    if read.undivided is None and isinstance(joints, int) and isinstance(bins, int):
        final = taken.setdefault("undivided", joints * bins)
        text = f"{joints} joints × {bins} depth bins, stated by the user"
        facts["final_channels"] = Fact(
            name="final_channels",
            value=final,
            origin=Origin.STATED,
            evidence=(Evidence(text=text),),
        )
    return msgspec.structs.replace(read, **taken)


def _problem(family: Family[Any], configuration: ConvNeXtPoseConfiguration) -> str:
    """Return why a network of this configuration cannot be built; empty if it can."""
    settings = family.settings(configuration)
    settings.setdefault("final_channels", 1)
    try:
        family.configure(settings)
    except UsageError as error:
        return str(error)
    return ""


def _derived(
    facts: Mapping[str, Fact], configuration: ConvNeXtPoseConfiguration
) -> dict[str, Fact]:
    derived = (
        backbone_fact(facts["dims"], facts["depths"]),
        stem_fact(
            configuration,
            (facts["stem_kernel"], facts["norm"], facts["input_channels"], facts["dims"]),
        ),
        width_fact(facts["head_out_channels"]),
    )
    return {fact.name: fact for fact in derived}


def _table(
    configuration: ConvNeXtPoseConfiguration, dialect: str | tuple[tuple[str, str, str], ...]
) -> tuple[ExpectedTensor, ...]:
    """List the keys as far as they are known: without a final layer of unknown width."""
    keys = configuration_keys(configuration, dialect)
    if configuration.final_channels:
        return tuple(keys)
    return tuple(tensor for tensor in keys if not tensor.key.startswith(FINAL_LAYER))


def _name_facts(view: NetworkView, head: HeadReading) -> list[Fact]:
    dialect, prefix = name_facts(view, head.dialect, "")
    evidence = tuple(
        Evidence(
            text=f"layer {layer.number} is {layer.dialect}", key=tensor.key, shape=tensor.shape
        )
        for layer in head.layers
        for tensor in list(layer.tensors())[:1]
    )
    if not evidence:
        dialect = msgspec.structs.replace(dialect, value=None, origin=Origin.UNDETERMINED)
    return [msgspec.structs.replace(dialect, evidence=evidence), prefix]


def _reasons(found: NetworkReading) -> tuple[str, ...]:
    trunk, head = found.trunk.trunk, found.head
    wanted = trunk_counts(trunk)[0]
    reasons = [
        f"{len(found.trunk.explained):,} of {wanted:,} tensors of a ConvNeXt backbone with "
        f"{trunk.norm} under 'backbone.'"
    ]
    if head.layers:
        reasons.append(
            f"a head of {len(head.layers)} depthwise-separable layers under 'head.deconv_layers'"
        )
    final = head.readings["final_channels"]
    if final.value is not None:
        reasons.append(f"a final 1×1 convolution to {final.value:,} channels")
    return tuple(reasons)
