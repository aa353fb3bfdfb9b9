"""Long runs: `python -m tests.fuzz --minutes 10`, or `--count 200000 --kind "legacy tar"`."""

import argparse
import sys
import time
from concurrent.futures import ProcessPoolExecutor

from tests.fuzz.harness import Tally, run_kind
from tests.fuzz.seeds import seeds

_BATCH = 2000


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--kind", action="append", help="container kind, or machine; all by default"
    )
    parser.add_argument("--minutes", type=float, default=1.0, help="how long, all kinds together")
    parser.add_argument("--count", type=int, help="cases of each kind, however long it takes")
    parser.add_argument("--first", type=int, default=0, help="number of the first case")
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    kinds = options.kind or ["machine", "network", *seeds()]
    totals = {kind: Tally() for kind in kinds}
    until = None if options.count else time.monotonic() + options.minutes * 60
    first, peak = options.first, 0.0
    with ProcessPoolExecutor(options.jobs) as pool:
        while (until and time.monotonic() < until) or (
            options.count and first < options.first + options.count
        ):
            size = min(_BATCH, options.first + options.count - first) if options.count else _BATCH
            for kind, (tally, mib) in zip(
                kinds,
                pool.map(_batch, kinds, [first] * len(kinds), [size] * len(kinds)),
                strict=True,
            ):
                _add(totals[kind], tally)
                for number, error in tally.escapes:
                    print(f"{kind}, case {number}: {error}", file=sys.stderr, flush=True)
                peak = max(peak, mib)
            first += size
            escaped = sum(len(tally.escapes) for tally in totals.values())
            print(
                f"{first - options.first:,} cases of each kind, {escaped} escapes, "
                f"peak {peak:.0f} MiB",
                file=sys.stderr,
                flush=True,
            )
    for kind, tally in totals.items():
        print(
            f"{kind}: {tally.cases:,} cases, {tally.read:,} read, {tally.refused:,} refused, "
            f"slowest {tally.slowest_seconds:.2f} s (case {tally.slowest_case}), "
            f"{len(tally.escapes)} escapes"
        )
        for number, error in tally.escapes[:5]:
            print(f"  case {number}: {error}")
    print(f"peak memory of a process: {peak:.0f} MiB")
    return 1 if any(tally.escapes for tally in totals.values()) else 0


def _batch(kind: str, first: int, count: int) -> tuple[Tally, float]:
    tally = run_kind(kind, first, count)
    return tally, tally.peak_mib


def _add(total: Tally, part: Tally) -> None:
    total.cases += part.cases
    total.read += part.read
    total.refused += part.refused
    total.escapes += part.escapes
    if part.slowest_seconds > total.slowest_seconds:
        total.slowest_seconds, total.slowest_case = part.slowest_seconds, part.slowest_case


if __name__ == "__main__":
    sys.exit(main())
