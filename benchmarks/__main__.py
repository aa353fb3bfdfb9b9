"""`python -m benchmarks`: measure, judge, and write the table down."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.cases import CASES, build_missing
from benchmarks.measure import run_in_turn
from benchmarks.table import render_tables, write_tables

_PAGE = Path(__file__).with_name("README.md")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmarks; 1 if a budget is missed."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="Measure ckptscope beside torch.load."
    )
    names = [case.name for case in CASES]
    parser.add_argument(
        "--only", action="append", choices=names, help="this case alone; repeatable"
    )
    parser.add_argument("--runs", type=int, help="counted runs of each program")
    parser.add_argument(
        "--files", type=Path, default=Path("large"), help="folder of checkpoints, default: large/"
    )
    parser.add_argument("--write", action="store_true", help="write into benchmarks/README.md")
    options = parser.parse_args(arguments)
    measured = []
    for case in CASES:
        if options.only and case.name not in options.only:
            continue
        build_missing(case.files, options.files)
        print(f"measuring {case.name}: {case.title}", file=sys.stderr, flush=True)
        results = run_in_turn(case.programs(options.files), options.runs or case.runs)
        measured.append((case, results))
    given = sys.argv[1:] if arguments is None else arguments
    text = render_tables(measured, " ".join(("python -m benchmarks", *given)))
    print(text)
    if options.write:
        write_tables(text, _PAGE)
    missed = any(
        judgement.verdict(results) == "**missed**"
        for case, results in measured
        for judgement in case.judgements
    )
    return 1 if missed else 0


if __name__ == "__main__":
    raise SystemExit(main())
