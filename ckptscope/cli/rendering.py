"""Blocks → bytes in the format that the user asked for; each format loads its renderer alone."""

from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ckptscope.reports.blocks import Block


class TableFormat(StrEnum):
    """How to show what is mostly tables."""

    TEXT = "text"
    MARKDOWN = "markdown"
    LATEX = "latex"
    HTML = "html"
    JSON = "json"


def render_blocks(
    blocks: "Iterable[Block]",
    output_format: TableFormat,
    output: Path | None,
    *,
    lists: bool = False,
) -> bytes:
    """Lay blocks out for people.

    Args:
        blocks: What is said.
        output_format: Any but JSON.
        output: Where it will be written; None for stdout.
        lists: Whether long lists of names are among it.
    """
    if output_format is TableFormat.MARKDOWN:
        from ckptscope.reports.markdown import write_page

        text = write_page(blocks)
    elif output_format is TableFormat.HTML:
        from ckptscope.reports.pages import write_html

        text = write_html(blocks)
    elif output_format is TableFormat.LATEX:
        from ckptscope.reports.pages import write_latex

        text = write_latex(blocks)
    else:
        from ckptscope.cli.output import text_width, wants_color
        from ckptscope.reports.text import lay_out

        text = lay_out(blocks, width=text_width(lists=lists), color=wants_color(output))
    return text.encode("utf-8", "backslashreplace")
