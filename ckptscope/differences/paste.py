r"""Pasted text → text that can be searched, whatever terminals and logs have made of it.

Enters: bytes of a paste: a traceback with colours, borders, quotation marks of mails, prefixes of
ranks, Windows line ends, lines that a terminal has wrapped in the middle of a word. Leaves: one
string without white space for each stream. The messages of torch are looked for in it without their
spaces, so that it makes no difference where a line was broken.
"""

import re
from typing import Final

from ckptscope.errors import UsageError

#: A traceback with every key of the largest networks has a few megabytes.
MOST_BYTES: Final = 16 << 20

#: Escape sequences of terminals (ECMA-48): with parameters, with a text (titles), of two bytes.
_ESCAPES: Final = re.compile(
    r"\x1b\[[0-?]*+[ -/]*+[@-~]|\x1b\][^\x07\x1b]*+(?:\x07|\x1b\\)?|\x1b[ -/]*+[0-~]"
)
#: What stands around lines: indentation, borders of boxes, quotation marks of mails.
_LEFT: Final = " \t>|│┃║❱╭╰"
_RIGHT: Final = " \t|│┃║╮╯"
#: pytest writes `E` before each line of an error.
_PYTEST: Final = re.compile(r"E {3,}")
#: torchrun writes the rank before each line of a process, and mixes the lines of several.
_RANK: Final = re.compile(r"\[?(?:rank|default)\s?(\d{1,6})\]?\s?:", re.IGNORECASE)
_SEARCHED_FOR_RANK = 160
#: Characters of no width, and quotation marks that word processors make.
_CHARACTERS: Final = str.maketrans(
    {
        "\u200b": None,
        "\u200c": None,
        "\u200d": None,
        "\u2060": None,
        "\ufeff": None,
        "\u00ad": None,
        "\u201c": '"',
        "\u201d": '"',
        "\u201e": '"',
        "\u2018": "'",
        "\u2019": "'",
    }
)


def decode_paste(content: bytes) -> str:
    """Decode a paste: UTF-8, or UTF-16 as PowerShell writes it; what is neither is replaced.

    Raises:
        UsageError: It is longer than a paste can be.
    """
    if len(content) > MOST_BYTES:
        raise UsageError(
            f"expected a pasted error of at most {MOST_BYTES:,} bytes, found {len(content):,} or "
            "more"
        )
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return content.decode("utf-16", "replace")
    return content.decode("utf-8", "replace")


def squeeze_streams(text: str) -> tuple[str, ...]:
    """Return the text of each stream without white space, borders and escape sequences.

    Lines that name a rank belong to the stream of that rank, all others to one of their own.
    """
    streams: dict[str, list[str]] = {}
    plain = _ESCAPES.sub("", text).translate(_CHARACTERS)
    for line in plain.splitlines():
        rank, content = _cut_line(line)
        streams.setdefault(rank, []).append(content)
    return tuple(_squeeze(lines) for lines in streams.values())


def _cut_line(line: str) -> tuple[str, str]:
    """Return the rank that a line names, or nothing, and what is its own of it."""
    stripped = line.strip(_LEFT).rstrip(_RIGHT)
    found = _RANK.search(stripped[:_SEARCHED_FOR_RANK])
    rank = ""
    if found is not None and _is_lead(stripped[: found.start()]):
        rank = found[1]
        stripped = stripped[found.end() :].lstrip(_LEFT)
    pytest = _PYTEST.match(stripped)
    return rank, stripped[pytest.end() :] if pytest is not None else stripped


def _is_lead(text: str) -> bool:
    """Whether text before a rank can be of a logger: no quotation mark, no message of torch."""
    return '"' not in text and "state_dict" not in text and "mismatch" not in text


def _squeeze(lines: list[str]) -> str:
    joined = "".join("".join(line.split()) for line in lines)
    # JSON logs escape quotation marks, web pages spell them out.
    return joined.replace('\\"', '"').replace("&quot;", '"').replace("&#34;", '"')
