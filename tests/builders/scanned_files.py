"""Which files of the corpus are unsafe to load, and which are not; shared with the benchmark.

Enters: the corpus' folder. Leaves: its files, each with the truth of it: from `cases.json` for the
hostile files, by rules of their names for the scanners' own test files, which were read opcode by
opcode to set the rules up. The benign files are benign.
"""

import csv
import enum
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


class Truth(enum.Enum):
    """What loading a file with Python's unpickler may do."""

    #: It names something that does more than build values.
    UNSAFE = "unsafe"
    #: It holds nothing of the kind.
    BENIGN = "benign"
    #: Neither is certain: malformed files, and pickles that no loader reads.
    OPEN = "open"


@dataclass(frozen=True)
class Scanned:
    """A file or folder of the corpus."""

    path: Path
    truth: Truth
    group: str


#: The scanners' controls among their test files. `bad_pytorch` is an image, `pytorch_model` tensors
#: alone, the arrays are of numbers and of lists; the locked archives hold one text.
_CONTROLS = re.compile(
    r"(benign|safe_|int_array|object_array|bad_pytorch|(new_)?pytorch_model\.bin"
    r"|password_protected|not_a_pickle)"
)

#: Unsafe files whose pickle nobody reads, and why.
UNREAD = {
    "malicious1.7z": "a 7z archive: Python has no reader for it in its standard library",
    "broken_model.pkl": "breaks off inside a text before anything is called, as in an unpickler",
}


def scanned_files(corpus: Path) -> list[Scanned]:
    """List every checkpoint of the corpus once."""
    return [*_hostile(corpus / "hostile"), *_malicious(corpus / "malicious"), *_benign(corpus)]


def _hostile(folder: Path) -> Iterator[Scanned]:
    for case in json.loads((folder / "cases.json").read_text(encoding="utf-8")):
        expected, note = case["expect"], case["note"]
        if expected == "unsafe" and not note.startswith("[also:"):
            truth = Truth.UNSAFE
        elif expected == "ok" and "[also: error]" not in note:
            truth = Truth.BENIGN
        else:
            truth = Truth.OPEN
        yield Scanned(folder / case["name"], truth, "hostile")


def _malicious(folder: Path) -> Iterator[Scanned]:
    for path in sorted(one for one in folder.rglob("*") if one.is_file()):
        control = _CONTROLS.match(path.name)
        yield Scanned(path, Truth.BENIGN if control else Truth.UNSAFE, "malicious")


def _benign(corpus: Path) -> Iterator[Scanned]:
    with (corpus / "MANIFEST.tsv").open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        listed = [row["local path"] for row in rows]
    for name in listed:
        if name.startswith("benign/"):
            yield Scanned(corpus / name, Truth.BENIGN, "benign")
    for entry in json.loads((corpus / "torch-made/benign.json").read_text(encoding="utf-8")):
        yield Scanned(corpus / "torch-made" / entry["name"], Truth.BENIGN, "torch-made")
