"""action.yml, its shell steps run as a runner would, with a GitHub environment of our own making."""

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
import yaml
from builders.pickles import call, pickled

ROOT = Path(__file__).parents[2]
ACTION = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
STEPS = {step["name"]: step for step in ACTION["runs"]["steps"]}
INSTALL, GATE = STEPS["Install ckptscope"], STEPS["Gate checkpoints"]
#: Expressions of a step's environment: `${{ inputs.files }}`.
EXPRESSION = re.compile(r"\$\{\{ inputs\.([a-z-]+) \}\}")

HARMLESS = pickled({"epoch": 3})
#: Names os.system; nothing here loads it.
EVIL = pickled(call("os", "system", "true"))


class Runner:
    """What a runner hands to the steps of an action."""

    def __init__(self, folder, action=ROOT):
        self.action = action
        self.workspace = folder / "work space"
        self.temp = folder / "temp"
        self.output = folder / "output"
        self.summary = folder / "summary"
        self.workspace.mkdir()
        self.temp.mkdir()
        self.output.touch()
        self.summary.touch()

    def run(self, step, *, paths="", **inputs):
        given = {name: one.get("default", "") for name, one in ACTION["inputs"].items()} | inputs
        env = {
            name: EXPRESSION.sub(lambda found: given[found[1]], text)
            for name, text in step.get("env", {}).items()
        }
        return subprocess.run(
            ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", step["run"]],
            cwd=self.workspace,
            env={
                "PATH": os.environ["PATH"],
                "PYTHONPATH": paths,
                "GITHUB_ACTIONS": "true",
                "GITHUB_ACTION_PATH": str(self.action),
                "GITHUB_WORKSPACE": str(self.workspace),
                "GITHUB_OUTPUT": str(self.output),
                "GITHUB_STEP_SUMMARY": str(self.summary),
                "RUNNER_TEMP": str(self.temp),
                **env,
            },
            capture_output=True,
            encoding="utf-8",
            check=False,
        )

    @property
    def outputs(self):
        return dict(
            line.split("=", 1) for line in self.output.read_text(encoding="utf-8").splitlines()
        )


@pytest.fixture
def runner(tmp_path):
    """A runner on which ckptscope is installed: this project's own interpreter and program."""
    found = Runner(tmp_path)
    home = found.temp / "ckptscope" / "bin"
    home.mkdir(parents=True)
    for name, module in (("python", ""), ("ckptscope", " -m ckptscope")):
        program = home / name
        program.write_text(f'#!/bin/sh\nexec {sys.executable}{module} "$@"\n', encoding="utf-8")
        program.chmod(0o755)
    return found


def test_a_good_file_passes_with_outputs_and_a_summary(runner):
    (runner.workspace / "model.pkl").write_bytes(HARMLESS)
    done = runner.run(GATE, paths=str(ROOT), files="model.pkl")
    assert done.returncode == 0, done.stderr
    assert runner.outputs["verdict"] == "pass"
    report = json.loads(Path(runner.outputs["report"]).read_text(encoding="utf-8"))
    assert report["schema"] == "ckptscope/gate/1"
    sarif = json.loads(Path(runner.outputs["sarif"]).read_text(encoding="utf-8"))
    assert sarif["version"] == "2.1.0"
    assert "model.pkl" in runner.summary.read_text(encoding="utf-8")


def test_an_unsafe_file_fails_the_step_and_is_annotated(runner):
    (runner.workspace / "model.pkl").write_bytes(EVIL)
    done = runner.run(GATE, paths=str(ROOT), files="model.pkl")
    assert done.returncode == 1
    assert runner.outputs["verdict"] == "refused"
    assert re.search(r"^::error file=model\.pkl.*os\.system", done.stdout, re.MULTILINE)


def test_every_line_of_files_is_one_path_or_glob(runner):
    for name in ("a b.pkl", "c.pkl", "d.pkl"):
        (runner.workspace / name).write_bytes(HARMLESS)
    done = runner.run(GATE, paths=str(ROOT), files="  a b.pkl \n\n[cd].pkl\n")
    assert done.returncode == 0, done.stderr
    report = json.loads(Path(runner.outputs["report"]).read_text(encoding="utf-8"))
    assert [one["path"] for one in report["files"]] == ["a b.pkl", "c.pkl", "d.pkl"]


@pytest.mark.parametrize(
    "name", ["$(touch stolen).pkl", "`touch stolen`.pkl", '"; touch stolen; ".pkl', "--help"]
)
def test_a_name_is_never_run_as_shell_or_read_as_an_option(runner, name):
    (runner.workspace / name).write_bytes(HARMLESS)
    done = runner.run(GATE, paths=str(ROOT), files=name)
    assert done.returncode == 0, done.stderr
    assert not (runner.workspace / "stolen").exists()
    report = json.loads(Path(runner.outputs["report"]).read_text(encoding="utf-8"))
    assert [one["path"] for one in report["files"]] == [name]


def test_fail_on_takes_codes_separated_by_commas_and_spaces(runner):
    (runner.workspace / "model.pkl").write_bytes(HARMLESS + b"behind")
    plain = runner.run(GATE, paths=str(ROOT), files="model.pkl", **{"fail-on": "VAL, PKL001 CON"})
    assert plain.returncode == 1
    assert runner.outputs["verdict"] == "refused"


def test_a_policy_that_is_wrong_fails_the_step_and_gives_no_verdict(runner):
    (runner.workspace / "model.pkl").write_bytes(HARMLESS)
    (runner.workspace / "rules.toml").write_text("[gate]\nvaleus = true\n", encoding="utf-8")
    done = runner.run(GATE, paths=str(ROOT), files="model.pkl", policy="rules.toml")
    assert done.returncode == 2
    assert "rules.toml:2" in done.stderr
    assert runner.outputs == {}


def test_values_is_a_truth_value_or_nothing(runner):
    (runner.workspace / "model.pkl").write_bytes(HARMLESS)
    for text, code in (("true", 0), ("false", 0), ("perhaps", 2)):
        assert runner.run(GATE, paths=str(ROOT), files="model.pkl", values=text).returncode == code


def test_without_files_the_request_is_wrong(runner):
    assert runner.run(GATE, paths=str(ROOT), files="\n").returncode == 2
    assert runner.outputs == {}


def test_where_nothing_is_a_checkpoint_the_step_fails_and_nothing_passes(runner):
    (runner.workspace / "weights").mkdir()
    done = runner.run(GATE, paths=str(ROOT), files="weights")
    assert done.returncode == 2
    assert runner.outputs["verdict"] == "inconclusive"
    assert re.search(r"^::error .*no checkpoint was judged", done.stdout, re.MULTILINE)


def test_the_install_step_makes_the_program_that_the_next_step_calls(tmp_path):
    # A copy, for a build writes into the folder that it builds from.
    action = tmp_path / "action"
    action.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, action)
    shutil.copytree(ROOT / "ckptscope", action / "ckptscope")
    found = Runner(tmp_path, action=action)
    # What the package needs is taken from this environment: a test fetches nothing.
    offline = {"PIP_NO_INDEX": "1", "PIP_NO_DEPS": "1", "PIP_NO_BUILD_ISOLATION": "0"}
    site = sysconfig.get_paths()["purelib"]
    done = found.run({**INSTALL, "env": offline}, paths=site)
    assert done.returncode == 0, done.stderr
    (found.workspace / "model.pkl").write_bytes(HARMLESS)
    gated = found.run(GATE, paths=site, files="model.pkl")
    assert gated.returncode == 0, gated.stderr
    assert found.outputs["verdict"] == "pass"


def test_no_expression_stands_inside_a_script():
    for step in STEPS.values():
        assert "${{" not in step["run"]


def test_every_input_is_used_and_every_output_is_made():
    used = {name for text in GATE["env"].values() for name in EXPRESSION.findall(text)}
    assert used == set(ACTION["inputs"])
    for name, output in ACTION["outputs"].items():
        assert output["value"] == "${{ steps.gate.outputs." + name + " }}"
        assert f'echo "{name}=' in GATE["run"]
