"""Architectures made of settings: what a family would say of a clean file, without the file."""

from collections.abc import Mapping

import msgspec

from ckptscope.facts.architecture import Architecture, Fact, FactValue
from ckptscope.facts.tensors import Origin
from ckptscope.families.registry import find_family
from ckptscope.specs.loading import load_table, tables_for

#: Facts of a ConvNeXtPose that rest on conventions.
ASSUMED = {
    "joints": "the known joint sets",
    "depth_bins": "the cube rule",
    "upsampling": "the cube rule",
    "upsamplings": "the cube rule",
    "input_size": "the input of the authors' configuration",
    "head_input": "a 256×256 input",
    "heatmap": "the cube rule",
    "macs": "the cube rule",
}

(PAPER,) = tables_for("convnextpose")


def settings_of(row: str) -> dict[str, FactValue]:
    """Settings of a row of the paper's table."""
    found = PAPER.row(row)
    assert found is not None
    return dict(found.settings)


def architecture_of(
    settings: Mapping[str, FactValue],
    *,
    dialect: str = "named",
    prefix: str = "module.",
    assumed: Mapping[str, str] = ASSUMED,
    stated: frozenset[str] = frozenset(),
) -> Architecture:
    """The architecture of a file that holds exactly this network."""
    family = find_family("convnextpose")
    configuration = family.configure(settings)
    facts = []
    for name, value in family.attributes(configuration).items():
        origin = Origin.ASSUMED if name in assumed else Origin.DERIVED
        if value is None:
            origin = Origin.UNDETERMINED
        facts.append(
            Fact(
                name=name,
                value=value,
                origin=Origin.STATED if name in stated else origin,
                assumptions=(assumed[name],) if origin is Origin.ASSUMED else (),
            )
        )
    return Architecture(
        family=family.name,
        title=family.title,
        state_dict="network",
        prefix=prefix,
        reasons=("made by a test",),
        coverage=1.0,
        facts=tuple(facts),
        settings=family.settings(configuration),
        dialect=dialect,
        counts=family.count(configuration),
    )


def variant(row: str, **changes: FactValue) -> Architecture:
    """The architecture of a row of the paper's table, some settings changed."""
    return architecture_of(settings_of(row) | changes)


def with_fact(architecture: Architecture, name: str, **changes: object) -> Architecture:
    """The same, one fact changed."""
    facts = tuple(
        msgspec.structs.replace(fact, **changes) if fact.name == name else fact
        for fact in architecture.facts
    )
    return msgspec.structs.replace(architecture, facts=facts)


__all__ = ["PAPER", "architecture_of", "load_table", "settings_of", "variant", "with_fact"]
