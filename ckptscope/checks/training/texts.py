"""Texts of a checkpoint → findings about what should not be published.

Enters: texts. Leaves: findings `TRN011` to `TRN014`. Most checkpoints hold no text that could be
any of these; the patterns are made only for those that do.
"""

import re
from collections.abc import Sequence

from ckptscope.facts.findings import Finding
from ckptscope.facts.training import Text

#: Without one of these a text holds no path, address or secret.
_MARKS = (
    *"/\\@:=",
    *("hf_", "sk-", "AKIA", "ASIA", "AIza", "xox", "glpat-", "npm_", "pypi-", "-----", "eyJ"),
    *("ghp_", "gho_", "ghs_", "ghu_", "ghr_", "github_pat_"),
)
#: Addresses of inner networks.
_ADDRESSES = ("10.", "192.168.", "172.")
#: Names whose values are looked at whatever they hold.
_NAMES = re.compile(
    r"pass|pwd|secret|key|token|credential|user|login|logname|host|node|machine|computer|server|"
    r"fqdn|addr",
    re.IGNORECASE,
)


def check_texts(texts: Sequence[Text]) -> tuple[Finding, ...]:
    """Find secrets, paths, users and hosts."""
    named: dict[str, bool] = {}
    notable = []
    for one in texts:
        is_named = named.get(one.name)
        if is_named is None:
            is_named = named[one.name] = _NAMES.search(one.name) is not None
        if is_named or _is_notable(one.text):
            notable.append(one)
    if not notable:
        return ()
    from ckptscope.checks.training.credentials import check_credentials
    from ckptscope.checks.training.traces import check_traces

    return (*check_credentials(notable), *check_traces(notable))


def _is_notable(text: str) -> bool:
    return any(mark in text for mark in _MARKS) or text.startswith(_ADDRESSES)
