"""`explain`: what is behind a pasted error?

Enters: the bytes of a paste, tables of the user. Leaves: an `ExplainReport`. No checkpoint is read.
"""

from collections.abc import Iterable, Iterator, Sequence

from ckptscope.differences.explaining import explain_error
from ckptscope.differences.paste import decode_paste
from ckptscope.differences.recognising import Catalogue, make_catalogue
from ckptscope.differences.solving import Reference
from ckptscope.differences.traceback import read_errors
from ckptscope.errors import UsageError
from ckptscope.facts.loading import ExplainReport
from ckptscope.facts.tables import SpecTable
from ckptscope.families.registry import AnyFamily, known_families, offered_families
from ckptscope.pipeline.walking import PathLike
from ckptscope.specs.loading import load_tables, tables_for

#: Rows of one family that are tried.
_MOST_ROWS = 64


def explain_paste(
    content: bytes, *, source: str = "-", specs: Iterable[PathLike] = ()
) -> ExplainReport:
    """Explain the errors of load_state_dict in pasted text.

    Args:
        content: The text, as it came.
        source: Name of what it was read from.
        specs: Tables of claims, as TOML, beside those that come along: networks that are known.

    Raises:
        UsageError: There is no such error in it, or it is longer than a paste can be.
        SpecError: A table is wrong.
    """
    tables = load_tables(specs)
    errors = read_errors(decode_paste(content))
    if not errors:
        raise UsageError(
            "expected an error of load_state_dict (size mismatch for ..., Missing key(s) in "
            "state_dict: ..., Unexpected key(s) in state_dict: ...), found none in the text"
        )
    catalogues = tuple(_catalogues(tables))
    return ExplainReport(
        source=source, errors=tuple(explain_error(error, catalogues) for error in errors)
    )


def _catalogues(tables: Sequence[SpecTable]) -> Iterator[Catalogue]:
    """Yield the families of which networks are known: rows that say what they are built from."""
    for family in (*known_families(), *offered_families().families):
        references = tuple(_references(family, tables))
        if references:
            yield make_catalogue(family, references[:_MOST_ROWS])


def _references(family: AnyFamily, tables: Sequence[SpecTable]) -> Iterator[Reference]:
    for table in tables_for(family.name, tables):
        for row in table.rows:
            if row.settings:
                settings = family.settings(family.configure(row.settings))
                yield Reference(row=row.name, table=table.name, settings=settings)
