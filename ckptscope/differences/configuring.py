"""Settings of a user over settings of a file or of a table.

Enters: a whole set of settings, and a few that the user gives instead. Leaves: the set that the
user's network is built from, and what had to be changed with it. It knows no family's settings by
name: which fields a shorter way (`backbone`, `head_width`) stands for is found by leaving them out.
"""

from collections.abc import Mapping
from typing import TypeAlias

from ckptscope.differences.grounds import values_of
from ckptscope.differences.values import option_text
from ckptscope.errors import UsageError
from ckptscope.facts.architecture import FactValue
from ckptscope.families.registry import AnyFamily

Settings: TypeAlias = dict[str, FactValue]


def override_settings(
    family: AnyFamily, base: Mapping[str, FactValue], given: Mapping[str, FactValue]
) -> tuple[Settings, tuple[str, ...]]:
    """Put a user's settings in place of others, and return all of them with remarks.

    Args:
        family: Whose settings they are.
        base: A whole set, by the names of the configuration's fields.
        given: Any settings that the family understands.

    Raises:
        UsageError: A name is unknown, a value impossible, or they do not go together.
    """
    fields = {name: value for name, value in given.items() if name in base}
    shorter = {name: value for name, value in given.items() if name not in base}
    settings = {**base, **fields}
    for name in [name for name in base if name not in fields]:
        if shorter and _stands_for(family, settings, shorter, name):
            del settings[name]
    settings.update(shorter)
    remarks: tuple[str, ...] = ()
    try:
        family.configure(settings)
    except UsageError:
        repaired = _repair(family, base, fields, settings)
        if repaired is None:
            raise
        settings, remarks = repaired
    _require_effect(family, settings, shorter)
    return family.settings(family.configure(settings)), remarks


def require_known(family: AnyFamily, given: Mapping[str, FactValue]) -> Settings:
    """Return a whole set of settings of a user's alone.

    Raises:
        UsageError: A name is unknown, a value impossible, or one is missing.
    """
    return family.settings(family.configure(given))


def _stands_for(
    family: AnyFamily, settings: Settings, shorter: Mapping[str, FactValue], name: str
) -> bool:
    """Whether the shorter ways give a field that the rest of the settings leaves open."""
    rest = {key: value for key, value in settings.items() if key != name}
    with_them = _field(family, {**rest, **shorter}, name)
    if with_them is None or with_them == (None,):
        return False
    return with_them != _field(family, rest, name)


def _field(family: AnyFamily, settings: Settings, name: str) -> tuple[FactValue] | None:
    """Return a field of the configuration that settings give, or None if they give none."""
    try:
        return (family.settings(family.configure(settings)).get(name),)
    except UsageError:
        return None


def _can_build(family: AnyFamily, settings: Settings) -> bool:
    try:
        family.configure(settings)
    except UsageError:
        return False
    return True


def _repair(
    family: AnyFamily,
    base: Mapping[str, FactValue],
    fields: Mapping[str, FactValue],
    settings: Settings,
) -> tuple[Settings, tuple[str, ...]] | None:
    """Change what the user did not give so that a network can be built, or return None."""
    resized, remarks = _resize(family, base, fields, settings)
    if _can_build(family, resized):
        return resized, remarks
    for name in base:
        rest = {key: value for key, value in settings.items() if key != name}
        if name not in fields and name in settings and _can_build(family, rest):
            return rest, (f"left out, since it does not go with what is given: {name}",)
    return None


def _resize(
    family: AnyFamily,
    base: Mapping[str, FactValue],
    fields: Mapping[str, FactValue],
    settings: Settings,
) -> tuple[Settings, tuple[str, ...]]:
    """Give lists that were as long as one that the user replaced the length of the new one."""
    lengths = {
        len(old): len(new)
        for name, new in fields.items()
        if isinstance(new, tuple) and isinstance(old := base[name], tuple) and len(old) != len(new)
    }
    resized, remarks = dict(settings), []
    for name, value in settings.items():
        if name in fields or not isinstance(value, tuple) or not value:
            continue
        length = lengths.get(len(value))
        if length:
            resized[name] = (*value, *[value[-1]] * (length - len(value)))[:length]
            if name not in family.weightless:
                text = option_text(name, resized[name])
                remarks.append(f"made as long as the lists given: {text}")
    return resized, tuple(remarks)


def _require_effect(
    family: AnyFamily, settings: Settings, shorter: Mapping[str, FactValue]
) -> None:
    """Refuse a shorter way that the other settings overrule.

    Raises:
        UsageError: One has another value in the network that is built.
    """
    values = values_of(family, settings)
    for name, value in shorter.items():
        if name in values and values[name] != value:
            raise UsageError(
                f"expected settings that go together, found {option_text(name, value)!r} beside "
                f"others that make it {option_text(name, values[name])!r}"
            )
