"""`explain -` as people run it: a paste on standard input, the setting on standard output."""

import json
import os
import subprocess
import sys

import jsonschema
import pytest
from builders.loading import XS, S, difference, error_text, size_line

PASTE = (
    "RuntimeError: Error(s) in loading state_dict for ResPoseNet:\n"
    + size_line("module.head.final_layer.weight", (1152, 256, 1, 1), (1088, 256, 1, 1))
    + "\n"
    + size_line("module.head.final_layer.bias", (1152,), (1088,))
    + "\n"
)


def run(*arguments, text: str | bytes = "", columns: int = 80, **options):
    environment = {**os.environ, "COLUMNS": str(columns), "NO_COLOR": "1"}
    return subprocess.run(
        [sys.executable, "-m", "ckptscope", "explain", *map(str, arguments)],
        input=text.encode() if isinstance(text, str) else text,
        capture_output=True,
        check=False,
        env=environment,
        **options,
    )


def test_a_paste_names_the_one_setting_and_what_to_change():
    done = run("-", text=PASTE)
    assert (done.returncode, done.stderr) == (0, b"")
    words = " ".join(done.stdout.decode().split())
    assert "joints is 18 in the file, 17 in the network" in words
    assert "1152 = 18 × 64 in the file, 1088 = 17 × 64 in the network" in words
    assert "build the network with joints=18" in words
    assert "3DMPPE PoseNet" in words


def test_a_file_with_the_error_is_read_like_a_paste(tmp_path):
    path = tmp_path / "error.txt"
    path.write_text(PASTE, encoding="utf-8")
    assert run(path).stdout == run("-", text=PASTE).stdout


def test_json_holds_every_line_under_its_cause_and_fits_its_schema():
    text = error_text(difference(S, XS)) + PASTE
    done = run("-", "--format", "json", text=text)
    report = json.loads(done.stdout)
    assert report["schema"] == "ckptscope/explain/1"
    first, second = report["errors"]
    assert (first["found_row"], first["expected_row"]) == ("S", "XS")
    assert second["family"] == "posenet"
    for one in report["errors"]:
        for kind in ("missing", "unexpected"):
            told = [key for cause in one["causes"] for key in cause[kind]]
            assert sorted(told + one["unexplained"][kind]) == sorted(one[kind])
        told = [key for cause in one["causes"] for key in cause["mismatched"]]
        assert sorted(told) == sorted(line["key"] for line in one["mismatched"])
    schema = subprocess.run(
        [sys.executable, "-m", "ckptscope", "schema", "explain"], capture_output=True, check=True
    )
    jsonschema.validate(report, json.loads(schema.stdout))


@pytest.mark.parametrize(
    ("arguments", "text", "words"),
    [
        (["-"], "nothing of that sort", b"expected an error of load_state_dict"),
        (["-"], "", b"expected an error of load_state_dict"),
        (["-"], bytes(1 << 24) + b"x", b"at most 16,777,216 bytes"),
        (["."], "", b"- or a file with the error"),
        (["-", "--spec", "absent.toml"], PASTE, b"absent.toml"),
    ],
)
def test_what_cannot_be_explained_is_exit_2_in_one_line(tmp_path, arguments, text, words):
    done = run(*arguments, text=text, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, b"")
    assert words in done.stderr
    assert done.stderr.count(b"\n") == 1


def test_the_report_keeps_within_the_columns():
    for columns in (60, 80, 120):
        done = run("-", text=error_text(difference(S, XS)), columns=columns)
        assert max(map(len, done.stdout.decode().splitlines())) <= columns


def test_control_characters_of_a_paste_cannot_reach_the_terminal():
    key = "a\x07b\u202e`|<script>.c.weight"
    done = run("-", "--lines", text=f'Missing key(s) in state_dict: "{key}", "\x1b[31mb.weight". ')
    assert done.returncode == 0
    assert b"\x07" not in done.stdout
    assert b"\x1b" not in done.stdout
    assert "\u202e".encode() not in done.stdout


@pytest.mark.parametrize(
    ("output_format", "sign"),
    [("markdown", "|"), ("latex", "\\begin{tabular}"), ("html", "<table>")],
)
def test_the_table_is_written_in_every_format(output_format, sign):
    done = run("-", "--format", output_format, text=PASTE)
    assert sign in done.stdout.decode()


def test_a_table_of_the_user_gives_further_networks_to_recognise(tmp_path):
    table = tmp_path / "mine.toml"
    table.write_text(
        'schema = "ckptscope/spec/1"\nname = "mine"\nfamily = "convnextpose"\ntitle = "Mine"\n'
        'source = "a note"\n[variants.Small.claims]\nhead_width = 24\n[variants.Small.settings]\n'
        "dims = [8, 16, 24, 32]\ndepths = [1, 1, 1, 1]\nhead_width = 24\njoints = 5\n"
        "depth_bins = 8\nupsamplings = 2\n",
        encoding="utf-8",
    )
    small = {
        "dims": (8, 16, 24, 32),
        "depths": (1, 1, 1, 1),
        "head_out_channels": (24,) * 3,
        "joints": 5,
        "depth_bins": 8,
        "upsampling": (True, True, False),
    }
    text = error_text(difference(small, S))
    (error,) = json.loads(run("-", "--spec", table, "-f", "json", text=text).stdout)["errors"]
    assert error["found_row"] == "Small"
