"""A file that changes while it is read is not judged: one line says so."""

import json
import os
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from builders.headers import entry, safetensors
from builders.pickles import tensor
from builders.zips import Member, torch_members, torch_zip, zip_bytes

from ckptscope.facts.gate import GateVerdict
from ckptscope.facts.limits import DEFAULT_LIMITS
from ckptscope.pipeline.gating import gate
from ckptscope.pipeline.visiting import Unreadable, visit
from ckptscope.policies.policy import Policy

VALUES = struct.pack("<2f", 1, 2)
SOUND = torch_zip({"w": tensor("0", (2,))}, {"0": VALUES})


def visited(path: Path, change: Callable[[], object]) -> list[object]:
    """Read a path; the change is made when its first checkpoint has been laid open."""
    changes = [change]

    def look(name: str, contents: object) -> str:
        if changes:
            changes.pop()()
        return name

    return list(visit([path], DEFAULT_LIMITS, look))


def grow(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"more")


def overwrite(path: Path) -> None:
    """Change a byte in place; the clock of a file system may be too coarse to tell at once."""
    before = path.stat()
    with path.open("r+b") as file:
        file.seek(len(SOUND) // 2)
        file.write(b"#")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 1))


def replace(path: Path) -> None:
    other = path.with_name("other")
    other.write_bytes(path.read_bytes())
    other.replace(path)


CHANGES = {
    "it grows": (grow, f"{len(SOUND) + 4} after"),
    "it shrinks": (lambda path: os.truncate(path, 10), "10 after"),
    "a byte changes": (overwrite, "written to"),
    "another file takes its place": (replace, "another file"),
    "it is removed": (Path.unlink, "gone"),
}


@pytest.mark.parametrize("case", CHANGES)
def test_a_file_that_changes_while_it_is_read_is_unreadable_in_one_line(case, tmp_path):
    path = tmp_path / "model.pt"
    path.write_bytes(SOUND)
    change, word = CHANGES[case]
    (found,) = visited(path, lambda: change(path))
    assert isinstance(found, Unreadable)
    assert "while it is read" in found.failure.message
    assert word in found.failure.message
    assert "\n" not in found.failure.message


def test_a_file_that_stays_as_it_is_is_read(tmp_path):
    path = tmp_path / "model.pt"
    path.write_bytes(SOUND)
    assert visited(path, path.read_bytes) == [str(path)]


def test_nothing_is_said_of_the_checkpoints_of_a_wrapper_that_changes(tmp_path):
    path = tmp_path / "models.zip"
    path.write_bytes(zip_bytes([Member(name=f"{n}.pt", data=SOUND) for n in range(3)]))
    (found,) = visited(path, lambda: grow(path))
    assert isinstance(found, Unreadable)


FOLDER = {
    "a file of it grows": lambda folder: grow(folder / "data" / "0"),
    "a file is put into it": lambda folder: (folder / "evil.pkl").write_bytes(b"x"),
    "a file is put below it": lambda folder: (folder / "data" / "7").write_bytes(b"x"),
    "a file is removed": lambda folder: (folder / "data" / "0").unlink(),
}


@pytest.mark.parametrize("case", FOLDER)
def test_a_folder_that_changes_while_it_is_read_is_unreadable(case, tmp_path):
    folder = tmp_path / "archive"
    for one in torch_members({"w": tensor("0", (2,))}, {"0": VALUES}):
        place = tmp_path / str(one.name)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(one.data)
    for place in (folder, folder / "data"):
        os.utime(place, (0, 0))
    assert visited(folder, lambda: None) == [str(folder)]
    (found,) = visited(folder, lambda: FOLDER[case](folder))
    assert isinstance(found, Unreadable)


def test_a_shard_that_changes_while_its_index_is_read_is_unreadable(tmp_path):
    names = ("1.safetensors", "2.safetensors")
    for name, key in zip(names, "ab", strict=True):
        (tmp_path / name).write_bytes(safetensors({key: entry([1], 0, 4)}, bytes(4)))
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": dict(zip("ab", names, strict=True))}))
    (tmp_path / "unrelated.log").write_text("a")
    assert visited(index, lambda: grow(tmp_path / "unrelated.log")) == [str(index)]
    (found,) = visited(index, lambda: grow(tmp_path / names[1]))
    assert isinstance(found, Unreadable)
    assert names[1] in found.failure.message


def test_the_gate_refuses_to_judge_a_file_that_changes_under_it(tmp_path):
    path = tmp_path / "model.pt"
    path.write_bytes(SOUND)
    assert gate(path, Policy(deep=True)).verdict is not GateVerdict.UNREADABLE
    changes = [lambda: grow(path)]

    def progress(count: int) -> None:
        if changes:
            changes.pop()()

    report = gate(path, Policy(deep=True), progress=progress)
    assert changes == []
    assert report.verdict is GateVerdict.UNREADABLE
    (file,) = report.files
    assert file.rulings == ()
    assert file.failure is not None
