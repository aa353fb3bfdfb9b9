"""Damaged checkpoints without a pickle: `python -m tests.fuzz.carving --cases 500`.

Prints how many were named, rightly or not, surely or not, by what they were; exit code 1 if one was
named wrongly and called certain.
"""

import argparse
import sys
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor

from ckptscope.carving.carve import carve
from ckptscope.facts.carving import Carving, Found, Slot
from tests.fuzz.carved import Case, make_case

#: What may come of a case, from the best to the worst.
RIGHT = "certain, right"
LIKELY = "likely, right"
OPEN = "likely, right where storages are left"
OTHER = "likely, another network"
NONE = "no table fits"
WRONG = "certain, WRONG"
OUTCOMES = (RIGHT, LIKELY, OPEN, OTHER, NONE, WRONG)


def outcome_of(case: Case) -> tuple[str, Carving]:
    """Carve a case and hold the answer against what it was."""
    carving = carve(case.survivors, damage="no data.pkl", name="snapshot_3.pth")
    return name_outcome(carving, case.family, case.item, case.shapes), carving


def name_outcome(
    carving: Carving, family: str, item: int, shapes: tuple[tuple[int, ...], ...]
) -> str:
    """Hold an answer against what it was: family, bytes of an element, shapes without axes of 1."""
    best = carving.best
    if best is None:
        return NONE
    # What a pickle named may lie outside of the table.
    places = range(best.first, best.first + best.network_tensors)
    network = [one for one in carving.tensors if one.slot is Slot.NETWORK and one.number in places]
    found = [tuple(size for size in one.shape if size != 1) for one in network]
    is_kind = best.family == family and _item(carving) == item
    if is_kind and tuple(found) == shapes:
        return RIGHT if carving.is_certain else LIKELY
    if carving.is_certain:
        return WRONG
    left = [shape for shape, one in zip(found, network, strict=True) if one.found is Found.CARVED]
    wanted = Counter(shapes)
    is_part = is_kind and all(wanted[shape] >= count for shape, count in Counter(left).items())
    return OPEN if is_part else OTHER


def _item(carving: Carving) -> int:
    dtype = "" if carving.best is None else carving.best.dtype
    return {"float32": 4, "float64": 8}.get(dtype, 2)


def _run(number: int) -> tuple[int, str, str, float]:
    case = make_case(number)
    start = time.perf_counter()
    outcome, _ = outcome_of(case)
    kind = case.kind if case.kind == "unrelated" else f"{case.kind} {case.family}"
    return number, kind, outcome, time.perf_counter() - start


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=500)
    parser.add_argument("--first", type=int, default=0, help="number of the first case")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--list", action="append", default=[], help="outcomes to list cases of")
    options = parser.parse_args()
    numbers = range(options.first, options.first + options.cases)
    with ProcessPoolExecutor(options.jobs) as pool:
        runs = list(pool.map(_run, numbers, chunksize=10))
    print_table(runs, OUTCOMES)
    for number, kind, outcome, seconds in runs:
        if outcome == WRONG or outcome in options.list:
            print(f"{outcome}: case {number}, {kind}, {seconds:.2f} s", file=sys.stderr)
    return 1 if any(outcome == WRONG for _, _, outcome, _ in runs) else 0


def print_table(runs: Sequence[tuple[int, str, str, float]], outcomes: Sequence[str]) -> None:
    """Print what came of each kind of case, and the slowest.

    Args:
        runs: Of each case its number, kind, outcome and seconds.
        outcomes: Columns.
    """
    table = Counter((kind, outcome) for _, kind, outcome, _ in runs)
    kinds = sorted({kind for kind, _ in table})
    print("| what it was | " + " | ".join(outcomes) + " |")
    print("|---" * (len(outcomes) + 1) + "|")
    for kind in kinds:
        print(f"| {kind} | " + " | ".join(str(table[kind, one]) for one in outcomes) + " |")
    sums = [sum(table[kind, one] for kind in kinds) for one in outcomes]
    print("| together | " + " | ".join(map(str, sums)) + " |")
    slowest = max(runs, key=lambda run: run[3])
    print(
        f"slowest: case {slowest[0]}, {slowest[3]:.2f} s; together {sum(r[3] for r in runs):.0f} s"
    )


if __name__ == "__main__":
    sys.exit(main())
