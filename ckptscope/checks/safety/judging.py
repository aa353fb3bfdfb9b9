"""A name → what importing and calling it can do.

Enters: a module and a name as a pickle spells them. Leaves: a `Judgement`: harmless, dangerous with
the reason and the name that is meant, or unknown. The name counts as the unpickler would resolve
it: each part of a dotted name is an attribute of the one before it, so a path may lead through the
modules that another module imports.
"""

import enum
import sys

import msgspec

from ckptscope.checks.safety.dangerous import (
    ALIASES,
    COMMON_WORDS,
    FRAMEWORK_ROOTS,
    LOOKUP,
    METHODS,
    MODULE_WORDS,
    MODULES,
    NAMES,
    PACKAGES,
    PROGRAM,
    REVEALING,
)
from ckptscope.checks.safety.harmless import HARMLESS
from ckptscope.checks.safety.harmless_classes import is_harmless_class
from ckptscope.checks.safety.python2 import translate

#: Parts of a dotted name that are looked at; a class is nested in two or three.
_MOST_PARTS = 32


class Verdict(enum.Enum):
    """What is known of a name."""

    HARMLESS = "harmless"
    UNKNOWN = "unknown"
    DANGEROUS = "dangerous"


class Judgement(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one name.

    Attributes:
        verdict: Harmless, unknown or dangerous.
        reason: What a dangerous one does: a verb and its object.
        meant: The name that it leads to, where that is another than the one spelled.
    """

    verdict: Verdict
    reason: str = ""
    meant: str = ""


_HARMLESS = Judgement(verdict=Verdict.HARMLESS)
_UNKNOWN = Judgement(verdict=Verdict.UNKNOWN)


def judge(module: str, name: str) -> Judgement:
    """Say what a name can do; of a name of Python 2 both readings count."""
    spelled = _judge_spelled(module, name)
    translated = translate(module, name)
    if translated is None or spelled.verdict is Verdict.DANGEROUS:
        return spelled
    other = _judge_spelled(*translated)
    if other.verdict is Verdict.DANGEROUS and not other.meant:
        return msgspec.structs.replace(other, meant=".".join(translated))
    return other


def is_standard(module: str) -> bool:
    """Return whether a module belongs to Python's standard library."""
    return module.partition(".")[0] in sys.stdlib_module_names


def _judge_spelled(module: str, name: str) -> Judgement:
    if name in HARMLESS.get(module, ()) or is_harmless_class(module, name):
        return _HARMLESS
    parts = name.split(".", _MOST_PARTS)
    meant = _module_on_path(module, parts)
    if meant is not None:
        return meant
    reason = _reason(module, parts)
    if reason:
        return Judgement(verdict=Verdict.DANGEROUS, reason=reason)
    return _UNKNOWN


def _reason(module: str, parts: list[str]) -> str:
    """Return what a name of a module does; empty if nothing is known against it."""
    for index in range(len(parts)):
        # A path may lead from a package through its own modules.
        found = _of_module(".".join((module, *parts[:index])), parts[index])
        if found:
            return found
    # To call an object by its `__call__` leads nowhere but to the object.
    if any(map(_is_revealing, parts[:-1] if parts[-1] == "__call__" else parts)):
        return LOOKUP
    root = module.partition(".")[0]
    if module.endswith(".__main__") and (root in FRAMEWORK_ROOTS or is_standard(root)):
        return PROGRAM
    if root in FRAMEWORK_ROOTS and parts[-1] in METHODS and not _is_mode(module, parts):
        return METHODS[parts[-1]]
    return MODULES.get(".".join((module, *parts)), "")


def _is_mode(module: str, parts: list[str]) -> bool:
    """Whether a name is `eval` of a layer, which changes its mode and evaluates nothing."""
    return parts[-1] == "eval" and is_harmless_class(module, ".".join(parts[:-1]))


def _of_module(module: str, name: str) -> str:
    """Return what the tables say of a name or of the whole module."""
    known = ALIASES.get(module, module)
    found = NAMES.get(known, {}).get(name)
    return found or MODULES.get(known) or _of_package(known)


def _of_package(module: str) -> str:
    """Return what a package does that a module lies below."""
    head = module
    while "." in head:
        head = head.rpartition(".")[0]
        if head in PACKAGES:
            return PACKAGES[head]
    return ""


def _module_on_path(module: str, parts: list[str]) -> Judgement | None:
    """Judge a path that leads through a dangerous module which another module imports."""
    known_root = module.partition(".")[0] in FRAMEWORK_ROOTS or is_standard(module)
    for index, part in enumerate(parts):
        last = index == len(parts) - 1
        reason = "" if last else _tabled(part, parts[index + 1 :])
        if last and part in COMMON_WORDS and not known_root:
            continue
        if part in MODULE_WORDS or reason or (known_root and not last and part in MODULES):
            inner = ".".join((module, *parts[: index + 1]))
            if inner in MODULES:
                # A submodule of that name, such as `numpy.testing`.
                continue
            return Judgement(
                verdict=Verdict.DANGEROUS,
                reason=reason
                or _reason(part.removeprefix("_"), parts[index + 1 :] or [""])
                or LOOKUP,
                meant=".".join(parts[index:]),
            )
    return None


def _tabled(module: str, parts: list[str]) -> str:
    """Return what single names do that stand in a module, or in one below it."""
    for index in range(len(parts)):
        known = ALIASES.get(module, module)
        found = NAMES.get(known, {}).get(parts[index])
        if found:
            return found
        module = f"{module}.{parts[index]}"
    return ""


def _is_revealing(part: str) -> bool:
    return part in REVEALING or (part[:2] == "__" and part[-2:] == "__")
