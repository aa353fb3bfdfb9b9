"""What the gate says as JSON."""

import json
import subprocess
import sys

import jsonschema
import pytest
from builders.gate_reports import (
    EXPIRED,
    every_verdict,
    gate_report,
    inconclusive,
    passed,
    refused,
    reports,
    unreadable,
)
from hypothesis import given

from ckptscope.reports.gate_json import gate_json_schema, render_gate_json

SCHEMA = json.loads(gate_json_schema())


@given(reports)
def test_any_report_fits_the_schema(report):
    jsonschema.validate(json.loads(render_gate_json(report)), SCHEMA)


def test_the_schema_is_printed_by_the_command():
    done = subprocess.run(
        [sys.executable, "-m", "ckptscope", "schema", "gate"], capture_output=True, check=True
    )
    assert json.loads(done.stdout) == SCHEMA
    assert SCHEMA["$id"] == "ckptscope/gate/1"


def test_one_run_is_one_object_whatever_the_number_of_files():
    made = json.loads(render_gate_json(every_verdict()))
    assert made["schema"] == "ckptscope/gate/1"
    assert [one["path"] for one in made["files"]] == [one.path for one in every_verdict().files]


@pytest.mark.parametrize("file", [passed(), inconclusive(), refused(), unreadable()])
def test_verdicts_stand_beside_what_they_follow_from(file):
    made = json.loads(render_gate_json(gate_report(file)))
    assert made["verdict"] == made["files"][0]["verdict"] == file.verdict


def test_a_fault_of_the_policy_counts_in_the_verdict():
    made = json.loads(render_gate_json(gate_report(passed(), notices=(EXPIRED,))))
    assert made["verdict"] == "refused"
    assert made["files"][0]["verdict"] == "pass"
    assert made["notices"][0]["finding"]["code"] == "POL020"


def test_every_ruling_is_there_with_what_the_policy_does_about_it():
    made = json.loads(render_gate_json(gate_report(passed(), refused())))
    told = [
        (one["finding"]["code"], one["action"], one["failing"], one["pardon"] is not None)
        for one in made["files"][0]["rulings"]
    ]
    assert told == [
        ("TRN003", "warn", False, False),
        ("TRN010", "ignore", False, False),
        ("TRN011", "fail", False, True),
        ("TEN005", "warn", False, True),
    ]
    assert made["files"][0]["rulings"][2]["pardon"] == {
        "source": "waiver",
        "reason": "a folder of the cluster",
        "expires": "2026-12-31",
    }
    assert sum(one["failing"] for one in made["files"][1]["rulings"]) == 3
    fingerprints = {one["fingerprint"] for file in made["files"] for one in file["rulings"]}
    assert all(len(one) == 32 for one in fingerprints)


def test_every_demand_of_the_policy_has_its_outcome():
    made = json.loads(render_gate_json(gate_report(refused())))
    outcomes = {one["key"]: one["outcome"] for one in made["files"][0]["requirements"]}
    assert outcomes == {"family": "met", "max-size": "not met", "values": "not decided"}


def test_every_check_has_its_state():
    made = json.loads(render_gate_json(gate_report(inconclusive())))
    states = {one["name"]: one["state"] for one in made["files"][0]["checks"]}
    assert states["safety"] == "ran"
    assert states["crc"] == "not asked"
    assert states["values"] == "unfinished"
