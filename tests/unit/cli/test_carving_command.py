"""A damaged file as people meet it: streams, exit codes, and what `unpack --carve` leaves behind."""

import json
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
from builders.carvings import unknown_without_pickle, without_pickle
from builders.unpacked_files import training, write_zip


def run(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ckptscope", *map(str, arguments)],
        capture_output=True,
        check=False,
        encoding="utf-8",
        cwd=cwd,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with damaged checkpoints and a sound one."""
    place = tmp_path_factory.mktemp("carving")
    without_pickle(place / "snapshot_3.pth")
    without_pickle(place / "trunk.pth", lost=[*range(11), *range(60, 351)])
    unknown_without_pickle(place / "other.pth", training())
    write_zip(place / "sound.pth", training())
    return place


def test_inspect_says_the_failure_on_stderr_and_what_is_left_on_stdout(folder):
    done = run("inspect", "snapshot_3.pth", cwd=folder)
    assert done.returncode == 3
    assert done.stderr.startswith("ckptscope: snapshot_3.pth: expected data.pkl")
    assert done.stderr.count("\n") == 1
    lines = done.stdout.splitlines()
    assert lines[0] == "snapshot_3.pth"
    assert lines[1].startswith("  ConvNeXtPose")
    assert "missing    11 tensors of the network, numbers 0 to 10" in done.stdout
    assert "78,048 = 4 × 19,512" in done.stdout


def test_no_table_is_an_answer_with_the_same_exit_code(folder):
    done = run("inspect", "other.pth", cwd=folder)
    assert done.returncode == 3
    assert "which of them" in done.stdout
    assert "not read:" not in done.stdout


def test_other_formats_say_it_too_and_a_sound_file_beside_it_is_as_ever(folder):
    done = run("inspect", "snapshot_3.pth", "sound.pth", "-f", "json", cwd=folder)
    assert done.returncode == 3
    first, second = json.loads(done.stdout)["files"]
    assert first["carved"]["is_certain"]
    assert first["failure"]["kind"] == "ContainerFormatError"
    assert (second["carved"], second["failure"]) == (None, None)
    page = run("inspect", "snapshot_3.pth", "-f", "markdown", cwd=folder).stdout
    assert "### what it was: ConvNeXtPose" in page


def test_every_storage_is_listed_on_request(folder):
    done = run("inspect", "snapshot_3.pth", "--tensors", cwd=folder)
    rows = [line.split() for line in done.stdout.partition("storages and tensors")[2].splitlines()]
    listed = [row for row in rows if row and row[0].isdigit()]
    assert [int(row[0]) for row in listed] == list(range(351))
    assert sum("missing" in row for row in listed) == 11


def test_unpack_names_the_option_and_writes_nothing_without_it(folder, tmp_path):
    out = tmp_path / "out.safetensors"
    done = run("unpack", "snapshot_3.pth", "-o", out, cwd=folder)
    assert done.returncode == 3
    assert "--carve writes what the storages" in done.stderr
    (tmp_path / "text.pth").write_text("nothing of interest")
    assert "--carve" not in run("unpack", tmp_path / "text.pth", "-o", out, cwd=folder).stderr
    assert not out.exists()


def test_what_was_carved_and_filled_is_reported_and_recorded(folder, tmp_path):
    out = tmp_path / "out.safetensors"
    done = run("unpack", "snapshot_3.pth", "--carve", "--fill", "init", "-o", out, cwd=folder)
    assert (done.returncode, done.stderr) == (0, "")
    assert "carved     106 tensors, names assumed from the table" in done.stdout
    assert "filled     11 tensors with initial values" in done.stdout
    record = json.loads((tmp_path / "out.safetensors.carved.json").read_bytes())
    schema = json.loads(run("schema", "carved", cwd=folder).stdout)
    jsonschema.validate(record, schema, jsonschema.Draft202012Validator)
    assert record["schema"] == schema["$id"] == "ckptscope/carved/1"
    assert record["filled"] == 11
    said = json.loads(
        run(
            "unpack", "snapshot_3.pth", "--carve", "--fill", "init", "--force", "-f", "json",
            "-o", out, cwd=folder,
        ).stdout
    )  # fmt: skip
    assert said == record
    inspected = run("inspect", out, cwd=folder)
    assert inspected.returncode == 0
    assert "all 117 names and shapes are those of this network" in inspected.stdout


@pytest.mark.torch
def test_what_was_filled_runs(folder, tmp_path):
    pytest.importorskip("torch")
    out = tmp_path / "out.safetensors"
    run("unpack", "snapshot_3.pth", "--carve", "--fill", "init", "-o", out, cwd=folder)
    done = run("forward", out, "--assume", "joints=3", "--assume", "depth_bins=4", cwd=folder)
    assert "Layer by layer" in done.stdout, done.stderr
    assert done.returncode in (0, 1)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("trunk.pth", "--carve"), 2, "--uncertain writes what fits best"),
        (("other.pth", "--carve"), 3, "storages without names cannot be written"),
        (("sound.pth", "--carve"), 2, "run again without --carve"),
        (("absent.pth", "--carve"), 2, "no such file"),
        (("snapshot_3.pth", "--fill", "init"), 2, "expected --carve beside --fill"),
        (("snapshot_3.pth", "--uncertain"), 2, "expected --carve beside --uncertain"),
        (("snapshot_3.pth", "--carve", "--keys", "list"), 2, "no --keys beside --carve"),
        (("snapshot_3.pth", "--carve", "--only", "*"), 2, "no --only beside --carve"),
        (("snapshot_3.pth", "--carve", "--entry", "x"), 2, "as --entry with --carve, found 'x'"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line_and_leaves_nothing(
    folder, tmp_path, arguments, code, said
):
    done = run("unpack", *arguments, "-o", tmp_path / "out.safetensors", cwd=folder)
    assert done.returncode == code
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_with_consent_the_best_is_written_and_the_doubt_is_told(folder, tmp_path):
    out = tmp_path / "out.safetensors"
    done = run("unpack", "trunk.pth", "--carve", "--uncertain", "-o", out, cwd=folder)
    assert done.returncode == 0
    assert done.stderr.startswith("ckptscope: not certain: ")
    assert json.loads(Path(f"{out}.carved.json").read_bytes())["uncertain_accepted"]


def test_the_gate_calls_it_inconclusive_or_what_the_policy_says(folder, tmp_path):
    done = run("gate", "snapshot_3.pth", cwd=folder)
    assert done.returncode == 1
    assert "inconclusive: expected data.pkl" in done.stdout
    assert "what is left: ConvNeXtPose" in done.stdout
    assert "expected data.pkl" in done.stderr
    policy = tmp_path / "ckptscope.toml"
    policy.write_text('[gate]\ncarved = "refuse"\n', encoding="utf-8")
    for output_format, word in (
        ("json", '"verdict":"refused"'),
        ("junit", 'type="refused"'),
        ("sarif", '"exitCode"'),
        ("github", "::error"),
        ("markdown", "refused"),
    ):
        done = run(
            "gate", "snapshot_3.pth", "--policy", policy, "--format", output_format, cwd=folder
        )
        assert done.returncode == 1
        assert word in done.stdout.replace(": ", ":"), output_format
    assert run("gate", "trunk.pth", "other.pth", cwd=folder).returncode == 3
    assert run("gate", "trunk.pth", "snapshot_3.pth", cwd=folder).returncode == 3


def test_a_baseline_does_not_let_it_pass(folder, tmp_path):
    known = tmp_path / "known.json"
    done = run("gate", "snapshot_3.pth", "sound.pth", "--write-baseline", known, cwd=folder)
    assert done.returncode == 1
