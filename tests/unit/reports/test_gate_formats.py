"""The formats of the gate's report: each loads alone, and says the same twice."""

import subprocess
import sys
from pathlib import Path

import pytest
from builders.gate_reports import HOSTILE, every_verdict, gate_file, gate_report, reports, ruling
from hypothesis import given

from ckptscope.facts.findings import Code, Where
from ckptscope.facts.gate import GateReport
from ckptscope.reports.gate_formats import GateFormat, render_gate

FORMATS = list(GateFormat)


def rendered(report: GateReport, of: GateFormat, root: Path | None = None) -> bytes:
    return render_gate(report, of, width=80, color=False, root=root)


@pytest.mark.parametrize("of", FORMATS)
@given(report=reports)
def test_any_report_is_rendered_as_text_that_can_be_encoded(of, report):
    rendered(report, of, Path()).decode()


@pytest.mark.parametrize("of", FORMATS)
@given(report=reports)
def test_the_same_report_gives_the_same_bytes(of, report):
    assert rendered(report, of) == rendered(report, of)


@pytest.mark.parametrize("of", FORMATS)
def test_another_process_gives_the_same_bytes(of, tmp_path):
    # Another seed of the hashes of text: an order that rests on a set would differ.
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from builders.gate_reports import every_verdict\n"
        "from ckptscope.reports.gate_formats import GateFormat, render_gate\n"
        "made = render_gate(\n"
        "    every_verdict(), GateFormat(sys.argv[2]), width=80, color=False, root=None\n"
        ")\n"
        "sys.stdout.buffer.write(made)\n"
    )
    tests = str(Path(__file__).parents[2])
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code, tests, of],
            capture_output=True,
            check=True,
            env={"PYTHONHASHSEED": seed, "PATH": ""},
            cwd=Path(__file__).parents[3],
        ).stdout
        for seed in ("1", "2")
    }
    assert outputs == {rendered(every_verdict(), of)}


@pytest.mark.parametrize("of", [one for one in FORMATS if one is not GateFormat.TEXT])
def test_a_format_loads_neither_rich_nor_the_other_renderers(of):
    code = (
        "import sys\n"
        "from ckptscope.facts.gate import GateReport\n"
        "from ckptscope.reports.gate_formats import GateFormat, render_gate\n"
        "report = GateReport(policy='', files=())\n"
        "render_gate(report, GateFormat(sys.argv[1]), width=80, color=False, root=None)\n"
        "print(*sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, of], capture_output=True, check=True, text=True
    )
    loaded = set(done.stdout.split())
    renderers = {
        GateFormat.JSON: "gate_json",
        GateFormat.SARIF: "sarif",
        GateFormat.JUNIT: "junit",
        GateFormat.GITHUB: "github",
        GateFormat.MARKDOWN: "gate_markdown",
    }
    for other, module in renderers.items():
        assert (f"ckptscope.reports.{module}" in loaded) == (other is of)
    assert not loaded & {"rich", "numpy", "torch"}


@pytest.mark.parametrize("of", FORMATS)
def test_every_format_names_each_file_and_the_codes_that_it_fails_on(of):
    made = rendered(every_verdict(), of).decode()
    for said in ("good.pth", "bad.pth", "unclear.pth", "cut.pth", "SAF001", "TEN001", "POL010"):
        assert said in made


@pytest.mark.parametrize("of", [one for one in FORMATS if one is not GateFormat.JSON])
def test_no_format_passes_on_characters_that_nobody_sees(of):
    found = ruling(
        Code.IMPORT_UNKNOWN,
        message=HOSTILE,
        where=Where(member=HOSTILE, key=HOSTILE),
        evidence=(HOSTILE,),
    )
    file = gate_file(HOSTILE, found, location=(HOSTILE,), family=HOSTILE, variant=HOSTILE)
    made = rendered(gate_report(file, policy=HOSTILE), of).decode()
    assert made.replace("\n", "").isprintable()
