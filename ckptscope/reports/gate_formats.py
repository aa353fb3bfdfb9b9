"""What the gate says → bytes in the format that was asked for.

Enters: a `GateReport`. Leaves: bytes, the same for the same report; no clock and no environment is
asked. Each format loads its renderer alone.
"""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ckptscope.facts.gate import GateReport


class GateFormat(StrEnum):
    """How to show what the gate says."""

    TEXT = "text"
    JSON = "json"
    SARIF = "sarif"
    JUNIT = "junit"
    GITHUB = "github"
    MARKDOWN = "markdown"


def render_gate(
    report: "GateReport",
    format: GateFormat,
    *,
    width: int,
    color: bool,
    root: Path | None,
) -> bytes:
    """Render what the gate says.

    Args:
        report: What it says.
        format: The format.
        width: Columns of the terminal; of text alone.
        color: Whether ANSI colours may be used; of text alone.
        root: Folder that names of files are shown relative to where a service looks them up in a
            repository (SARIF, annotations); None leaves them as they are.
    """
    if format is GateFormat.JSON:
        from ckptscope.reports.gate_json import render_gate_json

        return render_gate_json(report)
    if format is GateFormat.SARIF:
        from ckptscope.reports.sarif import render_sarif

        return render_sarif(report, root=root)
    if format is GateFormat.JUNIT:
        from ckptscope.reports.junit import render_junit

        return render_junit(report)
    if format is GateFormat.GITHUB:
        from ckptscope.reports.github import render_github

        return render_github(report, root=root)
    if format is GateFormat.MARKDOWN:
        from ckptscope.reports.gate_markdown import render_gate_markdown

        return render_gate_markdown(report)
    from ckptscope.reports.gate import describe_gate
    from ckptscope.reports.text import lay_out

    return lay_out(describe_gate(report), width=width, color=color).encode(
        "utf-8", "backslashreplace"
    )
