"""`diff FILE --variant`, `diff FILE --config`: what would load_state_dict say?

Enters: paths, a row of a table, settings of the user. Leaves: a `LoadingReport`: for each file what
load_state_dict(strict=True) would report, and the causes. Nothing but names and shapes is read.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

import msgspec

from ckptscope.differences.configuring import override_settings
from ckptscope.differences.forecast import FileNetwork, Target, forecast_steps, found_settings
from ckptscope.differences.values import option_text
from ckptscope.errors import UsageError
from ckptscope.facts.architecture import Architecture, FactValue
from ckptscope.facts.limits import DEFAULT_LIMITS, Limits
from ckptscope.facts.loading import LoadForecast, LoadingReport
from ckptscope.facts.report import Failure, FileReport
from ckptscope.facts.tables import SpecTable
from ckptscope.facts.tensors import Manifest, Origin, Role, StateDict, TreeNode
from ckptscope.families.base import Given
from ckptscope.families.registry import AnyFamily, find_family
from ckptscope.families.view import NetworkView, find_prefixes
from ckptscope.pipeline.inspecting import inspect
from ckptscope.pipeline.walking import PathLike
from ckptscope.specs.labels import row_meant
from ckptscope.specs.loading import load_tables, tables_for

_MOST_NAMED: Final = 3


class LoadRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The network that files are to be loaded into, and which network of theirs.

    Attributes:
        variant: Row of a table that the network is built as; None for the file's own settings.
        config: Settings of the network that win over the row's, or over the file's.
        family: Family of the network; None to go by the file.
        dialect: How the network names its layers; None for the file's way.
        state_dict: Path of the state_dict; None for the first one that a family knows.
        stated: Settings of the file's network that the user knows.
    """

    variant: str | None = None
    config: Mapping[str, FactValue] = {}
    family: str | None = None
    dialect: str | None = None
    state_dict: str | None = None
    stated: Mapping[str, FactValue] = {}


def forecast_loading(
    paths: Iterable[PathLike],
    request: LoadRequest,
    *,
    specs: Iterable[PathLike] = (),
    limits: Limits = DEFAULT_LIMITS,
) -> LoadingReport:
    """Say what load_state_dict(strict=True) would report of files.

    A row, a setting or a dialect that the family of a file does not know is a failure of that file,
    of kind `UsageError`; the others are still looked at.

    Raises:
        UsageError: A path is empty, a family or a stated setting is unknown.
        SpecError: A table is wrong.
    """
    named = tuple(specs)
    tables = load_tables(named)
    family = find_family(request.family) if request.family is not None else None
    # With a family named, what a file states is looked at by that one alone.
    stated = request.stated if family is None else {}
    report = inspect(paths, limits=limits, stated=stated, specs=named)
    return LoadingReport(
        files=tuple(_forecast(one, request, family, tables) for one in report.files),
        skipped=report.skipped,
    )


class _Found(msgspec.Struct, frozen=True, kw_only=True):
    """A network of a file.

    Attributes:
        family: Its family.
        architecture: What it is.
        state_dict: Where it stands.
        others: Further networks, as architectures.
    """

    family: AnyFamily
    architecture: Architecture
    state_dict: StateDict
    others: tuple[Architecture, ...]


def _forecast(
    report: FileReport,
    request: LoadRequest,
    family: AnyFamily | None,
    tables: Sequence[SpecTable],
) -> LoadForecast:
    manifest = report.manifest
    if manifest is None:
        return LoadForecast(path=report.path, failure=report.failure)
    found = _find(report, manifest, request, family)
    if isinstance(found, str):
        return _refused(report, manifest, found)
    try:
        return _compare(report, manifest, found, request, tables)
    except UsageError as error:
        return _refused(report, manifest, str(error))


def _refused(report: FileReport, manifest: Manifest, message: str) -> LoadForecast:
    failure = Failure(kind=UsageError.__name__, message=message)
    return LoadForecast(path=report.path, location=manifest.location, failure=failure)


def _compare(
    report: FileReport,
    manifest: Manifest,
    found: "_Found",
    request: LoadRequest,
    tables: Sequence[SpecTable],
) -> LoadForecast:
    """Hold one network of a file against the one that it is to be loaded into.

    Raises:
        UsageError: The request does not fit this network.
    """
    settings, target, remarks = _settings(found, request, tables)
    architecture = found.architecture
    dialect = _dialect(found, request)
    steps = forecast_steps(
        found.family,
        _network(manifest, found),
        Target(settings=settings, dialect=dialect),
    )
    return LoadForecast(
        path=report.path,
        location=manifest.location,
        state_dict=architecture.state_dict,
        family=architecture.family,
        title=architecture.title,
        prefix=architecture.prefix,
        dialect=architecture.dialect,
        network_dialect=dialect,
        target=target,
        settings=settings,
        found_settings=found_settings(found.family, architecture, settings),
        steps=steps,
        remarks=(*remarks, *_further(found), *_about_module(manifest, found.state_dict)),
    )


def _find(
    report: FileReport, manifest: Manifest, request: LoadRequest, family: AnyFamily | None
) -> _Found | str:
    """Return the network that is meant, or why there is none."""
    wanted = request.state_dict
    held = {one.path: one for one in manifest.state_dicts}
    if wanted is not None and wanted not in held:
        names = ", ".join(repr(path) for path in held) or "none"
        return f"no state_dict at {wanted!r}; there are: {names}"
    if family is not None:
        return _find_of(manifest, request, family)
    found = [one.architecture for one in report.identified]
    if wanted is not None:
        found = [one for one in found if one.state_dict == wanted] or [
            msgspec.structs.replace(one.architecture, state_dict=wanted)
            for one in report.identified
            if wanted in one.copies
        ]
    if not found:
        return "no family knows a network of this file; one can be named with --family"
    first = found[0]
    return _Found(
        family=find_family(first.family),
        architecture=first,
        state_dict=held[first.state_dict],
        others=tuple(one.architecture for one in report.identified if one.architecture != first),
    )


def _find_of(manifest: Manifest, request: LoadRequest, family: AnyFamily) -> _Found | str:
    """Return the network that a family, which the user names, makes of the file."""
    given = Given(stated=dict(request.stated))
    for one in manifest.state_dicts:
        if request.state_dict not in (None, one.path):
            continue
        if request.state_dict is None and one.role not in (Role.NETWORK, Role.EMA):
            continue
        prefixes = find_prefixes(one, family.anchors) or (one.prefix,)
        views = [NetworkView(one, prefix) for prefix in prefixes]
        explained = [len(family.matches(view).explained) for view in views]
        best = explained.index(max(explained))
        if explained[best]:
            architecture = family.infer(views[best], given)
        else:
            architecture = _nothing_of(family, one, views[best])
        return _Found(family=family, architecture=architecture, state_dict=one, others=())
    return "the file holds no state_dict of a network"


def _nothing_of(family: AnyFamily, state_dict: StateDict, view: NetworkView) -> Architecture:
    """Say that a family does not know a network, and is held against it all the same."""
    return Architecture(
        family=family.name,
        title=family.title,
        state_dict=state_dict.path,
        prefix=view.prefix,
        reasons=(),
        coverage=0.0,
        facts=(),
        settings=None,
        dialect=family.dialects[0],
        counts=None,
        misfits=(f"less than half of a {family.title} is in the file",),
    )


def _settings(
    found: _Found, request: LoadRequest, tables: Sequence[SpecTable]
) -> tuple[dict[str, FactValue], str, tuple[str, ...]]:
    """Return what the network is built from, the same in words, and remarks.

    Raises:
        UsageError: There is no such row, or the settings build no network.
    """
    family = found.family
    if request.variant is not None:
        base, target = _row(family, request.variant, tables)
    else:
        base, target = _own_settings(found), ""
    if not request.config:
        return base, target, ()
    settings, remarks = override_settings(family, base, request.config)
    given = ", ".join(option_text(name, value) for name, value in request.config.items())
    if request.variant is not None:
        return settings, f"{target} with {given}", remarks
    return settings, f"{family.title} with {given}", (*remarks, *_taken(found, settings, request))


def _row(
    family: AnyFamily, variant: str, tables: Sequence[SpecTable]
) -> tuple[dict[str, FactValue], str]:
    """Return the settings of a row, and its name.

    Raises:
        UsageError: No table of the family has it, or it has no settings.
    """
    known = tables_for(family.name, tables)
    for table in known:
        name = row_meant(variant, table)
        row = table.row(name) if name is not None else None
        if row is not None and row.settings:
            settings = family.settings(family.configure(row.settings))
            return settings, f"row {row.name} of {table.name}"
        if row is not None:
            raise UsageError(
                f"row {row.name!r} of {table.name!r} does not say what its network is built from"
            )
    rows = "; ".join(f"{one.name}: {', '.join(row.name for row in one.rows)}" for one in known)
    raise UsageError(
        f"no row {variant!r} in the tables of {family.name}; there are: {rows or 'none'}"
    )


def _own_settings(found: _Found) -> dict[str, FactValue]:
    """Return what the file's network is built from.

    Raises:
        UsageError: Something of it is not known.
    """
    if found.architecture.settings is not None:
        return dict(found.architecture.settings)
    why = "; ".join(found.architecture.misfits[:1]) or "shapes leave a setting open"
    raise UsageError(
        f"the file does not tell all settings that --config leaves out ({why}); name a row with "
        "--variant, or state them with --assume"
    )


def _taken(found: _Found, settings: Mapping[str, FactValue], request: LoadRequest) -> Iterator[str]:
    """Say which settings are the file's own, and which of these are assumed."""
    weightless = set(found.family.weightless)
    taken = [name for name in settings if name not in request.config and name not in weightless]
    facts = {fact.name: fact.origin for fact in found.architecture.facts}
    assumed = [name for name in taken if facts.get(name) is Origin.ASSUMED]
    text = "what --config leaves out is as in the file"
    yield f"{text}; assumed of it: {', '.join(assumed)}" if assumed else text


def _dialect(found: _Found, request: LoadRequest) -> str:
    """Return how the network names its layers.

    Raises:
        UsageError: The family has no such dialect.
    """
    dialects = found.family.dialects
    if request.dialect is not None:
        if request.dialect not in dialects:
            raise UsageError(
                f"no dialect {request.dialect!r} of {found.family.name}; there are: "
                f"{', '.join(dialects)}"
            )
        return request.dialect
    return found.architecture.dialect if found.architecture.dialect in dialects else dialects[0]


def _network(manifest: Manifest, found: _Found) -> FileNetwork:
    shapes: dict[str, tuple[int, ...] | None] = {
        tensor.key: tensor.shape for tensor in found.state_dict.tensors
    }
    for name in _odd_entries(manifest, found.state_dict):
        shapes.setdefault(name, None)
    return FileNetwork(
        shapes=shapes,
        versions=found.state_dict.versions,
        architecture=found.architecture,
        networks={
            one.prefix: f"a further network, {one.title}"
            for one in found.others
            if one.state_dict == found.state_dict.path and one.prefix
        },
    )


def _odd_entries(manifest: Manifest, state_dict: StateDict) -> Iterator[str]:
    """Yield the entries of a mapping of tensors that are none."""
    node = _node_of(manifest, state_dict)
    # What stands in a module beside its tensors is no entry of its state_dict.
    if node is not None and node.kind in ("dict", "instance", "state_dict"):
        yield from (child.name for child in node.children)


def _about_module(manifest: Manifest, state_dict: StateDict) -> Iterator[str]:
    """Say that a file holds no state_dict, and what is taken for one."""
    node = _node_of(manifest, state_dict)
    if node is not None and node.kind == "module":
        yield "the file holds a whole module; what is compared is what its state_dict() would be"


def _node_of(manifest: Manifest, state_dict: StateDict) -> TreeNode | None:
    """Return what the tree holds of a state_dict."""
    node: TreeNode | None = manifest.tree
    rest = state_dict.path
    while rest and node is not None:
        node, rest = _step(node, rest)
    return node


def _step(node: TreeNode, path: str) -> tuple[TreeNode | None, str]:
    """Go down to the child by which a path begins; names may hold slashes."""
    for child in node.children:
        if path == child.name or path.startswith(f"{child.name}/"):
            return child, path[len(child.name) + 1 :]
    return None, ""


def _further(found: _Found) -> Iterator[str]:
    """Say which networks of the file are not looked at."""
    others = [one for one in found.others if one.state_dict != found.architecture.state_dict]
    if others:
        named = ", ".join(f"{one.title} at {one.state_dict!r}" for one in others[:_MOST_NAMED])
        yield f"the file holds further networks, which --state-dict names: {named}"
    if found.architecture.misfits:
        yield f"what does not fit in the file itself: {found.architecture.misfits[0]}"
