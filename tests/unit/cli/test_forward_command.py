"""`ckptscope forward` as people run it: exit codes, streams, outputs."""

import json
import os
import subprocess
import sys

import jsonschema
import pytest

torch = pytest.importorskip("torch")

import numpy as np  # noqa: E402
from builders.pose_files import pose_state, save_pose  # noqa: E402

from ckptscope.cli.forward import Progress  # noqa: E402
from ckptscope.writers.torch_zip import write_torch_zip  # noqa: E402
from fixtures.checkpoint import Recipe, network  # noqa: E402
from fixtures.convnextpose import VARIANTS  # noqa: E402

pytestmark = pytest.mark.torch

KNOWN = ("--assume", "joints=3", "--assume", "upsampling=yes,yes,no", "--size", "64x32")


def run(*arguments, **options):
    return subprocess.run(
        [sys.executable, "-m", "ckptscope", "forward", *map(str, arguments)],
        capture_output=True,
        check=False,
        **options,
    )


def lines(stream):
    return stream.decode().splitlines()


@pytest.fixture(scope="module")
def pose(tmp_path_factory):
    return save_pose(tmp_path_factory.mktemp("pose") / "pose.pth")


@pytest.fixture(scope="module")
def variants(tmp_path_factory):
    """Rows of the paper under any name, without optimizers."""
    folder = tmp_path_factory.mktemp("variants")

    def write(row, name):
        recipe = Recipe(label=row, configuration=VARIANTS[row].configuration, optimizer=False)
        path = folder / name
        if not path.exists():
            write_torch_zip(path, {"network": network(recipe)}, root="archive")
        return path

    return write


@pytest.fixture(scope="module")
def schema():
    done = subprocess.run(
        [sys.executable, "-m", "ckptscope", "schema", "forward"], capture_output=True, check=True
    )
    return json.loads(done.stdout)


def test_a_sound_pass_is_exit_0_with_json_that_its_schema_admits(pose, schema) -> None:
    done = run(pose, *KNOWN, "--format", "json")
    assert (done.returncode, done.stderr) == (0, b"")
    report = json.loads(done.stdout)
    jsonschema.validate(report, schema)
    assert report["schema"] == "ckptscope/forward/1"
    (file,) = report["files"]
    assert file["settings"]["upsampling"] == [True, True, False]
    assert file["origins"]["upsampling"] == "stated"
    assert file["layers"][-1]["output_shape"] == [12, 8, 4]
    assert all(joint["is_inside"] for joint in file["coordinates"])
    assert file["macs"]["agree"]


def test_the_output_is_saved_and_the_report_goes_to_a_file(pose, tmp_path) -> None:
    done = run(
        pose, *KNOWN, "--save", tmp_path / "out.npy", "-o", tmp_path / "r.json", "-f", "json"
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    output = np.load(tmp_path / "out.npy", allow_pickle=False)
    assert (output.shape, output.dtype) == ((1, 12, 8, 4), np.float32)
    (file,) = json.loads((tmp_path / "r.json").read_text())["files"]
    assert file["saved_to"] == str(tmp_path / "out.npy")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.npy", "r.json"]
    assert output.min() == pytest.approx(file["output"]["least"], rel=1e-6)


def test_a_file_that_meets_its_names_row_is_exit_0(variants) -> None:
    done = run(variants("XS", "ConvNeXtPose_XS.pth"), "--device", "meta")
    assert (done.returncode, done.stderr) == (0, b"")
    assert "matches row XS" in done.stdout.decode()
    assert "no evidence separates from it: up, no, up" in " ".join(done.stdout.decode().split())


def test_a_file_that_no_hypothesis_makes_its_row_is_exit_1(variants) -> None:
    done = run(variants("XS", "ConvNeXtPose_S.pth"), "--device", "meta")
    assert done.returncode == 1
    assert "contradicts row S" in done.stdout.decode()
    assert run(variants("XS", "x.pth"), "--variant", "M", "--device", "meta").returncode == 1


def test_shapes_alone_are_json_that_the_schema_admits_too(variants, schema) -> None:
    path = variants("XS", "ConvNeXtPose_XS.pth")
    report = json.loads(run(path, "--device", "meta", "--format", "json").stdout)
    jsonschema.validate(report, schema)
    (file,) = report["files"]
    assert (file["shapes_only"], file["output"], file["batch_norms"]) == (True, None, [])
    assert file["macs"]["closed_form"] == file["macs"]["counter"] == 815_214_592
    ran = [one for one in file["upsampling"]["hypotheses"] if one["output_shape"]]
    assert [True, True, False] in [one["upsampling"] for one in ran]


def test_a_long_pass_says_how_far_it_is_and_a_short_one_nothing(monkeypatch, capsys) -> None:
    now = [100.0]
    monkeypatch.setattr("ckptscope.cli.forward.time.monotonic", lambda: now[0])
    progress = Progress()
    for number, seconds in enumerate((0.0, 0.5, 3.0, 0.1, 2.5, 9.0), start=1):
        now[0] += seconds
        progress.tell(f"layer {number}", number, 6)
    told = capsys.readouterr().err.splitlines()
    assert told == [
        "ckptscope: layer 3 done, 3 of 6 layers",
        "ckptscope: layer 5 done, 5 of 6 layers",
    ]


def test_an_unlabelled_file_claims_nothing_and_is_exit_0(variants) -> None:
    done = run(variants("XS", "x.pth"), "--device", "meta")
    assert done.returncode == 0
    assert "not claimed" in done.stdout.decode()


def test_the_option_outweighs_the_name(variants) -> None:
    done = run(variants("XS", "ConvNeXtPose_S.pth"), "--variant", "xs", "--device", "meta")
    assert done.returncode == 0


def test_shapes_alone_say_so_where_values_would_stand(pose) -> None:
    done = run(pose, *KNOWN, "--device", "meta")
    assert done.returncode == 0
    assert done.stdout.decode().count("shapes only") >= 3


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--size", "60"), "multiples of the network's stride 32"),
        (("--size", "wide"), "expected --size as 256 or 256x192"),
        (("--size", "64x32x16"), "expected --size as 256 or 256x192"),
        (("--device", "gpu"), "expected the device cpu, cuda or meta"),
        (("--assume", "nonsense=5"), "nonsense"),
        (("--variant", "XXL"), "no row 'XXL'"),
        (("--input", "absent.png"), "no such file"),
        (("--state-dict", "ema"), "no state_dict at 'ema'"),
        (("--device", "meta", "--save", "x.npy"), "meta"),
        (("--save", "absent/x.npy"), "expected a folder to write into"),
    ],
)
def test_a_wrong_request_is_exit_2_in_one_line(arguments, said, pose, tmp_path) -> None:
    done = run(pose, *KNOWN[:4], *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout == b""
    assert len(lines(done.stderr)) == 1
    assert said in done.stderr.decode()
    assert list(tmp_path.iterdir()) == []


def test_a_stated_setting_that_the_shapes_contradict_is_told(pose) -> None:
    done = run(pose, "--assume", "joints=5", "--size", "64x32", "--format", "json")
    assert done.returncode == 0
    (file,) = json.loads(done.stdout)["files"]
    assert file["coordinates"] == []
    assert any("joints" in note and "5" in note for note in file["notes"])


def test_a_file_of_no_known_family_is_exit_2(tmp_path) -> None:
    torch.save({"encoder.weight": torch.zeros(3, 3)}, tmp_path / "x.pth")
    done = run(tmp_path / "x.pth")
    assert (done.returncode, done.stdout) == (2, b"")
    assert "no known family" in done.stderr.decode()
    assert len(lines(done.stderr)) == 1


def test_a_file_that_is_not_there_is_exit_2(tmp_path) -> None:
    done = run(tmp_path / "absent.pth")
    assert (done.returncode, done.stdout) == (2, b"")
    assert len(lines(done.stderr)) == 1


def test_a_file_that_is_no_checkpoint_is_exit_3(tmp_path) -> None:
    (tmp_path / "x.pth").write_bytes(b"PK\x03\x04 and no more")
    done = run(tmp_path / "x.pth")
    assert (done.returncode, done.stdout) == (3, b"")
    assert len(lines(done.stderr)) == 1


def test_keys_that_do_not_fit_are_exit_3_in_one_line(tmp_path) -> None:
    path = save_pose(tmp_path / "x.pth", lambda state: state.pop("backbone.stages.1.0.norm.bias"))
    done = run(path, *KNOWN)
    assert (done.returncode, done.stdout) == (3, b"")
    assert len(lines(done.stderr)) == 1
    assert "backbone.stages.1.0.norm.bias" in done.stderr.decode()


def test_weights_that_are_not_finite_are_exit_3_and_the_report_is_there(tmp_path) -> None:
    def spoil(state):
        state["head.final_layer.bias"][0] = float("nan")

    done = run(save_pose(tmp_path / "x.pth", spoil), *KNOWN, "--format", "json")
    assert done.returncode == 3
    assert "head.final_layer.bias" in done.stderr.decode()
    (file,) = json.loads(done.stdout)["files"]
    assert len(file["failures"]) == 2
    assert file["coordinates"][0]["x"] is None


def test_the_output_is_not_written_over_the_input(pose) -> None:
    before = pose.read_bytes()
    assert run(pose, *KNOWN, "--save", pose).returncode == 2
    assert run(pose, *KNOWN, "-o", pose).returncode == 2
    assert run(pose, *KNOWN, "-o", "x", "--save", "x").returncode == 2
    assert pose.read_bytes() == before


def test_a_full_disk_is_exit_3_in_one_line(pose) -> None:
    if not os.path.exists("/dev/full"):
        pytest.skip("the system has no /dev/full")
    done = run(pose, *KNOWN, "--save", "/dev/full")
    assert done.returncode == 3
    assert len(lines(done.stderr)) == 1


BLOCKED = (
    "import sys\n"
    "sys.modules['torch'] = None\n"
    "sys.argv = ['ckptscope', *sys.argv[1:]]\n"
    "from ckptscope.cli.app import main\n"
    "main()\n"
)


@pytest.mark.parametrize("command", ["forward", "inspect"])
def test_without_torch_forward_says_how_to_install_it_and_the_rest_works(command, pose) -> None:
    done = subprocess.run(
        [sys.executable, "-c", BLOCKED, command, str(pose)], capture_output=True, check=False
    )
    if command == "inspect":
        assert (done.returncode, done.stderr) == (0, b"")
        return
    assert (done.returncode, done.stdout) == (2, b"")
    assert lines(done.stderr) == [
        "ckptscope: forward needs torch, which is not installed: pip install 'ckptscope[forward]'"
    ]


def test_markdown_is_a_page_with_tables_and_without_pictures(pose) -> None:
    done = run(pose, *KNOWN, "--format", "markdown")
    assert done.returncode == 0
    page = done.stdout.decode()
    assert "### Layer by layer" in page
    assert "| head layer 3" in page
    assert "█" not in page


def test_names_of_a_file_are_shown_and_not_sent_to_the_terminal(tmp_path) -> None:
    prefix = "a\x1b[31m."
    torch.save({prefix + key: value for key, value in pose_state().items()}, tmp_path / "x.pth")
    done = run(tmp_path / "x.pth", *KNOWN)
    assert done.returncode == 0
    assert b"\x1b" not in done.stdout
    assert b"\\x1b" in done.stdout
