"""Report → markdown: for an issue, a pull request, a job summary.

Enters: a report. Leaves: GitHub Flavored Markdown. Text of a file stands in inline code or in a
block of code, where nothing acts: no link, no mention, no HTML.
"""

from collections.abc import Iterable, Sequence

from ckptscope.facts.report import InspectReport
from ckptscope.reports.blocks import (
    Block,
    Entry,
    Field,
    Heading,
    Line,
    Listing,
    Name,
    Notice,
    Outline,
    Part,
    Refusal,
)
from ckptscope.reports.escaping import (
    code_span,
    escape_markdown,
    escape_terminal,
    fence_lines,
    guard_line,
)
from ckptscope.reports.inspected import describe_report
from ckptscope.reports.tables import Table, github_table
from ckptscope.reports.wanted import WHAT_IS_QUICK, Wanted

_LINE_CHARACTERS = 200
#: Characters of a line of code; a longer one holds a name that nobody would type.
_CODE_CHARACTERS = 100_000


def render_markdown(report: InspectReport, wanted: Wanted = WHAT_IS_QUICK) -> str:
    """Render a report as markdown."""
    return write_page(describe_report(report, wanted))


def write_page(blocks: Iterable[Block]) -> str:
    """Write blocks as a page of markdown."""
    lines: list[str] = []
    last: Block | None = None
    for block in blocks:
        if lines and not (_is_item(block) and _is_item(last)):
            lines.append("")
        lines += _lines(block)
        last = block
    return "".join(f"{line}\n" for line in lines)


def _is_item(block: Block | None) -> bool:
    return isinstance(block, Field | Notice | Entry)


def _lines(block: Block) -> list[str]:
    if isinstance(block, Heading):
        return [f"{'#' * (block.level + 1)} {_inline(block.parts)}"]
    if isinstance(block, Line):
        return [guard_line(_inline(block.parts))]
    if isinstance(block, Field):
        # Without a label it continues the item above.
        return [f"{'' if block.label else '  '}- {_field(block)}"]
    if isinstance(block, Notice):
        return _notice(block)
    if isinstance(block, Refusal):
        return [
            f"## {code_span(block.path)}",
            "",
            f"**not read**: {escape_markdown(block.message)}",
        ]
    return _list_lines(block)


def _list_lines(block: Outline | Entry | Listing | Table) -> list[str]:
    if isinstance(block, Entry):
        return [f"- {_inline(block.parts)}", *(f"  - {_field(one)}" for one in block.details)]
    if isinstance(block, Listing):
        shown = [escape_terminal(line, most=_CODE_CHARACTERS) for line in block.lines]
        return fence_lines(shown, language=block.language)
    if isinstance(block, Outline):
        return fence_lines(
            escape_terminal(
                f"{'  ' * branch.level}{branch.name}{': ' if branch.name else ''}{branch.value}",
                most=_LINE_CHARACTERS,
            )
            for branch in block.branches
        )
    return github_table(block).splitlines()


def _inline(parts: Sequence[Part]) -> str:
    """Return parts as one line; the tone says nothing here that the place does not."""
    shown = ""
    for part in parts:
        text = code_span(part.text) if isinstance(part, Name) else _words(part.text)
        # Backticks of two spans side by side would be read as one longer run.
        touches = shown.endswith("`") and text.startswith("`")
        shown += f" {text}" if touches else text
    return shown.strip()


def _words(text: str) -> str:
    """Escape a sentence and keep the spaces that part it from its neighbours."""
    inner = text.strip()
    if not inner:
        return " " if text else ""
    start, _, end = text.partition(inner)
    return f"{' ' if start else ''}{escape_markdown(inner)}{' ' if end else ''}"


def _field(block: Field) -> str:
    label = f"{escape_markdown(block.label)}: " if block.label else ""
    return f"{label}{_inline(block.parts)}"


def _notice(block: Notice) -> list[str]:
    first = f"- **{block.severity}** {code_span(block.code)} {escape_markdown(block.message)}"
    return [first, *(f"  - {_field(detail)}" for detail in block.details)]
