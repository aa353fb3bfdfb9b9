"""The keys of a policy: the one place that knows their names.

Enters: the table that holds them. Leaves: the fields of a `Policy`. A key that is not here is an
error, and the message names the nearest that is.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import msgspec

from ckptscope.facts.containers import ContainerKind
from ckptscope.policies.kinds import (
    read_date,
    read_items,
    read_settings,
    read_size,
    read_text,
    read_texts,
    read_truth,
    shown,
)
from ckptscope.policies.places import Place
from ckptscope.policies.policy import CARVED_ACTIONS, Policy, Waiver
from ckptscope.policies.selectors import nearest, why_unknown


class Key(msgspec.Struct, frozen=True):
    """One key of a policy.

    Attributes:
        field: Field of `Policy` that it fills.
        read: Reads it.
    """

    field: str
    read: Callable[[Place], object]


def read_table(place: Place) -> Policy:
    """Read the table of a policy.

    Raises:
        PolicyError: A key is unknown, or its value is wrong.
    """
    _require_table(place)
    _refuse_unknown(place, KEYS)
    assert isinstance(place.value, dict)  # noqa: S101
    fields = {KEYS[name].field: KEYS[name].read(place.below(name)) for name in place.value}
    _refuse_contradictions(place)
    fields["source"] = place.document.name
    return msgspec.structs.replace(Policy(), **fields)


def _require_table(place: Place) -> None:
    if not isinstance(place.value, dict):
        raise place.error(f"expected a table, found {shown(place.value)}")


def _refuse_unknown(place: Place, known: Mapping[str, object]) -> None:
    assert isinstance(place.value, dict)  # noqa: S101
    for name in place.value:
        if name not in known:
            advice = nearest(name.replace("_", "-"), known) or f"; known are: {', '.join(known)}"
            raise place.below(name).error(f"unknown key{advice}")


def _refuse_contradictions(place: Place) -> None:
    """Refuse a selector that stands in two lists: nobody could say which of them counts."""
    seen: dict[str, Place] = {}
    for name in ("fail", "warn", "ignore"):
        for item in read_items(place.below(name)) if place.below(name).value is not None else ():
            selector = str(item.value)
            other = seen.setdefault(selector, item)
            if other is not item:
                line = "" if other.line is None else f" (line {other.line})"
                raise item.error(
                    f"expected each selector in one list, found {selector!r} in "
                    f"{other.path[-2]}{line} too"
                )


def _read_selectors(place: Place) -> tuple[str, ...]:
    selectors = read_texts(place)
    for item in read_items(place):
        why = why_unknown(str(item.value))
        if why:
            raise item.error(why)
    return selectors


def _read_containers(place: Place) -> tuple[ContainerKind, ...]:
    read_texts(place)
    return tuple(_read_container(item) for item in read_items(place))


def _read_container(place: Place) -> ContainerKind:
    kinds = {kind.value: kind for kind in ContainerKind}
    found = kinds.get(read_text(place))
    if found is None:
        raise place.error(
            f"expected a kind of container, found {shown(place.value)}"
            f"{nearest(str(place.value), kinds)}; known are: {', '.join(kinds)}"
        )
    return found


def _read_imports(place: Place) -> tuple[str, ...]:
    imports = read_texts(place)
    for item in read_items(place):
        parts = str(item.value).removesuffix(".*").split(".")
        is_whole = len(parts) > 1 or str(item.value).endswith(".*")
        if not is_whole or not all(part and not set(part) & set("* \t/") for part in parts):
            raise item.error(
                "expected a class such as mylab.models.PoseNet, or mylab.models.* for all below, "
                f"found {shown(item.value)}"
            )
    return imports


def _read_specs(place: Place) -> tuple[str, ...]:
    read_texts(place)
    paths: list[str] = []
    for item in read_items(place):
        path = _beside(item)
        if not Path(path).is_file():
            raise item.error(f"expected a table as a TOML file, found no file {path!r:.200}")
        paths.append(path)
    return tuple(paths)


def _beside(place: Place) -> str:
    """Return a path of a policy, which is relative to its folder."""
    return str(Path(place.document.name).parent / read_text(place))


def _read_carved(place: Place) -> str:
    action = read_text(place)
    if action not in CARVED_ACTIONS:
        raise place.error(
            f"expected one of {', '.join(map(repr, CARVED_ACTIONS))}, found {shown(action)}"
        )
    return action


def _read_waivers(place: Place) -> tuple[Waiver, ...]:
    return tuple(_read_waiver(item) for item in read_items(place))


def _read_waiver(place: Place) -> Waiver:
    _require_table(place)
    _refuse_unknown(place, WAIVER_KEYS)
    assert isinstance(place.value, dict)  # noqa: S101
    for name, why in (
        ("code", "what is waived"),
        ("reason", "why it may pass"),
        ("expires", "the last day on which it holds, such as 2027-01-31"),
    ):
        if name not in place.value:
            raise place.error(f"expected the key {name!r}: {why}; found none")
    fields = {
        WAIVER_KEYS[name].field: WAIVER_KEYS[name].read(place.below(name)) for name in place.value
    }
    return msgspec.convert({**fields, "line": place.line or 0}, Waiver)


def _read_waived_code(place: Place) -> str:
    code = read_text(place)
    why = why_unknown(code, severities=False)
    if why:
        raise place.error(why)
    return code


#: Keys of the table `gate`, in the order in which they are explained.
KEYS: Final[Mapping[str, Key]] = {
    "family": Key("family", read_text),
    "variant": Key("variant", read_text),
    "config": Key("config", read_settings),
    "spec": Key("specs", _read_specs),
    "containers": Key("containers", _read_containers),
    "max-size": Key("max_bytes", read_size),
    "allowed-imports": Key("imports", _read_imports),
    "require-metadata": Key("metadata", read_texts),
    "values": Key("values", read_truth),
    "deep": Key("deep", read_truth),
    "carved": Key("carved", _read_carved),
    "fail": Key("fail", _read_selectors),
    "warn": Key("warn", _read_selectors),
    "ignore": Key("ignore", _read_selectors),
    "waivers": Key("waivers", _read_waivers),
    "baseline": Key("baseline", _beside),
}
#: Keys of each table of `gate.waivers`.
WAIVER_KEYS: Final[Mapping[str, Key]] = {
    "code": Key("code", _read_waived_code),
    "reason": Key("reason", read_text),
    "expires": Key("expires", read_date),
    "file": Key("file", read_text),
    "where": Key("where", read_text),
}
