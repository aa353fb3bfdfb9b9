"""What a fresh interpreter loads, and what the package must never name."""

import ast
import subprocess
import sys
from collections.abc import Collection, Iterator
from pathlib import Path

import pytest

from ckptscope.writers.numpy_file import write_float32
from fixtures.build import Fixture, build, tiny_set

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
#: The one room that may import torch; torch's own ways to unpickle are forbidden there too.
TORCH_ROOM = "ckptscope/forward/"
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
        "from ckptscope.cli.app import build_app\n"
        "try:\n    build_app(sys.argv[1:])()\nexcept SystemExit as end:\n    assert end.code in (0, None), end.code"
    )


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def forbidden_modules(name: str) -> set[str]:
    """What a module of the package must not import."""
    return FORBIDDEN_MODULES - ({"torch"} if name.startswith(TORCH_ROOM) else set())


def offences(
    tree: ast.AST, allowed: Collection[str] = (), modules: Collection[str] = FORBIDDEN_MODULES
) -> Iterator[str]:
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
            if name.partition(".")[0] in modules:
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
    name = module.relative_to(ROOT).as_posix()
    tree = ast.parse(module.read_text(encoding="utf-8"))
    assert list(offences(tree, ALLOWED.get(name, ()), forbidden_modules(name))) == []


def test_torch_may_be_imported_in_one_room_and_nothing_unpickled_even_there() -> None:
    assert "torch" in forbidden_modules("ckptscope/pipeline/forwarding.py")
    inside = forbidden_modules("ckptscope/forward/run.py")
    assert list(offences(ast.parse("import torch\nfrom torch import nn"), (), inside)) == []
    for line in ("torch.load(path)", "torch.jit.load(path)", "import pickle"):
        assert list(offences(ast.parse(line), (), inside))


def test_a_file_of_no_known_family_is_refused_without_importing_torch(tmp_path: Path) -> None:
    fixture = Fixture("numbers.npy", lambda place: write_float32(place, (2,), (bytes(8),)))
    build(fixture, tmp_path)
    statement = (
        "from ckptscope.errors import UsageError\n"
        "from ckptscope.pipeline.forwarding import forward\n"
        f"try:\n    forward({str(tmp_path / fixture.name)!r})\n"
        "except UsageError as error:\n    assert 'no network to run' in str(error), error"
    )
    assert "torch" not in loaded_after(statement)


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
