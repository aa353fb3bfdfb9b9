r"""Blocks → a fragment of HTML or of LaTeX.

Enters: blocks. Leaves: text to be put into a page, or behind `\begin{document}`; tables by
tabulate, which escapes their cells. Text of a file stands as text: no tag of it is one, no command
of it runs.
"""

import html
from collections.abc import Callable, Iterable, Sequence
from typing import Final

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
    Tone,
)
from ckptscope.reports.escaping import escape_terminal
from ckptscope.reports.tables import Table

#: What LaTeX reads as more than the character itself.
_LATEX: Final = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "{": r"\{",
        "}": r"\}",
        "$": r"\$",
        "&": r"\&",
        "#": r"\#",
        "%": r"\%",
        "_": r"\_",
        "^": r"\^{}",
        "~": r"\textasciitilde{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        "|": r"\textbar{}",
    }
)
#: Characters of reports that the usual fonts of LaTeX lack, and commands for them.
_SYMBOLS: Final = {
    "✓": r"$\checkmark$",
    "×": r"$\times$",
    "→": r"$\to$",
    "\N{MINUS SIGN}": "$-$",
    "\N{EN DASH}": "--",
    "…": r"\dots{}",
    "·": r"\textperiodcentered{}",
    "²": r"\textsuperscript{2}",
    "━": "-",
}
_SECTIONS: Final = {1: "section*", 2: "subsection*"}


def write_html(blocks: Iterable[Block]) -> str:
    """Write blocks as a fragment of HTML."""
    return _write(blocks, _html_lines, ("<ul>", "</ul>"))


def write_latex(blocks: Iterable[Block]) -> str:
    r"""Write blocks as a fragment of LaTeX; `\checkmark` needs the package amssymb."""
    return _write(blocks, _latex_lines, (r"\begin{itemize}", r"\end{itemize}"))


def _write(
    blocks: Iterable[Block], lines_of: Callable[[Block], list[str]], around: tuple[str, str]
) -> str:
    """Write blocks one below the other; fields and findings that follow each other are a list."""
    lines: list[str] = []
    in_list = False
    for block in blocks:
        is_item = isinstance(block, Field | Notice | Entry)
        if is_item != in_list:
            lines.append(around[0] if is_item else around[1])
            in_list = is_item
        lines += lines_of(block)
    if in_list:
        lines.append(around[1])
    return "".join(f"{line}\n" for line in lines)


def _html_lines(block: Block) -> list[str]:
    if isinstance(block, Heading):
        return [f"<h{block.level + 1}>{_html_parts(block.parts, bold=False)}</h{block.level + 1}>"]
    if isinstance(block, Line):
        return [f"<p>{_html_parts(block.parts)}</p>"]
    if isinstance(block, Field):
        return [f"<li>{_html_field(block)}</li>"]
    if isinstance(block, Notice | Entry):
        return [f"<li>{_html_item(block)}</li>"]
    return _html_large(block)


def _html_item(block: Notice | Entry) -> str:
    details = "".join(f"<br>{_html_field(detail)}" for detail in block.details)
    if isinstance(block, Entry):
        return _html_parts(block.parts) + details
    first = f"<strong>{_html(block.severity)}</strong> <code>{_html(block.code)}</code>"
    return f"{first} {_html(block.message)}{details}"


def _html_large(block: Refusal | Outline | Listing | Table) -> list[str]:
    if isinstance(block, Refusal):
        return [
            f"<h2><code>{_html(block.path)}</code></h2>",
            f"<p><strong>not read</strong>: {_html(block.message)}</p>",
        ]
    if isinstance(block, Outline):
        told = (f"{'  ' * one.level}{one.name} {one.value}".rstrip() for one in block.branches)
        return ["<pre>", *(_html(text) for text in told), "</pre>"]
    if isinstance(block, Listing):
        return ["<pre><code>", *(_html(text) for text in block.lines), "</code></pre>"]
    return _table_lines(block, "html")


def _html_parts(parts: Sequence[Part], *, bold: bool = True) -> str:
    shown = []
    for part in parts:
        text = _html(part.text)
        if isinstance(part, Name):
            text = f"<code>{text}</code>"
        elif bold and part.tone in (Tone.STRONG, Tone.ERROR, Tone.WARNING):
            text = f"<strong>{text}</strong>"
        shown.append(text)
    return "".join(shown)


def _html_field(block: Field) -> str:
    label = f"{_html(block.label)}: " if block.label else ""
    return f"{label}{_html_parts(block.parts)}"


def _html(text: str) -> str:
    return html.escape(escape_terminal(text))


def _latex_lines(block: Block) -> list[str]:
    if isinstance(block, Heading):
        command = _SECTIONS.get(block.level, "paragraph")
        return ["", f"\\{command}{{{_latex_parts(block.parts, bold=False)}}}"]
    if isinstance(block, Line):
        return ["", _latex_parts(block.parts)]
    if isinstance(block, Field):
        return [f"\\item {_latex_field(block)}"]
    if isinstance(block, Notice | Entry):
        return _latex_item(block)
    return _latex_large(block)


def _latex_item(block: Notice | Entry) -> list[str]:
    details = [f"\\\\{_latex_field(detail)}" for detail in block.details]
    if isinstance(block, Entry):
        return [f"\\item {_latex_parts(block.parts)}", *details]
    first = f"\\item \\textbf{{{_latex(block.severity)}}} \\texttt{{{_latex(block.code)}}}"
    return [f"{first} {_latex(block.message)}", *details]


def _latex_large(block: Refusal | Outline | Listing | Table) -> list[str]:
    if isinstance(block, Refusal):
        return [
            "",
            f"\\section*{{{_latex(block.path)}}}",
            f"\\textbf{{not read}}: {_latex(block.message)}",
        ]
    if isinstance(block, Outline):
        told = (f"{'~~' * one.level}{_latex(f'{one.name} {one.value}')}" for one in block.branches)
        return ["", *(f"{text}\\\\" for text in told)]
    if isinstance(block, Listing):
        code = (_latex(text).replace(" ", "~") for text in block.lines)
        return ["", *(f"\\texttt{{{text}}}\\\\" for text in code)]
    return ["", *_table_lines(block, "latex")]


def _latex_parts(parts: Sequence[Part], *, bold: bool = True) -> str:
    shown = []
    for part in parts:
        text = _latex(part.text)
        if isinstance(part, Name):
            text = f"\\texttt{{{text}}}"
        elif bold and part.tone in (Tone.STRONG, Tone.ERROR, Tone.WARNING):
            text = f"\\textbf{{{text}}}"
        shown.append(text)
    return "".join(shown)


def _latex_field(block: Field) -> str:
    label = f"{_latex(block.label)}: " if block.label else ""
    return f"{label}{_latex_parts(block.parts)}"


def _latex(text: str) -> str:
    return _with_symbols(escape_terminal(text).translate(_LATEX))


def _with_symbols(text: str) -> str:
    for symbol, command in _SYMBOLS.items():
        text = text.replace(symbol, command)
    return text


def _table_lines(table: Table, form: str) -> list[str]:
    """Write a table; tabulate escapes what its cells hold."""
    from tabulate import tabulate  # noqa: PLC0415 - other formats have no need of it

    rows = (*table.rows, *table.closing)
    kept = [
        index
        for index, column in enumerate(table.columns)
        if not column.pictorial and any(row[index] for row in rows)
    ]
    written = tabulate(
        [[escape_terminal(row[i]) for i in kept] for row in rows],
        headers=[escape_terminal(table.columns[i].title) for i in kept],
        tablefmt=form,
        colalign=[table.columns[i].align.value for i in kept] if table.rows else None,
        disable_numparse=True,
    )
    return (written if form == "html" else _with_symbols(written)).splitlines()
