"""The file of known findings: written whole, sorted, without secrets, and read back."""

import json

import pytest

from ckptscope.errors import PolicyError, UsageError
from ckptscope.facts.findings import Code, Finding, Severity, Where
from ckptscope.facts.gate import Action, GateFile, GateReport, Pardon, Ruling
from ckptscope.facts.report import Failure
from ckptscope.policies.baseline import read_baseline, write_baseline


def ruling(
    code=Code.STORAGE_SHORT, message="short", action=Action.FAIL, pardon=None, digit="a", **where
):
    found = Finding(code=code, severity=Severity.ERROR, message=message, where=Where(**where))
    return Ruling(finding=found, action=action, fingerprint=digit * 32, pardon=pardon)


def report(*rulings, path="a/model.pth", **more):
    return GateReport(
        policy="default policy", files=(GateFile(path=path, rulings=rulings, **more),)
    )


def entries(path):
    return json.loads(path.read_text())["entries"]


def test_what_was_written_is_read_back(tmp_path):
    path = tmp_path / "known.json"
    written = write_baseline(path, report(ruling(key="w"), ruling(digit="b", member="m")))
    assert read_baseline(path) == written
    assert written.name == "known.json"
    assert written.counts == {"a" * 32: 1, "b" * 32: 1}


def test_an_entry_tells_people_what_was_found_and_where(tmp_path):
    path = tmp_path / "known.json"
    write_baseline(path, report(ruling(key="w"), location=("run/3.pth",)))
    assert json.loads(path.read_text())["schema"] == "ckptscope/baseline/1"
    assert entries(path) == [
        {
            "file": "model.pth > run/3.pth",
            "code": "TEN003",
            "fingerprint": "a" * 32,
            "message": "short (w)",
            "count": 1,
        }
    ]


def test_the_order_of_findings_and_files_does_not_change_the_file(tmp_path):
    one, two = tmp_path / "1.json", tmp_path / "2.json"
    found = [ruling(digit=digit, key=digit) for digit in "cab"]
    write_baseline(one, report(*found))
    write_baseline(two, report(*reversed(found)))
    assert one.read_bytes() == two.read_bytes()
    assert one.read_bytes().endswith(b"}\n")
    assert [entry["message"] for entry in entries(one)] == ["short (a)", "short (b)", "short (c)"]


def test_findings_that_cannot_be_told_apart_are_counted(tmp_path):
    path = tmp_path / "known.json"
    assert write_baseline(path, report(ruling(), ruling())).counts == {"a" * 32: 2}


def test_a_file_that_lies_in_two_folders_counts_once(tmp_path):
    files = tuple(GateFile(path=f"{name}/model.pth", rulings=(ruling(),)) for name in "ab")
    both = GateReport(policy="default policy", files=files)
    assert write_baseline(tmp_path / "known.json", both).counts == {"a" * 32: 1}


def test_what_passes_or_is_waived_is_not_recorded_and_what_was_known_stays(tmp_path):
    waived = Pardon(source="waiver", reason="for a while")
    known = Pardon(source="baseline", reason="known.json")
    made = write_baseline(
        tmp_path / "known.json",
        report(
            ruling(digit="a", action=Action.WARN),
            ruling(digit="b", action=Action.IGNORE),
            ruling(digit="c", pardon=waived),
            ruling(digit="d", pardon=known),
        ),
    )
    assert [entry.fingerprint[0] for entry in made.entries] == ["d"]


def test_a_file_that_could_not_be_read_has_no_entry_of_its_failure(tmp_path):
    broken = report(failure=Failure(kind="LimitError", message="too much"))
    assert write_baseline(tmp_path / "known.json", broken).entries == ()


@pytest.mark.parametrize(
    "code",
    [
        Code.DEVICE_RECORDED,
        Code.PATH_RECORDED,
        Code.USER_RECORDED,
        Code.HOST_RECORDED,
        Code.CREDENTIAL_RECORDED,
    ],
)
def test_what_is_said_of_people_and_machines_is_not_repeated(tmp_path, code):
    path = tmp_path / "known.json"
    write_baseline(path, report(ruling(code, message="found 'hunter2'", key="cfg/token")))
    assert "hunter2" not in path.read_text()
    assert "cfg/token" in path.read_text()


def test_names_that_utf_8_cannot_hold_are_escaped(tmp_path):
    path = tmp_path / "known.json"
    odd = report(ruling(message="key '\udc80'", key="\udc80"), path="a/\udcff.pth")
    write_baseline(path, odd)
    assert read_baseline(path).entries[0].file == "\\udcff.pth"


def test_a_baseline_is_written_whole_or_not_at_all(tmp_path):
    path = tmp_path / "known.json"
    path.write_text("old")
    with pytest.raises(UsageError, match="found the folder"):
        write_baseline(tmp_path, report())
    with pytest.raises(UsageError, match="expected a folder to write into"):
        write_baseline(tmp_path / "absent/known.json", report())
    assert [one.name for one in tmp_path.iterdir()] == ["known.json"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'{"schema": "ckptscope/baseline/1",\n"entries": [,]}', ":2: expected JSON of the schema"),
        (b"", ":1: expected JSON of the schema 'ckptscope/baseline/1'"),
        (b"[]", ": expected a baseline: expected `object`, got `array`"),
        (b'{"entries": []}', ": expected a baseline: object missing required field `schema`"),
        (
            b'{"schema": "ckptscope/baseline/2", "entries": []}',
            ": schema: expected a baseline: invalid enum value 'ckptscope/baseline/2'",
        ),
        (
            b'{"schema": "ckptscope/baseline/1", "entries": [{"file": "a", "code": 5}]}',
            ": entries[0].code: expected a baseline: expected `str`, got `int`",
        ),
        (
            b'{"schema": "ckptscope/baseline/1", "entries": [{"file": "a", "code": "TEN003", '
            b'"fingerprint": "xyz"}]}',
            ": entries[0].fingerprint: expected a baseline: expected `str` matching",
        ),
        (b'{"schema": "ckptscope/baseline/1",\n"entries": [{"file": "\xff"}]}', ":2: expected"),
        (b"[" * 100_000, ": expected a baseline: expected `object`, got `array`"),
    ],
)
def test_what_is_no_baseline_is_said_with_its_place(tmp_path, content, said):
    path = tmp_path / "known.json"
    path.write_bytes(content)
    with pytest.raises(PolicyError) as caught:
        read_baseline(path)
    assert str(caught.value).startswith(f"{path}{said}")


def test_a_baseline_that_is_not_there_or_a_folder_is_a_policy_error(tmp_path):
    with pytest.raises(PolicyError, match=r"absent\.json: cannot be read: No such file"):
        read_baseline(tmp_path / "absent.json")
    with pytest.raises(PolicyError, match="cannot be read: Is a directory"):
        read_baseline(tmp_path)


def test_a_baseline_of_any_size_is_refused_unread(tmp_path):
    path = tmp_path / "known.json"
    with open(path, "wb") as file:
        file.truncate(100 << 20)
    with pytest.raises(PolicyError, match="expected a baseline of at most"):
        read_baseline(path)


def test_a_later_versions_code_is_read(tmp_path):
    path = tmp_path / "known.json"
    entry = {"file": "a", "code": "ZZZ001", "fingerprint": "0" * 32, "message": "", "count": 1}
    path.write_text(json.dumps({"schema": "ckptscope/baseline/1", "entries": [entry]}))
    assert read_baseline(path).entries[0].code == "ZZZ001"
