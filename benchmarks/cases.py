"""What is measured, and the budget that each ratio has to keep.

Enters: a folder of checkpoints that `fixtures` builds. Leaves: `Case`s, each with the programs that
run in turn and the judgements on them. Budgets come from the project's design; a judgement without
one only informs.
"""

import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from benchmarks.measure import Program, Series

#: One measured case, by program name.
Results = Mapping[str, Series]

_PYTHON = sys.executable
#: The console script that was installed beside this interpreter.
_CKPTSCOPE = str(Path(_PYTHON).with_name("ckptscope"))
_PEERS = Path(__file__).parent / "peers"

S_ZIP = "bench_S_zip.pth.tar"
S_STREAM = "bench_S_legacy_stream.pth.tar"
S_TAR = "bench_S_legacy_tar.pth.tar"
LARGE = "bench_6gb.pth"
MANY = "bench_100k_tensors.pth"


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


def build_missing(files: tuple[str, ...], folder: Path) -> None:
    """Build the checkpoints that are not there yet, in a process of their own."""
    for name in files:
        if not (folder / name).exists():
            print(f"building {folder.name}/{name}", file=sys.stderr, flush=True)
            command = (_PYTHON, "-m", "fixtures", "--set", "bench", "--only", name)
            subprocess.run((*command, "--out", str(folder)), check=True, stdout=subprocess.DEVNULL)


def _inspect(path: Path, name: str = "ckptscope inspect") -> Program:
    return Program(name=name, arguments=(_CKPTSCOPE, "inspect", "--format", "json", str(path)))


def _peer(name: str, script: str, *arguments: str, self_timed: bool = False) -> Program:
    return Program(
        name=name,
        arguments=(_PYTHON, str(_PEERS / script), *arguments),
        self_timed=self_timed,
    )


def _times(numerator: str, denominator: str) -> Callable[[Results], float]:
    return lambda results: results[numerator].seconds / results[denominator].seconds


def _peak(name: str) -> Callable[[Results], float]:
    return lambda results: results[name].peak_mib


def _peaks(numerator: str, denominator: str) -> Callable[[Results], float]:
    return lambda results: results[numerator].peak_mib / results[denominator].peak_mib


_INSPECT = "ckptscope inspect"
_MMAP = "torch.load(mmap, weights_only), elements counted"
_PLAIN = "torch.load"
_UNRESTRICTED = "torch.load(weights_only=False)"

_SMALL = Case(
    name="s",
    title="S with its optimizer, torch zip of 85 MB, whole process",
    files=(S_ZIP,),
    programs=lambda folder: (
        _inspect(folder / S_ZIP),
        _peer(_MMAP, "torch_mmap.py", str(folder / S_ZIP)),
        _peer(_PLAIN, "torch_plain.py", str(folder / S_ZIP)),
    ),
    judgements=(
        Judgement(
            what="torch.load(mmap, weights_only) over inspect, time",
            value=_times(_MMAP, _INSPECT),
            relation="≥",
            bound=8,
            digits=1,
        ),
        Judgement(
            what="torch.load over inspect, time",
            value=_times(_PLAIN, _INSPECT),
            relation="≥",
            digits=1,
        ),
        Judgement(what="peak of inspect, MiB", value=_peak(_INSPECT), bound=45, digits=1),
    ),
    runs=11,
)

_BARE = "python -c pass"
_SILENT = f"{_INSPECT}, families not asked"


def _added(results: Results) -> float:
    """Return the seconds that asking the families takes."""
    return results[_INSPECT].seconds - results[_SILENT].seconds


_INFER = Case(
    name="infer",
    title="S with its optimizer, torch zip of 85 MB, whole process, families asked or not",
    files=(S_ZIP,),
    programs=lambda folder: (
        _inspect(folder / S_ZIP),
        _peer(
            _SILENT,
            "inspect_without_inferring.py",
            *("inspect", "--format", "json", str(folder / S_ZIP)),
        ),
        Program(name=_BARE, arguments=(_PYTHON, "-c", "pass")),
    ),
    judgements=(
        Judgement(
            what="what inferring adds to inspect, ms",
            value=lambda results: 1000 * _added(results),
            bound=15,
            digits=1,
        ),
        # A busy machine stretches both alike.
        Judgement(
            what="what inferring adds over a bare interpreter, time",
            value=lambda results: _added(results) / results[_BARE].seconds,
        ),
    ),
    runs=31,
)

_ON_SMALL, _ON_LARGE = f"{_INSPECT}, 85 MB", f"{_INSPECT}, 6 GB"
_LARGE = Case(
    name="large",
    title="6 GB in 1,500 tensors, torch zip, whole process",
    files=(S_ZIP, LARGE),
    programs=lambda folder: (
        _inspect(folder / S_ZIP, _ON_SMALL),
        _inspect(folder / LARGE, _ON_LARGE),
        _peer(_MMAP, "torch_mmap.py", str(folder / LARGE)),
        _peer(_PLAIN, "torch_plain.py", str(folder / LARGE)),
    ),
    judgements=(
        Judgement(
            what="inspect of 6 GB over inspect of 85 MB, time",
            value=_times(_ON_LARGE, _ON_SMALL),
            bound=1.5,
        ),
        Judgement(
            what="torch.load over inspect, time",
            value=_times(_PLAIN, _ON_LARGE),
            relation="≥",
            bound=60,
            digits=1,
        ),
        Judgement(
            what="torch.load(mmap, weights_only) over inspect, time",
            value=_times(_MMAP, _ON_LARGE),
            relation="≥",
            digits=1,
        ),
        # The same bound as for the small file; the difference is the list of twice as many tensors.
        Judgement(what="peak of inspect of 6 GB, MiB", value=_peak(_ON_LARGE), bound=45, digits=1),
        Judgement(
            what="inspect of 6 GB over inspect of 85 MB, peak",
            value=_peaks(_ON_LARGE, _ON_SMALL),
        ),
    ),
    runs=5,
)

_MANIFEST, _LOAD = "ckptscope.open_checkpoint", "torch.load(mmap, weights_only)"
_MANY = Case(
    name="many",
    title="100,000 tensors of four elements, torch zip, in process without imports",
    files=(MANY,),
    programs=lambda folder: (
        _peer(_MANIFEST, "manifest_in_process.py", str(folder / MANY), self_timed=True),
        _peer(_LOAD, "torch_in_process.py", str(folder / MANY), self_timed=True),
    ),
    judgements=(
        Judgement(
            what="torch.load(mmap, weights_only) over open_checkpoint, time",
            value=_times(_LOAD, _MANIFEST),
            relation="≥",
            bound=3,
        ),
    ),
    runs=7,
)

_STREAM = Case(
    name="stream",
    title="S with its optimizer, legacy stream, whole process",
    files=(S_STREAM,),
    programs=lambda folder: (
        _inspect(folder / S_STREAM),
        _peer(_PLAIN, "torch_plain.py", str(folder / S_STREAM)),
    ),
    judgements=(
        Judgement(
            what="torch.load over inspect, time",
            value=_times(_PLAIN, _INSPECT),
            relation="≥",
            digits=1,
        ),
    ),
    runs=7,
)

_TAR = Case(
    name="tar",
    title="S with its optimizer, legacy tar, whole process",
    files=(S_TAR,),
    programs=lambda folder: (
        _inspect(folder / S_TAR),
        _peer(_UNRESTRICTED, "torch_plain.py", str(folder / S_TAR), "--unrestricted"),
    ),
    judgements=(
        Judgement(
            what="torch.load(weights_only=False) over inspect, time",
            value=_times(_UNRESTRICTED, _INSPECT),
            relation="≥",
            digits=1,
        ),
    ),
    runs=7,
)

_TYPER = "import typer"
_HELP, _PACKAGE = "ckptscope --help", "import ckptscope"
_START = Case(
    name="start",
    title="Start-up, whole process",
    programs=lambda _: (
        Program(name=_BARE, arguments=(_PYTHON, "-c", "pass")),
        Program(name=_PACKAGE, arguments=(_PYTHON, "-c", "import ckptscope")),
        Program(name=_TYPER, arguments=(_PYTHON, "-c", "import typer")),
        Program(name=_HELP, arguments=(_CKPTSCOPE, "--help")),
    ),
    judgements=(
        Judgement(
            what="ckptscope --help over import typer, time",
            value=_times(_HELP, _TYPER),
            bound=1.6,
        ),
        Judgement(
            what="import ckptscope over a bare interpreter, time", value=_times(_PACKAGE, _BARE)
        ),
    ),
    runs=21,
)

_FORWARD, _SHAPES = "ckptscope forward", "ckptscope forward --device meta"
_BARE_PASS, _TORCH = "bare script: torch.load(mmap), load_state_dict, one pass", "import torch"
_PASS = Case(
    name="forward",
    title="One pass of S at 256×256 on the CPU, torch zip of 85 MB, whole process",
    files=(S_ZIP,),
    programs=lambda folder: (
        Program(
            name=_FORWARD,
            arguments=(_CKPTSCOPE, "forward", "--format", "json", str(folder / S_ZIP)),
        ),
        Program(
            name=_SHAPES,
            arguments=(
                *(_CKPTSCOPE, "forward", "--device", "meta", "--format", "json"),
                str(folder / S_ZIP),
            ),
        ),
        _peer(_BARE_PASS, "torch_forward.py", str(folder / S_ZIP)),
        Program(name=_TORCH, arguments=(_PYTHON, "-c", "import torch")),
    ),
    judgements=(
        Judgement(
            what="forward over the bare script, time",
            value=_times(_FORWARD, _BARE_PASS),
            bound=1.3,
        ),
        Judgement(
            what="forward over the bare script, peak",
            value=_peaks(_FORWARD, _BARE_PASS),
            bound=1.15,
        ),
        Judgement(
            what="shapes alone less import torch, seconds",
            value=lambda results: results[_SHAPES].seconds - results[_TORCH].seconds,
            bound=1,
        ),
    ),
    runs=11,
)

_GATE_TEXT = "ckptscope gate"
_GATE = Case(
    name="gate",
    title="The gate without its scan of values, S with its optimizer, torch zip of 85 MB",
    files=(S_ZIP,),
    programs=lambda folder: (
        Program(name=_GATE_TEXT, arguments=(_CKPTSCOPE, "gate", str(folder / S_ZIP))),
        _inspect(folder / S_ZIP),
    ),
    judgements=(
        Judgement(
            what="gate over inspect --format json, time",
            value=_times(_GATE_TEXT, _INSPECT),
            bound=1.5,
        ),
    ),
    runs=31,
)

_SCAN_SMALL, _SCAN_LARGE = "scan_values, 85 MB", "scan_values, 6 GB"
_HASH_SMALL, _HASH_LARGE = "SHA-256, 85 MB", "SHA-256, 6 GB"
_VALUES = Case(
    name="values",
    title="All values of 85 MB (806 tensors) and of 6 GB (1,500), float32, one thread, in process",
    files=(S_ZIP, LARGE),
    programs=lambda folder: (
        _peer(_SCAN_SMALL, "scan_in_process.py", str(folder / S_ZIP), self_timed=True),
        _peer(_HASH_SMALL, "sha256_in_process.py", str(folder / S_ZIP), self_timed=True),
        _peer(_SCAN_LARGE, "scan_in_process.py", str(folder / LARGE), self_timed=True),
        _peer(_HASH_LARGE, "sha256_in_process.py", str(folder / LARGE), self_timed=True),
    ),
    judgements=(
        Judgement(
            what="speed of scan_values over that of SHA-256, 6 GB",
            value=_times(_HASH_LARGE, _SCAN_LARGE),
            relation="≥",
            bound=0.5,
        ),
        Judgement(
            what="speed of scan_values over that of SHA-256, 85 MB",
            value=_times(_HASH_SMALL, _SCAN_SMALL),
            relation="≥",
            bound=0.5,
        ),
        Judgement(
            what="peak of scan_values of 6 GB, MiB", value=_peak(_SCAN_LARGE), bound=200, digits=1
        ),
    ),
    runs=5,
)

CASES = (_SMALL, _INFER, _LARGE, _MANY, _STREAM, _TAR, _START, _PASS, _GATE, _VALUES)
