"""Which tensors `unpack` copies, and what they are called afterwards.

Enters: a manifest, an `UnpackRequest`. Leaves: a `Selection` of state_dicts; for each of them what
every kept tensor is called.
"""

from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase

import msgspec

from ckptscope.errors import UsageError
from ckptscope.facts.architecture import Architecture
from ckptscope.facts.tensors import Role, StateDict, TensorInfo
from ckptscope.facts.unpacking import Dropped, UnpackRequest

#: What is wanted before the others, where nobody says what is wanted.
_PREFERENCE = (Role.NETWORK, Role.EMA, Role.OTHER, Role.OPTIMIZER)
_ROLES = frozenset(role.value for role in Role)
#: Names that one sentence lists.
_SHOWN = 8
#: What a tensor that is saved alone is called.
_NAMELESS = "tensor"


class Selection(msgspec.Struct, frozen=True, kw_only=True):
    """Which state_dicts are copied.

    Attributes:
        chosen: In the order of the manifest.
        dropped: The others.
        note: How they were chosen, where that had to be decided; else empty.
    """

    chosen: tuple[StateDict, ...]
    dropped: tuple[Dropped, ...]
    note: str = ""


class Naming(msgspec.Struct, frozen=True, kw_only=True):
    """What the kept tensors of a state_dict are called.

    Attributes:
        tensors: New name and tensor, in the order of the file.
        dropped: Tensors that no pattern fits; None if there is none.
        prefix: What was taken off.
        source_dialect: How the file names the network's layers, where they are renamed.
        dialect: How they are named now.
        notes: What is to be known of it.
    """

    tensors: tuple[tuple[str, TensorInfo], ...]
    dropped: Dropped | None = None
    prefix: str = ""
    source_dialect: str = ""
    dialect: str = ""
    notes: tuple[str, ...] = ()

    @property
    def names(self) -> dict[str, str]:
        """New name of every kept key."""
        return {tensor.key: name for name, tensor in self.tensors}


def select_state_dicts(
    state_dicts: Sequence[StateDict], request: UnpackRequest, *, several: bool
) -> Selection:
    """Choose what is copied.

    Args:
        state_dicts: Of the manifest.
        request: What the user wants.
        several: Whether the target holds more than one.

    Raises:
        UsageError: There is nothing of that name, nothing at all, or several are as good.
    """
    if not state_dicts:
        raise UsageError("expected tensors to unpack, the file holds no state_dict")
    wanted = [one for one in state_dicts if not _is_dropped(one, request.drop)]
    _require_known(request.drop, state_dicts)
    if not wanted:
        raise UsageError(f"--drop leaves nothing: the file holds {_listed(state_dicts)}")
    note = ""
    if request.entry is not None:
        chosen = [_named(request.entry, wanted)]
    elif several:
        chosen = list(wanted)
    else:
        chosen = [_preferred(wanted)]
        if len(state_dicts) > 1:
            note = f"unpacking {_title(chosen[0])} of {_listed(state_dicts)}; --entry names another"
    dropped = tuple(
        Dropped(
            entry=one.path,
            role=one.role.value,
            tensors=len(one.tensors),
            elements=sum(tensor.elements for tensor in one.tensors),
            why="--drop" if _is_dropped(one, request.drop) else "not the entry that was chosen",
        )
        for one in state_dicts
        if not any(one is other for other in chosen)
    )
    return Selection(chosen=tuple(chosen), dropped=dropped, note=note)


def _is_dropped(one: StateDict, drop: Iterable[str]) -> bool:
    return any(name in (one.role.value, one.path) for name in drop)


def _require_known(drop: Iterable[str], state_dicts: Sequence[StateDict]) -> None:
    """Refuse paths that are not there; a role that is not there is no mistake."""
    paths = {one.path for one in state_dicts}
    for name in drop:
        if name not in _ROLES and name not in paths:
            raise UsageError(
                f"--drop {name!r:.200}: expected a role ({', '.join(sorted(_ROLES))}) or a "
                f"state_dict of the file, which holds {_listed(state_dicts)}"
            )


def _named(entry: str, wanted: Sequence[StateDict]) -> StateDict:
    found = [one for one in wanted if one.path == entry]
    if found:
        # What a module leaves out of its state_dict stands at the same path, behind it.
        return found[0]
    found = [one for one in wanted if one.path.rpartition("/")[2] == entry]
    if len(found) == 1:
        return found[0]
    if found:
        raise UsageError(
            f"--entry {entry!r:.200} could be any of {_listed(found)}: name one in full"
        )
    raise UsageError(f"no state_dict at {entry!r:.200}; there are: {_listed(wanted)}")


def _preferred(wanted: Sequence[StateDict]) -> StateDict:
    for role in _PREFERENCE:
        found = [one for one in wanted if one.role is role]
        if len(found) == 1:
            return found[0]
        if found:
            raise UsageError(
                f"{len(found)} state_dicts could be meant: {_listed(found)}; --entry names one, "
                "and a folder as the target takes all"
            )
    raise UsageError("expected tensors to unpack, the file holds no state_dict")


def _title(one: StateDict) -> str:
    return f"{one.path!r:.200} ({one.role.value})" if one.path else f"the top ({one.role.value})"


def _listed(state_dicts: Sequence[StateDict]) -> str:
    more = f" and {len(state_dicts) - _SHOWN:,} more" if len(state_dicts) > _SHOWN else ""
    return ", ".join(map(_title, state_dicts[:_SHOWN])) + more


def name_tensors(state_dict: StateDict, request: UnpackRequest, *, several: bool) -> Naming:
    """Say which tensors of a state_dict are kept, and what each is called.

    Args:
        state_dict: What is copied.
        request: What the user wants.
        several: Whether others are copied, too: what is asked of names then goes for networks and
            their averaged copies.

    Raises:
        UsageError: No key has the prefix, the family has no such dialect, or two tensors would have
            one name.
    """
    kept, dropped = _keep(state_dict, request.only)
    source_dialect = dialect = ""
    notes: list[str] = []
    names = {tensor.key: tensor.key or _NAMELESS for tensor in kept}
    if "" in names:
        notes.append(f"the tensor has no name in the source, and is called {_NAMELESS!r}")
    prefix = request.prefix or (state_dict.prefix if request.strip_prefix else "")
    if several and state_dict.role not in (Role.NETWORK, Role.EMA):
        prefix = ""
    elif kept:
        if request.keys:
            source_dialect, dialect = _translate(state_dict, request.keys, names, notes)
        _strip(names, prefix, notes)
    _require_distinct(names)
    return Naming(
        tensors=tuple((names[tensor.key], tensor) for tensor in kept),
        dropped=dropped,
        prefix=prefix,
        source_dialect=source_dialect,
        dialect=dialect,
        notes=tuple(notes),
    )


def _keep(
    state_dict: StateDict, patterns: Sequence[str]
) -> tuple[Sequence[TensorInfo], Dropped | None]:
    """Divide tensors by patterns, which may name them with or without the wrappers' prefix."""
    if not patterns:
        return state_dict.tensors, None
    cut = len(state_dict.prefix)
    kept: list[TensorInfo] = []
    others: list[TensorInfo] = []
    for tensor in state_dict.tensors:
        names = (tensor.key, tensor.key[cut:])
        fits = any(fnmatchcase(name, pattern) for pattern in patterns for name in names)
        (kept if fits else others).append(tensor)
    return kept, drop_tensors(state_dict, others, "no --only pattern fits")


def drop_tensors(state_dict: StateDict, tensors: Sequence[TensorInfo], why: str) -> Dropped | None:
    """Describe tensors that are not copied; None if there is none."""
    if not tensors:
        return None
    return Dropped(
        entry=state_dict.path,
        role=state_dict.role.value,
        keys=tuple(tensor.key for tensor in tensors),
        tensors=len(tensors),
        elements=sum(tensor.elements for tensor in tensors),
        why=why,
    )


def _strip(names: dict[str, str], prefix: str, notes: list[str]) -> None:
    if not prefix:
        return
    others = [key for key, name in names.items() if not name.startswith(prefix)]
    if len(others) == len(names):
        first = next(iter(names.values()))
        raise UsageError(
            f"no key begins with the prefix {prefix!r:.200}; the first is {first!r:.200}"
        )
    if others:
        notes.append(
            f"{len(others):,} keys do not begin with {prefix!r:.100} and stay as they are: "
            f"{_some(others)}"
        )
    for key, name in names.items():
        names[key] = name.removeprefix(prefix)


def _require_distinct(names: dict[str, str]) -> None:
    taken: dict[str, str] = {}
    for key, name in names.items():
        if not name:
            raise UsageError(f"nothing is left of the key {key!r:.200} without the prefix")
        other = taken.setdefault(name, key)
        if other is not key:
            raise UsageError(f"{other!r:.200} and {key!r:.200} would both be called {name!r:.200}")


def _some(keys: Sequence[str]) -> str:
    more = ", ..." if len(keys) > 3 else ""
    return ", ".join(f"{key!r:.100}" for key in keys[:3]) + more


def _translate(
    state_dict: StateDict, wanted: str, names: dict[str, str], notes: list[str]
) -> tuple[str, str]:
    """Rename keys to another dialect of the network's family; return the old one and the new.

    Raises:
        UsageError: No family knows the network, it has no such dialect, or a tensor has no name, or
            another shape, in it.
    """
    from ckptscope.families.probe import infer_architectures
    from ckptscope.families.registry import find_family

    found = infer_architectures(state_dict)
    if not found:
        raise UsageError(
            f"--keys {wanted}: no known family explains {_title(state_dict)}, so that nothing says "
            "what its keys are in another dialect"
        )
    knowing = [one for one in found if wanted in find_family(one.family).dialects]
    if not knowing:
        family = find_family(found[0].family)
        raise UsageError(
            f"--keys {wanted}: {family.title} has no such dialect; it has: "
            f"{', '.join(family.dialects)}"
        )
    for architecture in knowing:
        _rename_network(state_dict, architecture, wanted, names, notes)
    return knowing[0].dialect, wanted


def _rename_network(
    state_dict: StateDict,
    architecture: Architecture,
    wanted: str,
    names: dict[str, str],
    notes: list[str],
) -> None:
    """Rename the keys of one network in `names`."""
    from ckptscope.differences.renaming import matching_keys
    from ckptscope.families.registry import find_family

    family = find_family(architecture.family)
    if architecture.settings is None:
        why = "; ".join(architecture.misfits[:1]) or "shapes leave a setting open"
        raise UsageError(f"--keys {wanted}: the network's keys cannot be told: {why}")
    configuration = family.configure(architecture.settings)
    table = {tensor.key: tensor.shape for tensor in family.keys(configuration, wanted)}
    dialects = (architecture.dialect, *family.dialects)
    pairs: dict[str, str] = {}
    # A file may mix dialects layer by layer: what the file's own does not name, another does.
    for dialect in dict.fromkeys(one for one in dialects if one in family.dialects):
        pairs = matching_keys(family, configuration, dialect, wanted) | pairs
    foreign: list[str] = []
    for tensor in _of_network(state_dict, architecture, names):
        key = tensor.key[len(architecture.prefix) :]
        name = pairs.get(key)
        if name is None:
            foreign.append(tensor.key)
            continue
        if table[name] != tensor.shape:
            raise UsageError(
                f"--keys {wanted}: {key!r:.200} is {list(tensor.shape)}, and {name!r:.200} would "
                f"be {list(table[name])}: the dialects differ in more than names"
            )
        names[tensor.key] = architecture.prefix + name
    if foreign:
        notes.append(
            f"{len(foreign):,} keys are not of the network and keep their names: {_some(foreign)}"
        )


def _of_network(
    state_dict: StateDict, architecture: Architecture, names: dict[str, str]
) -> Iterator[TensorInfo]:
    for tensor in state_dict.tensors:
        if tensor.key in names and tensor.key.startswith(architecture.prefix):
            yield tensor
