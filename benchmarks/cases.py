"""What is measured, and the budget that each ratio has to keep.

Enters: a folder of checkpoints that `fixtures` builds. Leaves: `Case`s, each with the programs that
run in turn and the judgements on them. Budgets come from the project's design; a judgement without
one only informs.
"""

import subprocess
import sys
from pathlib import Path

from benchmarks.case import (
    CKPTSCOPE,
    PYTHON,
    Case,
    Judgement,
    Results,
    inspect_program,
    peak,
    peaks,
    peer,
    times,
)
from benchmarks.measure import Program

S_ZIP = "bench_S_zip.pth.tar"
S_STREAM = "bench_S_legacy_stream.pth.tar"
S_TAR = "bench_S_legacy_tar.pth.tar"
LARGE = "bench_6gb.pth"
MANY = "bench_100k_tensors.pth"


def build_missing(files: tuple[str, ...], folder: Path) -> None:
    """Build the checkpoints that are not there yet, in a process of their own."""
    for name in files:
        if not (folder / name).exists():
            print(f"building {folder.name}/{name}", file=sys.stderr, flush=True)
            command = (PYTHON, "-m", "fixtures", "--set", "bench", "--only", name)
            subprocess.run((*command, "--out", str(folder)), check=True, stdout=subprocess.DEVNULL)


_INSPECT = "ckptscope inspect"
_MMAP = "torch.load(mmap, weights_only), elements counted"
_PLAIN = "torch.load"
_UNRESTRICTED = "torch.load(weights_only=False)"

_SMALL = Case(
    name="s",
    title="S with its optimizer, torch zip of 85 MB, whole process",
    files=(S_ZIP,),
    programs=lambda folder: (
        inspect_program(folder / S_ZIP),
        peer(_MMAP, "torch_mmap.py", str(folder / S_ZIP)),
        peer(_PLAIN, "torch_plain.py", str(folder / S_ZIP)),
    ),
    judgements=(
        Judgement(
            what="torch.load(mmap, weights_only) over inspect, time",
            value=times(_MMAP, _INSPECT),
            relation="≥",
            bound=8,
            digits=1,
        ),
        Judgement(
            what="torch.load over inspect, time",
            value=times(_PLAIN, _INSPECT),
            relation="≥",
            digits=1,
        ),
        Judgement(what="peak of inspect, MiB", value=peak(_INSPECT), bound=45, digits=1),
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
        inspect_program(folder / S_ZIP),
        peer(
            _SILENT,
            "inspect_without_inferring.py",
            *("inspect", "--format", "json", str(folder / S_ZIP)),
        ),
        Program(name=_BARE, arguments=(PYTHON, "-c", "pass")),
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
        inspect_program(folder / S_ZIP, _ON_SMALL),
        inspect_program(folder / LARGE, _ON_LARGE),
        peer(_MMAP, "torch_mmap.py", str(folder / LARGE)),
        peer(_PLAIN, "torch_plain.py", str(folder / LARGE)),
    ),
    judgements=(
        Judgement(
            what="inspect of 6 GB over inspect of 85 MB, time",
            value=times(_ON_LARGE, _ON_SMALL),
            bound=1.5,
        ),
        Judgement(
            what="torch.load over inspect, time",
            value=times(_PLAIN, _ON_LARGE),
            relation="≥",
            bound=60,
            digits=1,
        ),
        Judgement(
            what="torch.load(mmap, weights_only) over inspect, time",
            value=times(_MMAP, _ON_LARGE),
            relation="≥",
            digits=1,
        ),
        # The same bound as for the small file; the difference is the list of twice as many tensors.
        Judgement(what="peak of inspect of 6 GB, MiB", value=peak(_ON_LARGE), bound=45, digits=1),
        Judgement(
            what="inspect of 6 GB over inspect of 85 MB, peak",
            value=peaks(_ON_LARGE, _ON_SMALL),
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
        peer(_MANIFEST, "manifest_in_process.py", str(folder / MANY), self_timed=True),
        peer(_LOAD, "torch_in_process.py", str(folder / MANY), self_timed=True),
    ),
    judgements=(
        Judgement(
            what="torch.load(mmap, weights_only) over open_checkpoint, time",
            value=times(_LOAD, _MANIFEST),
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
        inspect_program(folder / S_STREAM),
        peer(_PLAIN, "torch_plain.py", str(folder / S_STREAM)),
    ),
    judgements=(
        Judgement(
            what="torch.load over inspect, time",
            value=times(_PLAIN, _INSPECT),
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
        inspect_program(folder / S_TAR),
        peer(_UNRESTRICTED, "torch_plain.py", str(folder / S_TAR), "--unrestricted"),
    ),
    judgements=(
        Judgement(
            what="torch.load(weights_only=False) over inspect, time",
            value=times(_UNRESTRICTED, _INSPECT),
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
        Program(name=_BARE, arguments=(PYTHON, "-c", "pass")),
        Program(name=_PACKAGE, arguments=(PYTHON, "-c", "import ckptscope")),
        Program(name=_TYPER, arguments=(PYTHON, "-c", "import typer")),
        Program(name=_HELP, arguments=(CKPTSCOPE, "--help")),
    ),
    judgements=(
        Judgement(
            what="ckptscope --help over import typer, time",
            value=times(_HELP, _TYPER),
            bound=1.6,
        ),
        Judgement(
            what="import ckptscope over a bare interpreter, time", value=times(_PACKAGE, _BARE)
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
            arguments=(CKPTSCOPE, "forward", "--format", "json", str(folder / S_ZIP)),
        ),
        Program(
            name=_SHAPES,
            arguments=(
                *(CKPTSCOPE, "forward", "--device", "meta", "--format", "json"),
                str(folder / S_ZIP),
            ),
        ),
        peer(_BARE_PASS, "torch_forward.py", str(folder / S_ZIP)),
        Program(name=_TORCH, arguments=(PYTHON, "-c", "import torch")),
    ),
    judgements=(
        Judgement(
            what="forward over the bare script, time",
            value=times(_FORWARD, _BARE_PASS),
            bound=1.3,
        ),
        Judgement(
            what="forward over the bare script, peak",
            value=peaks(_FORWARD, _BARE_PASS),
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
        Program(name=_GATE_TEXT, arguments=(CKPTSCOPE, "gate", str(folder / S_ZIP))),
        inspect_program(folder / S_ZIP),
    ),
    judgements=(
        Judgement(
            what="gate over inspect --format json, time",
            value=times(_GATE_TEXT, _INSPECT),
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
        peer(_SCAN_SMALL, "scan_in_process.py", str(folder / S_ZIP), self_timed=True),
        peer(_HASH_SMALL, "sha256_in_process.py", str(folder / S_ZIP), self_timed=True),
        peer(_SCAN_LARGE, "scan_in_process.py", str(folder / LARGE), self_timed=True),
        peer(_HASH_LARGE, "sha256_in_process.py", str(folder / LARGE), self_timed=True),
    ),
    judgements=(
        Judgement(
            what="speed of scan_values over that of SHA-256, 6 GB",
            value=times(_HASH_LARGE, _SCAN_LARGE),
            relation="≥",
            bound=0.5,
        ),
        Judgement(
            what="speed of scan_values over that of SHA-256, 85 MB",
            value=times(_HASH_SMALL, _SCAN_SMALL),
            relation="≥",
            bound=0.5,
        ),
        Judgement(
            what="peak of scan_values of 6 GB, MiB", value=peak(_SCAN_LARGE), bound=200, digits=1
        ),
    ),
    runs=5,
)

_IDENTITY, _ONE_JOB = "ckptscope identity", "ckptscope identity --jobs 1"
_FAST, _TOOL = "ckptscope identity --fast", "sha256sum"
_IDENTITIES = Case(
    name="identity",
    title="Hashes of S with its optimizer (806 tensors), torch zip of 85 MB, whole process",
    files=(S_ZIP,),
    programs=lambda folder: (
        Program(name=_IDENTITY, arguments=(CKPTSCOPE, "identity", str(folder / S_ZIP))),
        Program(
            name=_ONE_JOB,
            arguments=(CKPTSCOPE, "identity", "--jobs", "1", str(folder / S_ZIP)),
        ),
        # Of coreutils, whose own SHA-256 uses no instructions made for it; hashlib's does.
        Program(name=_TOOL, arguments=("sha256sum", str(folder / S_ZIP))),
        peer(_HASH_SMALL, "sha256_in_process.py", str(folder / S_ZIP)),
        Program(
            name=_FAST,
            arguments=(CKPTSCOPE, "identity", "--fast", *[str(folder / S_ZIP)] * 2),
        ),
    ),
    judgements=(
        Judgement(
            what="speed of identity over that of sha256sum",
            value=times(_TOOL, _IDENTITY),
            relation="≥",
            bound=0.7,
        ),
        Judgement(
            what="speed of identity --jobs 1 over that of sha256sum",
            value=times(_TOOL, _ONE_JOB),
            relation="≥",
            bound=0.7,
        ),
        Judgement(
            what="speed of identity over that of a script that hashes the file with hashlib",
            value=times(_HASH_SMALL, _IDENTITY),
            relation="≥",
        ),
        Judgement(what="peak of identity, MiB", value=peak(_IDENTITY), bound=150, digits=1),
        Judgement(
            what="identity --fast of two files over identity of one, time",
            value=times(_FAST, _IDENTITY),
        ),
    ),
    runs=11,
)

CASES = (_SMALL, _INFER, _LARGE, _MANY, _STREAM, _TAR, _START, _PASS, _GATE, _VALUES, _IDENTITIES)
