"""What a file's names and shapes say of a ResNet.

Enters: a view of a state_dict. Leaves: a `Match`, an `Architecture`. The trunk is read by
`families.trunks.resnet_reading`; here the classifier is, and what follows from both.
"""

from collections.abc import Sequence

import msgspec

from ckptscope.facts.architecture import Architecture, Evidence, Fact
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
from ckptscope.families.known.resnet.configuration import (
    CLASSIFIER,
    DIALECT,
    IMAGENET_CLASSES,
    INPUT_SIZE,
    ResNetConfiguration,
    classifier_parameters,
    configuration_keys,
    configure,
    count_configuration,
    read_fields,
    spell_out,
)
from ckptscope.families.readings import follow, hear, hold_stated, settle, size_fact, sum_facts
from ckptscope.families.trunks.resnet import STRIDES
from ckptscope.families.trunks.resnet_reading import TrunkReading, read_trunk
from ckptscope.families.trunks.resnet_settings import assumed_input_size, trunk_facts
from ckptscope.families.view import NetworkView


def match_network(view: NetworkView) -> Match:
    """Say which tensors are a ResNet; none if less than half of one is there."""
    reading = read_trunk(view)
    if reading is None or not reading.convolutions:
        return Match()
    configuration = _configuration(reading, view)
    # In closed form first: a table for a few stray keys of a large depth costs more than the file.
    if 2 * count_configuration(configuration).tensors > 5 * len(view):
        return Match()
    table = tuple(configuration_keys(configuration))
    explained = frozenset(tensor.key for tensor in table if tensor.key in view)
    if not is_half_there(view, table):
        return Match()
    return Match(explained=explained, reasons=_reasons(reading, view, table))


def _reasons(
    reading: TrunkReading, view: NetworkView, table: Sequence[ExpectedTensor]
) -> tuple[str, ...]:
    trunk = reading.trunk
    return (
        f"stages 'layer1' to 'layer{len(trunk.depths)}' of {sum(trunk.depths)} {trunk.block}s",
        presence_text(view, table),
    )


def infer_network(
    family: Family[ResNetConfiguration], view: NetworkView, given: Given
) -> Architecture:
    """Infer the architecture of a view that matches.

    Raises:
        UsageError: A stated setting is unknown, or has an impossible value.
    """
    reading = read_trunk(view)
    if reading is None:
        raise ValueError(f"expected a view that {family.name} matches, found another")
    settings = _read_settings(view, reading)
    observed = {name: fact.value for name, fact in settings.items()}
    stated = spell_out(given.stated)
    contradicted = hold_stated(settings, stated, read_fields({**observed, **stated}))
    configuration = configure({name: fact.value for name, fact in settings.items()})
    counts = count_configuration(configuration)
    table = tuple(configuration_keys(configuration))
    conclusion = Conclusion(
        facts=(
            *trunk_facts(configuration, settings, reading),
            _classes_told(settings["classes"]),
            settings["input_size"],
            *name_facts(view, DIALECT, "'conv1', 'bn1', 'layer1.0.conv1', ..., 'fc'"),
            *sum_facts(view, table, counts),
            follow(
                "classifier_parameters",
                classifier_parameters(configuration),
                f"with a classifier of {IMAGENET_CLASSES:,} classes on this trunk",
                [settings[name] for name in reading.settings],
            ),
            follow(
                "macs",
                counts.macs,
                "convolutions and the classifier, for one image",
                settings.values(),
                STRIDES,
            ),
        ),
        settings=family.settings(configuration),
        counts=counts,
        table=table,
        dialect=DIALECT,
        reasons=_reasons(reading, view, table),
        contradicted=contradicted,
    )
    return conclude(family, view, conclusion)


def _read_settings(view: NetworkView, reading: TrunkReading) -> dict[str, Fact]:
    """Return a fact for each setting."""
    return {
        **reading.settings,
        "classes": _read_classes(view),
        "input_size": assumed_input_size(
            INPUT_SIZE, "the input is 224×224, for which torchvision trains and counts"
        ),
    }


def _read_classes(view: NetworkView) -> Fact:
    """Read the classifier's outputs; None, and observed, if there is no classifier."""
    ballot: Ballot[int] = Ballot("classes")
    for name, dimensions in (("weight", 2), ("bias", 1)):
        tensor = view.tensors.get(f"{CLASSIFIER}.{name}")
        if tensor is not None and len(tensor.shape) == dimensions:
            hear(ballot, tensor, 0)
    said = settle(ballot)
    if said is not None:
        return size_fact("classes", said)
    text = f"no '{CLASSIFIER}.weight': a trunk without a classifier"
    return Fact(name="classes", value=None, origin=Origin.OBSERVED, evidence=(Evidence(text=text),))


def _classes_told(fact: Fact) -> Fact:
    """Say 0 for no classifier: None would say that it cannot be told."""
    return msgspec.structs.replace(fact, value=fact.value or 0)


def _configuration(reading: TrunkReading, view: NetworkView) -> ResNetConfiguration:
    """Return what the file alone gives."""
    facts = _read_settings(view, reading)
    return configure({name: fact.value for name, fact in facts.items()})
