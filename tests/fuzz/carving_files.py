"""Damaged files: `python -m tests.fuzz.carving_files --cases 500 --seed 0`.

Writes checkpoints with our writers, damages them, and holds what `carve_file` says against what
they were. Prints how many were named, rightly or not, surely or not, by what was done to them; exit
code 1 if one was named wrongly and called certain, or anything else was said that is false.
"""

import argparse
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import NamedTuple

from ckptscope.containers.salvage import Salvage, salvage
from ckptscope.facts.carving import Carving, Found, Slot
from ckptscope.facts.limits import DEFAULT_LIMITS
from ckptscope.pipeline.carving import carve_file
from ckptscope.writers.tensors import item_size
from tests.fuzz.carving import OUTCOMES, RIGHT, WRONG, name_outcome, print_table
from tests.fuzz.damaged_files import Truth, make_damaged

#: Nothing that `torch.save` wrote is left, or nothing is wrong any more.
NOTHING = "nothing to carve"
COLUMNS = (*OUTCOMES, NOTHING)


class Examined(NamedTuple):
    """What came of a damaged file.

    Attributes:
        kind: What was done to it.
        outcome: One of `COLUMNS`.
        wrong: Statements about it that are false, none of which may be.
        notes: What could be better.
        verdict: What was said.
        seconds: That it took.
    """

    kind: str
    outcome: str
    wrong: tuple[str, ...]
    notes: tuple[str, ...]
    verdict: str
    seconds: float


def examine(number: int, seed: int = 0) -> Examined:
    """Damage a file, carve it, and hold the answer against what it was."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        truth = make_damaged(number, Path(folder), seed)
        start = time.perf_counter()
        carving = carve_file(truth.path)
        seconds = time.perf_counter() - start
        if carving is None:
            return Examined(truth.kind, NOTHING, (), (), "", seconds)
        left = salvage(truth.path, DEFAULT_LIMITS, stack)
        wrong = [*_untrue_names(left, truth), *_untrue_sizes(carving, truth)]
        outcome = name_outcome(carving, truth.family, item_size(truth.dtype), truth.shapes)
        if outcome == RIGHT:
            wrong += [*_untrue_places(carving, truth), *_untrue_dtype(carving, truth)]
        notes = [
            f"a check does not hold: {one.what}: {one.evidence}"
            for one in carving.checks
            if one.holds is False
        ]
        wrong += _untrue_steps(carving, truth)
    if truth.is_flipped:
        # A name or a header that says something else than it did is read as it stands.
        notes, wrong = [*notes, *wrong], []
    return Examined(truth.kind, outcome, tuple(wrong), tuple(notes), carving.verdict, seconds)


def _untrue_names(left: Salvage | None, truth: Truth) -> list[str]:
    found: list[str] = []
    for key, said in ({} if left is None else left.observed).items():
        was = truth.tensors.get(key)
        if was is None:
            found.append(f"observed storage {key} that was not there")
            continue
        is_path = said.name == was.path or (
            not said.is_path_whole and f"/{was.path}".endswith(f"/{said.name}")
        )
        if not is_path or said.shape != was.shape or said.dtype != was.dtype:
            found.append(f"observed {said}, was {was}")
    return found


def _untrue_sizes(carving: Carving, truth: Truth) -> list[str]:
    """Return the storages that are called whole and are not."""
    numbers = {key: number for number, key in enumerate(truth.tensors)}
    found: list[str] = []
    for one in carving.survivors:
        was = truth.tensors.get(one.key)
        if was is None or (one.is_whole and one.size_bytes != was.size_bytes):
            found.append(f"{one}, was {was}")
        elif one.number not in (None, numbers[one.key]):
            found.append(f"{one}, was storage {numbers[one.key]}")
    return found


def _untrue_places(carving: Carving, truth: Truth) -> list[str]:
    """Return the tensors of the network that are given the storage of another."""
    best = carving.best
    first, count = (0, 0) if best is None else (best.first, best.network_tensors)
    found: list[str] = []
    for one in carving.tensors:
        if one.number not in range(first, first + count):
            continue
        was = truth.tensors.get(one.storage or "")
        if one.slot is not Slot.NETWORK or was is None or one.found is Found.MISSING:
            continue
        if was.index != one.number - first:
            found.append(f"{one}, was {was}")
    return found


def _untrue_dtype(carving: Carving, truth: Truth) -> list[str]:
    dtype = "" if carving.best is None else carving.best.dtype
    return [] if truth.dtype in dtype.split(" or ") else [f"dtype {dtype}, was {truth.dtype}"]


def _untrue_steps(carving: Carving, truth: Truth) -> list[str]:
    steps = next((one.value for one in carving.training if one.name == "steps"), None)
    return [] if steps in (None, truth.steps) else [f"steps {steps}, were {truth.steps}"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=500)
    parser.add_argument("--first", type=int, default=0, help="number of the first case")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--list", action="append", default=[], help="outcomes to list cases of")
    parser.add_argument("--notes", action="store_true", help="list what could be better")
    options = parser.parse_args()
    numbers = range(options.first, options.first + options.cases)
    with ProcessPoolExecutor(options.jobs) as pool:
        cases = list(pool.map(partial(examine, seed=options.seed), numbers, chunksize=5))
    print_table(
        [
            (number, one.kind, one.outcome, one.seconds)
            for number, one in zip(numbers, cases, strict=True)
        ],
        COLUMNS,
    )
    for number, one in zip(numbers, cases, strict=True):
        told = [f"FALSE: {text}" for text in one.wrong]
        if options.notes:
            told += [f"note: {text}" for text in one.notes]
        if one.outcome == WRONG or one.outcome in options.list or told:
            print(f"case {number}, {one.kind}, {one.outcome}: {one.verdict}", file=sys.stderr)
        for text, count in Counter(text[:300] for text in told[:4]).items():
            print(f"    {count} × {text}", file=sys.stderr)
    notes = sum(bool(one.notes) for one in cases)
    false = sum(bool(one.wrong) for one in cases)
    print(f"with a false statement: {false}; with a check that does not hold, or noted: {notes}")
    return 1 if false or any(one.outcome == WRONG for one in cases) else 0


if __name__ == "__main__":
    sys.exit(main())
