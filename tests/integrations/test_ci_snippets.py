"""The snippets of docs/gating-uploads.md and the hook, run as their systems would."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from builders.pickles import call, pickled
from junitparser import JUnitXml

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "gating-uploads.md").read_text(encoding="utf-8")
HOOK = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))[0]
ACTION = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))

HARMLESS = pickled({"epoch": 3})
#: Names os.system; nothing here loads it.
EVIL = pickled(call("os", "system", "true"))


def snippet(name):
    found = re.search(
        rf"<!-- {name}: start -->\n```yaml\n(.*?)```\n<!-- {name}: end -->", PAGE, re.S
    )
    return yaml.safe_load(found[1])


@pytest.fixture
def programs(tmp_path):
    """A folder for PATH that holds the program, as an installed environment would."""
    folder = tmp_path / "programs"
    folder.mkdir()
    program = folder / "ckptscope"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m ckptscope "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    return folder


def run(script, folder, programs):
    path = f"{programs}:{os.environ['PATH']}"
    return subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", script],
        cwd=folder,
        env={"PATH": path, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )


@pytest.mark.parametrize(("content", "code"), [(HARMLESS, 0), (EVIL, 1)])
def test_the_gitlab_job_judges_and_leaves_the_reports_that_it_names(
    tmp_path, programs, content, code
):
    job = snippet("gitlab")["gate"]
    work = tmp_path / "work"
    (work / "checkpoints").mkdir(parents=True)
    (work / "checkpoints" / "model.pt").write_bytes(content)
    done = run("\n".join(job["script"]), work, programs)
    assert done.returncode == code, done.stderr
    assert all((work / name).is_file() for name in job["artifacts"]["paths"])
    suites = JUnitXml.fromfile(str(work / job["artifacts"]["reports"]["junit"]))
    assert (suites.failures + suites.errors > 0) == bool(code)


def test_the_workflow_gives_the_action_inputs_that_it_has_and_reads_outputs_that_it_makes():
    steps = snippet("github")["jobs"]["gate"]["steps"]
    gate = next(step for step in steps if "ckptscope" in step["uses"])
    assert set(gate["with"]) <= set(ACTION["inputs"])
    used = set(re.findall(r"steps\.gate\.outputs\.([a-z-]+)", str(steps)))
    assert used
    assert used <= set(ACTION["outputs"])


def test_the_hook_is_the_one_that_the_page_names_and_runs_on_checkpoints_alone(tmp_path, programs):
    assert snippet("pre-commit")["repos"][0]["hooks"] == [{"id": HOOK["id"]}]
    wanted = re.compile(HOOK["files"])
    names = [
        "a.pt",
        "b.safetensors",
        "snapshot_68.pth.tar",
        "c.tar.gz",
        "d.py",
        "e.md",
        "pt",
        "f.pt.txt",
    ]
    matching = [name for name in names if wanted.search(name)]
    assert matching == ["a.pt", "b.safetensors", "snapshot_68.pth.tar", "c.tar.gz"]
    (tmp_path / "a.pt").write_bytes(HARMLESS)
    assert run(f"{HOOK['entry']} a.pt", tmp_path, programs).returncode == 0
    (tmp_path / "a.pt").write_bytes(EVIL)
    assert run(f"{HOOK['entry']} a.pt", tmp_path, programs).returncode == 1
