"""The page of findings: `python -m tests.docs.findings_page` writes it anew from the catalogue."""

from pathlib import Path

from ckptscope.reports.catalogue import write_findings_page

PAGE = Path(__file__).parents[2] / "docs" / "findings.md"
COMMAND = "python -m tests.docs.findings_page"


def main() -> None:
    """Write the page."""
    PAGE.write_text(write_findings_page(), encoding="utf-8")


if __name__ == "__main__":
    main()
