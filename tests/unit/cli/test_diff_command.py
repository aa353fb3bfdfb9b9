"""`diff FILE --variant`, `diff FILE --config` as people run them: codes, streams, formats."""

import json
import os
import subprocess
import sys

import jsonschema
import pytest

from ckptscope.writers.forms import ordered_dict
from ckptscope.writers.safetensors import write_safetensors
from ckptscope.writers.torch_zip import write_torch_zip
from fixtures.checkpoint import Recipe, checkpoint, network_tensors
from fixtures.convnextpose import TINY, Dialect

#: What TINY is, as a user would say it.
AS_TINY = "dims=4,6,8,12,depths=1,1,2,1,head_out_channels=10,10,10,joints=3,depth_bins=4"


def run(*arguments, columns: int = 80, **options):
    environment = {**os.environ, "COLUMNS": str(columns), "NO_COLOR": "1"}
    return subprocess.run(
        [sys.executable, "-m", "ckptscope", *map(str, arguments)],
        capture_output=True,
        check=False,
        env=environment,
        **options,
    )


def recipe(configuration=TINY, **changes) -> Recipe:
    return Recipe(label="tiny", configuration=configuration, optimizer=False, **changes)


@pytest.fixture
def tiny(tmp_path):
    path = tmp_path / "tiny.pth.tar"
    write_torch_zip(path, checkpoint(recipe()), root="tiny")
    return path


@pytest.fixture
def bare(tmp_path):
    path = tmp_path / "bare.safetensors"
    write_safetensors(path, network_tensors(recipe(prefix="")))
    return path


def report_of(done) -> dict:
    return json.loads(done.stdout)["files"][0]


def test_a_file_that_fits_but_for_its_prefix_is_exit_0_and_says_so(tiny):
    done = run("diff", tiny, "--config", "depth_bins=4", "--format", "json")
    assert (done.returncode, done.stderr) == (0, b"")
    report = report_of(done)
    assert report["verdict"] == "loads without the prefix"
    assert [step["changes"] for step in report["steps"]] == ["nothing", "prefix"]
    assert report["steps"][0]["causes"][0]["kind"] == "prefix"


def test_a_file_that_fits_is_exit_0_in_one_step(bare):
    done = run("diff", bare, "--config", "joints=3", "--format", "json")
    assert done.returncode == 0
    report = report_of(done)
    assert report["verdict"] == "loads"
    assert len(report["steps"]) == 1


def test_a_setting_that_differs_is_exit_1_with_its_cause(bare):
    done = run("diff", bare, "--config", "dims=5,6,8,12", "--format", "json")
    assert (done.returncode, done.stderr) == (1, b"")
    (step,) = report_of(done)["steps"]
    (cause,) = step["causes"]
    assert cause["text"] == "dims[0] is 4 in the file, 5 in the configuration"
    assert len(step["mismatched"]) == len(cause["mismatched"])
    assert step["unexplained"] == {
        "missing": [],
        "unexpected": [],
        "mismatched": [],
        "tolerated": [],
    }


def test_a_row_of_the_paper_is_compared_under_one_setting_after_the_other(bare):
    done = run("diff", bare, "--variant", "XS", "--format", "json")
    assert done.returncode == 1
    report = report_of(done)
    assert report["target"] == "row XS of convnextpose"
    assert {cause["setting"] for cause in report["steps"][0]["causes"]} >= {"dims", "depths"}


def test_settings_win_over_those_of_the_row(bare):
    done = run("diff", bare, "--variant", "XS", "--config", AS_TINY, "--format", "json")
    assert done.returncode == 0
    assert report_of(done)["target"].startswith("row XS of convnextpose with dims=4,6,8,12")


def test_what_the_settings_leave_out_is_taken_from_the_file_and_that_is_said(bare):
    done = run("diff", bare, "--config", "head_out_channels=10,10,16")
    assert done.returncode == 1
    words = b" ".join(done.stdout.split())
    assert b"what --config leaves out is as in the file" in words
    assert b"head_out_channels[2] is 10 in the file, 16 in the configuration" in words


def test_keys_of_another_dialect_are_a_cause_with_its_rules(tmp_path):
    path = tmp_path / "indexed.safetensors"
    write_safetensors(path, network_tensors(recipe(dialect=Dialect.INDEXED, prefix="")))
    done = run("diff", path, "--config", "joints=3", "--dialect", "list", "--format", "json")
    assert done.returncode == 1
    steps = report_of(done)["steps"]
    assert [step["changes"] for step in steps] == ["nothing", "names"]
    assert steps[0]["causes"][0]["kind"] == "names"
    assert steps[1]["causes"] == []


def test_entries_that_are_no_tensors_are_unexpected_keys(tmp_path):
    path = tmp_path / "flat.pth"
    pairs = dict(network_tensors(recipe(prefix="")))
    write_torch_zip(path, ordered_dict([*pairs.items(), ("epoch", 3)]), root="flat")
    done = run("diff", path, "--config", "joints=3", "--format", "json")
    assert done.returncode == 1
    (step,) = report_of(done)["steps"]
    assert step["unexpected"] == ["epoch"]
    assert step["causes"][0]["kind"] == "no tensors"


def test_a_network_that_is_not_half_there_is_held_against_a_family_by_name(tmp_path):
    path = tmp_path / "part.safetensors"
    held = [(key, one) for key, one in network_tensors(recipe(prefix="")) if "final" in key]
    write_safetensors(path, held)
    unknown = run("diff", path, "--variant", "XS")
    assert unknown.returncode == 2
    assert b"--family" in unknown.stderr
    done = run("diff", path, "--variant", "XS", "--family", "convnextpose", "--format", "json")
    assert done.returncode == 1
    (step,) = report_of(done)["steps"]
    assert len(step["missing"]) > 100
    assert step["unexpected"] == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], b"--paper, --variant ROW or --config"),
        (["FILE"], b"--paper, --variant ROW or --config"),
        (["FILE", "--variant", "XS", "--structure"], b"expected --structure without --variant"),
        (["FILE", "--config", "joints=3", "--entry", "a", "--entry", "b"], b"one --entry to load"),
        (["FILE", "--paper", "--tensors"], b"expected --tensors without --paper"),
        (["--variant", "XS"], b"expected a file to load"),
        (["FILE", "--variant", "XXL"], b"no row 'XXL'"),
        (["FILE", "--config", "jionts=3"], b"'jionts'"),
        (["FILE", "--config", "joints"], b"expected NAME=VALUE"),
        (["FILE", "--variant", "XS", "--family", "convnextpoes"], b"no family 'convnextpoes'"),
        (["FILE", "--variant", "XS", "--dialect", "Welsh"], b"no dialect 'Welsh'"),
        (["FILE", "--variant", "XS", "--state-dict", "ema"], b"no state_dict at 'ema'"),
        (["FILE", "--paper", "--config", "joints=3"], b"expected --config without --paper"),
        (["FILE", "--variant", "XS", "--spec", "absent.toml"], b"absent.toml"),
        (["absent.pth", "--variant", "XS"], b"no such file"),
    ],
)
def test_a_wrong_request_is_exit_2_in_one_line(bare, arguments, words):
    done = run("diff", *(bare if one == "FILE" else one for one in arguments), cwd=bare.parent)
    assert done.returncode == 2
    assert words in done.stderr
    assert done.stderr.count(b"\n") == 1


def test_an_unreadable_file_is_exit_3_and_the_others_are_still_compared(bare, tmp_path):
    broken = tmp_path / "broken.pt"
    broken.write_bytes(b"PK\x03\x04")
    done = run("diff", broken, bare, "--config", "joints=3", "--variant", "XS", "-f", "json")
    assert done.returncode == 3
    verdicts = [one["verdict"] for one in json.loads(done.stdout)["files"]]
    assert verdicts == ["not read", "does not load"]


def test_a_file_that_the_request_does_not_fit_does_not_keep_the_others_from_it(bare, tmp_path):
    other = tmp_path / "other.safetensors"
    write_safetensors(other, [("x.weight", one) for _, one in network_tensors(recipe())[:1]])
    done = run("diff", other, bare, "--variant", "XS", "-f", "json")
    assert done.returncode == 2
    files = json.loads(done.stdout)["files"]
    assert files[0]["failure"]["kind"] == "UsageError"
    assert files[1]["verdict"] == "does not load"


def test_the_report_for_people_adds_up_and_keeps_within_the_columns(bare):
    for columns in (60, 80, 120):
        done = run("diff", bare, "--variant", "XS", columns=columns)
        lines = done.stdout.decode().splitlines()
        assert max(map(len, lines)) <= columns
    table = [line.split() for line in lines if line[:7].strip().isdecimal()]
    *causes, total = [int(row[0]) for row in table]
    assert sum(causes) == total


def test_every_line_is_listed_on_request(bare):
    done = run("diff", bare, "--config", "dims=5,6,8,12", "--lines")
    words = b" ".join(done.stdout.split())
    assert b"backbone.downsample_layers.0.0.weight [4, 3, 4, 4] [5, 3, 4, 4]" in words
    assert b"mismatched: 21" in words


@pytest.mark.parametrize(
    ("output_format", "sign"),
    [("markdown", "|"), ("latex", "\\begin{tabular}"), ("html", "<table>")],
)
def test_the_table_is_written_in_every_format(bare, output_format, sign):
    done = run("diff", bare, "--variant", "XS", "--format", output_format)
    assert done.returncode == 1
    assert sign in done.stdout.decode()


def test_a_report_is_written_to_a_file_and_never_over_an_input(bare, tmp_path):
    done = run("diff", bare, "--variant", "XS", "-o", tmp_path / "report.txt")
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"does not load" in (tmp_path / "report.txt").read_bytes()
    refused = run("diff", bare, "--variant", "XS", "-o", bare)
    assert refused.returncode == 2


def test_the_schema_that_is_printed_fits_the_output(tiny, bare, tmp_path):
    schema = json.loads(run("schema", "diff").stdout)
    broken = tmp_path / "broken.pt"
    broken.write_bytes(b"PK\x03\x04")
    done = run("diff", tiny, bare, broken, "--config", "dims=5,6,8,12", "-f", "json")
    jsonschema.validate(json.loads(done.stdout), schema)


def test_names_of_the_file_cannot_reach_the_terminal_raw(tmp_path):
    path = tmp_path / "odd.safetensors"
    pairs = [*network_tensors(recipe(prefix="")), ("odd\x1b[31m\u202e.weight", _one_tensor())]
    write_safetensors(path, pairs)
    done = run("diff", path, "--config", "joints=3", "--lines")
    assert done.returncode == 1
    assert b"\x1b" not in done.stdout
    assert "\u202e".encode() not in done.stdout


def _one_tensor():
    return network_tensors(recipe())[0][1]
