"""Measurements → markdown, and its place in benchmarks/README.md.

Enters: measured cases. Leaves: one table of judgements and one of times.
"""

import os
import platform
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from benchmarks.case import Case, Results

_START = "<!-- measured: start -->"
_END = "<!-- measured: end -->"
_GIB = 1 << 30

Measured = Sequence[tuple[Case, Results]]


def render_tables(measured: Measured, command: str) -> str:
    """Return both tables, with the command and the machine above them."""
    lines = [f"Made by `{command}` on {_machine()}.", ""]
    lines += ["| case | what | value | budget | |", "|---|---|---:|---:|---|"]
    for case, results in measured:
        for judgement in case.judgements:
            value = f"{judgement.value(results):.{judgement.digits}f}"
            budget = "" if judgement.bound is None else f"{judgement.relation} {judgement.bound:g}"
            verdict = judgement.verdict(results)
            lines.append(f"| {case.name} | {judgement.what} | {value} | {budget} | {verdict} |")
    lines += ["", "What was run, in turn; seconds, and the highest peak of resident memory:", ""]
    lines += ["| case | program | runs | median | least | most | peak, MiB |"]
    lines += ["|---|---|---:|---:|---:|---:|---:|"]
    for case, results in measured:
        for name, series in results.items():
            times = (series.seconds, series.fastest, series.slowest)
            shown = " | ".join(f"{seconds:.3f}" for seconds in times)
            lines.append(
                f"| {case.name} | `{name}` | {len(series.samples)} | {shown} "
                f"| {series.peak_mib:,.1f} |"
            )
    lines += ["", *(f"- {case.name}: {case.title}" for case, _ in measured)]
    return "\n".join(lines)


def write_tables(text: str, place: Path) -> None:
    """Put the tables between the two markers of a page.

    Raises:
        SystemExit: The page has no such markers.
    """
    page = place.read_text(encoding="utf-8")
    before, start, rest = page.partition(_START)
    _, end, after = rest.partition(_END)
    if not start or not end:
        raise SystemExit(f"{place.name} needs the lines {_START} and {_END}")
    place.write_text(f"{before}{start}\n{text}\n{end}{after}", encoding="utf-8")


def _machine() -> str:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / _GIB
    return (
        f"{os.cpu_count()} cores, {memory:.0f} GiB of memory, {platform.system()} "
        f"{platform.machine()}, Python {platform.python_version()}, torch {version('torch')}"
    )
