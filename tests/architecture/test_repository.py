"""Files of the repository belong to any machine, and to nobody's in particular."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
#: Folders where people and machines keep their own things.
MACHINE_PATH = re.compile(r"(?<![\w.>])/(?:work|root|home|Users|mnt)/[\w.]|\b[A-Z]:\\Users\\")
#: Files about paths that training leaves in checkpoints; those in them are made up.
ABOUT_PATHS = {
    "ckptscope/checks/training/traces.py",
    "tests/builders/finding_cases/training.py",
    "tests/builders/gate_reports.py",
    "tests/unit/checks/test_training_texts.py",
    "tests/unit/reports/__snapshots__/test_gate_text.ambr",
}
NOT_OURS = {".git", ".venv", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis"}


def repository_files() -> list[Path]:
    """Files that are or could be committed."""
    listing = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    names = [name for name in listing.stdout.decode().split("\0") if name]
    if listing.returncode == 0:
        return sorted(ROOT / name for name in names if (ROOT / name).is_file())
    # An unpacked source archive has no git; what builds leave behind is skipped by name.
    found = (path for path in ROOT.rglob("*") if NOT_OURS.isdisjoint(path.parts))
    return sorted(path for path in found if path.is_file() and path.suffix in _TEXT)


_TEXT = {".py", ".md", ".toml", ".txt", ".yaml", ".yml", ".cfg", ".json", ".ambr", ""}


def machine_paths(text: str) -> Iterator[str]:
    for number, line in enumerate(text.splitlines(), start=1):
        if MACHINE_PATH.search(line):
            yield f"line {number}: {line.strip()[:100]}"


def test_no_file_names_a_path_of_somebodys_machine() -> None:
    named = {}
    for path in repository_files():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        found = list(machine_paths(text))
        if found:
            named[path.relative_to(ROOT).as_posix()] = found
    assert named.keys() == ABOUT_PATHS, named


@pytest.mark.parametrize(
    "text", ["open('/" + "home/ann/x.pth')", "see /" + "work/main", "C:\\" + "Users\\ann"]
)
def test_the_search_for_machine_paths_finds_them(text: str) -> None:
    assert list(machine_paths(text))


@pytest.mark.parametrize("text", ["archive/home/data", "<root>/data.pkl", "https://a.b/home/"])
def test_the_search_for_machine_paths_lets_members_and_addresses_pass(text: str) -> None:
    assert not list(machine_paths(text))
