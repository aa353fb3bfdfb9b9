"""Files of claims → verdicts; no checkpoint is read.

Enters: paths of files of claims, and of users' tables. Leaves: a `SpecCheckReport`. A file that
cannot be read becomes a failure in the report, and the others are still checked.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

from ckptscope.errors import SpecError
from ckptscope.facts.checked import CheckedFile, SpecCheckReport, UnreadClaims


def check_specs(files: Sequence[str], tables: Iterable[Path] = ()) -> SpecCheckReport:
    """Check what files of claims say, by arithmetic alone.

    Args:
        files: Files of claims, or tables whose rows are checked against themselves.
        tables: Tables of the user, whose rows claims may name.

    Raises:
        SpecError: One of the tables is not sound.
    """
    from ckptscope.specs.arithmetic.files import load_document
    from ckptscope.specs.arithmetic.judging import check_document
    from ckptscope.specs.loading import load_tables

    known = load_tables(tables)
    checked: list[CheckedFile] = []
    failures: list[UnreadClaims] = []
    for file in files:
        try:
            checked.append(check_document(load_document(file, known)))
        except SpecError as error:
            failures.append(UnreadClaims(path=file, message=str(error)))
    return SpecCheckReport(files=tuple(checked), failures=tuple(failures))
