"""Families of other packages: found by their entry point, and kept from doing harm."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from builders.offered_packages import DOTS, install

from ckptscope.families.registry import KNOWN_NAMES, find_family, known_anchors, known_families

ROOT = Path(__file__).parents[3]

PROBE = """
import json, sys
from builders.state_dicts import state_dict_of
from ckptscope.errors import CkptscopeError
from ckptscope.families.base import Given
from ckptscope.families.probe import infer_architectures
from ckptscope.families.registry import find_family
request = json.loads(sys.argv[1])
tensors = {key: tuple(shape) for key, shape in request["tensors"].items()}
answer = {}
try:
    if "find" in request:
        answer["found"] = find_family(request["find"]).title
    given = Given(stated=request.get("stated", {}))
    answer["architectures"] = [
        [one.family, one.prefix, list(one.misfits), one.settings]
        for one in infer_architectures(state_dict_of(tensors), given)
    ]
except CkptscopeError as error:
    answer["error"] = [type(error).__name__, str(error)]
answer["imported"] = sorted(name for name in sys.modules if name.endswith("_family"))
answer["metadata"] = "importlib.metadata" in sys.modules
print(json.dumps(answer))
"""


def environment(folder: Path) -> dict[str, str]:
    path = os.pathsep.join((str(folder), str(ROOT / "tests"), str(ROOT)))
    return {**os.environ, "PYTHONPATH": path, "NO_COLOR": "1"}


def ask(folder: Path, tensors: dict[str, list[int]], **request) -> dict:
    """Ask a new interpreter, in which the folder's packages are installed."""
    done = subprocess.run(
        [sys.executable, "-c", PROBE, json.dumps({"tensors": tensors, **request})],
        env=environment(folder),
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def resnet() -> dict[str, list[int]]:
    family = find_family("resnet")
    small = {"block": "BasicBlock", "depths": (1, 1), "dims": (4, 8), "classes": 2}
    return {one.key: list(one.shape) for one in family.keys(family.configure(small))}


DOTTED = {"net.dots.weight": [3], "net.dots.bias": [3]}


def broken(method: str, body: str) -> str:
    """The family with one method replaced."""
    lines = DOTS.split(f"    def {method}(")
    signature, _, rest = lines[1].partition(":\n")
    _, _, after = rest.partition("\n    def ")
    kept = f"\n    def {after}" if after else ""
    return f"{lines[0]}    def {method}({signature}:\n        {body}\n{kept}"


def test_a_family_of_another_package_is_found_and_asked(tmp_path: Path) -> None:
    install(tmp_path, "dots_family", DOTS)
    answer = ask(tmp_path, DOTTED, find="dots")
    assert answer["found"] == "Dots"
    assert answer["architectures"] == [["dots", "net.", [], {"size": 3}]]


def test_it_is_not_even_imported_where_ours_explain_everything(tmp_path: Path) -> None:
    install(tmp_path, "dots_family", "raise RuntimeError('never')")
    answer = ask(tmp_path, resnet())
    assert [one[0] for one in answer["architectures"]] == ["resnet"]
    assert (answer["imported"], answer["metadata"]) == ([], False)


def test_without_any_offer_no_metadata_are_read(tmp_path: Path) -> None:
    answer = ask(tmp_path, {**resnet(), **DOTTED})
    assert [one[0] for one in answer["architectures"]] == ["resnet"]
    assert answer["metadata"] is False


def test_two_networks_of_which_one_is_its_own(tmp_path: Path) -> None:
    install(tmp_path, "dots_family", DOTS)
    answer = ask(tmp_path, {**resnet(), **DOTTED})
    assert [one[:2] for one in answer["architectures"]] == [["resnet", ""], ["dots", "net."]]


def test_stated_settings_reach_it_and_its_complaint_reaches_the_user(tmp_path: Path) -> None:
    install(tmp_path, "dots_family", DOTS)
    answer = ask(tmp_path, DOTTED, stated={"size": 7})
    assert answer["architectures"][0][3] == {"size": 7}
    answer = ask(tmp_path, DOTTED, stated={"colour": 7})
    assert answer["error"] == ["UsageError", "dots has no setting 'colour'; it has: size"]


NAMELESS = DOTS.replace('name = "dots"', 'name = ""')
ANCHORED = DOTS.replace('anchors = ("dots.weight",)', 'anchors = "dots.weight"')
FLOATING = DOTS.replace('anchors = ("dots.weight",)', "anchors = ()")
ABSTRACT = DOTS.replace("def snippets", "def snipets")
TAKEN = DOTS.replace('name = "dots"', 'name = "resnet"')

BROKEN = {
    "import": ("import nowhere", "the family 'bad_family:Dots' cannot be loaded: ModuleNotFound"),
    "exit": ("import sys; sys.exit(3)", "'bad_family:Dots' cannot be loaded: SystemExit: 3"),
    "lines": ("raise ValueError('one\\ntwo')", "cannot be loaded: ValueError: one two"),
    "no class": ("", "'bad_family:Dots' cannot be loaded: AttributeError: "),
    "no family": ("Dots = print", "expected a subclass of Family at 'bad_family:Dots', found <bu"),
    "abstract": (ABSTRACT, "the family 'bad_family:Dots' cannot be made: TypeError: Can't instan"),
    "no name": (NAMELESS, "expected 'name' of 'bad_family:Dots' to be a text, found ''"),
    "one anchor": (ANCHORED, "expected 'anchors' of 'bad_family:Dots' to be a tuple of texts"),
    "no anchor": (FLOATING, "expected 'anchors' of 'bad_family:Dots' to hold a text, found none"),
    "taken": (TAKEN, "expected another name than 'resnet' at 'bad_family:Dots': a family of 'ckp"),
    "matches raises": (
        broken("matches", "return 1 / 0"),
        "the family 'dots' (bad_family:Dots) fails in matches: ZeroDivisionError: division by",
    ),
    "matches complains": (
        broken("matches", "from ckptscope.errors import UsageError; raise UsageError('no')"),
        "the family 'dots' (bad_family:Dots) fails in matches: UsageError: no",
    ),
    "matches answers a list": (
        broken("matches", "return ['dots.weight']"),
        "the family 'dots' (bad_family:Dots) fails in matches: ValidationError: Expected `object`",
    ),
    "infer raises": (
        broken("infer", "raise KeyError('fc')"),
        "the family 'dots' (bad_family:Dots) fails in infer: KeyError: 'fc'",
    ),
    "infer recurses": (
        broken("infer", "return self.infer(view, given)"),
        "the family 'dots' (bad_family:Dots) fails in infer: RecursionError",
    ),
    "infer answers nothing": (
        broken("infer", "return None"),
        "the family 'dots' (bad_family:Dots) fails in infer: ValidationError: Expected `object`",
    ),
    "infer gives another name": (
        DOTS.replace('family="dots", title', 'family="docs", title'),
        "fails in infer: expected family 'dots', found 'docs'",
    ),
    "infer gives a fact no type allows": (
        DOTS.replace("facts=()", "facts=({'value': object()},)"),
        "the family 'dots' (bad_family:Dots) fails in infer: ",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_family_is_one_line_where_no_other_knows_the_file(
    case: str, tmp_path: Path
) -> None:
    source, message = BROKEN[case]
    install(tmp_path, "bad_family", source)
    kind, text = ask(tmp_path, DOTTED)["error"]
    assert kind == "BrokenFamilyError"
    assert message in text
    assert "\n" not in text


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_family_takes_nothing_from_those_that_know_a_file(
    case: str, tmp_path: Path
) -> None:
    source, message = BROKEN[case]
    install(tmp_path, "bad_family", source)
    answer = ask(tmp_path, {**resnet(), "dots.weight": [3]})
    ((family, prefix, misfits, settings),) = answer["architectures"]
    assert (family, prefix) == ("resnet", "")
    assert settings["dims"] == [4, 8]
    assert misfits[0] == "1 tensor does not belong to the network: 'dots.weight'"
    assert misfits[1].startswith("a family of another package was not asked: ")
    assert message in misfits[1]


def test_a_broken_family_does_not_keep_another_from_working(tmp_path: Path) -> None:
    install(tmp_path, "bad_family", "import nowhere")
    install(tmp_path, "dots_family", DOTS)
    answer = ask(tmp_path, DOTTED, find="dots")
    assert answer["found"] == "Dots"
    ((family, _, misfits, _),) = answer["architectures"]
    assert family == "dots"
    assert "'bad_family:Dots' cannot be loaded" in misfits[0]


def test_of_two_families_of_one_name_the_first_is_kept(tmp_path: Path) -> None:
    install(tmp_path, "a_family", DOTS)
    install(tmp_path, "b_family", DOTS.replace('title = "Dots"', 'title = "Other dots"'))
    answer = ask(tmp_path, DOTTED, find="dots")
    assert answer["found"] == "Dots"
    told = (
        "expected another name than 'dots' at 'b_family:Dots': a family of 'a_family:Dots' has it"
    )
    assert told in answer["architectures"][0][2][0]


def test_a_name_that_nobody_has_names_those_there_are_and_what_is_broken(tmp_path: Path) -> None:
    install(tmp_path, "bad_family", "import nowhere")
    install(tmp_path, "dots_family", DOTS)
    kind, text = ask(tmp_path, DOTTED, find="spots")["error"]
    assert kind == "UsageError"
    assert text.startswith("no family 'spots'; there are: convnextpose, convnext, posenet")
    assert "resnet, dots; the family 'bad_family:Dots' cannot be loaded" in text


def inspect(folder: Path, file: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ckptscope", "inspect", str(file)],
        env=environment(folder),
        capture_output=True,
        encoding="utf-8",
        check=False,
    )


def test_inspect_of_a_file_that_nobody_knows_ends_with_one_line(tmp_path: Path) -> None:
    install(tmp_path, "bad_family", broken("matches", "return 1 / 0"))
    file = tmp_path / "file.safetensors"
    header = b'{"dots.weight":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
    file.write_bytes(len(header).to_bytes(8, "little") + header + bytes(4))
    done = inspect(tmp_path, file)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "the family 'dots' (bad_family:Dots) fails in matches" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_registry_knows_the_anchors_of_families_without_importing_them() -> None:
    for name, family in zip(KNOWN_NAMES, known_families(), strict=True):
        assert family.name == name
        assert family.anchors == known_anchors(name)


def test_asking_about_a_posenet_imports_no_family_of_other_trunks() -> None:
    program = (
        "import sys; from builders.state_dicts import state_dict_of;"
        "from ckptscope.families.probe import infer_architectures;"
        "infer_architectures(state_dict_of({'root.xy_layer.weight': (1, 256, 1, 1)}));"
        "print(sorted(m.split('.')[3] for m in sys.modules"
        " if m.startswith('ckptscope.families.known.') and m.count('.') == 3))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment(ROOT),
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    assert done.stdout.strip() == "['rootnet']"
