"""Texts that look like secrets: keys of services, private keys, passwords.

Enters: the texts of a checkpoint. Leaves: findings `TRN014`, which never repeat a secret. Two kinds
of evidence count: a form that one service alone gives its keys, and a name (`password`, `api_key`)
whose value looks like one. Every pattern has bounded repeats that exclude what follows them, so
that a search is linear in the text.

Sources of the forms: the services' own pages on the formats of their tokens, as secret scanners
collect them.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice

import msgspec

from ckptscope.facts.findings import Code, Finding, Severity, Where
from ckptscope.facts.training import Text

#: Secrets of one form that are told of one text; by then there is enough to do.
_MOST_MATCHES = 100
#: Places of one secret that are named.
_MOST_PLACES = 3
#: Characters of a secret that are shown, and no more than one in four of it.
_SHOWN = 4
_SHOWN_SHARE = 4
#: Bits a character: English is near 2.5 to 3 over so few characters, random letters and digits
#: reach 3.5 and more at 16.
_LEAST_BITS = 3.0
#: A value under a name that says little (`token`) must have as many characters.
_LONG = 16
#: A value under a name that says it all (`password`) must have as many.
_SHORT = 4
_LONGEST = 4096

#: What it is, the letters that it starts with, and its form. A pattern starts with letters, so that
#: a search for it is fast; only then it looks back whether it is in the middle of a word.
_FORMS: tuple[tuple[str, str, re.Pattern[str]], ...] = tuple(
    (what, start, re.compile(rf"{re.escape(start)}(?<![A-Za-z0-9_\-]{re.escape(start)}){rest}"))
    for what, start, rest in (
        ("an access token of Hugging Face", "hf_", r"[A-Za-z0-9]{34,64}(?![A-Za-z0-9_])"),
        (
            "an API key of the form sk-...",
            "sk-",
            r"(?=[A-Za-z_\-]{0,200}[0-9])[A-Za-z0-9_\-]{20,200}",
        ),
        ("an access token of GitHub", "gh", r"[opsur]_[A-Za-z0-9]{36,255}"),
        ("an access token of GitHub", "github_pat_", r"[A-Za-z0-9_]{60,255}"),
        ("an access key of AWS", "AKIA", r"[A-Z0-9]{16}(?![A-Za-z0-9])"),
        ("an access key of AWS", "ASIA", r"[A-Z0-9]{16}(?![A-Za-z0-9])"),
        ("an API key of Google", "AIza", r"[A-Za-z0-9_\-]{35}(?![A-Za-z0-9_\-])"),
        ("a token of Slack", "xox", r"[abprs]-[0-9][A-Za-z0-9\-]{10,250}"),
        ("a webhook of Slack", "hooks.slack.com/", r"services/[A-Z0-9]{5,20}/[A-Za-z0-9/]{10,80}"),
        ("an access token of GitLab", "glpat-", r"[A-Za-z0-9_\-]{20,255}"),
        ("an access token of npm", "npm_", r"[A-Za-z0-9]{36}(?![A-Za-z0-9])"),
        ("an upload token of a Python index", "pypi-AgE", r"[A-Za-z0-9_\-]{50,255}"),
        ("a private key", "-----BEGIN ", r"[A-Z0-9 ]{0,30}PRIVATE KEY-----"),
        (
            "a JSON web token",
            "eyJ",
            r"[A-Za-z0-9_\-]{10,2000}\.eyJ[A-Za-z0-9_\-]{10,2000}\.[A-Za-z0-9_\-]{10,4000}",
        ),
    )
)
#: `scheme://user:password@host`.
_URL = re.compile(r"://[^\s/:@'\"<>]{0,64}:([^\s/:@'\"<>]{1,128})@[A-Za-z0-9]")
#: `password = "..."` in a command line, in a text of settings, in source.
_ASSIGNED = re.compile(
    r"(?i:passwd|password|secret|api[_-]?key|access[_-]?key|auth[_-]?token|access[_-]?token)"
    r"[\"']?\s{0,4}[:=]\s{0,4}[\"']?([A-Za-z0-9+/_\-=!@#$%^&*.]{8,200})(?![A-Za-z0-9(\[])"
)
#: One of these must stand in a text, in any case of letters, for `_ASSIGNED` to be searched for.
_WORDS = ("passw", "secret", "api", "access", "auth")
#: Names whose value is a secret, and names whose value may be one.
_SECRET_NAME = re.compile(
    r"(?:^|[_\-. ])(?:passwords?|passwd|pwd|secret|client_secret|secret_?key|api_?keys?|"
    r"access_?key(?:_?id)?|(?:auth|access|bearer|refresh|hf|hub|github|gitlab|wandb|slack)_?token|"
    r"credentials?)$",
    re.IGNORECASE,
)
_MAYBE_NAME = re.compile(r"(?:^|[_\-. ])(?:token|private_?key|wandb_?key)$", re.IGNORECASE)
_RANDOM = re.compile(r"[A-Za-z0-9_\-+/=.:]+")
#: Attributes and plain words of a program: `args.password`, `getpass`.
_IDENTIFIER = re.compile(r"[A-Za-z_]+(?:\.[A-Za-z_]\w*)*")
#: What stands for a secret that is given elsewhere.
_PLACEHOLDER = re.compile(
    r"(?:none|null|nil|true|false|yes|no|default|required|optional|unset|empty|string|str|hidden|"
    r"redacted|removed|changeme|example|placeholder|password|secret|token|your.*|my[_-].*|env.*|"
    r"x+|\*+|\.+|-+|\?+|[<$%{].*)",
    re.IGNORECASE,
)
#: What a name such as `pwd` or `credentials` may hold without harm: where something lies.
_PLACE = re.compile(r"[~.]{0,2}/|~|[A-Za-z]:[\\/]")
_ADVICE = (
    "withdraw it with the service that gave it out, then save the checkpoint again without it: "
    "who has the file has the secret"
)


class Secret(msgspec.Struct, frozen=True, kw_only=True):
    """A part of a text that looks like a secret.

    Attributes:
        what: What it looks like.
        value: It.
    """

    what: str
    value: str


def check_credentials(texts: Iterable[Text]) -> Iterator[Finding]:
    """Find secrets among texts; each is told once, with the places where it stands."""
    found: dict[str, tuple[Secret, list[Text]]] = {}
    for text in texts:
        for secret in find_secrets(text):
            found.setdefault(secret.value, (secret, []))[1].append(text)
    for secret, places in found.values():
        shown = tuple(f"at {_shown_place(place)}" for place in places[:_MOST_PLACES])
        more = len(places) - _MOST_PLACES
        yield Finding(
            code=Code.CREDENTIAL_RECORDED,
            severity=Severity.ERROR,
            message=f"a text looks like {secret.what}: {_shown(secret.value)}",
            where=Where(member=places[0].member, key=redact(places[0].path)[:400] or None),
            evidence=(*shown, *([f"and at {more:,} more places"] if more > 0 else [])),
            help=_ADVICE,
        )


def find_secrets(text: Text) -> list[Secret]:
    """Return what looks like a secret in a text, or in view of its name."""
    found = _find_forms(text.text)
    if not found and text.name and (what := _under_name(text.name, text.text)):
        found.append(Secret(what=what, value=text.text.strip()))
    return found


def redact(text: str) -> str:
    """Return a text without what looks like a secret in it, so that it can be shown."""
    for secret in _find_forms(text):
        text = text.replace(secret.value, f"({len(secret.value):,} characters)")
    return text


def _find_forms(text: str) -> list[Secret]:
    found = [
        Secret(what=what, value=match.group())
        for what, start, pattern in _FORMS
        if start in text
        for match in islice(pattern.finditer(text), _MOST_MATCHES)
    ]
    if "://" in text:
        passwords = (match.group(1) for match in _URL.finditer(text))
        given = (one for one in passwords if not _PLACEHOLDER.fullmatch(one))
        found += _secrets("a password in an address", given)
    folded = text.casefold()
    if any(word in folded for word in _WORDS):
        known = {secret.value for secret in found}
        assigned = (match.group(1) for match in _ASSIGNED.finditer(text))
        random = _secrets("a secret that is given by name", filter(_is_random, assigned))
        found += [one for one in random if not any(other in one.value for other in known)]
    return list({secret.value: secret for secret in found}.values())


def _secrets(what: str, values: Iterable[str]) -> list[Secret]:
    return [Secret(what=what, value=value) for value in islice(values, _MOST_MATCHES)]


def _under_name(name: str, text: str) -> str:
    """Return what a value is in view of its name; empty for nothing."""
    value = text.strip()
    if not _SHORT <= len(value) <= _LONGEST or re.search(r"\s", value):
        return ""
    if _PLACEHOLDER.fullmatch(value) or _PLACE.match(value):
        return ""
    if _SECRET_NAME.search(name) and value.casefold() != name.casefold():
        return f"a secret, being the value of {name!r:.60}"
    if _MAYBE_NAME.search(name) and len(value) >= _LONG and _is_random(value):
        return f"a secret, being random and the value of {name!r:.60}"
    return ""


def _is_random(value: str) -> bool:
    """Whether a value is no word: letters and digits in no order that a language has."""
    if _IDENTIFIER.fullmatch(value) or _PLACEHOLDER.fullmatch(value):
        return False
    if not any(one.isdigit() for one in value) or not any(one.isalpha() for one in value):
        return False
    least = min(_LEAST_BITS, math.log2(len(value)) - 0.5)
    return _RANDOM.fullmatch(value) is not None and _bits_a_character(value) >= least


def _bits_a_character(value: str) -> float:
    """Return Shannon's entropy of the characters."""
    size = len(value)
    return -sum(n / size * math.log2(n / size) for n in Counter(value).values())


def _shown(value: str) -> str:
    """Show the beginning of a secret and its length."""
    shown = value[: min(_SHOWN, len(value) // _SHOWN_SHARE)]
    return f"{shown!r}..., {len(value):,} characters"


def _shown_place(place: Text) -> str:
    where = repr(redact(place.path)[-200:]) if place.path else "the top"
    return f"{where} in {place.member!r:.200}" if place.member else where
