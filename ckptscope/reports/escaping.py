r"""Text of a file → text that is safe where it is shown: terminal or markdown.

Enters: keys, names, messages, as the file spells them. Leaves: printable characters alone; what
cannot be seen, or would act on its surroundings, is shown as an escape (`\x1b`, `\u202e`). A
backslash of the file stays one, so that messages which quote by `repr` are not escaped twice; the
exact text is in the JSON.

Source: Unicode Standard, general categories and Default_Ignorable_Code_Point; CommonMark 0.31 and
the GitHub Flavored Markdown extension for tables.
"""

import re
import unicodedata
from collections.abc import Iterable

#: Characters of one piece of text that are looked at; the middle of longer ones is left out.
MOST_CHARACTERS = 4000
ELLIPSIS = "…"
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
#: Printable by category, but empty on the screen: fillers, joiners, variation selectors, braille
#: blank.
_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
#: Combining marks on one letter; more are used to paint over other lines.
_MOST_MARKS = 2
#: What `repr` makes of text, as messages quote it.
_QUOTED = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"")
#: What acts anywhere in a line of markdown: emphasis, code, links, cells, formulas, tags, entities.
_ACTIVE = re.compile(r"[\\`*\[\]|~$]|<(?=[A-Za-z/!?])|&(?=[#A-Za-z])|(?<![^\W_])_|_(?![^\W_])")
#: What starts a block at the start of a line.
_OPENER = re.compile(r"(\s*\d*)([-+#=:>.)])")
#: What becomes a link or notifies somebody by itself.
_LINKING = re.compile(r"@|://|www\.", re.IGNORECASE)


def escape_terminal(text: str, *, most: int = MOST_CHARACTERS) -> str:
    """Return printable text of one line; of more than `most` characters the middle is left out."""
    if len(text) > most:
        text = text[: most // 2] + ELLIPSIS + text[len(text) - most // 2 :]
    if text.isascii():
        return text if text.isprintable() else _escaped(text)
    marked = any(unicodedata.category(character)[0] == "M" for character in text)
    if text.isprintable() and not marked and not _INVISIBLE.search(text):
        return text
    return _escaped(text)


def _escaped(text: str) -> str:
    shown = []
    marks = _MOST_MARKS
    for character in text:
        is_mark = unicodedata.category(character)[0] == "M"
        visible = character.isprintable() and not _INVISIBLE.match(character)
        if visible and not (is_mark and marks >= _MOST_MARKS):
            shown.append(character)
            marks = marks + 1 if is_mark else 0
        else:
            shown.append(_escape(character))
            marks = _MOST_MARKS
    return "".join(shown)


def _escape(character: str) -> str:
    code = ord(character)
    if character in _SHORT:
        return _SHORT[character]
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def cell_width(text: str) -> int:
    """Columns that a line takes on a terminal."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len  # noqa: PLC0415 - ASCII has no need of it

    return cell_len(text)


def elide(text: str, width: int) -> str:
    """Cut escaped text to `width` columns, the middle giving way to an ellipsis."""
    if cell_width(text) <= width:
        return text
    if width <= 1:
        return ELLIPSIS[:width]
    head = (width - 1) // 2
    tail = width - 1 - head
    if text.isascii():
        return f"{text[:head]}{ELLIPSIS}{text[len(text) - tail :]}"
    return f"{_fitting(text, head)}{ELLIPSIS}{_fitting(text[::-1], tail)[::-1]}"


def _fitting(text: str, width: int) -> str:
    """Return the longest start of `text` within `width` columns."""
    used = 0
    for index, character in enumerate(text):
        used += cell_width(character)
        if used > width:
            return text[:index]
    return text


def fold(text: str, width: int) -> list[str]:
    """Break escaped text into lines of at most `width` columns, between words where it can."""
    lines = [""]
    for word in text.split(" "):
        joined = f"{lines[-1]} {word}" if lines[-1] else word
        if cell_width(joined) <= width:
            lines[-1] = joined
            continue
        if lines[-1]:
            lines.append("")
        rest = word
        while cell_width(rest) > width:
            start = _fitting(rest, width) or rest[:1]
            lines[-1:] = [start, ""]
            rest = rest[len(start) :]
        lines[-1] = rest
    return lines if lines[-1] or len(lines) == 1 else lines[:-1]


def code_span(text: str, *, in_table: bool = False, most: int = MOST_CHARACTERS) -> str:
    """Return text of a file as inline code of markdown; nothing inside it acts."""
    text = escape_terminal(text, most=most)
    if not text:
        return ""
    if in_table:
        # A cell ends at every pipe without a backslash; after a backslash of the text itself
        # there is no spelling that all renderers agree on.
        text = text.replace("\\|", "\\\\x7c").replace("|", "\\|")
    fence = "`" * (_longest_run(text) + 1)
    padding = " " if text[0] in "` " or text[-1] in "` " else ""
    return f"{fence}{padding}{text}{padding}{fence}"


def escape_markdown(text: str, *, in_table: bool = False) -> str:
    """Return a sentence for markdown; what it quotes of the file becomes inline code.

    A line of its own needs `guard_line` besides.
    """
    text = escape_terminal(text)
    pieces = []
    position = 0
    for match in _QUOTED.finditer(text):
        pieces.append(_escape_words(text[position : match.start()]))
        pieces.append(code_span(match[0], in_table=in_table))
        position = match.end()
    pieces.append(_escape_words(text[position:]))
    if _LINKING.search("".join(pieces[::2])):
        return code_span(text, in_table=in_table)
    return "".join(pieces)


def _escape_words(text: str) -> str:
    return _ACTIVE.sub(lambda match: "\\" + match[0], text)


def guard_line(line: str) -> str:
    """Return a line of markdown that starts no heading, list, quote or table."""
    found = _OPENER.match(line)
    return f"{found[1]}\\{line[found.start(2) :]}" if found is not None else line


def fence_lines(lines: Iterable[str], *, language: str = "text") -> list[str]:
    """Return escaped lines as a block of code, behind a fence that none of them can close."""
    shown = list(lines)
    fence = "`" * max(3, *(_longest_run(line) + 1 for line in shown)) if shown else "```"
    return [f"{fence}{language if language.isalnum() else 'text'}", *shown, fence]


def _longest_run(text: str) -> int:
    return max((len(run) for run in re.findall("`+", text)), default=0)
