"""`diff --paper` and `spec` as people run them: exit codes, streams, formats."""

import json
import os
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
import typer
from builders.paper_files import entries_of, write_sparse
from builders.pickles import pickled
from typer.testing import CliRunner

from ckptscope.cli.app import build_app
from ckptscope.cli.paper import run_paper
from ckptscope.cli.rendering import TableFormat

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def released(tmp_path_factory):
    folder = tmp_path_factory.mktemp("released")
    for row in ("XS", "S", "L"):
        write_sparse(folder / f"ConvNeXtPose_{row}.safetensors", entries_of(row))
    return folder


@pytest.fixture
def paper(capsysbinary, monkeypatch):
    """Compare, and return the exit code, stdout and stderr."""
    monkeypatch.setenv("COLUMNS", "80")

    def run(*files, output_format=TableFormat.TEXT, **options):
        given = {"variant": None, "specs": [], "assume": [], "output": None} | options
        code = 0
        try:
            run_paper([str(file) for file in files], output_format=output_format, **given)
        except typer.Exit as stop:
            code = int(stop.exit_code)
        out, err = capsysbinary.readouterr()
        return code, out.decode(), err.decode()

    return run


def swapped(released, tmp_path):
    for name, row in (("S", "XS"), ("XS", "S")):
        target = tmp_path / f"ConvNeXtPose_{name}.safetensors"
        target.hardlink_to(released / f"ConvNeXtPose_{row}.safetensors")
    return tmp_path


def test_a_file_that_holds_what_its_name_says_is_exit_0(paper, released):
    code, out, err = paper(released / "ConvNeXtPose_S.safetensors")
    assert (code, err) == (0, "")
    assert "matches: labelled S by the name 'ConvNeXtPose_S.safetensors'" in out
    assert "7.45 M elements = 7,438,976 parameters (paper: 7.44 M) + 9,978" in out
    assert "head.final_layer.weight: [576, 256, 1, 1] in S, [1152, 256, 1, 1]" in out


def test_swapped_files_are_exit_1_and_sorted_out_in_one_command(
    paper, released, tmp_path, monkeypatch
):
    monkeypatch.chdir(swapped(released, tmp_path))
    code, out, err = paper()
    assert (code, err) == (1, "")
    lines = out.splitlines()
    rows = {line.split()[0]: line.split()[1:] for line in lines if line.startswith("  ")}
    assert rows["XS"] == ["ConvNeXtPose_S.safetensors", "S"]
    assert rows["S"] == ["ConvNeXtPose_XS.safetensors", "XS"]
    assert rows["missing"] == ["no", "file", "holds", "M,", "L"]
    assert "swapped    'ConvNeXtPose_S.safetensors' holds XS," in out


def test_a_file_without_a_label_is_exit_0_and_said(paper, released, tmp_path):
    (tmp_path / "snapshot_83.safetensors").hardlink_to(released / "ConvNeXtPose_L.safetensors")
    code, out, _ = paper(tmp_path / "snapshot_83.safetensors")
    assert code == 0
    assert "not labelled: held against L, which it is by content" in out
    assert paper(tmp_path / "snapshot_83.safetensors", variant="M")[0] == 1
    assert paper(tmp_path / "snapshot_83.safetensors", variant="l")[0] == 0


def test_an_unreadable_file_is_exit_3_and_outweighs_a_contradiction(paper, released, tmp_path):
    folder = swapped(released, tmp_path)
    (folder / "broken.pt").write_bytes(b"PK\x03\x04")
    code, out, err = paper(*sorted(folder.iterdir()))
    assert code == 3
    assert err.count("\n") == 1
    assert "broken.pt" in err
    assert "swapped" in out


def test_nothing_to_compare_is_exit_2_and_said_in_one_line(paper, tmp_path, monkeypatch):
    (tmp_path / "plain.pkl").write_bytes(pickled({"epoch": 3}))
    code, out, err = paper(tmp_path / "plain.pkl")
    assert code == 2
    assert "not compared: it holds no network" in out
    assert err == (
        "ckptscope: nothing to compare: no file holds a network of a family that has a table\n"
    )
    (tmp_path / "plain.pkl").unlink()
    (tmp_path / "a.txt").write_text("text")
    monkeypatch.chdir(tmp_path)
    assert paper() == (
        2,
        "skipped\n  1 other file, which is no checkpoint\n",
        "ckptscope: no checkpoint found; 1 other file was looked at\n",
    )
    assert paper(tmp_path / "absent")[0] == 2


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"variant": "Q"}, "no row 'Q' in the tables; there are: convnextpose: XS, S, M, L"),
        ({"assume": ["joints"]}, "expected NAME=VALUE, found 'joints'"),
        ({"specs": [Path("no.toml")]}, "no.toml: cannot be read"),
    ],
)
def test_a_wrong_request_is_exit_2_in_one_line(paper, released, options, said):
    code, out, err = paper(released / "ConvNeXtPose_S.safetensors", **options)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert said in err


def test_json_follows_its_schema_and_holds_what_the_text_says(paper, released, tmp_path):
    folder = swapped(released, tmp_path)
    code, out, _ = paper(*sorted(folder.iterdir()), output_format=TableFormat.JSON)
    assert code == 1
    report = json.loads(out)
    schema = CliRunner().invoke(build_app(), ["schema", "paper"]).stdout
    jsonschema.validate(report, json.loads(schema))
    assert report["schema"] == "ckptscope/paper/1"
    assert [file["outcome"] for file in report["files"]] == ["contradicts"] * 2
    assert report["matrices"][0]["swapped"] == [[0, 1]]
    params = next(j for j in report["files"][0]["judgements"] if j["attribute"] == "params")
    assert (params["claimed"], params["found"], params["origin"]) == (7.44, 3528008, "derived")


@pytest.mark.parametrize("output_format", list(TableFormat))
def test_every_format_tells_of_every_file_and_of_the_swap(paper, released, tmp_path, output_format):
    folder = swapped(released, tmp_path)
    code, out, _ = paper(*sorted(folder.iterdir()), output_format=output_format)
    assert code == 1
    for word in ("swapped", "XS", "safetensors", "contradict"):
        assert word in out


def test_a_report_can_be_written_to_a_file_and_never_over_an_input(paper, released, tmp_path):
    report = tmp_path / "report.md"
    file = released / "ConvNeXtPose_S.safetensors"
    code, out, _ = paper(file, output_format=TableFormat.MARKDOWN, output=report)
    assert (code, out) == (0, "")
    assert report.read_text().startswith("## `")
    before = file.stat().st_size
    assert paper(file, output=file)[0] == 2
    assert file.stat().st_size == before


def test_no_colour_is_sent_where_none_is_wanted(paper, released, monkeypatch):
    file = released / "ConvNeXtPose_S.safetensors"
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b[" in paper(file)[1]
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in paper(file)[1]


@pytest.mark.parametrize("columns", [80, 120])
def test_no_line_is_wider_than_the_terminal(paper, released, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    _, out, _ = paper(*sorted(released.iterdir()))
    assert max(map(len, out.splitlines())) <= columns


def spec(*arguments):
    return CliRunner().invoke(build_app(), ["spec", *map(str, arguments)])


def test_tables_are_listed_and_shown(tmp_path):
    listed = spec("list")
    assert listed.exit_code == 0
    assert "convnextpose" in listed.stdout
    shown = spec("show", "convnextpose")
    assert shown.exit_code == 0
    assert "7.44 M" in shown.stdout
    assert "tables 4 and 5 of the paper" in shown.stdout
    names = [table["name"] for table in json.loads(spec("list", "-f", "json").stdout)["tables"]]
    assert "convnextpose" in names


@pytest.mark.parametrize("output_format", ["text", "markdown", "latex", "html", "json", "toml"])
def test_a_table_is_shown_in_every_format_with_its_numbers(output_format):
    shown = spec("show", "convnextpose", "--format", output_format)
    assert shown.exit_code == 0
    assert "7.44" in shown.stdout
    assert "10.1109/ACCESS.2023.3326343" in shown.stdout


def test_a_table_shown_as_json_follows_the_schema_of_tables():
    table = json.loads(spec("show", "convnextpose", "-f", "json").stdout)
    schema = json.loads(CliRunner().invoke(build_app(), ["schema", "spec"]).stdout)
    jsonschema.validate(table, schema)
    assert table["variants"]["S"]["claims"]["params"] == 7.44


def test_a_table_shown_as_toml_is_read_again(tmp_path):
    file = tmp_path / "copy.toml"
    assert spec("show", "convnextpose", "-f", "toml", "-o", file).exit_code == 0
    again = spec("show", "convnextpose", "--spec", file)
    assert again.exit_code == 0
    assert "copy.toml" in again.stdout


def test_a_table_that_there_is_not_is_a_wrong_request(tmp_path):
    missing = spec("show", "nothing")
    assert missing.exit_code == 2
    assert "no table 'nothing'; there are: " in missing.stderr
    (tmp_path / "bad.toml").write_text("schema = 3\n")
    bad = spec("list", "--spec", tmp_path / "bad.toml")
    assert bad.exit_code == 2
    assert "bad.toml: line 1: schema: expected a text, found 3" in bad.stderr


def test_the_whole_program_sorts_a_swapped_set_out(released, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "ckptscope", "diff", "--paper"],
        cwd=swapped(released, tmp_path),
        env=os.environ | {"PYTHONPATH": str(ROOT), "COLUMNS": "80"},
        capture_output=True,
        check=False,
        text=True,
    )
    assert (done.returncode, done.stderr) == (1, "")
    assert "swapped    'ConvNeXtPose_S.safetensors' holds XS," in done.stdout
