"""Programs run side by side: wall time and peak memory of whole processes.

Enters: programs. Leaves: samples by program, taken in turn.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

_MIB = 1 << 20
#: Linux counts `ru_maxrss` in KiB (getrusage(2)), macOS in bytes.
_RSS_BYTES = 1 if sys.platform == "darwin" else 1024
#: A user's machine keeps bytecode and buffers output, whatever this shell is told.
_UNUSUAL = ("PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED", "PYTHONPATH")


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """Something to measure.

    Attributes:
        name: As the table shows it.
        arguments: The command.
        self_timed: Whether it prints the seconds to take, so that its start does not count.
    """

    name: str
    arguments: tuple[str, ...]
    self_timed: bool = False


@dataclass(frozen=True, slots=True)
class Sample:
    """One run: seconds, and the most memory that was resident."""

    seconds: float
    peak_bytes: int


@dataclass(frozen=True, slots=True)
class Series:
    """All counted runs of one program."""

    program: Program
    samples: tuple[Sample, ...]

    @property
    def seconds(self) -> float:
        """Median."""
        return median(sample.seconds for sample in self.samples)

    @property
    def fastest(self) -> float:
        """Least."""
        return min(sample.seconds for sample in self.samples)

    @property
    def slowest(self) -> float:
        """Most."""
        return max(sample.seconds for sample in self.samples)

    @property
    def peak_mib(self) -> float:
        """The highest peak of all runs."""
        return max(sample.peak_bytes for sample in self.samples) / _MIB


def run_in_turn(programs: Sequence[Program], runs: int) -> dict[str, Series]:
    """Run each program once unmeasured, then all of them in turn `runs` times.

    The unmeasured run fills the page cache and writes the bytecode files.
    """
    samples: dict[str, list[Sample]] = {program.name: [] for program in programs}
    for program in programs:
        run_once(program)
    for _ in range(runs):
        for program in programs:
            samples[program.name].append(run_once(program))
    return {program.name: Series(program, tuple(samples[program.name])) for program in programs}


def run_once(program: Program) -> Sample:
    """Run a program to its end.

    Raises:
        SystemExit: It failed; what it measured would mean nothing.
    """
    environment = {name: text for name, text in os.environ.items() if name not in _UNUSUAL}
    with tempfile.TemporaryFile() as output:
        start = time.perf_counter()
        process = subprocess.Popen(
            program.arguments, stdin=subprocess.DEVNULL, stdout=output, env=environment
        )
        # The kernel counts what this process holds at the fork into the child's peak, so this
        # module and all that call it import nothing large.
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            raise SystemExit(f"{program.name}: exit code {process.returncode}")
        if program.self_timed:
            output.seek(0)
            seconds = float(output.read())
    return Sample(seconds, usage.ru_maxrss * _RSS_BYTES)
