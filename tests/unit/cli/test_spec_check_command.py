"""`ckptscope spec check` as people run it: exit codes, streams, formats."""

import json
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

THIRTEEN = Path(__file__).parents[1] / "specs" / "claims" / "thirteen.toml"
HEAD = 'schema = "ckptscope/claims/1"\nfamily = "convnextpose"\n[[claims]]\nid = 1\n'


def run(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", "ckptscope", *map(str, arguments)],
        capture_output=True,
        check=False,
        encoding="utf-8",
        env={"PATH": "", "COLUMNS": "80", "PYTHONIOENCODING": "utf-8", **environment},
    )


@pytest.fixture
def claims(tmp_path):
    def write(networks, name="claims.toml"):
        path = tmp_path / name
        path.write_text(f"{HEAD}networks = [{networks}]\n", encoding="utf-8")
        return path

    return write


@pytest.mark.parametrize(
    ("networks", "code"),
    [
        ('{ row = "S", params = "7.44 M" }', 0),
        ('{ row = "S", pa_mpjpe = 3.0 }', 0),
        ('{ row = "S", params = "9 M" }', 1),
        ('{ row = "S", head_width = 512 }', 1),
        ('{ row = "XXL" }', 2),
    ],
)
def test_the_exit_code_says_whether_something_contradicts(claims, networks, code):
    assert run("spec", "check", claims(networks)).returncode == code


def test_a_file_that_cannot_be_read_is_exit_2_in_one_line_and_the_others_are_checked(claims):
    good = claims('{ row = "S", params = "9 M" }', "good.toml")
    done = run("spec", "check", "absent.toml", good, "--format", "json")
    assert done.returncode == 2
    assert done.stderr == "ckptscope: absent.toml: cannot be read: No such file or directory\n"
    report = json.loads(done.stdout)
    assert [len(report["files"]), len(report["failures"])] == [1, 1]


def test_the_report_is_told_within_80_columns_and_names_each_claim():
    done = run("spec", "check", THIRTEEN)
    assert (done.returncode, done.stderr) == (1, "")
    assert max(map(len, done.stdout.splitlines())) <= 80
    for number in range(1, 14):
        assert f"\nclaim {number}: " in done.stdout
    assert "8 contradict themselves, 3 contradict the" in done.stdout


def test_json_keeps_to_its_schema():
    schema = json.loads(run("schema", "spec-check").stdout)
    report = json.loads(run("spec", "check", THIRTEEN, "--format", "json").stdout)
    jsonschema.validate(report, schema)
    assert report["schema"] == "ckptscope/spec-check/1"
    remedy = report["files"][0]["claims"][1]["parts"][0]["remedies"][0]
    assert remedy["changes"][0]["attribute"] == "depth_bins"
    assert remedy["settings"]["depth_bins"] == 32


@pytest.mark.parametrize(
    ("name", "sign"), [("markdown", "| claim"), ("latex", "\\begin{tabular}"), ("html", "<table>")]
)
def test_the_table_of_claims_is_written_in_other_formats(name, sign):
    assert sign in run("spec", "check", THIRTEEN, "--format", name).stdout


def test_text_of_a_file_of_claims_does_not_reach_the_terminal_as_it_is(claims):
    path = claims('{ name = "\\u001b[31mred", row = "S", params = "9 M" }')
    done = run("spec", "check", path)
    assert "\x1b" not in done.stdout
    assert "\\x1b" in done.stdout


def test_a_users_table_gives_rows(claims, tmp_path):
    text = run("spec", "show", "convnextpose", "--format", "toml").stdout
    table = tmp_path / "ours.toml"
    table.write_text(text.replace("[variants.S", "[variants.Small"), encoding="utf-8")
    path = claims('{ row = "Small", params = "7.44 M" }')
    assert run("spec", "check", path, "--spec", table).returncode == 0
    assert run("spec", "check", path).returncode == 2


def test_claims_are_never_written_over(claims):
    path = claims('{ row = "S" }')
    before = path.read_text(encoding="utf-8")
    assert run("spec", "check", path, "-o", path).returncode == 2
    assert path.read_text(encoding="utf-8") == before


def test_neither_torch_nor_numpy_is_loaded():
    code = (
        "import sys; from ckptscope.pipeline.spec_check import check_specs; "
        f"check_specs([{str(THIRTEEN)!r}]); print(sorted({{'torch', 'numpy', 'typer'}} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=True, encoding="utf-8"
    )
    assert done.stdout == "[]\n"
