"""What a fresh interpreter loads, and what the package must never name."""

import ast
import subprocess
import sys
from collections.abc import Collection, Iterator
from pathlib import Path

import pytest

from fixtures.build import build, tiny_set

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "ckptscope"
SLOW = {"torch", "numpy", "ml_dtypes", "rich", "typer"}

#: Modules by which a byte of a file could come to run.
FORBIDDEN_MODULES = {
    "_pickle",
    "cloudpickle",
    "code",
    "copyreg",
    "ctypes",
    "dill",
    "joblib",
    "marshal",
    "pickle",
    "pickletools",
    "pty",
    "runpy",
    "shelve",
    "subprocess",
    "torch",
}
#: Calls that run what they are given, whatever they are called on.
FORBIDDEN_CALLS = {"eval", "exec", "compile", "__import__"}
FORBIDDEN_METHODS = {
    "import_module",
    "find_class",
    "popen",
    "system",
    "torch.load",
    "torch.jit.load",
    "pickle.load",
    "pickle.loads",
}

#: The public names are fetched from a constant table of our own modules.
ALLOWED = {"ckptscope/__init__.py": {"importlib.import_module"}}


def loaded_after(statement: str) -> set[str]:
    """Top-level modules that a new interpreter holds after a statement."""
    program = f"import sys\n{statement}\nsys.stderr.write(' '.join(sys.modules))"
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT
    )
    return {name.partition(".")[0] for name in run.stderr.split()}


def run_cli(*arguments: str) -> str:
    """A statement that runs the program in this process and survives its exit."""
    return (
        f"sys.argv = {['ckptscope', *arguments]!r}\n"
        "from ckptscope.cli.app import app\n"
        "try:\n    app()\nexcept SystemExit as end:\n    assert end.code in (0, None), end.code"
    )


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def offences(tree: ast.AST, allowed: Collection[str] = ()) -> Iterator[str]:
    """Every import and call that could run bytes of a file."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        elif isinstance(node, ast.Call):
            name = dotted(node.func)
            last = name.rpartition(".")[2]
            if name in allowed:
                continue
            if name in FORBIDDEN_CALLS or name in FORBIDDEN_METHODS or last in FORBIDDEN_METHODS:
                yield f"line {node.lineno}: {name}(...)"
            continue
        else:
            continue
        for name in names:
            if name.partition(".")[0] in FORBIDDEN_MODULES:
                yield f"line {node.lineno}: import {name}"


def test_importing_the_package_loads_nothing_slow() -> None:
    assert loaded_after("import ckptscope").isdisjoint(SLOW)


def test_using_every_public_name_loads_nothing_slow() -> None:
    loaded = loaded_after("from ckptscope import *; open_checkpoint, inspect, Limits")
    assert "msgspec" in loaded
    assert loaded.isdisjoint(SLOW)


def test_help_loads_typer_and_no_renderer_or_array_library() -> None:
    loaded = loaded_after(run_cli("--help"))
    assert "typer" in loaded
    assert loaded.isdisjoint({"torch", "numpy", "ml_dtypes", "rich", "tabulate"})


def test_inspecting_to_json_loads_no_renderer_of_text_and_no_array_library(tmp_path: Path) -> None:
    fixture = tiny_set()[0]
    build(fixture, tmp_path)
    loaded = loaded_after(run_cli("inspect", "--format", "json", str(tmp_path / fixture.name)))
    assert loaded.isdisjoint({"torch", "numpy", "ml_dtypes", "rich", "tabulate"})


@pytest.mark.parametrize("module", modules(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_module_can_unpickle_import_by_name_or_start_a_program(module: Path) -> None:
    allowed = ALLOWED.get(module.relative_to(ROOT).as_posix(), ())
    assert list(offences(ast.parse(module.read_text(encoding="utf-8")), allowed)) == []


@pytest.mark.parametrize(
    "line",
    [
        "import pickle",
        "from marshal import loads",
        "import torch.serialization",
        "torch.load(path)",
        "unpickler.find_class(module, name)",
        "importlib.import_module(name)",
        "eval(text)",
    ],
)
def test_the_search_for_dangerous_code_finds_it(line: str) -> None:
    assert list(offences(ast.parse(line)))
