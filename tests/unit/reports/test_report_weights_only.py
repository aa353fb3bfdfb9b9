"""The line about torch.load(weights_only=True), in text, markdown and JSON."""

import json

import msgspec
import pytest
from report_samples import manifest
from report_samples import report as sample

from ckptscope.facts.report import InspectReport
from ckptscope.facts.weights_only import Because, Obstacle, VersionVerdict, WeightsOnly
from ckptscope.reports.json import render_json
from ckptscope.reports.markdown import render_markdown
from ckptscope.reports.text import render_text

STOP = Obstacle(
    because=Because.NAME,
    subject="argparse.Namespace",
    sentence="'argparse.Namespace' is not on its list",
    opcode="GLOBAL",
    member="archive/data.pkl",
    offset_bytes=17,
)


def answer(*verdicts: tuple[str, str, Obstacle | None], **changes: object) -> WeightsOnly:
    made = WeightsOnly(
        verdicts=tuple(
            VersionVerdict(first=first, last=last, obstacle=stop) for first, last, stop in verdicts
        ),
        default_since="2.6",
    )
    return msgspec.structs.replace(made, **changes)


def reported(forecast: WeightsOnly | None) -> InspectReport:
    made = sample(manifest())
    one = msgspec.structs.replace(made.files[0], weights_only=forecast)
    return InspectReport(files=(one,))


def line(forecast: WeightsOnly | None, width: int = 400) -> str:
    shown = render_text(reported(forecast), width=width, color=False).splitlines()
    start = next((at for at, one in enumerate(shown) if one.startswith("  torch.load ")), None)
    if start is None:
        return ""
    end = next(at for at in range(start + 1, len(shown)) if not shown[at].startswith("   "))
    return " ".join(one.strip() for one in shown[start:end])


def test_a_file_that_all_versions_accept_is_said_to_be_so():
    assert line(answer(("2.4", "2.15", None))) == (
        "torch.load weights_only=True is accepted by torch 2.4 to 2.15"
    )


def test_what_stops_all_versions_is_named():
    assert line(answer(("2.4", "2.15", STOP))) == (
        "torch.load weights_only=True is refused by every known version, 2.4 to 2.15: "
        "argparse.Namespace is not on its list"
    )


@pytest.mark.parametrize(
    ("unlisted", "words"),
    [
        (("argparse.Namespace", "b.C"), "argparse.Namespace and 1 more name are not on its list"),
        (
            ("argparse.Namespace", "b.C", "b.D"),
            "argparse.Namespace and 2 more names are not on its list",
        ),
    ],
    ids=["two", "three"],
)
def test_more_names_are_counted(unlisted, words):
    assert line(answer(("2.4", "2.15", STOP), unlisted=unlisted)).endswith(words)


def test_versions_that_differ_are_told_apart():
    shown = line(answer(("2.4", "2.5", STOP), ("2.6", "2.14", None), ("2.15", "2.15", STOP)))
    assert "accepted by torch 2.6 to 2.14, refused by 2.4 to 2.5, 2.15:" in shown


def test_what_lies_in_a_wrapper_has_to_be_taken_out_first():
    shown = line(answer(("2.4", "2.15", None), wrapped=True))
    assert shown.endswith("once it is taken out of what it lies in")


def test_nothing_is_said_of_what_torch_load_does_not_read():
    assert line(None) == ""
    assert json.loads(render_json(reported(None)))["files"][0]["weights_only"] is None


def test_markdown_shows_a_name_of_the_file_as_code():
    evil = msgspec.structs.replace(STOP, subject="[a](http://b)<i>.C")
    shown = render_markdown(reported(answer(("2.4", "2.15", evil))))
    assert "`[a](http://b)<i>.C`" in shown


def test_json_says_who_accepts_who_refuses_and_because_of_what():
    forecast = answer(
        ("2.4", "2.5", STOP), ("2.6", "2.15", None), unlisted=("b.C",), advice="save text"
    )
    out = json.loads(render_json(reported(forecast)))["files"][0]["weights_only"]
    assert out == {
        "accepted_by": "2.6 to 2.15",
        "refused_by": "2.4 to 2.5",
        "because": {
            "because": "name",
            "subject": "argparse.Namespace",
            "sentence": "'argparse.Namespace' is not on its list",
            "opcode": "GLOBAL",
            "member": "archive/data.pkl",
            "offset_bytes": 17,
        },
        "unlisted": ["b.C"],
        "advice": "save text",
        "default_since": "2.6",
    }
