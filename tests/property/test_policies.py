"""Policies of any shape: lines of keys, selectors, fingerprints, and what hostile texts do."""

import datetime
import tomllib

import msgspec
from builders.pickles import tensor
from builders.reading import manifest
from builders.zips import torch_zip
from hypothesis import given
from hypothesis import strategies as st

from ckptscope.errors import PolicyError
from ckptscope.facts.findings import Code, Finding, Severity, Where
from ckptscope.facts.gate import Action
from ckptscope.facts.pickled import Import
from ckptscope.policies.fingerprints import fingerprint
from ckptscope.policies.keys import KEYS
from ckptscope.policies.loading import parse_policy
from ckptscope.policies.policy import DEFAULT_SELECTION, Policy, Selection
from ckptscope.policies.ruling import rule
from ckptscope.policies.selectors import choose_action
from ckptscope.policies.toml_lines import key_lines
from ckptscope.policies.writing import Example, propose_policy, quoted

BARE = st.text("abcXY019_-", min_size=1, max_size=6)
ANY_TEXT = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cs",)) | st.sampled_from("\"'\\#[]{}=,.\n"),
    max_size=8,
)
TEXTS = st.one_of(
    ANY_TEXT.map(quoted),
    st.text('ab#[]{}=,\\" ', max_size=6).map(lambda text: f"'{text}'"),
    st.sampled_from(
        (
            '"""\n[a]\nb = 1\n"""',
            "'''\n# x\n[[a]]\n'''",
            '"""x""\\""""""',
            "'''y'''''",
            '""',
            '"""\\\n   folded"""',
        )
    ),
)
PLAIN = st.one_of(
    TEXTS,
    st.integers(-(10**9), 10**9).map(str),
    st.sampled_from(
        ("true", "-1.5e3", "inf", "0x1F", "1979-05-27 07:32:00Z", "07:32:00.5", "2027-01-31")
    ),
)
GAPS = st.sampled_from(("", " ", "\n", ' # ], } c = "\n\t', "\r\n"))
SPACES = st.sampled_from(("", " ", "\t"))


class Page:
    """A document that is being written, and the line of every key in it."""

    def __init__(self) -> None:
        self.text = ""
        self.lines: dict[tuple[str | int, ...], int] = {}

    def write(self, text: str) -> None:
        self.text += text

    def note(self, path: tuple[str | int, ...]) -> None:
        self.lines.setdefault(path, self.text.count("\n") + 1)


@st.composite
def pages(draw: st.DrawFn) -> Page:
    """Write a document with headers, lists of tables, dotted and quoted keys, nested values."""
    page = Page()
    page.write(draw(GAPS))
    fill(draw, page, (), draw(st.integers(0, 3)))
    tables = draw(st.lists(BARE, unique=True, max_size=4))
    for name in tables:
        path: tuple[str | int, ...] = (f"t-{name}",)
        for index in range(draw(st.integers(1, 3))) if draw(st.booleans()) else [None]:
            header(draw, page, path, index)
            inner = path if index is None else (*path, index)
            fill(draw, page, inner, draw(st.integers(0, 3)))
            if draw(st.booleans()):
                header(draw, page, (*path, "sub"), None, above=inner)
                fill(draw, page, (*inner, "sub"), 1)
    return page


def header(draw, page, path, index, above=None) -> None:
    """Write `[a.b]` or `[[a]]`; `above` is where it stands, with the numbers of lists."""
    page.write(draw(st.sampled_from(("", "\n", "# [x]\n", "  "))))
    where = above if above is not None else path[:-1]
    for end in range(1, len(path)):
        page.note(path[:end])
    page.note((*where, path[-1]))
    if index is not None:
        page.note((*path, index))
    left, right = ("[", "]") if index is None else ("[[", "]]")
    page.write(left + draw(SPACES) + f"{draw(SPACES)}.{draw(SPACES)}".join(path) + draw(SPACES))
    page.write(right + draw(st.sampled_from(("\n", " # [[y]]\n", "\r\n"))))


def fill(draw, page, path, count) -> None:
    for number in range(count):
        page.write(draw(st.sampled_from(("", "\n", "  ", "# c = 1\n"))))
        pair(draw, page, path, number, 2)
        page.write(draw(st.sampled_from(("\n", " # d = '''\n", "\r\n"))))


def pair(draw, page, path, number, depth) -> None:
    """Write `key = value`; numbers make the keys of one table differ."""
    names = [f"{draw(BARE)}{number}k"]
    if draw(st.booleans()):
        names.append(draw(ANY_TEXT))
    line_of = path
    shown = []
    for name in names:
        line_of = (*line_of, name)
        page.note(line_of)
        is_bare = name is names[0]
        shown.append(name if is_bare and draw(st.booleans()) else quoted(name))
    page.write(f"{draw(SPACES)}.{draw(SPACES)}".join(shown) + draw(SPACES) + "=" + draw(SPACES))
    value(draw, page, line_of, depth)


def value(draw, page, path, depth) -> None:
    kind = draw(st.sampled_from(("plain", "plain", "list", "table"))) if depth else "plain"
    if kind == "plain":
        page.write(draw(PLAIN))
    elif kind == "list":
        page.write("[" + draw(GAPS))
        for index in range(draw(st.integers(0, 3))):
            page.note((*path, index))
            value(draw, page, (*path, index), depth - 1)
            page.write(draw(GAPS) + "," + draw(GAPS))
        page.write("]")
    else:
        page.write("{" + draw(SPACES))
        count = draw(st.integers(0, 3))
        for number in range(count):
            pair(draw, page, path, number, depth - 1)
            page.write(draw(SPACES) + ("," if number < count - 1 else "") + draw(SPACES))
        page.write("}")


def paths_of(value, path=()):
    """Every key and item that tomllib found."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, below in items:
        yield (*path, key)
        if isinstance(below, dict | list):
            yield from paths_of(below, (*path, key))


@given(pages())
def test_every_key_that_tomllib_finds_has_the_line_on_which_it_was_written(page):
    found = tomllib.loads(page.text)
    lines = key_lines(page.text)
    assert set(lines) == set(paths_of(found))
    assert lines == page.lines


@given(st.text(st.characters(codec="utf-8"), max_size=60))
def test_a_text_quoted_for_toml_is_read_back_as_it_was(text):
    assert tomllib.loads(f"key = {quoted(text)}") == {"key": text}


@given(st.text(st.characters(), max_size=60))
def test_a_text_with_halves_of_surrogate_pairs_still_makes_valid_toml(text):
    assert set(tomllib.loads(f"{quoted(text)} = 1").values()) == {1}


VALUES = st.recursive(
    st.one_of(
        st.booleans(),
        st.integers(),
        st.floats(),
        st.text(max_size=6),
        st.sampled_from((*Code, "error", "SAF", "torch zip", "1M", "convnextpose", "S")),
        st.dates(),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(("code", "reason", "expires", "file", "x")), inner),
    ),
    max_leaves=6,
)


def toml(value) -> str:
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{', '.join(map(toml, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{quoted(key)} = {toml(one)}' for key, one in value.items())}}}"
    return value.isoformat() if isinstance(value, datetime.date) else str(value)


def complaint(text: str) -> str:
    """What is wrong with a policy; nothing if it is one."""
    try:
        parse_policy(text, "nowhere/ckptscope.toml")
    except PolicyError as error:
        return str(error)
    return ""


@given(st.dictionaries(st.sampled_from((*KEYS, "max_size", "famly", "")), VALUES, max_size=4))
def test_a_table_of_any_values_is_a_policy_or_an_error_that_names_line_and_key(table):
    said = complaint(
        "[gate]\n" + "".join(f"{quoted(key)} = {toml(one)}\n" for key, one in table.items())
    )
    if not said:
        return
    place, _, rest = said.partition(": ")
    line = int(place.removeprefix("nowhere/ckptscope.toml:"))
    assert 2 <= line <= len(table) + 1
    key = list(table)[line - 2]
    assert rest.startswith(f"gate.{key}" if key else "gate.''")
    assert len(said.splitlines()) == 1
    assert len(said) < 1500


@given(st.binary(max_size=200).map(lambda raw: raw.decode("utf-8", "replace")))
def test_any_text_is_a_policy_or_a_policy_error(text):
    said = complaint(text)
    assert not said or said.startswith("nowhere/ckptscope.toml")


CODES = st.sampled_from(list(Code))
FINDINGS = st.builds(
    Finding,
    code=CODES,
    severity=st.sampled_from(list(Severity)),
    message=st.text(max_size=20).map(lambda text: f"found {text!r} 3 times at byte 7"),
    where=st.builds(
        Where, member=st.none() | st.text(max_size=4), key=st.none() | st.text(max_size=4)
    ),
)
SELECTORS = CODES.flatmap(lambda code: st.integers(1, len(code)).map(lambda end: code[:end]))
SELECTIONS = st.dictionaries(
    SELECTORS | st.sampled_from(list(Severity)), st.sampled_from(list(Action)), max_size=5
)


def selection(chosen: dict[str, Action]) -> Selection:
    return Selection(
        **{
            action.value: tuple(one for one, said in chosen.items() if said is action)
            for action in Action
        }
    )


@given(FINDINGS, SELECTIONS)
def test_of_several_selectors_the_longest_that_fits_decides_and_a_severity_last(finding, chosen):
    fitting = [one for one in chosen if finding.code.startswith(one)]
    action = choose_action(finding, (selection(chosen), DEFAULT_SELECTION))
    if fitting:
        assert action is chosen[max(fitting, key=len)]
    elif finding.severity in chosen:
        assert action is chosen[finding.severity]
    else:
        assert action is choose_action(finding, (DEFAULT_SELECTION,))


@given(FINDINGS, st.lists(FINDINGS, max_size=4), st.text("ab/", max_size=6))
def test_a_fingerprint_does_not_depend_on_other_findings_their_order_or_the_folder(
    finding, others, folder
):
    today = datetime.date(2026, 1, 1)
    alone = rule([finding], Policy(), path="model.pth", today=today)[0].fingerprint
    *_, last = rule([*others, finding], Policy(), path=f"{folder}/model.pth", today=today)
    first, *_ = rule([finding, *others], Policy(), path="model.pth", today=today)
    assert alone == last.fingerprint == first.fingerprint
    assert len(alone) == 32
    assert set(alone) <= set("0123456789abcdef")


@given(FINDINGS, FINDINGS)
def test_findings_of_other_codes_or_places_have_other_fingerprints(one, other):
    same = (one.code, one.where) == (other.code, other.where)
    if not same:
        assert fingerprint(one, "m.pth") != fingerprint(other, "m.pth")


WEIGHTS = manifest(torch_zip({"w": tensor("0", (2,))}, {"0": bytes(8)}))
IMPORTS = st.builds(
    Import,
    module=st.text(st.characters(), max_size=8) | st.just("mylab.models"),
    name=st.text(st.characters(), max_size=8) | st.just("Net"),
    opcode=st.just("GLOBAL"),
    member=st.none(),
    offset_bytes=st.just(0),
)


@given(
    st.lists(st.tuples(st.text(st.characters(), max_size=12), st.text(max_size=3)), max_size=4),
    st.lists(IMPORTS, max_size=3),
    st.text(st.characters(), max_size=12),
)
def test_whatever_a_file_is_called_and_names_a_policy_after_it_loads_and_asks_for_no_more(
    metadata, imports, path
):
    made = msgspec.structs.replace(WEIGHTS, metadata=tuple(metadata), imports=tuple(imports))
    proposal = propose_policy(Example(path=path, manifest=made, file_bytes=5))
    policy = parse_policy(proposal.text, "ckptscope.toml")
    assert {one.code for one in proposal.objections} <= {
        # What cannot be named, or is dangerous, no policy trusts.
        Code.IMPORT_UNKNOWN,
        Code.IMPORT_DANGEROUS,
        Code.IMPORT_HIDDEN,
    }
    assert (policy.family, policy.warn, policy.ignore, policy.waivers) == (None, (), (), ())
    assert policy.containers == made.containers
