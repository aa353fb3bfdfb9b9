"""Escaping: nothing that a file spells acts on the terminal or on the page."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ckptscope.reports.escaping import (
    cell_width,
    code_span,
    elide,
    escape_markdown,
    escape_terminal,
    fence_lines,
    fold,
    guard_line,
)

anything = st.text(st.characters(), max_size=80)
#: Text made of what markdown acts on.
loaded = st.text(st.sampled_from("`|\\'\"*_[]()<>&$~@#-+. \nab1"), max_size=40)


@given(anything)
def test_escaped_text_is_printable_and_can_be_encoded(text: str) -> None:
    shown = escape_terminal(text)
    assert shown.isprintable()
    shown.encode()


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=80))
def test_plain_text_stays_as_it_is(text: str) -> None:
    assert escape_terminal(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x1b[31mb", "a\\x1b[31mb"),
        ("a\nb\r\tc\x00", "a\\nb\\r\\tc\\x00"),
        ("\x9b31m", "\\x9b31m"),
        ("abc\u202egnp.exe", "abc\\u202egnp.exe"),
        ("\u2066x\u2069\u200e\u200f", "\\u2066x\\u2069\\u200e\\u200f"),
        ("zero\u200bwidth\u200d\ufeff", "zero\\u200bwidth\\u200d\\ufeff"),
        ("fill\u3164\u2800\u115f", "fill\\u3164\\u2800\\u115f"),
        ("tag\U000e0041", "tag\\U000e0041"),
        ("lone\ud83d", "lone\\ud83d"),
        ("line\u2028para\u2029", "line\\u2028para\\u2029"),
        ("no\xa0break", "no\\xa0break"),
        ("e\u0301t\u00e9 \u91cd\u307f", "e\u0301t\u00e9 \u91cd\u307f"),
        ("a\u0301\u0301\u0301", "a\u0301\u0301\\u0301"),
        ("\u0301a", "\\u0301a"),
        ("C:\\weights", "C:\\weights"),
    ],
)
def test_what_cannot_be_seen_is_shown_as_an_escape(text: str, shown: str) -> None:
    assert escape_terminal(text) == shown


def test_of_very_long_text_the_middle_is_left_out() -> None:
    shown = escape_terminal("a" * 100_000 + "z", most=100)
    assert len(shown) == 101
    assert shown.startswith("aaa")
    assert shown.endswith("aaz")
    assert "…" in shown


@given(anything, st.integers(0, 60))
def test_elided_text_fits(text: str, width: int) -> None:
    assert cell_width(elide(escape_terminal(text), width)) <= width


def test_both_ends_of_a_long_key_stay() -> None:
    assert elide("backbone.stages.2.8.pwconv1.weight", 20) == "backbone.…nv1.weight"


def test_wide_characters_count_twice() -> None:
    assert elide("重みの鍵", 6) == "重…鍵"


def spans(markdown: str) -> list[str]:
    """Contents of the code spans of a line that holds nothing else, by CommonMark's rules."""
    found = []
    position = 0
    while (opening := re.compile("`+").search(markdown, position)) is not None:
        runs = re.finditer("`+", markdown[opening.end() :])
        closing = next(run for run in runs if run[0] == opening[0])
        inner = markdown[opening.end() : opening.end() + closing.start()]
        if inner.startswith(" ") and inner.endswith(" ") and inner.strip():
            inner = inner[1:-1]
        found.append(inner)
        position = opening.end() + closing.end()
    return found


@given(loaded | anything)
def test_a_code_span_holds_its_text_and_nothing_else(text: str) -> None:
    shown = code_span(text)
    if not text:
        assert shown == ""
    elif text.strip(" "):
        assert spans(shown) == [escape_terminal(text)]


def cells(row: str) -> int:
    """Cells of a table row by the rules of GitHub: a pipe counts unless it is escaped."""
    bare = re.sub(r"\\[!-/:-@\[-`{-~]", "", row)
    return bare.count("|") + 1


@given(loaded)
def test_a_cell_stays_one_cell(text: str) -> None:
    for shown in (code_span(text, in_table=True), escape_markdown(text, in_table=True)):
        assert "\n" not in shown
        assert cells(f"{shown} | next") == 2
        # Older renderers look at the character before the pipe alone.
        assert len(re.split(r"(?<!\\)\|", f"{shown} | next")) == 2


@given(loaded)
def test_what_a_sentence_says_of_the_file_acts_nowhere_outside_code(text: str) -> None:
    shown = escape_markdown(text)
    outside = re.sub(r"\\.", "", re.sub(r"(?<!\\)(`+)(?!`).+?(?<!`)\1(?!`)", "", shown))
    assert not re.search(r"[*\[\]|~$`@]|<[A-Za-z/!?]|://", outside), shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("the key 'a|b' stands twice", "the key `'a|b'` stands twice"),
        ("the key 'it`s' is odd", "the key ``'it`s'`` is odd"),
        ("a [link](x) and <b>", "a \\[link\\](x) and \\<b>"),
        ("running_mean and _private_", "running_mean and \\_private\\_"),
        ("less than <0.1 %", "less than <0.1 %"),
        ("ask @somebody", "`ask @somebody`"),
        ("see https://example.org/x", "`see https://example.org/x`"),
        ("stated in 'https://example.org'", "stated in `'https://example.org'`"),
    ],
)
def test_sentences_keep_their_words(text: str, shown: str) -> None:
    assert escape_markdown(text) == shown


@pytest.mark.parametrize("text", ["# a", "- a", "+ a", "1. a", "12) a", "> a", "=== a", "  - a"])
def test_a_guarded_line_opens_no_block(text: str) -> None:
    assert not re.match(r"\s*([-+#>=]|\d+[.)])", guard_line(text))


def test_a_guarded_line_of_words_stays_as_it_is() -> None:
    assert guard_line("260 tensors of 3 kinds") == "260 tensors of 3 kinds"


@given(st.lists(loaded.map(escape_terminal), max_size=5))
def test_no_line_closes_the_fence_around_it(lines: list[str]) -> None:
    first, *inside, last = fence_lines(lines)
    assert first == f"{last}text"
    assert inside == lines
    assert not any(line.strip().startswith(last) for line in inside)


@given(st.text(max_size=200), st.integers(2, 40))
def test_folded_text_keeps_every_character_within_the_width(text: str, width: int) -> None:
    shown = escape_terminal(text)
    lines = fold(shown, width)
    assert "".join(lines).replace(" ", "") == shown.replace(" ", "")
    assert all(cell_width(line) <= width for line in lines)


def test_text_is_folded_between_words_where_it_can_be() -> None:
    assert fold("as many as fit", 7) == ["as many", "as fit"]
    assert fold("unbreakable", 5) == ["unbre", "akabl", "e"]
    assert fold("", 5) == [""]


def test_a_fence_names_its_language_unless_that_could_act() -> None:
    assert fence_lines(["a"], language="python")[0] == "```python"
    assert fence_lines(["a"], language="python` <b>")[0] == "```text"
