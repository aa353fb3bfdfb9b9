"""Files against configurations, and what torch would print of them; names and shapes alone."""

from collections.abc import Iterable, Mapping

import msgspec

from ckptscope.differences.forecast import FileNetwork, Target, forecast_steps
from ckptscope.facts.architecture import Architecture
from ckptscope.facts.differences import Diagnosis, KeyDifferences
from ckptscope.facts.loading import LoadStep
from ckptscope.families.comparing import compare_keys
from ckptscope.families.registry import find_family

FAMILY = find_family("convnextpose")

#: Rows of the paper, as configurations.
S = {
    "dims": (48, 96, 192, 384),
    "depths": (3, 3, 9, 3),
    "head_out_channels": (256, 256, 256),
    "joints": 18,
    "depth_bins": 32,
    "upsampling": (True, True, False),
}
XS = {
    **S,
    "dims": (40, 80, 160, 320),
    "depths": (2, 2, 6, 2),
    "head_out_channels": (128, 128, 128),
}
M = {**S, "depth_bins": 64, "upsampling": (True, True, True)}
L = {**M, "head_out_channels": (512, 512, 512)}

Settings = Mapping[str, object]


def whole(settings: Settings) -> dict[str, object]:
    """Every setting of a configuration."""
    return FAMILY.settings(FAMILY.configure(settings))


def shapes(settings: Settings, dialect: str = "named", prefix: str = "") -> dict[str, tuple]:
    """Names and shapes of a network."""
    table = FAMILY.keys(FAMILY.configure(settings), dialect)
    return {prefix + tensor.key: tensor.shape for tensor in table}


def architecture(settings: Settings | None, dialect: str = "named", prefix: str = "", facts=()):
    """What a family would say of a network that holds just these settings."""
    return Architecture(
        family=FAMILY.name,
        title=FAMILY.title,
        state_dict="network",
        prefix=prefix,
        reasons=(),
        coverage=1.0,
        facts=tuple(facts),
        settings=None if settings is None else whole(settings),
        dialect=dialect,
        counts=None,
    )


def forecast(
    file: Settings,
    network: Settings,
    *,
    dialect: str = "named",
    network_dialect: str = "named",
    prefix: str = "",
    without: Iterable[str] = (),
    more: Mapping[str, tuple | None] | None = None,
    versions: Mapping[str, int] | None = None,
    known: Settings | None = None,
    facts=(),
    networks: Mapping[str, str] | None = None,
) -> tuple[LoadStep, ...]:
    """Load the network of one configuration into that of another.

    Args:
        without: Parts of names of tensors that the file lacks.
        more: Entries that it holds beside.
        known: What the family makes of the file, if not `file`; an empty mapping for nothing.
    """
    held = {
        key: shape
        for key, shape in shapes(file, dialect, prefix).items()
        if not any(part in key for part in without)
    }
    told = file if known is None else (known or None)
    found = FileNetwork(
        shapes={**held, **(more or {})},
        versions=versions,
        architecture=architecture(told, dialect, prefix, facts),
        networks=networks or {},
    )
    target = Target(settings=whole(network), dialect=network_dialect)
    return forecast_steps(FAMILY, found, target)


def only_step(*args, **options) -> Diagnosis:
    """The diagnosis of a forecast that has one step."""
    (step,) = forecast(*args, **options)
    return step.diagnosis


def counts(diagnosis: Diagnosis) -> list[tuple[str, int]]:
    """Each cause's setting, or its kind, with its lines."""
    return [(cause.setting or cause.kind.value, cause.count) for cause in diagnosis.causes]


def adds_up(diagnosis: Diagnosis) -> bool:
    """Whether every line stands under one cause, or is unexplained, and none twice."""
    held = [*diagnosis.causes, diagnosis.unexplained]
    whole_of_it = diagnosis.differences
    missing = sorted(key for one in held for key in one.missing)
    unexpected = sorted(key for one in held for key in one.unexpected)
    sized = [key for cause in diagnosis.causes for key in cause.mismatched]
    sized += [line.key for line in diagnosis.unexplained.mismatched]
    return (
        missing == sorted(whole_of_it.missing)
        and unexpected == sorted(whole_of_it.unexpected)
        and sorted(sized) == sorted(line.key for line in whole_of_it.mismatched)
    )


def difference(
    file: Settings,
    network: Settings,
    *,
    dialects: tuple[str, str] = ("named", "named"),
    prefixes: tuple[str, str] = ("", ""),
    family=FAMILY,
) -> KeyDifferences:
    """What load_state_dict reports, the file's dialect and prefix first."""
    table = family.keys(family.configure(network), dialects[1])
    wanted = [msgspec.structs.replace(one, key=prefixes[1] + one.key) for one in table]
    held = family.keys(family.configure(file), dialects[0])
    found = {prefixes[0] + one.key: one.shape for one in held}
    versions = {key.rpartition(".")[0]: 2 for key in found}
    return compare_keys(wanted, found, versions=versions)


def error_text(differences: KeyDifferences, network: str = "Net") -> str:
    """What torch prints."""
    lines = [f"Error(s) in loading state_dict for {network}:"]
    for word, keys in (("Missing", differences.missing), ("Unexpected", differences.unexpected)):
        if keys:
            quoted = ", ".join(f'"{key}"' for key in keys)
            lines.append(f"\t{word} key(s) in state_dict: {quoted}. ")
    lines += [size_line(one.key, one.found, one.expected) for one in differences.mismatched]
    return "RuntimeError: " + "\n".join(lines) + "\n"


def size_line(key: str, found: Iterable[int], expected: Iterable[int]) -> str:
    """What torch prints of a size mismatch."""
    return (
        f"\tsize mismatch for {key}: copying a param with shape torch.Size({list(found)}) from "
        f"checkpoint, the shape in current model is torch.Size({list(expected)})."
    )
