"""`diff --paper`: does each file hold what its name claims, and which row of the paper is it?

Enters: paths, users' tables, what the user states. Leaves: a `PaperReport`. Nothing but names and
shapes is read, except the weights of files whose shapes are all the same.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

from ckptscope.errors import UsageError
from ckptscope.facts.architecture import Architecture, FactValue
from ckptscope.facts.claims import Verdict
from ckptscope.facts.limits import DEFAULT_LIMITS, Limits
from ckptscope.facts.paper import Label, PaperFile, PaperMatrix, PaperReport, SameWeights
from ckptscope.facts.report import FileReport
from ckptscope.facts.standing import Identified, Judgement, Standing
from ckptscope.facts.tables import SpecTable
from ckptscope.facts.tensors import Manifest, Origin, StateDict
from ckptscope.families.base import Given
from ckptscope.families.registry import find_family
from ckptscope.families.view import NetworkView
from ckptscope.pipeline.inspecting import inspect
from ckptscope.pipeline.walking import PathLike
from ckptscope.specs.compare import judge_row, stand, standing_rank
from ckptscope.specs.labelling import find_label, names_of
from ckptscope.specs.labels import row_claims, row_meant
from ckptscope.specs.loading import all_tables, load_tables, tables_for
from ckptscope.specs.ranking import build_matrix
from ckptscope.specs.separating import separating_tensors

_HERE: Final = "."


class _Request(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked of every file.

    Attributes:
        extra: Tables of the user.
        variant: Row that files without a label are said to be, as typed.
        stated: Settings that the user states.
    """

    extra: tuple[SpecTable, ...]
    variant: str | None
    stated: dict[str, FactValue]


class _Compared(msgspec.Struct, frozen=True, kw_only=True):
    """One file with its network, which the report itself does not hold.

    Attributes:
        file: What is reported of it.
        architecture: Its network; None if no family knows it.
        state_dict: Where the network stands.
    """

    file: PaperFile
    architecture: Architecture | None = None
    state_dict: StateDict | None = None


def compare_with_paper(
    paths: Iterable[PathLike] = (),
    *,
    specs: Iterable[PathLike] = (),
    variant: str | None = None,
    stated: Mapping[str, FactValue] | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> PaperReport:
    """Hold checkpoints against the rows of a paper's table.

    Args:
        paths: Files, folders and globs; everything below the current folder if there are none.
        specs: Tables of claims, as TOML, beside those that come along.
        variant: Row that files are said to be whose names say none.
        stated: Settings of the networks that the user knows: `{"joints": 17}`.
        limits: Bounds of the reading.

    Raises:
        UsageError: A path is empty; a variant or a stated setting is unknown.
        SpecError: A table is wrong.
    """
    named = tuple(paths)
    request = _Request(extra=load_tables(specs), variant=variant, stated=dict(stated or {}))
    report = inspect(named or (_HERE,), limits=limits, stated=request.stated, specs=specs)
    inside = Counter(one.path for one in report.files if one.manifest is not None)
    compared = [_compare(one, request, is_shared=inside[one.path] > 1) for one in report.files]
    _require_variant(request, compared)
    readable = [one for one in compared if one.file.failure is None]
    is_set = not named or len(readable) > 1
    same, remarks = _same_weights(compared, limits) if is_set else ((), ())
    return PaperReport(
        is_walk=not named,
        files=tuple(one.file for one in compared),
        matrices=tuple(_matrices(compared, request)) if is_set else (),
        same_weights=same,
        remarks=remarks,
        skipped=report.skipped,
    )


def hold_against_paper(
    report: FileReport,
    *,
    extra: tuple[SpecTable, ...] = (),
    variant: str | None = None,
    stated: Mapping[str, FactValue] | None = None,
    is_shared: bool = False,
) -> PaperFile:
    """Hold one checkpoint against the row that its name claims.

    Args:
        report: What was found in it.
        extra: Tables of the user.
        variant: Row that it is said to be if its name says none.
        stated: Settings of the network that the user knows.
        is_shared: Whether its file holds other checkpoints too.
    """
    request = _Request(extra=extra, variant=variant, stated=dict(stated or {}))
    return _compare(report, request, is_shared=is_shared).file


def _compare(report: FileReport, request: _Request, *, is_shared: bool) -> _Compared:
    """Compare one checkpoint; `is_shared` if its file holds others too."""
    manifest = report.manifest
    if manifest is None:
        return _Compared(file=PaperFile(path=report.path, failure=report.failure))
    found = next((one for one in report.identified if _tables(one, request)), None)
    if found is None:
        remark = _why_not(manifest, report.identified)
        file = PaperFile(path=report.path, location=manifest.location, remark=remark)
        return _Compared(file=file)
    names = names_of(Path(report.path).name, manifest.location, is_shared=is_shared)
    label, remark = find_label(
        names, found.architecture.family, all_tables(request.extra), variant=request.variant
    )
    state_dict = _state_dict_of(manifest, found.architecture)
    architecture = _with_claims(found.architecture, state_dict, label, request)
    standing = _standing(architecture, label, request)
    row = label.row if label is not None else standing.ranking[0].row
    if label is not None and label.table != standing.spec:
        judgements: tuple[Judgement, ...] = (_other_family(architecture, label, request),)
    else:
        judgements = judge_row(architecture, _table_of(standing.spec, request), row)
    file = PaperFile(
        path=report.path,
        location=manifest.location,
        label=label,
        label_remark=remark,
        family=architecture.family,
        title=architecture.title,
        state_dict=architecture.state_dict,
        prefix=architecture.prefix,
        table=standing.spec,
        row=row,
        judgements=judgements,
        standing=standing,
        told_from_label=_told_from_label(architecture, label, standing, request),
        misfits=architecture.misfits,
        further=tuple(_further(one) for one in report.identified if one is not found),
    )
    return _Compared(file=file, architecture=architecture, state_dict=state_dict)


def _tables(found: Identified, request: _Request) -> tuple[SpecTable, ...]:
    return tables_for(found.architecture.family, request.extra)


def _table_of(name: str, request: _Request) -> SpecTable:
    return next(table for table in all_tables(request.extra) if table.name == name)


def _why_not(manifest: Manifest, identified: Sequence[Identified]) -> str:
    if identified:
        titles = ", ".join(dict.fromkeys(one.architecture.title for one in identified))
        return f"{titles}: there is no table of this family; one can be given with --spec"
    if manifest.state_dicts:
        return "no family knows its network"
    return "it holds no network"


def _further(found: Identified) -> str:
    """Return a network that is not compared, in words."""
    row = found.standing.variant if found.standing is not None else None
    what = f"{found.architecture.title} {row or ''}".rstrip()
    return f"{found.architecture.state_dict!r}: {what}"


def _state_dict_of(manifest: Manifest, architecture: Architecture) -> StateDict:
    return next(one for one in manifest.state_dicts if one.path == architecture.state_dict)


def _with_claims(
    architecture: Architecture, state_dict: StateDict, label: Label | None, request: _Request
) -> Architecture:
    """Infer once more with the claims of a label, where shapes leave something to rank."""
    if label is None or not architecture.rankings:
        return architecture
    table = _table_of(label.table, request)
    if table.family != architecture.family:
        return architecture
    given = Given(stated=request.stated, claims=row_claims(table, label.row, label.source))
    view = NetworkView(state_dict, architecture.prefix)
    again = find_family(architecture.family).infer(view, given)
    return msgspec.structs.replace(again, rivals=architecture.rivals)


def _standing(architecture: Architecture, label: Label | None, request: _Request) -> Standing:
    """Return where a network stands in its label's table, else in the one that it fits best."""
    tables = tables_for(architecture.family, request.extra)
    for table in tables:
        if label is not None and table.name == label.table:
            return stand(architecture, table)
    return min((stand(architecture, table) for table in tables), key=standing_rank)


def _told_from_label(
    architecture: Architecture, label: Label | None, standing: Standing, request: _Request
) -> tuple[str, ...]:
    """Return what tells the best row from the label's, unless the standing says it already."""
    best = standing.ranking[0].row
    if label is None or label.table != standing.spec or label.row in (best, standing.runner_up):
        return ()
    rows = _table_of(standing.spec, request)
    first, second = rows.row(best), rows.row(label.row)
    return () if not first or not second else separating_tensors(first, second, architecture)


def _other_family(architecture: Architecture, label: Label, request: _Request) -> Judgement:
    """Judge a label that speaks of another family than the file's."""
    table = _table_of(label.table, request)
    is_whole = architecture.coverage == 1
    share = (
        "all of its tensors are" if is_whole else f"{architecture.coverage:.1%} of its tensors are"
    )
    return Judgement(
        attribute="family",
        claimed=table.family,
        claimed_text=table.family,
        found=architecture.family,
        found_text=architecture.family,
        origin=Origin.OBSERVED,
        verdict=Verdict.CONTRADICTS if is_whole else Verdict.NOT_DECIDABLE,
        explanation=f"{share} those of {architecture.title}",
        source=label.source,
    )


def _require_variant(request: _Request, compared: Sequence[_Compared]) -> None:
    """Refuse a variant that no table of the files' families has.

    Raises:
        UsageError: There is none; the message names the rows.
    """
    families = {one.architecture.family for one in compared if one.architecture is not None}
    if request.variant is None or not families:
        return
    tables = [table for family in sorted(families) for table in tables_for(family, request.extra)]
    if not any(row_meant(request.variant, table) for table in tables):
        rows = "; ".join(
            f"{table.name}: {', '.join(row.name for row in table.rows)}" for table in tables
        )
        raise UsageError(f"no row {request.variant!r} in the tables; there are: {rows}")


def _same_weights(
    compared: Sequence[_Compared], limits: Limits
) -> tuple[tuple[SameWeights, ...], tuple[str, ...]]:
    """Return which networks of a set are the same, and what could not be compared."""
    # The gate holds single files against the paper, and hashes nothing for that.
    from ckptscope.pipeline.same_weights import Network, find_same_weights

    networks = [
        Network(
            file=index,
            path=one.file.path,
            location=one.file.location,
            state_dict=one.state_dict,
            prefix=one.file.prefix,
        )
        for index, one in enumerate(compared)
        if one.state_dict is not None
    ]
    return find_same_weights(networks, limits=limits)


def _matrices(compared: Sequence[_Compared], request: _Request) -> Iterator[PaperMatrix]:
    """Yield a matrix for each table that some file is held against."""
    for name in dict.fromkeys(one.file.table for one in compared if one.file.table):
        table = _table_of(name, request)
        standings: dict[int, Standing] = {}
        for index, one in enumerate(compared):
            if one.architecture is None or one.architecture.family != table.family:
                continue
            known = one.file.standing
            is_known = known is not None and known.spec == name
            standings[index] = known if is_known and known else stand(one.architecture, table)
        labels = {
            index: label.row
            for index in standings
            if (label := compared[index].file.label) is not None and label.table == name
        }
        yield build_matrix(table, standings, labels)
