"""`ckptscope gate` as people and CI systems run it: verdicts, exit codes, reports, policies."""

import json
import os
import subprocess
import sys
import tomllib

import jsonschema
import pytest
from builders.pickles import call, new, pickled, tensor
from builders.zips import torch_zip

HARMLESS = pickled({"epoch": 3})
#: Names os.system; nothing here loads it.
EVIL = pickled(call("os", "system", "true"))
UNKNOWN = pickled(new("mylab.models", "PoseNet"))


def run(*arguments, cwd, **options):
    return subprocess.run(
        [sys.executable, "-m", "ckptscope", "gate", *map(str, arguments)],
        capture_output=True,
        check=False,
        encoding="utf-8",
        cwd=cwd,
        **options,
    )


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "good.pkl").write_bytes(HARMLESS)
    (tmp_path / "evil.pkl").write_bytes(EVIL)
    (tmp_path / "unknown.pkl").write_bytes(UNKNOWN)
    (tmp_path / "cut.pt").write_bytes(b"PK\x03\x04")
    (tmp_path / "notes.txt").write_text("nothing of interest", encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize(
    ("name", "verdict", "code"),
    [
        ("good.pkl", "pass", 0),
        ("evil.pkl", "refused", 1),
        ("unknown.pkl", "inconclusive", 1),
        ("cut.pt", "unreadable", 3),
    ],
)
def test_each_verdict_has_its_exit_code_and_is_said(folder, name, verdict, code):
    done = run(name, cwd=folder)
    assert done.returncode == code
    assert verdict in done.stdout
    machine = json.loads(run(name, "--format", "json", cwd=folder).stdout)
    assert (machine["schema"], machine["verdict"]) == ("ckptscope/gate/1", verdict)


def test_every_file_is_reported_and_the_worst_counts(folder):
    done = run("good.pkl", "evil.pkl", "cut.pt", "absent.pt", "--format", "json", cwd=folder)
    assert done.returncode == 3
    report = json.loads(done.stdout)
    verdicts = [(one["path"], one["verdict"]) for one in report["files"]]
    assert verdicts == [
        ("good.pkl", "pass"),
        ("evil.pkl", "refused"),
        ("cut.pt", "unreadable"),
        ("absent.pt", "unreadable"),
    ]
    assert done.stderr.count("\n") == 2


def test_a_folder_is_walked_and_other_files_cost_nothing(folder):
    (folder / "cut.pt").unlink()
    done = run(".", "--format", "json", cwd=folder)
    assert done.returncode == 1
    report = json.loads(done.stdout)
    assert len(report["files"]) == 3
    assert [one["path"] for one in report["skipped"]] == ["notes.txt"]


@pytest.mark.parametrize("name", ["empty", "nothing*.pt"])
def test_nothing_to_check_is_a_wrong_request(folder, name):
    (folder / "empty").mkdir()
    (folder / "empty" / "notes.txt").write_text("nothing", encoding="utf-8")
    done = run(name, cwd=folder)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1


def test_several_reports_are_written_in_one_run(folder):
    done = run(
        "evil.pkl",
        *("--report", "sarif=out.sarif", "--report", "markdown=summary.md"),
        *("--report", "junit=out.xml", "--report", "json=out.json"),
        cwd=folder,
    )
    assert done.returncode == 1
    assert "refused" in done.stdout
    assert json.loads((folder / "out.sarif").read_text())["version"] == "2.1.0"
    assert json.loads((folder / "out.json").read_text())["verdict"] == "refused"
    assert "refused" in (folder / "summary.md").read_text()
    assert (folder / "out.xml").read_text().startswith("<?xml")


@pytest.mark.parametrize(
    "report",
    ["sarif", "sarif=", "pdf=out.pdf", "json=absent/out.json", "json=.", "json=good.pkl"],
)
def test_a_report_that_cannot_be_written_is_refused_before_anything_is_read(folder, report):
    done = run("good.pkl", "--report", report, cwd=folder)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert (folder / "good.pkl").read_bytes() == HARMLESS


def test_two_reports_in_one_file_are_refused(folder):
    done = run("good.pkl", "--report", "json=out", "--report", "sarif=./out", cwd=folder)
    assert done.returncode == 2
    assert not (folder / "out").exists()


def test_a_report_on_a_full_disk_is_one_line_and_exit_3(folder):
    done = run("good.pkl", "--report", "json=/dev/full", cwd=folder)
    assert done.returncode == 3
    assert done.stderr.count("\n") == 1


def test_the_json_meets_its_schema(folder):
    schema = subprocess.run(
        [sys.executable, "-m", "ckptscope", "schema", "gate"], capture_output=True, check=True
    )
    done = run(".", "--format", "json", cwd=folder)
    jsonschema.validate(json.loads(done.stdout), json.loads(schema.stdout))


def test_a_policy_is_found_in_the_folder_and_its_mistake_is_named_by_line(folder):
    (folder / "ckptscope.toml").write_text('[gate]\nallowed-imports = ["mylab.*"]\n')
    assert run("unknown.pkl", cwd=folder).returncode == 0
    (folder / "ckptscope.toml").write_text("[gate]\nvalues = true\nmax-size = 'huge'\n")
    done = run("good.pkl", cwd=folder)
    assert (done.returncode, done.stdout) == (2, "")
    assert "ckptscope.toml:3" in done.stderr


def test_options_count_before_the_policy(folder):
    assert run("evil.pkl", "--ignore", "SAF001", cwd=folder).returncode == 0
    assert run("good.pkl", "--fail-on", "info", cwd=folder).returncode in (0, 1)
    done = run("good.pkl", "--fail-on", "XYZ999", cwd=folder)
    assert done.returncode == 2
    assert "XYZ999" in done.stderr


def test_init_writes_a_policy_that_the_file_passes(folder):
    done = run("--init", "unknown.pkl", "-o", "ckptscope.toml", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "mylab" in (folder / "ckptscope.toml").read_text()
    assert run("unknown.pkl", cwd=folder).returncode == 0
    again = run("--init", "good.pkl", "-o", "ckptscope.toml", cwd=folder)
    assert again.returncode == 2
    assert "mylab" in (folder / "ckptscope.toml").read_text()


def test_init_of_a_dangerous_file_writes_nothing(folder):
    done = run("--init", "evil.pkl", "-o", "ckptscope.toml", cwd=folder)
    assert done.returncode == 1
    assert not (folder / "ckptscope.toml").exists()


def test_a_baseline_accepts_what_was_there_and_nothing_new(folder):
    assert run("evil.pkl", "--write-baseline", "known.json", cwd=folder).returncode == 0
    assert run("evil.pkl", "--baseline", "known.json", cwd=folder).returncode == 0
    assert run("evil.pkl", cwd=folder).returncode == 1
    (folder / "evil.pkl").write_bytes(pickled(call("posix", "system", "true")))
    assert run("evil.pkl", "--baseline", "known.json", cwd=folder).returncode == 1


@pytest.mark.parametrize("columns", ["80", "120"])
def test_text_is_plain_in_a_pipe_and_fits_the_width(folder, columns):
    env = {**os.environ, "COLUMNS": columns}
    done = run("evil.pkl", "unknown.pkl", cwd=folder, env=env)
    assert "\x1b" not in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= int(columns)


@pytest.mark.parametrize("named", [".", "*.pkl", "good.pkl"])
def test_a_checkpoint_is_not_written_over_however_it_was_met(folder, named):
    for option in ("--report", "-o", "--write-baseline"):
        path = "json=good.pkl" if option == "--report" else "good.pkl"
        done = run(named, option, path, cwd=folder)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), option
        assert (folder / "good.pkl").read_bytes() == HARMLESS


def test_of_a_checkpoint_folder_nothing_is_written_over_but_a_former_report(folder):
    unpacked = folder / "unpacked"
    (unpacked / "data").mkdir(parents=True)
    (unpacked / "data.pkl").write_bytes(pickled({"w": tensor("0", (2,))}))
    (unpacked / "data" / "0").write_bytes(bytes(8))
    for name in ("data.pkl", "data/0"):
        before = (unpacked / name).read_bytes()
        assert run(".", "--report", f"json=unpacked/{name}", cwd=folder).returncode == 2
        assert (unpacked / name).read_bytes() == before
    for _ in range(2):
        assert run("unpacked", "--report", "json=unpacked/gate.json", cwd=folder).returncode == 0
    assert json.loads((unpacked / "gate.json").read_text())["verdict"] == "pass"


def test_what_the_gate_reads_beside_the_files_is_not_written_over(folder):
    (folder / "known.json").write_text('{"schema": "ckptscope/baseline/1", "entries": []}')
    policy = '[gate]\nbaseline = "known.json"\n'
    (folder / "ckptscope.toml").write_text(policy)
    for name in ("ckptscope.toml", "known.json"):
        done = run("good.pkl", "--report", f"text={name}", cwd=folder)
        assert (done.returncode, done.stdout) == (2, "")
        assert name in done.stderr
    assert run("good.pkl", "--write-baseline", "ckptscope.toml", cwd=folder).returncode == 2
    assert (folder / "ckptscope.toml").read_text() == policy


def test_where_nothing_was_judged_nothing_has_passed(folder):
    (folder / "empty").mkdir()
    done = run("empty", "--format", "json", "--report", "github=told", cwd=folder)
    assert (done.returncode, json.loads(done.stdout)["verdict"]) == (2, "inconclusive")
    assert (folder / "told").read_text().startswith("::error ")


def test_a_report_may_go_to_a_pipe_by_its_name(folder):
    done = run("good.pkl", "--report", "json=/dev/stdout", "-o", "told.txt", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["verdict"] == "pass"


def test_a_folder_that_was_removed_is_no_folder_to_name_files_by(folder):
    (folder / "rules.toml").write_text("[gate]\n")
    options = f"{folder}/good.pkl --policy {folder}/rules.toml --format sarif"
    gone = f"mkdir gone && cd gone && rmdir ../gone && {sys.executable} -m ckptscope gate {options}"
    done = subprocess.run(
        ["sh", "-c", gone], cwd=folder, capture_output=True, check=False, encoding="utf-8"
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["version"] == "2.1.0"


def test_an_error_of_writing_names_the_file_that_was_asked_for(folder):
    done = run("good.pkl", "--report", "json=/dev/full", cwd=folder)
    assert done.stderr.startswith("ckptscope: cannot write to /dev/full: ")


def test_init_asks_for_what_was_gone_over(folder):
    (folder / "net.pt").write_bytes(torch_zip({"w": tensor("0", (2,))}, {"0": bytes(8)}))
    done = run("--init", "net.pt", "--values", "--deep", cwd=folder)
    assert done.returncode == 0, done.stderr
    asked = tomllib.loads(done.stdout)["gate"]
    assert (asked["values"], asked["deep"]) == (True, True)
    assert "values" not in tomllib.loads(run("--init", "net.pt", cwd=folder).stdout)["gate"]


@pytest.mark.parametrize(
    "options", [("--fail-on", "TRN"), ("--report", "json=x.json"), ("--policy", "ckptscope.toml")]
)
def test_init_refuses_options_that_would_say_nothing(folder, options):
    done = run("--init", "good.pkl", *options, cwd=folder)
    assert (done.returncode, done.stdout) == (2, "")
    assert "--init" in done.stderr


def test_a_baseline_that_the_policy_names_is_written_for_the_first_time_and_anew(folder):
    (folder / "ckptscope.toml").write_text('[gate]\nbaseline = "known.json"\n')
    assert run("evil.pkl", cwd=folder).returncode == 2
    for _ in range(2):
        done = run("evil.pkl", "--write-baseline", "./known.json", cwd=folder)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith("1 known finding ")
    assert run("evil.pkl", cwd=folder).returncode == 0


def test_reports_are_written_beside_a_baseline(folder):
    options = ("--write-baseline", "known.json", "--report", "json=out.json")
    assert run("evil.pkl", *options, cwd=folder).returncode == 0
    assert json.loads((folder / "out.json").read_text())["verdict"] == "refused"


@pytest.mark.parametrize("name", ["notes", "absent.pt", "cut.pt"])
def test_a_baseline_outlasts_a_run_that_judged_nothing(folder, name):
    (folder / "notes").mkdir()
    run("evil.pkl", "--write-baseline", "known.json", cwd=folder)
    before = (folder / "known.json").read_bytes()
    done = run(name, "--write-baseline", "known.json", cwd=folder)
    assert done.returncode in (2, 3)
    assert "no baseline is written" in done.stderr
    assert (folder / "known.json").read_bytes() == before


def test_of_three_hundred_findings_a_terminal_and_a_workflow_get_a_few(folder):
    (folder / "many").mkdir()
    tree = {f"w{number}": tensor("0", (9,)) for number in range(100)}
    for number in range(15):
        content = torch_zip(tree, {"0": bytes(8)})
        (folder / "many" / f"{number}.pt").write_bytes(content)
    done = run("many", "--report", "github=told", "--report", "json=all.json", cwd=folder)
    assert done.returncode == 1
    files = json.loads((folder / "all.json").read_text())["files"]
    failing = [one for file in files for one in file["rulings"] if one["failing"]]
    assert len(failing) >= 300
    assert done.stdout.count("error[TEN001]") == 5 * len(files)
    told = (folder / "told").read_text()
    assert told.count("::error ") == 10
    assert f"; {len(failing) - 10} further findings not annotated" in told


def test_names_that_no_report_can_hold_as_they_are_come_out_visible(folder):
    name = os.fsdecode(b"a\n::error::\xff\x1b[31m|`<b>.pkl")
    (folder / name).write_bytes(EVIL)
    for form in ("text", "json", "sarif", "junit", "github", "markdown"):
        done = run(name, "--format", form, cwd=folder)
        assert done.returncode == 1, done.stderr
        assert "\x1b" not in done.stdout
        assert not any(line.startswith("::error::") for line in done.stdout.splitlines())
