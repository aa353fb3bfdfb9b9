"""`ckptscope inspect --values`, as people run it."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from builders.weights import random_weights, weights_zip


def run(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", "ckptscope", "inspect", *map(str, arguments)],
        capture_output=True,
        check=False,
        encoding="utf-8",
        env={**os.environ, "COLUMNS": "100", "PYTHONIOENCODING": "utf-8", **environment},
    )


@pytest.fixture
def sick(tmp_path):
    """A network with one weight that is no number."""
    weight = random_weights(4, 9)
    weight[0, 0] = np.nan
    path = tmp_path / "sick.pth"
    path.write_bytes(weights_zip({"a.weight": weight, "b.weight": random_weights(4, 9)}))
    return path


@pytest.mark.parametrize("jobs", [(), ("--jobs", "1"), ("--jobs", "3")])
def test_values_bring_statistics_and_findings_whatever_the_threads(sick, jobs):
    done = run(sick, "--values", *jobs)
    assert (done.returncode, done.stderr) == (0, "")
    assert "error[VAL001]" in done.stdout
    assert "1 of 36 elements (2.8 %)" in done.stdout
    assert "values of 2 tensors" in done.stdout


def test_without_the_option_no_value_is_read_and_nothing_is_said_of_any(sick):
    done = run(sick)
    assert "VAL001" not in done.stdout
    assert "values of" not in done.stdout


def test_the_json_has_findings_and_statistics(sick):
    (one,) = json.loads(run(sick, "--values", "--format", "json").stdout)["files"]
    assert "VAL001" in [finding["code"] for finding in one["findings"]]
    assert one["state_dicts"][0]["tensors"][0]["values"]["nan"] == 1


def test_no_thread_at_all_is_refused(sick):
    assert run(sick, "--values", "--jobs", "0").returncode == 2
