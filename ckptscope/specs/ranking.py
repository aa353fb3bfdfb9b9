"""Several files against all rows of a table.

Enters: where each file stands, and what each is labelled. Leaves: a `PaperMatrix`: for each row the
file that it goes to, files under a wrong label, circles of swapped labels, rows without a file.
"""

from collections import Counter, deque
from collections.abc import Mapping, Sequence

from ckptscope.facts.paper import Assignment, Mislabelled, PaperMatrix
from ckptscope.facts.standing import Standing
from ckptscope.facts.tables import SpecTable


def build_matrix(
    table: SpecTable, standings: Mapping[int, Standing], labels: Mapping[int, str]
) -> PaperMatrix:
    """Hold all files of a family against all rows.

    Args:
        table: The rows.
        standings: Where each file stands, by its index in the report.
        labels: Rows that labels say, by the same index; files without a label are not in it.
    """
    given = assign_rows(standings, labels)
    by_row = {row: file for file, row in given.items()}
    mislabelled = tuple(
        Mislabelled(file=file, label=labels[file], holds=holds)
        for file in standings
        if file in labels
        and labels[file] not in _open_rows(standings[file])
        and (holds := standings[file].variant or given.get(file)) is not None
    )
    held = {standing.variant for standing in standings.values()} | set(by_row)
    rows = tuple(row.name for row in table.rows)
    return PaperMatrix(
        table=table.name,
        title=table.title,
        source=table.source,
        rows=rows,
        files=tuple(standings),
        standings=tuple(standings.values()),
        assignment=tuple(Assignment(row=row, file=by_row.get(row)) for row in rows),
        mislabelled=mislabelled,
        swapped=find_circles(mislabelled),
        missing=tuple(row for row in rows if row not in held),
        spare=tuple(file for file in standings if file not in given),
    )


def assign_rows(standings: Mapping[int, Standing], labels: Mapping[int, str]) -> dict[int, str]:
    """Give each row to at most one file, so that as many files as possible have a row.

    Only rows that nothing in the file contradicts, and something meets, are given. Augmenting paths
    (H. W. Kuhn, 1955) from each file; the row of its label comes first, then the best by fit.

    Returns:
        Rows by file.
    """
    choices = {file: _choices(standings[file], labels.get(file)) for file in standings}
    owner: dict[str, int] = {}
    # Once given away, a row moves only for another file to get one: labels choose first.
    for file in sorted(standings, key=lambda file: labels.get(file) not in choices[file]):
        _augment(file, choices, owner)
    return {file: row for row, file in owner.items()}


def _augment(start: int, choices: Mapping[int, Sequence[str]], owner: dict[str, int]) -> bool:
    """Find a row for a file, moving others if need be; breadth first, without recursion."""
    came_from: dict[str, int] = {}
    waiting = deque([start])
    while waiting:
        file = waiting.popleft()
        for row in choices[file]:
            if row in came_from:
                continue
            came_from[row] = file
            if row in owner:
                waiting.append(owner[row])
                continue
            while True:
                mover = came_from[row]
                left = next((one for one, who in owner.items() if who == mover), None)
                owner[row] = mover
                if left is None:
                    return True
                del owner[left]
                row = left  # noqa: PLW2901 - the row that the mover gave up is free now
    return False


def _choices(standing: Standing, label: str | None) -> tuple[str, ...]:
    rows = _open_rows(standing)
    return tuple(sorted(rows, key=lambda row: row != label))


def _open_rows(standing: Standing) -> tuple[str, ...]:
    """Return the rows that a file may be, the best first."""
    return tuple(fit.row for fit in standing.ranking if not fit.contradicts and fit.matches)


def find_circles(mislabelled: Sequence[Mislabelled]) -> tuple[tuple[int, ...], ...]:
    """Return circles of files, each of which holds the row that the next one is labelled.

    Files that share a label are in none: it is not plain which of them is meant.
    """
    shares = Counter(one.label for one in mislabelled)
    by_label = {one.label: one for one in mislabelled if shares[one.label] == 1}
    circles: list[tuple[int, ...]] = []
    seen: set[str] = set()
    for first in by_label:
        path: dict[str, None] = {}
        label = first
        while label in by_label and label not in seen:
            seen.add(label)
            path[label] = None
            label = by_label[label].holds
        if label in path:
            walked = list(path)
            circle = tuple(by_label[one].file for one in walked[walked.index(label) :])
            circles.append(circle)
    return tuple(circles)
