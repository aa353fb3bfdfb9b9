"""`explain CODE` as people run it."""

import json
import os
import subprocess
import sys
import tomllib

import jsonschema
import pytest
from builders.loading import size_line

from ckptscope.checks.catalogue import CATALOGUE, GROUPS
from ckptscope.facts.findings import Code

PASTE = "Error(s) in loading state_dict for Net:\n" + size_line("head.weight", (5, 4), (3, 4))


def run(*arguments, command: str = "explain", columns: int = 100, **options):
    environment = {**os.environ, "COLUMNS": str(columns), "NO_COLOR": "1"}
    return subprocess.run(
        [sys.executable, "-m", "ckptscope", command, *map(str, arguments)],
        capture_output=True,
        check=False,
        env=environment,
        encoding="utf-8",
        **options,
    )


def words(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize("name", ["TEN002", "ten002"])
def test_a_code_is_told_with_all_that_its_entry_says(name):
    done = run(name)
    assert (done.returncode, done.stderr) == (0, "")
    entry = CATALOGUE[Code.STORAGE_MISSING]
    said = words(done.stdout)
    for text in (entry.severity, entry.evidence, entry.why, entry.remedy):
        assert words(text) in said
    assert entry.title[1:] in said


def test_the_waiver_that_is_shown_is_toml_for_this_code():
    done = run("CON003")
    (waiver,) = tomllib.loads(done.stdout[done.stdout.index("[[gate.waivers]]") :])["gate"][
        "waivers"
    ]
    assert waiver["code"] == "CON003"
    assert set(waiver) == {"code", "reason", "expires", "file"}


def test_what_an_entry_says_of_silencing_comes_before_the_general_way():
    said = words(run("PKL006").stdout)
    assert said.index("deserves a waiver for this member") < said.index("To accept it in one file")


@pytest.mark.parametrize(("name", "first"), [("TEN", "TEN001"), ("con06", "CON060")])
def test_the_beginning_of_codes_lists_them_with_their_titles(name, first):
    done = run(name)
    assert done.returncode == 0
    listed = [line.split()[0] for line in done.stdout.splitlines()[2:]]
    assert listed[0] == first
    assert listed == sorted(code.value for code in Code if code.value.startswith(name.upper()))
    assert CATALOGUE[Code(first)].title in done.stdout


def test_all_lists_every_code_group_by_group():
    done = run("all")
    assert done.returncode == 0
    said = done.stdout.split()
    assert [one for one in said if one in set(Code)] == list(CATALOGUE)
    for prefix, title in GROUPS.items():
        assert f"{prefix}: {title}" in done.stdout


@pytest.mark.parametrize("name", ["CON001", "CON", "all"])
def test_json_has_the_codes_whole_and_fits_its_schema(name):
    report = json.loads(run(name, "--format", "json").stdout)
    jsonschema.validate(report, json.loads(run("code", command="schema").stdout))
    assert report["schema"] == "ckptscope/code/1"
    wanted = [code for code in CATALOGUE if name == "all" or code.value.startswith(name)]
    assert [one["code"] for one in report["codes"]] == wanted
    first = CATALOGUE[wanted[0]]
    assert report["codes"][0]["remedy"] == first.remedy.replace("`", "")


def test_the_json_says_what_the_default_policy_does():
    by_code = {one["code"]: one for one in json.loads(run("all", "-f", "json").stdout)["codes"]}
    assert by_code["TEN001"]["by_default"] == "fail"
    assert (by_code["PKL006"]["by_default"], by_code["PKL006"]["undecided"]) == ("fail", True)
    assert by_code["CON016"]["by_default"] == "ignore"
    assert "inconclusive" in run("PKL006").stdout


@pytest.mark.parametrize(
    ("output_format", "sign"),
    [("markdown", "## TEN002\n"), ("html", "<h2>TEN002</h2>"), ("latex", "TEN002")],
)
def test_a_code_is_told_in_every_format(output_format, sign):
    done = run("TEN002", "--format", output_format)
    assert (done.returncode, done.stderr) == (0, "")
    assert sign in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["CON999"], "the nearest: CON0"),
        (["TEM001"], "the nearest: TEN001"),
        (["CNO"], "the nearest: CON"),
        (["XYZ987"], "explain all lists every code"),
        (["model.pt"], "expected a code, - or a file with the error, found 'model.pt'"),
        (["CON001", "--lines"], "expected --lines with a pasted error, found the code 'CON001'"),
        (["CON001", "--spec", "a.toml"], "expected --spec with a pasted error"),
    ],
)
def test_what_is_no_code_is_exit_2_in_one_line(tmp_path, arguments, message):
    done = run(*arguments, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_file_named_like_a_code_is_read_by_its_path_alone(tmp_path):
    (tmp_path / "CON001").write_text(PASTE, encoding="utf-8")
    code = run("CON001", cwd=tmp_path)
    assert code.stdout == run("CON001").stdout
    assert "./CON001" in code.stderr
    assert "head.weight" in run("./CON001", cwd=tmp_path).stdout


def test_a_file_whose_name_only_looks_like_a_code_is_read_as_a_paste(tmp_path):
    (tmp_path / "log").write_text(PASTE, encoding="utf-8")
    done = run("log", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "head.weight" in done.stdout


def test_the_lines_keep_within_the_columns():
    for columns in (60, 80, 120):
        done = run("CON050", columns=columns)
        assert max(map(len, done.stdout.splitlines())) <= columns


def test_titles_of_a_list_are_whole_in_a_narrow_terminal():
    done = run("all", columns=60)
    assert "…" not in done.stdout
    said = words(done.stdout)
    shown = [code for code, entry in CATALOGUE.items() if entry.title.split(" ")[-1] in said]
    assert len(shown) == len(CATALOGUE)
    assert max(map(len, done.stdout.splitlines())) <= 60
