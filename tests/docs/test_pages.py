"""The pages tell of what is there: files, commands, targets, codes, and an example that runs."""

import re
from pathlib import Path

import pytest
from readme_example import EXAMPLES, README, Example, build_shown, markers, render_example
from typer.main import get_command

import ckptscope
from ckptscope.cli.app import build_app
from ckptscope.facts.containers import ContainerKind
from ckptscope.facts.findings import Code
from ckptscope.facts.limits import Limits
from fixtures.build import SETS

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *ROOT.glob("benchmarks/*.md")])

_QUOTED = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"\]\(([^)#\s]+)(?:#([^)\s]+))?\)")
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_SOURCE = re.compile(r"[\w.-]+(/[\w.-]+)*/?")
_SCHEMA = re.compile(r"ckptscope/\w+/\d+")
_SUFFIXES = (".py", ".md", ".toml", ".txt", ".yaml")
_ROOMS = ("ckptscope/", "tests/", "fixtures/", "benchmarks/", "docs/")
#: Stand for a name that the reader chooses.
_PLACEHOLDERS = ("NAME", "FILE")

each_page = pytest.mark.parametrize(
    "page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix()
)


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def fences(page: Path, language: str) -> list[str]:
    return [body for found, body in _FENCE.findall(text_of(page)) if found == language]


def commands(page: Path) -> list[str]:
    """Lines of the fences without a language, and quoted commands."""
    lines = [line for body in fences(page, "") for line in body.splitlines()]
    return [line.partition("#")[0].strip() for line in (*lines, *_QUOTED.findall(text_of(page)))]


def is_named_path(word: str) -> bool:
    if not _SOURCE.fullmatch(word) or any(name in word for name in _PLACEHOLDERS):
        return False
    if _SCHEMA.fullmatch(word):
        return False
    return word.endswith(_SUFFIXES) or word.startswith(_ROOMS)


@each_page
def test_every_file_that_a_page_names_exists(page: Path) -> None:
    words = {word for word in _QUOTED.findall(text_of(page)) if is_named_path(word)}
    missing = {
        word
        for word in words
        if not any((ROOT / place / word).exists() for place in ("", "ckptscope"))
    }
    assert missing == set()


@each_page
def test_every_link_within_the_repository_leads_somewhere(page: Path) -> None:
    for target, anchor in _LINK.findall(text_of(page)):
        if "://" in target:
            continue
        place = page.parent / target
        assert place.exists(), target
        headings = re.findall(r"^#+ (.+)$", text_of(place), re.MULTILINE) if anchor else []
        slugs = {heading.lower().replace(" ", "-") for heading in headings}
        assert not anchor or anchor in slugs, anchor


@each_page
def test_every_make_target_that_a_page_names_is_in_the_makefile(page: Path) -> None:
    targets = set(re.findall(r"^([a-z]+):", text_of(ROOT / "Makefile"), re.MULTILINE))
    named = {found[1] for line in commands(page) if (found := re.match(r"make ([a-z]+)", line))}
    assert named <= targets


@each_page
def test_every_command_that_a_page_names_is_a_command(page: Path) -> None:
    known = set(get_command(build_app()).commands)  # type: ignore[attr-defined]
    matches = (re.match(r"ckptscope ([a-z]+)", line) for line in commands(page))
    named = {found[1] for found in matches if found}
    assert named <= known


@each_page
def test_every_code_and_limit_that_a_page_names_exists(page: Path) -> None:
    codes = set(re.findall(r"\b(?:CON|PKL|TEN|SAF|VAL|ARC|TRN|POL)\d{3}\b", text_of(page)))
    assert codes <= {code.value for code in Code}
    limits = set(re.findall(r"`Limits\.(\w+)`", text_of(page)))
    assert limits <= set(Limits.__struct_fields__)


@each_page
def test_every_set_of_fixtures_that_a_page_names_exists(page: Path) -> None:
    assert set(re.findall(r"--set (\w+)", text_of(page))) <= set(SETS)


def test_the_readme_begins_with_the_two_commands() -> None:
    first = text_of(README).splitlines()[2:5]
    assert first[0] == "```"
    assert [line.partition("#")[0].strip() for line in first[1:]] == ["make demo", "make test"]


def test_the_formats_page_has_every_kind_of_container() -> None:
    page = text_of(ROOT / "docs/formats.md").lower()
    readme = text_of(README).lower()
    for kind in ContainerKind:
        assert kind.value.lower() in page
        assert kind.value.lower() in readme


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the files that the README shows."""
    folder = tmp_path_factory.mktemp("demo")
    build_shown(folder)
    return folder


def test_the_python_of_the_readme_runs(
    shown: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(shown)
    (program,) = fences(README, "python")
    exec(compile(program, "README.md", "exec"), {})
    assert "7438976 9978" in capsys.readouterr().out


def test_the_names_that_the_readme_uses_are_public() -> None:
    (program,) = fences(README, "python")
    assert set(re.findall(r"ckptscope\.(\w+)\(", program)) <= set(ckptscope.__all__)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_an_example_of_the_readme_is_what_the_command_prints(example: Example, shown: Path) -> None:
    start, end = markers(example.name)
    _, _, rest = text_of(README).partition(start)
    assert rest.partition(end)[0] == render_example(example, shown)
