"""What the report looks like; what it says is tested elsewhere."""

import pytest
from report_samples import finding, manifest, report
from syrupy.assertion import SnapshotAssertion

from ckptscope.reports.markdown import render_markdown
from ckptscope.reports.text import render_text


@pytest.mark.parametrize("width", [80, 120])
def test_the_text_is_laid_out_for_its_width(width: int, snapshot: SnapshotAssertion) -> None:
    made = report(manifest(findings=(finding(),)))
    assert render_text(made, width=width, color=False) == snapshot


def test_the_markdown_is_laid_out_in_lists_and_tables(snapshot: SnapshotAssertion) -> None:
    assert render_markdown(report(manifest(findings=(finding(),)))) == snapshot
