"""The architecture in JSON: whole, under the schema, and sums that add up."""

import json

import jsonschema
import pytest
from builders.architectures import (
    BUFFERS,
    MACS,
    OBSERVED,
    PARAMETERS,
    architecture,
    fact,
    identified,
    snippet,
)
from report_samples import manifest

from ckptscope.facts.differences import AxisMismatch, KeyDifferences, ShapeMismatch
from ckptscope.facts.report import FileReport, InspectReport
from ckptscope.facts.standing import Identified
from ckptscope.facts.tensors import Origin
from ckptscope.reports.json import inspect_json_schema, render_json

#: What a reader of `ckptscope/inspect/1` may rely on.
PROMISED = {
    "family",
    "title",
    "variant",
    "runner_up",
    "state_dict",
    "prefix",
    "dialect",
    "coverage",
    "facts",
    "rankings",
    "counts",
    "differences",
    "misfits",
    "blind_spots",
    "standing",
    "rivals",
    "snippets",
}


def as_json(*found: Identified) -> dict[str, object]:
    """The object of the only file, which keeps to the schema."""
    one = FileReport(path="x.pth", manifest=manifest(), identified=found)
    whole = json.loads(render_json(InspectReport(files=(one,))))
    jsonschema.validate(whole, json.loads(inspect_json_schema()))
    return whole["files"][0]


def test_a_network_has_everything_that_is_promised() -> None:
    shown = as_json(identified())["architecture"]
    assert set(shown) >= PROMISED
    assert (shown["family"], shown["variant"], shown["runner_up"]) == ("convnextpose", "S", "M")
    assert (shown["state_dict"], shown["prefix"]) == ("network", "module.")


def test_facts_stand_under_their_names_with_what_they_rest_on() -> None:
    facts = as_json(identified())["architecture"]["facts"]
    assert list(facts)[: len(OBSERVED)] == list(OBSERVED)
    assert facts["dims"] == {
        "value": [48, 96, 192, 384],
        "origin": "observed",
        "evidence": [],
        "assumptions": [],
        "alternatives": [],
        "decided_by": "",
    }
    joints = facts["joints"]
    assert joints["origin"] == "assumed"
    assert joints["assumptions"] == ["18 joints are those of Human3.6M"]
    assert joints["alternatives"][0]["value"] == 36
    assert joints["evidence"] == [
        {
            "text": "576 = 18 × 32",
            "key": "module.head.final_layer.weight",
            "axis": 0,
            "shape": [576, 256, 1, 1],
        }
    ]
    assert facts["upsampling"]["value"] == [True, True, False]


def test_counts_by_part_add_up_to_the_whole() -> None:
    counts = as_json(identified())["architecture"]["counts"]
    parts = counts["parts"].values()
    assert list(counts["parts"]) == ["backbone", "head"]
    for name, total in (("parameters", PARAMETERS), ("buffers", BUFFERS), ("macs", MACS)):
        assert counts[name] == total == sum(part[name] for part in parts)
    assert counts["elements"] == PARAMETERS + BUFFERS
    assert counts["tensors"] == 260


def test_a_file_of_no_known_family_has_null() -> None:
    shown = as_json()
    assert shown["architecture"] is None
    assert shown["more_architectures"] == []


def test_further_networks_of_a_file_stand_beside_the_first() -> None:
    shown = as_json(*(identified(architecture(state_dict=path)) for path in "abc"))
    assert shown["architecture"]["state_dict"] == "a"
    assert [one["state_dict"] for one in shown["more_architectures"]] == ["b", "c"]


def test_a_family_without_a_table_or_settings_has_null_for_them() -> None:
    found = identified(architecture(counts=None), standing=None)
    shown = as_json(found)["architecture"]
    assert [shown[name] for name in ("variant", "runner_up", "standing", "counts")] == [None] * 4
    assert shown["settings"] is None
    assert shown["unread"] is None


def test_everything_that_a_network_may_carry_keeps_to_the_schema() -> None:
    axis = AxisMismatch(axis=0, found=1, expected=2, settings=("dims[0]",))
    mismatch = ShapeMismatch(key="w", found=(1,), expected=(2,), axes=(axis,))
    found = architecture(
        facts=(
            fact("none", None, Origin.UNDETERMINED),
            fact("mixed", (1, 2.5, "three", True, (4, 5)), Origin.STATED),
            fact("huge", 1 << 70),
        ),
        settings={"dims": (48, 96), "norm": "BatchNorm2d", "layer_scale": False},
        differences=KeyDifferences(
            missing=("a",), unexpected=("b",), mismatched=(mismatch,), tolerated=("c",)
        ),
        misfits=("1 missing key",),
        rivals=(("convnext", 0.9),),
        snippets=(snippet(),),
    )
    shown = as_json(identified(found, copies=("ema",), unread="damaged"))["architecture"]
    assert shown["facts"]["huge"]["value"] == 1 << 70
    assert shown["facts"]["mixed"]["value"] == [1, 2.5, "three", True, [4, 5]]
    assert shown["settings"]["dims"] == [48, 96]
    assert shown["differences"]["mismatched"][0]["axes"][0]["settings"] == ["dims[0]"]
    assert shown["rivals"] == [{"family": "convnext", "coverage": 0.9}]
    assert shown["snippets"][0]["code"].startswith("import torch\n")
    assert (shown["copies"], shown["unread"]) == (["ema"], "damaged")


@pytest.mark.parametrize("evil", ["\ud800", "\x00\x1b[2J", '"\\'])
def test_any_text_of_a_file_can_be_said(evil: str) -> None:
    found = architecture(prefix=evil, facts=(fact("prefix", evil),))
    one = FileReport(path="x", manifest=manifest(), identified=(identified(found),))
    shown = json.loads(render_json(InspectReport(files=(one,))))["files"][0]["architecture"]
    assert shown["prefix"] == shown["facts"]["prefix"]["value"] == evil


def test_the_schema_says_what_a_fact_is() -> None:
    schema = json.loads(inspect_json_schema())
    fact_schema = schema["$defs"]["FactOut"]
    assert {"value", "origin", "evidence", "assumptions"} <= set(fact_schema["required"])
    broken = as_json(identified())
    broken["architecture"]["facts"]["dims"]["origin"] = "guessed"
    whole = {"schema": "ckptscope/inspect/1", "files": [broken]}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(whole, schema)


def test_rankings_keep_the_order_and_both_sides_of_every_candidate() -> None:
    (shown,) = as_json(identified())["architecture"]["rankings"]
    assert [one["values"] for one in shown["candidates"]] == [
        {"joints": 18, "depth_bins": 32},
        {"joints": 9, "depth_bins": 64},
    ]
    assert shown["candidates"][1]["speaks_against"] == ["no known joint set has 9"]
    assert shown["left_out"] == 7
