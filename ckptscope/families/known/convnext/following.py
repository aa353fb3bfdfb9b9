"""Facts that follow from the settings of a ConvNeXt.

Enters: facts by the settings' names, and the configuration that they give. Leaves: the version and
the name, which describe it; parameters and multiply-accumulates, which it adds up to. Each is as
weak as the weakest fact that it needs.
"""

from collections.abc import Iterable, Mapping

import msgspec

from ckptscope.facts.architecture import Alternative, Evidence, Fact
from ckptscope.facts.tensors import Origin
from ckptscope.families.known.convnext.configuration import (
    IMAGENET_CLASSES,
    VERSION_1,
    VERSION_2,
    ConvNeXtConfiguration,
    classifier_parameters,
    count_configuration,
    stem_text,
)
from ckptscope.families.readings import follow
from ckptscope.families.trunks.convnext import trunk_name

_STEM = ("stem_kernel", "stem_channels", "stem_activation")
#: What counts of parameters depend on. The kind of norm is not among them: what has a weight and a
#: bias counts alike.
_SIZES = (
    "dims",
    "depths",
    "kernel_size",
    "expansion",
    "layer_scale",
    "grn",
    "input_channels",
    *_STEM,
)


def described_facts(
    facts: Mapping[str, Fact], configuration: ConvNeXtConfiguration
) -> dict[str, Fact]:
    """Return version, backbone, stem and stem_type."""
    channels = facts["stem_channels"]
    kind = "two convolutions" if configuration.stem_channels else "one convolution"
    found = (
        _version(facts, configuration),
        _backbone(facts),
        _stem(facts, configuration),
        _proven(
            follow(
                "stem_type",
                configuration.stem_type,
                f"{kind} before the first norm",
                (channels, facts["stem_activation"]),
            ),
            channels,
        ),
    )
    return {fact.name: fact for fact in found}


def number_facts(
    facts: Mapping[str, Fact], configuration: ConvNeXtConfiguration
) -> tuple[Fact, ...]:
    """Return classifier_parameters and macs."""
    counts = count_configuration(configuration)
    dim = configuration.dims[-1]
    norm = "" if configuration.final_norm else f" + a last norm of {dim:,} channels"
    trunk = counts.part("backbone").parameters
    height, width = configuration.input_size
    parts = " + ".join(f"{part.macs or 0:,} of the {part.part}" for part in counts.parts)
    grounds = [facts[name] for name in _SIZES]
    return (
        follow(
            "classifier_parameters",
            classifier_parameters(configuration),
            f"{trunk:,} of the trunk{norm} + {IMAGENET_CLASSES:,} × ({dim:,} + 1): with a "
            f"classifier of {IMAGENET_CLASSES:,} classes, as papers count",
            grounds,
        ),
        follow(
            "macs",
            counts.macs,
            f"{parts} at {height}×{width}, convolutions and linear layers alone",
            (*grounds, facts["input_size"]),
        ),
    )


def _version(facts: Mapping[str, Fact], configuration: ConvNeXtConfiguration) -> Fact:
    scale, response = facts["layer_scale"], facts["grn"]
    text = f"layer scale: {_yes(scale)}, global response normalization: {_yes(response)}"
    if configuration.version is not None:
        fact = follow("version", configuration.version, text, (scale, response))
        return _proven(fact, scale, response)
    if configuration.grn:
        alternatives: tuple[Alternative, ...] = (
            Alternative(value=VERSION_2, speaks_for=("it has global response normalization",)),
            Alternative(value=VERSION_1, speaks_for=("it has layer scale",)),
        )
    else:
        reason = "the first paper's code can be told to leave layer scale out"
        alternatives = (Alternative(value=VERSION_1, speaks_for=(reason,)),)
    fact = Fact(
        name="version",
        value=None,
        origin=Origin.UNDETERMINED,
        evidence=(Evidence(text=f"{text}; no version has that"),),
        alternatives=alternatives,
        decided_by="the code that made the file",
    )
    return _proven(fact, scale, response)


def _yes(fact: Fact) -> str:
    return "yes" if fact.value else "no"


def _backbone(facts: Mapping[str, Fact]) -> Fact:
    dims, depths = facts["dims"], facts["depths"]
    if not isinstance(dims.value, tuple) or not isinstance(depths.value, tuple):
        lost = Evidence(text="sizes of a stage are lost")
        return Fact(name="backbone", value=None, origin=Origin.UNDETERMINED, evidence=(lost,))
    name = trunk_name(dims.value, depths.value)  # type: ignore[arg-type]
    sizes = f"dims {_listed(dims.value)}, depths {_listed(depths.value)}"
    return follow("backbone", name, f"{sizes}: {name or 'none of the named ones'}", (dims, depths))


def _stem(facts: Mapping[str, Fact], configuration: ConvNeXtConfiguration) -> Fact:
    grounds = [facts[name] for name in ("dims", "input_channels", "norm", *_STEM)]
    text = stem_text(configuration)
    if facts["dims"].value is None:
        evidence = (Evidence(text=f"as far as it is there: {text}"),)
        return Fact(name="stem", value=None, origin=Origin.UNDETERMINED, evidence=evidence)
    return _proven(follow("stem", text, "the first convolution and norm", grounds), *grounds[3:4])


def _listed(values: Iterable[object]) -> str:
    return ", ".join(str(value) for value in values)


def _proven(fact: Fact, *grounds: Fact) -> Fact:
    """Add the first tensor of each ground to the evidence."""
    tensors = [one for ground in grounds for one in ground.evidence[:1]]
    return msgspec.structs.replace(fact, evidence=(*fact.evidence, *tensors))
