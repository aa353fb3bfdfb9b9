"""What a case of the benchmarks is made of.

Enters: commands, and what was measured of them. Leaves: `Program`s, and `Judgement`s on their times
and peaks.
"""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from benchmarks.measure import Program, Series

#: One measured case, by program name.
Results = Mapping[str, Series]

PYTHON = sys.executable
#: The console script that was installed beside this interpreter.
CKPTSCOPE = str(Path(PYTHON).with_name("ckptscope"))
_PEERS = Path(__file__).parent / "peers"


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """A number made of measurements, and its bound.

    Attributes:
        what: In words, ending in the unit where there is one.
        value: Computes it.
        relation: Whether the bound is the most or the least allowed.
        bound: The budget; None where none was set.
        digits: Digits behind the point when shown.
    """

    what: str
    value: Callable[[Results], float]
    relation: Literal["≤", "≥"] = "≤"
    bound: float | None = None
    digits: int = 2

    def verdict(self, results: Results) -> str:
        """Say whether the budget is kept."""
        if self.bound is None:
            return "no budget"
        found = self.value(results)
        kept = found <= self.bound if self.relation == "≤" else found >= self.bound
        return "met" if kept else "**missed**"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Programs that run in turn.

    Attributes:
        name: For `--only`, and above the table.
        title: What it is about.
        files: Names in the set `bench` that it reads.
        programs: Given the folder.
        judgements: What is read off.
        runs: Counted runs of each program.
    """

    name: str
    title: str
    files: tuple[str, ...] = ()
    programs: Callable[[Path], tuple[Program, ...]]
    judgements: tuple[Judgement, ...]
    runs: int


def inspect_program(path: Path, name: str = "ckptscope inspect") -> Program:
    """Return an `inspect` of a file, to JSON."""
    return Program(name=name, arguments=(CKPTSCOPE, "inspect", "--format", "json", str(path)))


def peer(name: str, script: str, *arguments: str, self_timed: bool = False) -> Program:
    """Return a script of `peers/` as a program."""
    return Program(
        name=name,
        arguments=(PYTHON, str(_PEERS / script), *arguments),
        self_timed=self_timed,
    )


def times(numerator: str, denominator: str) -> Callable[[Results], float]:
    """Divide the time of one program by that of another."""
    return lambda results: results[numerator].seconds / results[denominator].seconds


def peak(name: str) -> Callable[[Results], float]:
    """Take the highest peak of a program, in MiB."""
    return lambda results: results[name].peak_mib


def peaks(numerator: str, denominator: str) -> Callable[[Results], float]:
    """Divide the peak of one program by that of another."""
    return lambda results: results[numerator].peak_mib / results[denominator].peak_mib
