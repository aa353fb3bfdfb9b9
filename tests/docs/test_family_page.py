"""The page on adding a family is followed to the letter, in an empty folder."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/adding-a-family.md"

_BLOCK = re.compile(r"^```\w+\n# file: (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_COMMANDS = re.compile(r"^```\n(pip install .*?)^```$", re.MULTILINE | re.DOTALL)


def written_files(folder: Path) -> list[str]:
    """Write the page's files; blocks of the same file follow one another in it."""
    parts: dict[str, list[str]] = {}
    for name, body in _BLOCK.findall(PAGE.read_text(encoding="utf-8")):
        parts.setdefault(name, []).append(body)
    for name, bodies in parts.items():
        (folder / name).write_text("\n\n".join(bodies), encoding="utf-8")
    return list(parts)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page's folder, and its package installed beside it."""
    folder = tmp_path_factory.mktemp("lenet-for-ckptscope")
    written_files(folder)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    # The page's line, less what a test machine may not have: the network.
    offline = ["--no-index", "--no-deps", "--no-build-isolation", "--target", "installed"]
    run([*pip, *offline, "."], folder)
    return folder


def run(command: list[str], folder: Path) -> str:
    """Run a command in the page's folder, with its package and this ckptscope to import."""
    path = os.pathsep.join((str(folder / "installed"), str(ROOT)))
    environment = {**os.environ, "PYTHONPATH": path, "NO_COLOR": "1", "PYTHONIOENCODING": "utf-8"}
    environment.pop("PYTHONWARNINGS", None)
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, encoding="utf-8", check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def page_commands() -> list[str]:
    (body,) = _COMMANDS.findall(PAGE.read_text(encoding="utf-8"))
    return body.splitlines()


def test_the_page_shows_the_files_that_it_lists(tmp_path: Path) -> None:
    names = written_files(tmp_path)
    text = PAGE.read_text(encoding="utf-8")
    for name in names:
        assert name == "write_lenet.py" or f"── {name}" in text, name


def test_the_page_names_its_commands_in_order() -> None:
    first = [line.split()[0] for line in page_commands()]
    assert first == ["pip", "python", "python", "ckptscope"]


def test_the_tests_of_the_page_pass(folder: Path) -> None:
    (line,) = (line for line in page_commands() if "pytest" in line and line.startswith("python"))
    out = run([sys.executable, *line.split()[1:], "-q", "-p", "no:cacheprovider"], folder)
    assert re.search(r"\b5 passed", out), out


def test_the_command_of_the_page_names_network_and_row(folder: Path) -> None:
    run([sys.executable, "write_lenet.py"], folder)
    line = page_commands()[-1].split()[1:]
    text = run([sys.executable, "-m", "ckptscope", *line], folder)
    assert "LeNet" in text
    assert "tutorial" in text
    told = run([sys.executable, "-m", "ckptscope", *line, "--format", "json"], folder)
    (file,) = json.loads(told)["files"]
    architecture = file["architecture"]
    assert (architecture["family"], architecture["variant"]) == ("lenet", "tutorial")
    assert architecture["facts"]["parameters"]["value"] == 61_706
    assert architecture["facts"]["input_size"]["origin"] == "assumed"


def test_the_code_of_the_page_is_typed_and_formatted(tmp_path: Path) -> None:
    written_files(tmp_path)
    module = tmp_path / "lenet_for_ckptscope.py"
    ruff = [sys.executable, "-m", "ruff"]
    select = "E,F,W,B,UP,C90,D1,SIM,PL"
    run([*ruff, "check", "--isolated", "--line-length", "100", "--select", select, "--ignore",
         "PLR2004,PLR0917", str(module)], tmp_path)  # fmt: skip
    mypy = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path / "cache")]
    run([*mypy, "--config-file=", str(module)], tmp_path)
