"""All files against all rows of a table.

Enters: a `PaperMatrix` of a report. Leaves: blocks: the matrix, the file of each row, what is
labelled wrongly, what stands twice.
"""

from collections.abc import Iterator
from typing import Final

from ckptscope.facts.paper import PaperFile, PaperMatrix, PaperOutcome, PaperReport
from ckptscope.facts.standing import RowFit, Standing
from ckptscope.reports.blocks import Block, Heading, Tone, Words, field, line, section
from ckptscope.reports.tables import Align, Column, Table, name

_FITS: Final = "✓"
_OPEN: Final = "~"
#: Rows of a table that fit beside each other, and of which one may miss some.
_FEW_ROWS: Final = 8
_NOTHING: Final = "\N{EN DASH}"


def describe_matrix(report: PaperReport, matrix: PaperMatrix) -> Iterator[Block]:
    """Describe the matrix of one table."""
    yield Heading(1, (Words(f"{matrix.title}: files against rows", Tone.STRONG),))
    shown = _concerned(report, matrix)
    yield _matrix_table(report, matrix, shown)
    yield line(f"{_FITS} fits; a number: claims contradicted; {_OPEN} nothing in the file decides")
    left_out = len(matrix.rows) - len(shown)
    if left_out:
        yield line(f"{left_out} other rows of the table: no file is one of them, or is called so")
    yield _rows_table(report, matrix, shown)
    told = [*_describe_labels(report, matrix), *_describe_same(report, matrix)]
    if matrix.missing and len(matrix.rows) <= _FEW_ROWS:
        told.append(field("missing", f"no file holds {', '.join(matrix.missing)}"))
    if told:
        yield section("what follows")
        yield from told


def _concerned(report: PaperReport, matrix: PaperMatrix) -> tuple[str, ...]:
    """Return the rows that are shown: all of few, else those that some file is, or is called."""
    if len(matrix.rows) <= _FEW_ROWS:
        return matrix.rows
    concerned = {standing.ranking[0].row for standing in matrix.standings}
    for index, standing in zip(matrix.files, matrix.standings, strict=True):
        concerned |= {fit.row for fit in standing.ranking if not fit.contradicts and fit.matches}
        label = report.files[index].label
        concerned |= {label.row} if label is not None and label.table == matrix.table else set()
    return tuple(row for row in matrix.rows if row in concerned)


def _matrix_table(report: PaperReport, matrix: PaperMatrix, shown: tuple[str, ...]) -> Table:
    rows = []
    for index, standing in zip(matrix.files, matrix.standings, strict=True):
        file = report.files[index]
        fits = {fit.row: fit for fit in standing.ranking}
        cells = (_cell(fits[row]) for row in shown)
        rows.append((file.name, _label(file, matrix), *cells, _content(standing)))
    return Table(
        columns=(
            name("file", least=20),
            Column(title="label"),
            *(Column(title=row, align=Align.RIGHT) for row in shown),
            Column(title="content"),
        ),
        rows=rows,
        may_tighten=True,
    )


def _cell(fit: RowFit) -> str:
    if fit.contradicts:
        return str(fit.contradicts)
    return _FITS if fit.matches else _OPEN


def _label(file: PaperFile, matrix: PaperMatrix) -> str:
    if file.label is None:
        return _NOTHING
    return file.label.row if file.label.table == matrix.table else file.label.table


def _content(standing: Standing) -> str:
    if standing.variant is not None:
        return standing.variant
    return "none" if standing.ranking[0].contradicts else "open"


def _rows_table(report: PaperReport, matrix: PaperMatrix, shown: tuple[str, ...]) -> Table:
    """Return the table of rows, each with the file that it goes to."""
    rows = []
    for given in matrix.assignment:
        if given.row not in shown:
            continue
        file = report.files[given.file] if given.file is not None else None
        labelled = _label(file, matrix) if file is not None else ""
        rows.append((given.row, file.name if file is not None else "", labelled))
    return Table(
        columns=(Column(title="row"), name("is held by"), Column(title="labelled")),
        rows=rows,
    )


def _describe_labels(report: PaperReport, matrix: PaperMatrix) -> Iterator[Block]:
    holds = {one.file: one for one in matrix.mislabelled}
    in_circles = {file for circle in matrix.swapped for file in circle}
    for circle in matrix.swapped:
        told = ", ".join(f"{report.files[i].name!r} holds {holds[i].holds}" for i in circle)
        yield field("swapped", Words(told, Tone.ERROR))
    for one in matrix.mislabelled:
        if one.file not in in_circles:
            told = f"{report.files[one.file].name!r} is labelled {one.label} and holds {one.holds}"
            yield field("label", Words(told, Tone.ERROR))
    for index, standing in zip(matrix.files, matrix.standings, strict=True):
        file = report.files[index]
        if index not in holds and file.outcome is PaperOutcome.CONTRADICTS:
            yield field("label", Words(_contradiction(file, standing), Tone.ERROR))


def _contradiction(file: PaperFile, standing: Standing) -> str:
    """Say what contradicts the label of a file that is no row of the table."""
    row = file.label.row if file.label is not None else file.row
    reasons = [text for fit in standing.ranking if fit.row == row for text in fit.contradictions]
    reasons = reasons or [one.explanation for one in file.judgements]
    more = f"; and {len(reasons) - 1} more" if len(reasons) > 1 else ""
    return f"{file.name!r} is labelled {row}, which its content contradicts: {reasons[0]}{more}"


def _describe_same(report: PaperReport, matrix: PaperMatrix) -> Iterator[Block]:
    for same in report.same_weights:
        if not set(same.files) & set(matrix.files):
            continue
        names = ", ".join(repr(report.files[index].name) for index in same.files)
        under = "" if same.same_names else ", under other names"
        yield field("duplicates", f"{names} hold the same tensors{under} ({same.evidence})")
