"""`diff A B ...` as people run it: verdicts, exit codes, streams, formats."""

import json
import os
import subprocess
import sys

import jsonschema
import pytest
from builders.pickles import tensor
from builders.weights import random_weights, spelled, weights_zip
from builders.zips import torch_zip

from ckptscope.writers.safetensors import write_safetensors
from ckptscope.writers.torch_zip import write_torch_zip
from fixtures.checkpoint import Recipe, checkpoint, network_tensors
from fixtures.convnextpose import TINY, Dialect


def run(*arguments, columns: int = 80, **options):
    environment = {**os.environ, "COLUMNS": str(columns), "NO_COLOR": "1"}
    return subprocess.run(
        [sys.executable, "-m", "ckptscope", *map(str, arguments)],
        capture_output=True,
        check=False,
        env=environment,
        encoding="utf-8",
        **options,
    )


def weights(seed: int = 0) -> dict:
    return {
        "body.0.weight": random_weights(64, 64, seed=seed),
        "body.0.bias": random_weights(64, seed=seed + 1),
        "body.1.weight": random_weights(128, 128, seed=seed + 2),
        "head.weight": random_weights(16, 64, seed=seed + 3),
    }


@pytest.fixture
def folder(tmp_path):
    """Files of one network; what each name says was done to it."""
    (tmp_path / "base.pth").write_bytes(weights_zip(weights()))
    (tmp_path / "copy.pth").write_bytes(weights_zip(weights()))
    (tmp_path / "reordered.pth").write_bytes(weights_zip(dict(reversed(weights().items()))))
    touched = weights()
    touched["body.0.bias"][3] += 0.25
    (tmp_path / "touched.pth").write_bytes(weights_zip(touched))
    tuned = {
        key: value + random_weights(*value.shape, seed=90, scale=0.005)
        for key, value in weights().items()
    }
    (tmp_path / "tuned.pth").write_bytes(weights_zip(tuned))
    (tmp_path / "other.pth").write_bytes(weights_zip(weights(seed=50)))
    without = {key: value for key, value in weights().items() if not key.startswith("head")}
    (tmp_path / "headless.pth").write_bytes(weights_zip(without))
    (tmp_path / "cut.pth").write_bytes(b"PK\x03\x04")
    return tmp_path


def diff(folder, *arguments, **options):
    return run("diff", *arguments, cwd=folder, **options)


@pytest.mark.parametrize(
    ("other", "verdict", "code"),
    [
        ("copy.pth", "identical", 0),
        ("reordered.pth", "same weights, in another order", 0),
        ("touched.pth", "edited", 1),
        ("other.pth", "unrelated", 1),
        ("headless.pth", "B is part of A", 1),
    ],
)
def test_the_first_line_is_the_verdict_and_the_exit_code_follows(folder, other, verdict, code):
    done = diff(folder, "base.pth", other)
    assert (done.returncode, done.stderr) == (code, "")
    assert done.stdout.splitlines()[0] == f"base.pth and {other}: {verdict}"


def test_all_verdicts_that_fit_are_told(folder):
    done = diff(folder, "base.pth", "tuned.pth", "--format", "json")
    (one,) = json.loads(done.stdout)["comparisons"]
    told = [conclusion["relation"] for conclusion in one["conclusions"]]
    assert "fine-tuned" in told
    text = diff(folder, "base.pth", "tuned.pth").stdout
    assert all(relation in text.splitlines()[0] for relation in told)


def test_the_same_weights_in_another_container_and_dialect_are_exit_0(tmp_path):
    named = Recipe(label="tiny", configuration=TINY, optimizer=False)
    indexed = Recipe(
        label="tiny", configuration=TINY, optimizer=False, dialect=Dialect.INDEXED, prefix=""
    )
    write_torch_zip(tmp_path / "a.pth.tar", checkpoint(named), root="a")
    write_safetensors(tmp_path / "b.safetensors", network_tensors(indexed))
    done = diff(tmp_path, "a.pth.tar", "b.safetensors", columns=100)
    assert done.returncode == 0
    first, *rest = done.stdout.splitlines()
    assert first.startswith("a.pth.tar and b.safetensors: same weights, in another container")
    assert "dialect" in first
    assert any(" → " in line for line in rest)


def test_without_values_the_verdict_says_so_and_is_about_structure(folder):
    done = diff(folder, "base.pth", "other.pth", "--structure")
    assert done.returncode == 0
    assert "same structure; values were not compared" in done.stdout.splitlines()[0]
    other = diff(folder, "base.pth", "headless.pth", "--structure")
    assert other.returncode == 1
    assert "other structure; values were not compared" in other.stdout.splitlines()[0]
    assert "only in A  1 tensor, 1,024 elements\n             head.weight\n" in other.stdout


def test_ignored_tensors_are_not_compared_and_that_is_said(folder):
    done = diff(folder, "base.pth", "touched.pth", "--ignore", "*.bias", "--ignore", "head.*")
    assert done.returncode == 0
    assert "ignored    4 tensors by --ignore" in done.stdout
    assert not done.stderr
    done = diff(folder, "base.pth", "touched.pth", "--ignore", "haed.*")
    assert "no tensor has such a name" in done.stderr


def test_a_tolerance_makes_equal_what_lies_within_it(folder):
    for option, value, code in (("--atol", 0.3, 0), ("--atol", 0.2, 1), ("--rtol", 1e9, 0)):
        done = diff(folder, "base.pth", "touched.pth", option, value)
        assert done.returncode == code
        assert ("within the tolerance" in done.stdout) is (code == 0)


def test_a_prefix_is_taken_off_both_sides(tmp_path):
    (tmp_path / "a.pth").write_bytes(
        weights_zip({"x": random_weights(40), "net.w": random_weights(50)})
    )
    (tmp_path / "b.pth").write_bytes(
        weights_zip({"x": random_weights(40), "w": random_weights(50)})
    )
    done = diff(tmp_path, "a.pth", "b.pth", "--prefix", "net.", "--format", "json")
    (one,) = json.loads(done.stdout)["comparisons"]
    assert {pair["left"]["key"] for pair in one["pairs"]} == {"x", "w"}
    assert one["structure"]["rules"] == []


@pytest.fixture
def averaged(tmp_path):
    """A network with its averaged copy, and a file of the copy alone."""
    network, held = spelled({f"n.{key}": value for key, value in weights().items()})
    copy, more = spelled({f"e.{key}": value for key, value in weights(seed=7).items()})
    value = {
        "state_dict": {key[2:]: one for key, one in network.items()},
        "ema_state_dict": {key[2:]: one for key, one in copy.items()},
    }
    (tmp_path / "both.pth").write_bytes(torch_zip(value, held | more))
    (tmp_path / "base.pth").write_bytes(weights_zip(weights()))
    (tmp_path / "average.pth").write_bytes(weights_zip(weights(seed=7)))
    return tmp_path


def test_the_network_is_compared_unless_an_entry_is_named(averaged):
    assert diff(averaged, "both.pth", "base.pth").returncode == 0
    assert diff(averaged, "both.pth", "average.pth").returncode == 1
    for option in ("--entry", "--state-dict"):
        done = diff(averaged, "both.pth", "average.pth", option, "ema_state_dict", option, "")
        assert (done.returncode, done.stderr) == (0, "")
        assert "  else in A  state_dict\n" in done.stdout


def test_one_entry_is_that_of_all_files(averaged):
    done = diff(averaged, "both.pth", "both.pth", "--entry", "ema_state_dict")
    assert done.returncode == 0
    assert done.stdout.splitlines()[0] == "both.pth and both.pth: identical"


def test_every_pair_that_differs_is_listed_on_request(folder):
    assert "body.0.bias  1 of 64" not in diff(folder, "base.pth", "touched.pth").stdout
    listed = diff(folder, "base.pth", "touched.pth", "--tensors").stdout
    _, _, listed = listed.partition("tensors in A and B: 1 differs")
    assert "body.0.bias" in listed
    assert "1 of 64" in listed
    assert "body.1.weight" not in listed


def test_three_files_are_a_matrix(folder):
    done = diff(folder, "base.pth", "tuned.pth", "copy.pth")
    assert done.returncode == 1
    assert done.stdout.splitlines()[0] == "3 files: A, C are the same"
    assert "verdicts\n" in done.stdout
    same = diff(folder, "base.pth", "copy.pth", "reordered.pth")
    assert same.returncode == 0
    assert same.stdout.splitlines()[0] == "3 files: all the same weights"


def test_an_unreadable_file_is_exit_3_and_one_line(folder):
    done = diff(folder, "base.pth", "cut.pth")
    assert done.returncode == 3
    assert done.stderr.startswith("ckptscope: cut.pth: ")
    assert done.stderr.count("\n") == 1
    assert done.stdout.startswith("cut.pth: not read: ")


def test_the_others_of_several_are_still_compared(folder):
    done = diff(folder, "base.pth", "cut.pth", "copy.pth")
    assert done.returncode == 3
    assert done.stdout.splitlines()[0] == "3 files: A, C are the same; 1 not read"


def test_a_file_that_is_not_there_is_a_wrong_request(folder):
    done = diff(folder, "base.pth", "absent.pth")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["A"], "expected two files to compare"),
        (["A"], "found 'base.pth' alone"),
        ([], "found none"),
        (["A", "B", "--family", "resnet"], "expected --family for one file or a network"),
        (["A", "B", "--lines"], "expected --lines for one file or a network"),
        (["A", "B", "--dialect", "named"], "expected --dialect for one file or a network"),
        (["A", "B", "--assume", "joints=17"], "expected --assume for one file or a network"),
        (["A", "B", "--spec", "x.toml"], "expected --spec for one file or a network"),
        (["A", "B", "--atol", "-1"], "expected --atol of 0 or more, found -1"),
        (["A", "B", "--rtol", "nan"], "expected --rtol of 0 or more, found nan"),
        (["A", "B", "--structure", "--atol", "1"], "expected --atol without --structure"),
        (["A", "B", "--entry", "ema"], "no state_dict at 'ema'"),
        (["A", "B", "--entry", "", "--entry", "", "--entry", ""], "one entry, or one for each"),
        (["A", "B", "-o", "A"], "expected another file for the report"),
        (["A", "B", "--paper", "--structure"], "expected --structure without --paper"),
        (["A", "B", "--variant", "XS", "--rtol", "1"], "expected --rtol without --variant"),
        (["A", "B", "--config", "a=1", "--tensors"], "expected --tensors without --config"),
        (["A", "B", "--max-spool", "much"], "much"),
    ],
)
def test_a_wrong_request_is_exit_2_in_one_line(folder, arguments, words):
    names = {"A": "base.pth", "B": "copy.pth"}
    before = (folder / "base.pth").read_bytes()
    done = diff(folder, *(names.get(one, one) for one in arguments))
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr
    assert done.stderr.count("\n") == 1
    assert (folder / "base.pth").read_bytes() == before


def test_the_printed_schema_fits_every_mode(folder):
    schema = json.loads(run("schema", "diff").stdout)
    for files in (["tuned.pth"], ["cut.pth"], ["tuned.pth", "other.pth"]):
        done = diff(folder, "base.pth", *files, "--format", "json")
        report = json.loads(done.stdout)
        jsonschema.validate(report, schema)
        assert (report["schema"], report["mode"]) == ("ckptscope/diff/1", "compare")


@pytest.mark.parametrize(
    ("output_format", "sign"),
    [("markdown", "## `base.pth` and `tuned.pth`"), ("html", "<table>"), ("latex", "\\section*")],
)
def test_the_report_is_written_in_every_format(folder, output_format, sign):
    done = diff(folder, "base.pth", "tuned.pth", "--format", output_format)
    assert done.returncode == 1
    assert sign in done.stdout


def test_a_report_is_written_to_a_file(folder):
    done = diff(folder, "base.pth", "copy.pth", "-o", "report.txt")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (folder / "report.txt").read_text().startswith("base.pth and copy.pth: identical\n")
    nowhere = diff(folder, "base.pth", "copy.pth", "-o", "absent/report.txt")
    assert nowhere.returncode in (2, 3)
    assert nowhere.stderr.count("\n") == 1


def test_lines_keep_within_the_columns(folder):
    for columns in (60, 80, 120):
        done = diff(folder, "base.pth", "tuned.pth", "--tensors", columns=columns)
        assert max(map(len, done.stdout.splitlines())) <= columns


def test_names_of_a_file_cannot_reach_the_terminal_raw(tmp_path):
    odd = "odd\x1b[31m\u202e.weight"
    for name, value in (("a.pth", 0), ("b.pth", 1)):
        held = random_weights(4, seed=value)
        whole = torch_zip({odd: tensor("0", held.shape, "FloatStorage")}, {"0": held.tobytes()})
        (tmp_path / name).write_bytes(whole)
    for output_format in ("text", "markdown"):
        done = diff(tmp_path, "a.pth", "b.pth", "--tensors", "--format", output_format)
        assert done.returncode == 1
        assert "odd\\x1b" in done.stdout
        assert "\x1b" not in done.stdout
        assert "\u202e" not in done.stdout


def test_help_fits_80_columns_and_names_every_option():
    told = run("diff", "--help").stdout
    assert max(map(len, told.splitlines())) <= 80
    for option in ("--structure", "--ignore", "--atol", "--rtol", "--prefix", "--entry"):
        assert f"  {option}" in told
