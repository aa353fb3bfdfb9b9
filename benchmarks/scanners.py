"""`python -m benchmarks.scanners CORPUS`: the safety checks beside picklescan, on the same files.

Enters: the corpus' folder; the adversarial pickles of the tests come along. Leaves: a table of how
many unsafe files each tool flags, and how many benign ones. Which file is which is decided in
`tests/builders/scanned_files.py` and shared with the tests. No file is loaded by either tool.

A file counts as flagged by picklescan if it reports a dangerous global (exit code 1), with
`--strict` also those that it knows nothing of; by ckptscope if the gate has a finding SAF001 or
SAF003, "with unknown names" also SAF002. A tool that gives up on a file has not flagged it.
"""

import argparse
import logging
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

from ckptscope.pipeline.gating import gate

_ROOT = Path(__file__).parents[1]
_GROUPS = ("hostile", "malicious", "benign", "torch-made", "adversarial")


@dataclass(frozen=True)
class Subject:
    """One file, and whether it is unsafe to load."""

    path: Path
    group: str
    is_unsafe: bool


#: Says whether a tool flags a file.
Scan = Callable[[Path], bool]


def main(arguments: Sequence[str] | None = None) -> int:
    """Scan every file with every tool and print what they flag."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scanners", description=__doc__)
    parser.add_argument("corpus", type=Path, help="folder of hostile, malicious and benign files")
    parser.add_argument(
        "--wrong", action="store_true", help="list what each tool gets wrong, beside the table"
    )
    options = parser.parse_args(arguments)
    tools = _tools()
    with tempfile.TemporaryDirectory() as folder:
        subjects = [*_corpus(options.corpus), *_adversarial(Path(folder))]
        flagged = {name: [scan(one.path) for one in subjects] for name, scan in tools.items()}
    print(render(subjects, flagged))
    if options.wrong:
        for name, verdicts in flagged.items():
            print(f"\n{name}:")
            for one, verdict in zip(subjects, verdicts, strict=True):
                if verdict is not one.is_unsafe:
                    print(f"  {'missed' if one.is_unsafe else 'accused'} {one.path.name}")
    return 0


def render(subjects: Sequence[Subject], flagged: dict[str, list[bool]]) -> str:
    """Return the table: a row for each tool, a column for each group of unsafe or benign files."""
    columns = [
        (group, unsafe)
        for unsafe in (True, False)
        for group in _GROUPS
        if any(one.group == group and one.is_unsafe is unsafe for one in subjects)
    ]
    words = [f"{group}, {'unsafe' if unsafe else 'benign'}" for group, unsafe in columns]
    lines = [f"| tool | {' | '.join(words)} | all unsafe | all benign |"]
    lines.append(f"|---|{'---:|' * (len(columns) + 2)}")
    for name, verdicts in flagged.items():
        hits: Counter[tuple[str, bool]] = Counter()
        totals: Counter[tuple[str, bool]] = Counter()
        for one, verdict in zip(subjects, verdicts, strict=True):
            for key in ((one.group, one.is_unsafe), ("all", one.is_unsafe)):
                totals[key] += 1
                hits[key] += verdict
        cells = [
            f"{hits[key]} of {totals[key]}" for key in (*columns, ("all", True), ("all", False))
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _tools() -> dict[str, Scan]:
    return {
        f"picklescan {version('picklescan')}": _picklescan(strict=False),
        f"picklescan {version('picklescan')} --strict": _picklescan(strict=True),
        "ckptscope gate": _ckptscope("SAF001", "SAF003"),
        "ckptscope gate, with unknown names": _ckptscope("SAF001", "SAF002", "SAF003"),
    }


def _picklescan(*, strict: bool) -> Scan:
    scanner = import_module("picklescan.scanner")
    logging.getLogger("picklescan").setLevel(logging.CRITICAL)

    def scan(path: Path) -> bool:
        whole = scanner.scan_directory_path if path.is_dir() else scanner.scan_file_path
        try:
            return bool(whole(str(path), strict=strict).issues_count)
        except Exception as error:  # whatever it stumbles over, it has not flagged
            print(f"picklescan gave up on {path.name}: {error!r:.100}", file=sys.stderr)
            return False

    return scan


def _ckptscope(*codes: str) -> Scan:
    def scan(path: Path) -> bool:
        found = (ruling.finding.code.value for one in gate(path).files for ruling in one.rulings)
        return any(code in codes for code in found)

    return scan


def _corpus(folder: Path) -> Iterable[Subject]:
    files = _builders("scanned_files")
    for one in files.scanned_files(folder):
        if one.truth is not files.Truth.OPEN:
            yield Subject(one.path, one.group, one.truth is files.Truth.UNSAFE)


def _adversarial(folder: Path) -> Iterable[Subject]:
    """Write the adversarial pickles of the tests; a third party's class is benign."""
    pickles = _builders("adversarial_pickles")
    for number, case in enumerate(pickles.CASES):
        path = folder / f"{number:03} {case.name.replace('/', ' ')}.pkl"
        path.write_bytes(case.data)
        yield Subject(path, "adversarial", case.outcome is pickles.Outcome.UNSAFE)


def _builders(name: str):  # type: ignore[no-untyped-def]  # noqa: ANN202 - no part of the package
    place = str(_ROOT / "tests")
    if place not in sys.path:
        sys.path.insert(0, place)
    return import_module(f"builders.{name}")


if __name__ == "__main__":
    raise SystemExit(main())
