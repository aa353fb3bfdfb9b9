"""Codes of the catalogue → rules of SARIF.

Enters: a code. Leaves: its rule: what it means, why it matters, what to do, in plain text and in
markdown. There is no `helpUri`: `ckptscope explain CODE` says the same without a network.

Source: SARIF 2.1.0, 3.49; GitHub's documentation, "SARIF support for code scanning", for the
lengths and for what it reads beside the standard.
"""

from typing import Final

from ckptscope.checks.catalogue import CATALOGUE
from ckptscope.facts.findings import Code, Severity
from ckptscope.reports.escaping import code_span, escape_markdown
from ckptscope.reports.gate_phrases import title_of, without_marks
from ckptscope.reports.sarif_log import Configuration, Level, Message, Rule, RuleProperties

#: Characters of a title or a description, at most ("reportingDescriptor object").
_MOST_DESCRIPTION: Final = 1024
_LEVELS: Final = {
    Severity.ERROR: Level.ERROR,
    Severity.WARNING: Level.WARNING,
    Severity.INFO: Level.NOTE,
}
#: Scores by which GitHub sorts security alerts: above 9 critical, from 4 medium, below low
#: ("reportingDescriptor object"). Ours are no CVSS, but the classes that it names.
_SCORES: Final = {Severity.ERROR: "9.5", Severity.WARNING: "5.0", Severity.INFO: "1.0"}
_TAGS: Final = {
    "SAF": "security",
    "CON": "integrity",
    "PKL": "integrity",
    "TEN": "integrity",
    "VAL": "values",
    "ARC": "architecture",
    "TRN": "training",
    "POL": "policy",
}


def rule_of(code: Code) -> Rule:
    """Return what a code means as a rule."""
    entry = CATALOGUE[code]
    why, remedy = without_marks(entry.why), without_marks(entry.remedy)
    return Rule(
        id=code,
        name=code.name.title().replace("_", ""),
        short_description=Message(text=_sentence(title_of(code))),
        full_description=Message(text=why[:_MOST_DESCRIPTION]),
        help=Message(
            text=f"Why it matters: {why}\n\nWhat to do: {remedy}",
            markdown=f"**Why it matters.** {_markdown(entry.why)}\n\n"
            f"**What to do.** {_markdown(entry.remedy)}",
        ),
        default_configuration=Configuration(level=_LEVELS[entry.severity]),
        properties=RuleProperties(
            tags=(_TAGS[code.value[:3]],),
            security_severity=_SCORES[entry.severity] if code.value.startswith("SAF") else None,
        ),
    )


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."[:_MOST_DESCRIPTION]


def _markdown(text: str) -> str:
    """Return text of the catalogue, in which backticks stand around code."""
    pieces = text.split("`")
    return "".join(
        code_span(piece) if index % 2 else _escaped(piece) for index, piece in enumerate(pieces)
    )


def _escaped(words: str) -> str:
    """Escape our own words, without their apostrophes being read as quotes."""
    return "'".join(escape_markdown(one) for one in words.split("'"))
