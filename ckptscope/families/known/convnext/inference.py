"""A ConvNeXt from names and shapes: facts with their evidence, and what does not fit.

Enters: a view of a state_dict, what the user states. Leaves: an `Architecture`. `reading` says what
the tensors say; here it becomes facts, `following` adds those that follow.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from ckptscope.errors import UsageError
from ckptscope.facts.architecture import Alternative, Architecture, Fact, FactValue
from ckptscope.facts.tensors import Origin
from ckptscope.families.base import Family, Given
from ckptscope.families.concluding import Conclusion, conclude, name_facts
from ckptscope.families.known.convnext.configuration import (
    INPUT_SIZE,
    ConvNeXtConfiguration,
    configuration_keys,
    count_configuration,
    spell_out,
    usual_wrapper,
)
from ckptscope.families.known.convnext.following import described_facts, number_facts
from ckptscope.families.known.convnext.layouts import DIALECTS
from ckptscope.families.known.convnext.reading import NetworkReading, match_reasons, read_network
from ckptscope.families.readings import hold_stated, sum_facts
from ckptscope.families.trunks.convnext_reading import Reading
from ckptscope.families.view import NetworkView

AnyConvNeXt = Family[ConvNeXtConfiguration]

#: Facts in the order in which they are told.
_ORDER: Final = (
    "version",
    "backbone",
    "dims",
    "depths",
    "stem",
    "stem_type",
    "stem_kernel",
    "stem_channels",
    "stem_activation",
    "input_channels",
    "kernel_size",
    "expansion",
    "norm",
    "layer_scale",
    "grn",
    "pointwise_convolutions",
    "final_norm",
    "head_norm_first",
    "head_hidden",
    "classes",
    "input_size",
)
#: Settings that most networks do without; they are told where one has them.
_RARE: Final = frozenset({"stem_channels", "stem_activation", "head_norm_first", "head_hidden"})
#: What could decide where the shapes do not.
_DECIDED_BY: Final = {
    "dims": "the tensors that are missing",
    "depths": "the tensors that are missing",
    "norm": "the code that made the file",
}


def infer_network(family: AnyConvNeXt, view: NetworkView, given: Given) -> Architecture:
    """Infer an architecture; a view without a block of a ConvNeXt gives one without facts.

    Raises:
        UsageError: A stated setting is unknown, or has an impossible value.
    """
    found = read_network(view)
    if found is None:
        nothing = Conclusion(
            facts=(), settings=None, counts=None, table=(), dialect=family.dialects[0], reasons=()
        )
        return conclude(family, view, nothing)
    facts = {name: _fact(name, reading) for name, reading in found.settings.items()}
    facts["input_size"] = _input_size()
    configuration, misfits = _settle(family, found, facts, given)
    problem = _problem(family, configuration)
    is_buildable = not (problem or found.trunk.undetermined)
    if problem:
        misfits.insert(0, f"no network can be built of what the tensors say: {problem}")
    table = tuple(configuration_keys(configuration, found.dialect, wrapper=found.wrapper))
    counts = count_configuration(configuration) if is_buildable else None
    facts.update(described_facts(facts, configuration))
    facts["classes"] = _classes_told(facts["classes"])
    told = [facts[name] for name in _ORDER if name in facts and not _is_idle(facts[name])]
    return conclude(
        family,
        view,
        Conclusion(
            facts=(
                *told,
                *name_facts(view, found.dialect, _dialect_text(found)),
                *sum_facts(view, table, counts),
                *(number_facts(facts, configuration) if is_buildable else ()),
            ),
            settings=family.settings(configuration) if is_buildable else None,
            counts=counts,
            table=table,
            dialect=found.dialect,
            reasons=match_reasons(found),
            contradicted=(*misfits, *found.trunk.notes, *_wrapper_notes(found, configuration)),
        ),
    )


def _fact(name: str, reading: Reading) -> Fact:
    is_open = reading.origin in (Origin.ASSUMED, Origin.UNDETERMINED)
    return Fact(
        name=name,
        value=reading.value,
        origin=reading.origin,
        evidence=reading.evidence,
        assumptions=reading.assumptions,
        alternatives=tuple(Alternative(value=value) for value in reading.alternatives),
        decided_by=_DECIDED_BY.get(name, "") if is_open else "",
    )


def _input_size() -> Fact:
    height, width = INPUT_SIZE
    return Fact(
        name="input_size",
        value=INPUT_SIZE,
        origin=Origin.ASSUMED,
        assumptions=(
            f"images of {height}×{width} pixels, for which both papers print multiply-accumulates",
        ),
        decided_by="the transforms or the configuration that come with the file",
    )


def _settle(
    family: AnyConvNeXt, found: NetworkReading, facts: dict[str, Fact], given: Given
) -> tuple[ConvNeXtConfiguration, list[str]]:
    """Let what the user states replace what does not rest on the file.

    Returns:
        The configuration, and the statements that the file contradicts, in words.

    Raises:
        UsageError: A stated setting is unknown, or has an impossible value.
    """
    read = found.configuration
    if not given.stated:
        return read, []
    stated = spell_out({"dims": read.dims, **given.stated})
    if not {"dims", "backbone"} & given.stated.keys():
        del stated["dims"]
    # Sizes of a damaged file may be impossible; the user is not to be blamed for those.
    own = family.settings(read) if not _problem(family, read) else {"backbone": "Tiny"}
    said = family.configure({**own, **stated})
    contradicted = hold_stated(facts, stated, said)
    taken: dict[str, FactValue] = {
        name: getattr(said, name) for name in stated if facts[name].origin is Origin.STATED
    }
    settled = ConvNeXtConfiguration(**{**_fields(read), **taken})  # type: ignore[arg-type]
    fits = len(settled.dims) == len(settled.depths)
    return (settled if fits else read), contradicted


def _fields(configuration: ConvNeXtConfiguration) -> Mapping[str, FactValue]:
    return {name: getattr(configuration, name) for name in configuration.__struct_fields__}


def _problem(family: AnyConvNeXt, configuration: ConvNeXtConfiguration) -> str:
    """Return why a network of this configuration cannot be built; empty if it can."""
    try:
        family.configure(family.settings(configuration))
    except UsageError as error:
        return str(error)
    return ""


def _is_idle(fact: Fact) -> bool:
    return fact.name in _RARE and not fact.value and fact.origin is Origin.OBSERVED


def _classes_told(fact: Fact) -> Fact:
    """Say 0 for no classifier: None would say that it cannot be told."""
    return msgspec.structs.replace(fact, value=fact.value or 0)


def _dialect_text(found: NetworkReading) -> str:
    layout = DIALECTS[found.dialect].layout
    return (
        f"{len(found.explained):,} keys such as "
        f"{found.wrapper + layout.block_name(0, 0)}.{layout.parts[0]}.weight"
    )


def _wrapper_notes(found: NetworkReading, configuration: ConvNeXtConfiguration) -> tuple[str, ...]:
    """Say where the trunk's keys do not begin as the code base writes them."""
    usual = usual_wrapper(configuration, found.dialect)
    if usual == found.wrapper:
        return ()
    return (
        f"the trunk's keys begin with {found.wrapper!r} where {found.dialect} writes {usual!r} "
        f"for a {configuration.version or 'block of this kind'}",
    )
