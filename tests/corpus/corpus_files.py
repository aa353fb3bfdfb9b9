"""What the corpus holds, from its own tables; and how a file of it is read."""

import csv
import json
import os
import zlib
from pathlib import Path

import pytest

from ckptscope.facts.report import FileReport
from ckptscope.pipeline import inspect

ROOT = Path(os.environ["CKPTSCOPE_CORPUS"]) if os.environ.get("CKPTSCOPE_CORPUS") else None


def require() -> Path:
    """Return the corpus' folder, or report the whole module as not run."""
    if ROOT is None:
        pytest.skip("not run: CKPTSCOPE_CORPUS names no folder", allow_module_level=True)
    return ROOT


def benign_rows() -> list[dict[str, str]]:
    with (require() / "MANIFEST.tsv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def table(name: str) -> list[dict]:
    return json.loads((require() / name).read_text(encoding="utf-8"))


def short(name: str) -> str:
    """A test id that is unique and not a line long."""
    return f"{name[-48:]}-{zlib.crc32(name.encode()):08x}"


def tensors(reports: list[FileReport]) -> dict[str, tuple[str, tuple[int, ...]]]:
    found = {}
    for report in reports:
        for group in report.manifest.state_dicts if report.manifest else ():
            for one in group.tensors:
                name = (
                    f"{group.path}/{one.key}" if group.path and one.key else group.path or one.key
                )
                found[name] = (one.dtype, one.shape)
    return found


def errors(reports: list[FileReport]) -> list[str]:
    """Failures, and findings of severity error."""
    found = [report.failure.message for report in reports if report.failure]
    for report in reports:
        for one in report.manifest.findings if report.manifest else ():
            if one.severity == "error":
                found.append(f"{one.code.value} {one.message}")
    return found


def read(path: Path) -> list[FileReport]:
    return list(inspect(path).files)
