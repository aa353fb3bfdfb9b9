"""Which findings a selector means: a code, a prefix of codes, or a severity.

Enters: selectors as people write them. Leaves: whether one is known, and what is to be done about
a finding.
"""

from collections.abc import Iterable
from typing import Final

from ckptscope.facts.findings import Code, Finding, Severity
from ckptscope.facts.gate import Action
from ckptscope.policies.policy import Selection

_SEVERITIES: Final = frozenset(Severity)
#: Precision of a code: any prefix is shorter.
_OF_A_CODE: Final = 100


def why_unknown(selector: str, *, severities: bool = True) -> str:
    """Return why a selector means nothing, with the nearest that does; empty if it means something.

    Args:
        selector: As somebody wrote it.
        severities: Whether `error`, `warning` and `info` are selectors here.
    """
    if selector and any(code.startswith(selector) for code in Code):
        return ""
    if severities and selector in _SEVERITIES:
        return ""
    kinds = "a code, a prefix of codes" + (" or a severity" if severities else "")
    known = [*Code, *sorted({code.rstrip("0123456789") for code in Code})]
    known += [*Severity] if severities else []
    advice = nearest(selector, known)
    return f"expected {kinds} such as SAF002 or SAF, found {selector!r:.60}{advice}"


def nearest(text: str, known: Iterable[str]) -> str:
    """Return `; did you mean ...?`, or nothing if no name is near."""
    import difflib  # only a mistake needs it

    # Long texts are no slips of the pen, and comparing them takes its time.
    by_case = {name.casefold(): str(name) for name in known}
    close = difflib.get_close_matches(text[:60].casefold(), by_case, n=1)
    return f"; did you mean {by_case[close[0]]!r}?" if close else ""


def choose_action(finding: Finding, selections: Iterable[Selection]) -> Action:
    """Return what the first selection that has anything to say of a finding says."""
    for selection in selections:
        best, chosen = 0, Action.WARN
        for action, selectors in (
            (Action.FAIL, selection.fail),
            (Action.WARN, selection.warn),
            (Action.IGNORE, selection.ignore),
        ):
            for selector in selectors:
                precision = precision_of(selector, finding)
                if precision > best:
                    best, chosen = precision, action
        if best:
            return chosen
    return Action.WARN


def precision_of(selector: str, finding: Finding) -> int:
    """Return how precisely a selector means a finding; 0 if it does not."""
    if selector == finding.code:
        return _OF_A_CODE
    if finding.code.startswith(selector):
        return 1 + len(selector)
    return int(selector == finding.severity)
