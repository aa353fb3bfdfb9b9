"""The program as people run it: exit codes, streams, outputs."""

import json
import os
import subprocess
import sys

import jsonschema
import pytest
from builders.pickles import pickled

SOUND = pickled({"epoch": 3})


def run(*arguments, **options):
    return subprocess.run(
        [sys.executable, "-m", "ckptscope", *map(str, arguments)],
        capture_output=True,
        check=False,
        **options,
    )


@pytest.fixture
def sound(tmp_path):
    path = tmp_path / "sound.pkl"
    path.write_bytes(SOUND)
    return path


def test_a_sound_file_is_exit_0_with_the_result_on_stdout_alone(sound):
    done = run("inspect", "--format", "json", sound)
    assert (done.returncode, done.stderr) == (0, b"")
    report = json.loads(done.stdout)
    assert report["schema"] == "ckptscope/inspect/1"
    assert report["files"][0]["scalars"] == [{"path": "epoch", "value": 3}]


def test_a_file_that_is_not_there_is_exit_2_and_the_others_are_reported(sound, tmp_path):
    done = run("inspect", "--format", "json", tmp_path / "absent", sound)
    assert done.returncode == 2
    assert done.stderr.count(b"\n") == 1
    failures = [one["failure"] is not None for one in json.loads(done.stdout)["files"]]
    assert failures == [True, False]


def test_an_unreadable_file_is_exit_3_in_one_line_and_outweighs_an_absent_one(sound, tmp_path):
    (tmp_path / "cut.pt").write_bytes(b"PK\x03\x04")
    done = run("inspect", tmp_path / "cut.pt", sound, tmp_path / "absent")
    assert done.returncode == 3
    assert done.stderr.count(b"\n") == 2
    assert b"epoch" in done.stdout


def test_an_empty_name_is_a_wrong_request(tmp_path):
    done = run("inspect", "", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, b"")


def test_a_folder_without_checkpoints_is_a_wrong_request(tmp_path):
    (tmp_path / "a.txt").write_text("text")
    done = run("inspect", tmp_path)
    assert done.returncode == 2
    assert b"1 other file was looked at" in done.stderr


def test_the_report_is_never_written_over_an_input(sound):
    done = run("inspect", sound, "-o", sound)
    assert done.returncode == 2
    assert sound.read_bytes() == SOUND


def test_a_report_can_be_written_to_a_file(sound, tmp_path):
    done = run("inspect", sound, "--format", "json", "-o", tmp_path / "report.json")
    assert (done.returncode, done.stdout) == (0, b"")
    assert json.loads((tmp_path / "report.json").read_bytes())["files"]


def test_a_folder_that_is_not_there_for_the_report_is_said_in_one_line(sound, tmp_path):
    done = run("inspect", sound, "-o", tmp_path / "no" / "report.json")
    assert done.returncode == 2
    assert done.stderr.count(b"\n") == 1


@pytest.mark.parametrize("arguments", [["--help"], ["inspect", "FILE"]])
def test_a_full_stdout_is_said_in_one_line(sound, arguments):
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "ckptscope",
                *(str(sound) if a == "FILE" else a for a in arguments),
            ],
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert done.returncode == 3
    assert done.stderr.startswith(b"ckptscope: cannot write to stdout")
    assert b"Traceback" not in done.stderr


def test_a_reader_that_leaves_is_no_error(sound):
    child = subprocess.Popen(
        [sys.executable, "-m", "ckptscope", "inspect", *[str(sound)] * 200],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    child.stdout.close()
    assert child.stderr.read() == b""
    child.stderr.close()
    assert child.wait() == 0


def test_names_from_the_file_cannot_reach_the_terminal_raw(tmp_path):
    path = tmp_path / "odd\x1b[31m\n.pkl"
    path.write_bytes(pickled({"k\x1b[2J\u202e": "v\r\n"}))
    done = run("inspect", path)
    assert done.returncode == 0
    assert b"\x1b" not in done.stdout
    assert "\u202e".encode() not in done.stdout
    failing = run("inspect", tmp_path / "no\x1b[31m")
    assert b"\x1b" not in failing.stderr


def test_colours_obey_the_environment(sound):

    plain = run("inspect", sound, env={**os.environ, "FORCE_COLOR": "1", "NO_COLOR": "1"})
    coloured = run("inspect", sound, env={**os.environ, "FORCE_COLOR": "1", "NO_COLOR": ""})
    assert b"\x1b[" not in plain.stdout
    assert b"\x1b[" in coloured.stdout


def test_the_schema_that_is_printed_fits_the_output(sound):
    schema = json.loads(run("schema", "inspect").stdout)
    jsonschema.validate(json.loads(run("inspect", "-f", "json", sound).stdout), schema)
