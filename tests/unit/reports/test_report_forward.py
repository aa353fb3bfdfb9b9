"""A pass as text and markdown: every line within the terminal, and what must be said is said."""

import re

import msgspec
import pytest

torch = pytest.importorskip("torch")

from builders.pose_files import ASSUMED, SIDES, save_pose  # noqa: E402
from builders.subjects import variant_settings  # noqa: E402

from ckptscope.facts.claims import Verdict  # noqa: E402
from ckptscope.facts.trace import PassRequest  # noqa: E402
from ckptscope.families.registry import find_family  # noqa: E402
from ckptscope.forward.hypotheses import Question, weigh  # noqa: E402
from ckptscope.pipeline.choosing import Choice  # noqa: E402
from ckptscope.pipeline.forwarding import forward  # noqa: E402
from ckptscope.reports.escaping import cell_width  # noqa: E402
from ckptscope.reports.forward import describe_forward  # noqa: E402
from ckptscope.reports.forward_norms import untrained_text  # noqa: E402
from ckptscope.reports.markdown import write_page  # noqa: E402
from ckptscope.reports.text import lay_out  # noqa: E402
from ckptscope.specs.labels import row_claims  # noqa: E402
from ckptscope.specs.loading import tables_for  # noqa: E402

pytestmark = pytest.mark.torch


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    path = save_pose(tmp_path_factory.mktemp("pose") / "pose.pth")
    request = PassRequest(size=SIDES, threads=1)
    return forward(path, request=request, choice=Choice(stated=ASSUMED))


@pytest.fixture(scope="module")
def weighed():
    """The hypotheses about the paper's M."""
    family = find_family("convnextpose")
    (table,) = tables_for("convnextpose")
    question = Question(label="M", claims=row_claims(table, "M", "a test"))
    return weigh(family, family.configure(variant_settings("M")), question)


def text(report, width=100):
    return lay_out(describe_forward(report), width=width, color=False)


def words(report, width=100):
    return " ".join(text(report, width).split())


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_no_line_is_wider_than_the_terminal(report, width) -> None:
    assert max(map(cell_width, text(report, width).splitlines())) <= width


@pytest.mark.parametrize("width", [80, 120])
def test_numbers_are_never_cut(report, width) -> None:
    told = text(report, width)
    for row in report.rows:
        line = next(line for line in told.splitlines() if line.startswith(f"  {row.name} "))
        assert f"{row.parameters:,}" in line
        assert f"{row.macs / 1e6:,.1f} M" in line
    assert "…" not in told


def test_each_layer_of_the_head_has_its_sentence(report) -> None:
    told = words(report)
    assert "head layer 2: 10×4×2 → 11×8×4, ×2, upsampling" in told
    assert "head layer 3: 11×8×4 → 13×8×4, ×1, no upsampling" in told
    assert "made with up, up, no: as stated" in told


def test_bars_are_as_wide_as_the_planes(report) -> None:
    bars = {
        line.split("×")[0].rsplit(maxsplit=1)[0].strip(): line.count("█")
        for line in text(report).splitlines()
        if re.search(r"\d+×\d+ +█", line)
    }
    # 32 columns of the input are 32 cells; one of a plane is one.
    assert bars["input"] == 32
    assert (bars["stem"], bars["stage 3"], bars["head layer 2"]) == (8, 1, 4)


def test_counts_are_said_three_ways(report) -> None:
    count = f"{report.macs.layers:,}"
    told = words(report)
    assert told.count(count) == 3
    assert "they agree" in told
    other = msgspec.structs.replace(
        report, macs=msgspec.structs.replace(report.macs, counter=report.macs.counter + 1)
    )
    assert "The counts do not agree" in words(other)


def test_what_norms_can_prove_depends_on_what_went_in(report) -> None:
    assert "distances prove nothing at all" in words(report)
    image = msgspec.structs.replace(
        report, given=msgspec.structs.replace(report.given, kind="image", path="a.png")
    )
    assert "distances prove nothing at all" not in words(image)
    assert "cannot prove that the architecture is right" in words(image)


def test_untrained_norms_are_named(report) -> None:
    first = msgspec.structs.replace(report.norms[0], is_untrained=True)
    flagged = msgspec.structs.replace(report, norms=(first, *report.norms[1:]))
    said = untrained_text([first], len(report.norms))
    assert "1 of 15 layers were never trained" in said
    assert said in words(flagged)
    assert "never trained" not in words(report)


def test_very_many_norms_are_cut_to_those_farthest_off(report) -> None:
    norms = tuple(
        msgspec.structs.replace(report.norms[0], key=f"norm.{index}", mean_distance=float(index))
        for index in range(150)
    )
    told = text(msgspec.structs.replace(report, norms=norms))
    assert "norm.149" in told
    assert "norm.12 " not in told
    assert "the 40 of 150 layers" in " ".join(told.split())


def test_hypotheses_stand_side_by_side_with_their_verdict(report, weighed) -> None:
    told = text(msgspec.structs.replace(report, upsampling=weighed), 100)
    rows = [line.split() for line in told.splitlines() if re.match(r"  (up|no), ", line)]
    # All eight patterns, and the sentences about the best and the other.
    assert [row[:3] for row in rows[:8]][-1] == ["up,", "up,", "up"]
    assert rows[7][3:] == ["64×64", "64", "yes", "2.795", "-0.9", "%", "met"]
    assert rows[4][3:] == ["32×32", "64", "no", "1.889", "-33.0", "%", "not", "met"]
    assert "verdict    matches row M" in told
    assert "of 2.82 G" in told


def test_a_verdict_of_contradicts_is_said(report, weighed) -> None:
    found = msgspec.structs.replace(weighed, verdict=Verdict.CONTRADICTS)
    assert "contradicts row M" in text(msgspec.structs.replace(report, upsampling=found))


def test_joints_of_the_first_image_are_listed(report) -> None:
    told = text(report)
    joints = told.partition("soft-argmax")[2].partition("What BatchNorm")[0]
    places = [re.findall(r"-?\d+\.\d{3}", line) for line in joints.splitlines()]
    expected = [[f"{one.x:.3f}", f"{one.y:.3f}", f"{one.z:.3f}"] for one in report.coordinates]
    assert [found for found in places if len(found) == 3] == expected
    assert "every joint lies inside the volume of 4×8 cells and 4 depth bins" in words(report)


def test_failures_stand_at_the_end(report) -> None:
    failed = msgspec.structs.replace(report, failures=("1 tensor holds NaN or infinities: 'a'",))
    told = text(failed)
    assert told.rstrip().endswith("1 tensor holds NaN or infinities: 'a'")
    assert "What is wrong" in told


def test_markdown_keeps_every_row_and_leaves_the_pictures_out(report, weighed) -> None:
    page = write_page(describe_forward(msgspec.structs.replace(report, upsampling=weighed)))
    for row in report.rows:
        assert f"| {row.name} " in page
    assert "█" not in page
    assert "## Upsampling, which no weight tells" in page
