"""How time and memory grow with hostile files: `python -m tests.fuzz.growth`.

Every class of file is built at 1, 2, 4 and 8 MB and inspected in a process of its own. Time should
grow at most in proportion; no file may take 10 s or 500 MiB.
"""

import argparse
import bz2
import gzip
import io
import json
import os
import resource
import struct
import subprocess
import sys
import tarfile
import tempfile
import time
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

SIZES = (1, 2, 4, 8)
_MIB = 1 << 20
_HASH_MODULUS = (1 << 61) - 1

Build = Callable[[int], bytes]


def repeated(unit: bytes, *, start: bytes = b"\x80\x02", end: bytes = b".") -> Build:
    return lambda size: start + unit * ((size - len(start) - len(end)) // len(unit)) + end


def counted(unit: Callable[[int], bytes], *, start: bytes, end: bytes) -> Build:
    """Units that differ by their number."""

    def build(size: int) -> bytes:
        out = io.BytesIO()
        out.write(start)
        number = 0
        while out.tell() < size:
            out.write(unit(number))
            number += 1
        out.write(end)
        return out.getvalue()

    return build


def zipped(make: Callable[[zipfile.ZipFile, int], None]) -> Build:
    def build(size: int) -> bytes:
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            make(archive, size)
        return out.getvalue()

    return build


def _many_members(archive: zipfile.ZipFile, size: int) -> None:
    archive.writestr("a/data.pkl", b"\x80\x02}.")
    for number in range(size // 110):
        archive.writestr(f"a/data/{number}", b"")


def _duplicate_members(archive: zipfile.ZipFile, size: int) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(size // 120):
            archive.writestr("a/data.pkl", b"\x80\x02}.")


def _bomb(data: bytes) -> Callable[[zipfile.ZipFile, int], None]:
    def make(archive: zipfile.ZipFile, size: int) -> None:
        archive.writestr("a/data.pkl", b"\x80\x02}.")
        packed = len(gzip.compress(data))
        for number in range(max(size // packed, 1)):
            archive.writestr(f"a/x{number}.pkl", data)

    return make


def _storage_bombs(archive: zipfile.ZipFile, size: int) -> None:
    archive.writestr("a/data.pkl", b"\x80\x02}.")
    data = bytes(32 * _MIB)
    for number in range(max(size // 32_000, 1)):
        archive.writestr(f"a/data/{number}", data)


def _tar(make: Callable[[tarfile.TarFile, int], None]) -> Build:
    def build(size: int) -> bytes:
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as archive:
            make(archive, size)
        return out.getvalue()

    return build


def _tiny_tar_members(archive: tarfile.TarFile, size: int) -> None:
    for number in range(size // 512):
        archive.addfile(tarfile.TarInfo(f"m{number}"))


def _gzip_members(archive: tarfile.TarFile, size: int) -> None:
    data = gzip.compress(bytes(64 * _MIB))
    for number in range(max(size // len(data), 1)):
        entry = tarfile.TarInfo(f"m{number}.gz")
        entry.size = len(data)
        archive.addfile(entry, io.BytesIO(data))


def _long_names(size: int) -> bytes:
    """GNU long-name headers, each of which speaks of the next."""
    entry = tarfile.TarInfo("././@LongLink")
    entry.type, entry.size = tarfile.GNUTYPE_LONGNAME, 2
    unit = entry.tobuf(tarfile.GNU_FORMAT) + b"x\0" + bytes(510)
    return unit * (size // len(unit))


def _safetensors(size: int) -> bytes:
    header = {
        f"t{number}": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}
        for number in range(size // 60)
    }
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text


def _header(text: bytes) -> bytes:
    return struct.pack("<Q", len(text)) + text


_TENSOR = (
    b"X\x01\x00\x00\x00%bctorch._utils\n_rebuild_tensor_v2\n((X\x07\x00\x00\x00storagectorch\n"
    b"FloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x01tQK\x00K\x02\x85K\x01\x85\x89NtR"
)

CLASSES: dict[str, Build] = {
    "empty dicts": repeated(b"}"),
    "empty lists": repeated(b"]"),
    "one-tuples in each other": repeated(b"\x85", start=b"\x80\x02N"),
    "marks": repeated(b"("),
    "memoized": repeated(b"\x94", start=b"\x80\x04N"),
    "long memo puts": counted(lambda n: b"r" + struct.pack("<I", n), start=b"\x80\x02N", end=b"."),
    "none": repeated(b"N"),
    "duplicates": repeated(b"2", start=b"\x80\x02N"),
    "short texts": repeated(b"\x8c\x02ab", start=b"\x80\x04"),
    "small numbers": repeated(b"M\x01\x01"),
    "floats": repeated(b"G" + bytes(8)),
    "globals": repeated(b"ca\nb\n"),
    "stack globals": repeated(b"\x8c\x01a\x8c\x01b\x93", start=b"\x80\x04"),
    "instances": repeated(b"h\x00)R", start=b"\x80\x02ca\nb\nq\x00"),
    "persistent ids": repeated(b"NQ"),
    "pairs on one dict": repeated(b"K\x01K\x02s", start=b"\x80\x02}"),
    "colliding numbers as keys": counted(
        lambda n: b"\x8a\x0b" + (n * _HASH_MODULUS).to_bytes(11, "little") + b"Ns",
        start=b"\x80\x02}",
        end=b".",
    ),
    "doubling tuples": repeated(b"2\x86", start=b"\x80\x02N"),
    "doubling tuples as keys": repeated(b"2\x86}h\x00Ns0", start=b"\x80\x02Nq\x00"),
    "doubling lists": repeated(b"](h\x00h\x00eq\x00", start=b"\x80\x02]q\x00"),
    "a list in itself": repeated(b"h\x00a", start=b"\x80\x02]q\x00"),
    "a long line": lambda size: b"V" + b"x" * (size - 3) + b"\n.",
    "a long number in text": lambda size: b"L" + b"9" * (size - 4) + b"L\n.",
    "long lines": repeated(b"V" + b"x" * 60_000 + b"\n", start=b""),
    "builds on one object": repeated(b"Nb", start=b"\x80\x02ca\nb\n)R"),
    "odd builds": repeated(b"Nb", start=b"\x80\x02ca\nb\n"),
    "tensors that cannot be": counted(
        lambda n: _TENSOR.replace(b"%b", b"w").replace(b"K\x02\x85", b"J\xff\xff\xff\xff\x85"),
        start=b"\x80\x02}(",
        end=b"u.",
    ),
    "tensors under one key": counted(
        lambda n: _TENSOR.replace(b"%b", b"w"), start=b"\x80\x02}(", end=b"u."
    ),
    "nested lists": lambda size: b"\x80\x02" + b"]" * (size // 2) + b"a" * (size // 2 - 2) + b".",
    "pickles in a row": repeated(b"\x80\x02N.", start=b"", end=b""),
    "zip members": zipped(_many_members),
    "zip members of one name": zipped(_duplicate_members),
    "pickles that inflate": zipped(_bomb(b"\x80\x02" + b"}" * (32 * _MIB) + b".")),
    "texts that inflate": zipped(_bomb(b"\x80\x04" + b"\x8c\x02ab" * (8 * _MIB) + b".")),
    "storages that inflate": zipped(_storage_bombs),
    "tar members": _tar(_tiny_tar_members),
    "gzip in tar": _tar(_gzip_members),
    "long tar names": _long_names,
    "gzip of zeros": lambda size: gzip.compress(bytes(size * 1000), 6),
    "bzip2 of zeros": lambda size: bz2.compress(bytes(_MIB * 64)) * (size // 1000 + 1),
    "safetensors keys": _safetensors,
    "JSON in depth": lambda size: _header(b'{"a":' + b"[" * (size - 20)),
    "JSON numbers": lambda size: _header(b'{"a":' + b"9" * (size - 20) + b"}"),
    "JSON with one key": lambda size: _header(b"{" + b'"a":1,' * (size // 6 - 4) + b'"a":1}'),
    "zeros": bytes,
    "text": lambda size: b"word " * (size // 5),
}


def measure(path: Path) -> tuple[float, float, int]:
    """Return seconds, peak MiB and exit code of `inspect --format json`."""
    started = time.perf_counter()
    child = subprocess.Popen(
        [sys.executable, "-m", "ckptscope", "inspect", "--format", "json", str(path)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    assert child.stderr is not None
    said = child.stderr.read()
    _, status, usage = _wait(child.pid)
    code = status >> 8
    if b"Traceback" in said:
        code = -1
    return time.perf_counter() - started, usage.ru_maxrss / 1024, code


def _wait(pid: int) -> tuple[int, int, resource.struct_rusage]:
    return os.wait4(pid, 0)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", help="a part of the name of a class")
    options = parser.parse_args()
    print("| class | " + " | ".join(f"{size} MB" for size in SIZES) + " | peak MiB | exit |")
    print("|---|" + "---:|" * (len(SIZES) + 2))
    bad = 0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "case"
        for name, build in CLASSES.items():
            if options.only and options.only not in name:
                continue
            seconds, peak, codes = [], 0.0, set()
            for size in SIZES:
                path.write_bytes(build(size * 1_000_000))
                took, mib, code = measure(path)
                seconds.append(took)
                peak = max(peak, mib)
                codes.add(code)
            over = max(seconds) > 10 or peak > 500 or -1 in codes
            bad += over
            cells = " | ".join(f"{took:.2f}" for took in seconds)
            mark = " **over**" if over else ""
            print(f"| {name} | {cells} | {peak:.0f}{mark} | {sorted(codes)} |", flush=True)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
