"""TOML → `Policy`.

Enters: a policy's file. Leaves: a `Policy`. A mistake in it is a `PolicyError` that names file,
line and key.
"""

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ckptscope.errors import PolicyError, UsageError
from ckptscope.policies.policy import DEFAULT_POLICY, Policy

if TYPE_CHECKING:
    from ckptscope.policies.places import Place

OWN_FILE: Final = "ckptscope.toml"
PROJECT_FILE: Final = "pyproject.toml"
#: Policies are written by hand; a larger file is something else.
_MOST_BYTES: Final = 1 << 20
#: Folder or file that stands at the top of a repository; no policy beyond it is meant.
_TOP: Final = ".git"
_AT_LINE: Final = re.compile(r" \(at line (\d+), column \d+\)$")
#: Digits of a number that Python does not read for their cost; tomllib names no line then.
_ENDLESS_NUMBER: Final = re.compile(r"[0-9_]{4000}")


def load_policy(path: Path | None = None, *, start: Path | None = None) -> Policy:
    """Read a policy; without a path the one that the current folder or one above it holds.

    `ckptscope.toml` (table `gate`) counts before `pyproject.toml` (table `tool.ckptscope.gate`) of
    the same folder. The search ends at the top of a repository, and with the default policy.

    Args:
        path: File of either kind; of another name than these its content tells.
        start: Folder to search from, if not the current one.

    Raises:
        PolicyError: It is wrong; the message names file, line and key.
        SpecError: A table that it names is wrong.
        UsageError: There is no such file.
    """
    if path is not None:
        return _load_given(path)
    for folder in _folders(start):
        own = os.path.join(folder, OWN_FILE)
        # A broken link, or a folder, is an error rather than no policy at all.
        if os.path.lexists(own):
            name = os.path.relpath(own)
            return parse_policy(_read(own, name), name)
        project = os.path.join(folder, PROJECT_FILE)
        if os.path.isfile(project):
            name = os.path.relpath(project)
            found = _load_project(_read(project, name), name)
            if found is not None:
                return found
    return DEFAULT_POLICY


def _folders(start: Path | None) -> tuple[str, ...]:
    """Return the folders that may hold a policy, the nearest first."""
    try:
        folder = os.path.abspath(start or os.getcwd())
    except OSError as error:
        raise UsageError(
            f"the current folder cannot be told: {error.strerror}; name a policy with --policy"
        ) from error
    folders = [folder]
    while not os.path.lexists(os.path.join(folder, _TOP)) and os.path.dirname(folder) != folder:
        folder = os.path.dirname(folder)
        folders.append(folder)
    return tuple(folders)


def _load_given(path: Path) -> Policy:
    name = str(path)
    if not os.path.lexists(path):
        raise UsageError(f"expected a policy, found no file {name!r:.300}")
    content = _read(name, name)
    if path.name == PROJECT_FILE:
        found = _load_project(content, name)
        if found is None:
            raise PolicyError("expected the table tool.ckptscope.gate, found none", path=name)
        return found
    return parse_policy(content, name)


def _read(path: str, name: str) -> str:
    try:
        with open(path, "rb") as file:
            content = file.read(_MOST_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise PolicyError(f"cannot be read: {reason}", path=name) from error
    if len(content) > _MOST_BYTES:
        raise PolicyError(f"expected a policy of at most {_MOST_BYTES:,} bytes", path=name)
    try:
        # Some editors put a byte order mark before UTF-8.
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise PolicyError("expected UTF-8", path=f"{name}:{line}") from error


def parse_policy(text: str, name: str) -> Policy:
    """Read the text of a policy of either kind.

    Args:
        text: TOML.
        name: Path of its file, for messages, and for the paths in it.

    Raises:
        PolicyError: It is wrong; the message names file, line and key.
        SpecError: A table that it names is wrong.
    """
    from ckptscope.policies.keys import KEYS
    from ckptscope.policies.places import Document, Place
    from ckptscope.policies.selectors import nearest

    raw = _parse(text, name)
    top = Place(Document(name, text), (), raw)
    if "gate" not in raw and "tool" in raw:
        found = _project_policy(top)
        if found is None:
            raise PolicyError("expected the table tool.ckptscope.gate, found none", path=name)
        return found
    for key in raw:
        if key != "gate":
            advice = nearest(key, ["gate"]) or "; all keys stand in the table [gate]"
            raise top.below(key).error(f"unknown key{'' if key in KEYS else ' or table'}{advice}")
    if "gate" not in raw:
        raise PolicyError("expected the table [gate], found none", path=name)
    return _finish(top.below("gate"))


def _load_project(text: str, name: str) -> Policy | None:
    """Read a project's file; None if it says nothing of a gate."""
    # Most projects' files do not speak of ckptscope, and need not be sound for its sake.
    if "ckptscope" not in text:
        return None
    from ckptscope.policies.places import Document, Place

    return _project_policy(Place(Document(name, text), (), _parse(text, name)))


def _project_policy(top: "Place") -> Policy | None:
    from ckptscope.policies.selectors import nearest

    ours = top.below("tool").below("ckptscope")
    if ours.value is None:
        return None
    if not isinstance(ours.value, dict):
        raise ours.error("expected a table")
    for key in ours.value:
        if key != "gate":
            advice = nearest(key, ["gate"]) or "; known is: gate"
            raise ours.below(key).error(f"unknown table{advice}")
    return _finish(ours.below("gate")) if "gate" in ours.value else None


def _finish(table: "Place") -> Policy:
    """Read the table of a policy, and hold the names that it uses against what there is."""
    from ckptscope.policies.keys import read_table
    from ckptscope.policies.naming import UnknownNameError, settle_names

    policy = read_table(table)
    try:
        return settle_names(policy)
    except UnknownNameError as error:
        place = table
        for key in error.keys:
            place = place.below(key)
        raise place.error(str(error)) from error


def _parse(text: str, name: str) -> dict[str, object]:
    import tomllib

    try:
        return tomllib.loads(text)
    except RecursionError as error:
        raise PolicyError("expected a policy, found lists without end", path=name) from error
    except ValueError as error:
        said = str(error)
        found = _AT_LINE.search(said)
        if found is not None:
            line, said = int(found[1]), said[: found.start()]
        elif said.endswith("(at end of document)"):
            line, said = text.count("\n") + 1, said.removesuffix(" (at end of document)")
        else:
            endless = _ENDLESS_NUMBER.search(text)
            line = text.count("\n", 0, endless.start() if endless else 0) + 1
            said = "a number of more digits than are read" if endless else said
        message = f"expected TOML, found: {said[:1].lower()}{said[1:300]}"
        raise PolicyError(message, path=f"{name}:{line}") from error
