"""Options of the command line over a policy.

Enters: a policy, options. Leaves: a policy in which the options count.
"""

from collections.abc import Iterable
from pathlib import Path

import msgspec

from ckptscope.errors import UsageError
from ckptscope.policies.policy import Policy, Selection
from ckptscope.policies.selectors import why_unknown


def with_overrides(
    policy: Policy,
    *,
    fail: Iterable[str] | None = None,
    warn: Iterable[str] | None = None,
    ignore: Iterable[str] | None = None,
    values: bool | None = None,
    deep: bool | None = None,
    variant: str | None = None,
    specs: Iterable[str | Path] | None = None,
    baseline: str | Path | None = None,
) -> Policy:
    """Return the policy with what the command line says instead; None is nothing said.

    Selectors are asked before those of the policy, and do not take their place: a finding that none
    of them fits is ruled on by the policy. Tables take the place of the policy's.

    Raises:
        UsageError: A selector is unknown, or stands in two lists; a row or a table is unknown.
        SpecError: A table is wrong.
    """
    chosen = _selection(fail or (), warn or (), ignore or ())
    changed: dict[str, object] = {
        name: value
        for name, value in (
            ("values", values),
            ("deep", deep),
            ("variant", variant),
            ("specs", _paths(specs)),
            ("baseline", None if baseline is None else str(baseline)),
        )
        if value is not None
    }
    if chosen != Selection():
        changed["overrides"] = chosen
    made = msgspec.structs.replace(policy, **changed)
    if variant is None and not made.specs:
        return made
    from ckptscope.policies.naming import settle_names

    return settle_names(made)


def _paths(specs: Iterable[str | Path] | None) -> tuple[str, ...] | None:
    # No option at all leaves an empty list.
    return tuple(str(path) for path in specs) or None if specs is not None else None


def _selection(fail: Iterable[str], warn: Iterable[str], ignore: Iterable[str]) -> Selection:
    seen: dict[str, str] = {}
    lists = {"fail": tuple(dict.fromkeys(fail)), "warn": tuple(dict.fromkeys(warn))}
    lists["ignore"] = tuple(dict.fromkeys(ignore))
    for name, selectors in lists.items():
        for selector in selectors:
            why = why_unknown(selector)
            if why:
                raise UsageError(why)
            other = seen.setdefault(selector, name)
            if other != name:
                raise UsageError(
                    f"expected each selector in one list, found {selector!r} in {other} and {name}"
                )
    return Selection(**lists)
