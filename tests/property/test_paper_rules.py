"""What holds of tables, labels and verdicts whatever they are made of."""

import tomllib
from pathlib import Path

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from ckptscope.errors import SpecError
from ckptscope.facts.architecture import Architecture, Evidence, Fact
from ckptscope.facts.claims import Claim, Rule, Verdict
from ckptscope.facts.tensors import Origin
from ckptscope.specs import loading
from ckptscope.specs.compare import judge_row, stand
from ckptscope.specs.labels import first_claim, rows_named
from ckptscope.specs.loading import load_table, tables_for
from ckptscope.specs.places import line_of
from ckptscope.specs.plain import read_plain
from ckptscope.specs.rules import judge
from ckptscope.specs.wording import in_unit

(PAPER,) = tables_for("convnextpose")
DATA = Path(loading.__file__).parent / "data"
TEXT = (DATA / "convnextpose.toml").read_text(encoding="utf-8")
ROWS = {row.name for row in PAPER.rows}
DECISIVE = {Origin.OBSERVED, Origin.DERIVED}

items = st.one_of(
    st.booleans(),
    st.integers(),
    st.sampled_from([0, 18, 576, 1152, 2**62, 2**2000]),
    st.floats(),
    st.text(max_size=20),
    st.tuples(st.integers(), st.integers()),
)
values = st.one_of(st.none(), items, st.lists(items, max_size=20).map(tuple))


@st.composite
def architectures(draw) -> Architecture:
    """Facts of any value and origin, under the names that the paper's table asks for."""
    names = sorted({rule.fact for rule in PAPER.rules if rule.fact} | {"state_elements"})
    facts = tuple(
        Fact(
            name=name,
            value=draw(values),
            origin=draw(st.sampled_from(list(Origin))),
            assumptions=tuple(draw(st.lists(st.text(max_size=5), max_size=2))),
            evidence=(Evidence(text="seen"),),
        )
        for name in names
        if draw(st.booleans())
    )
    return Architecture(
        family="convnextpose",
        title="ConvNeXtPose",
        state_dict="",
        prefix="",
        reasons=(),
        coverage=1.0,
        facts=facts,
        settings=None,
        dialect=draw(st.sampled_from(["named", "indexed", "list", "", "?"])),
        counts=None,
    )


@given(architectures(), st.sampled_from(sorted(ROWS)))
def test_no_claim_is_decided_on_what_is_not_observed_or_derived(architecture, row):
    for found in judge_row(architecture, PAPER, row):
        if found.verdict in (Verdict.MATCHES, Verdict.CONTRADICTS):
            assert found.origin in DECISIVE
        else:
            assert found.agrees is None or found.origin not in DECISIVE


@given(architectures())
def test_the_rows_are_ranked_by_contradictions_and_a_variant_has_none(architecture):
    found = stand(architecture, PAPER)
    contradictions = [fit.contradicts for fit in found.ranking]
    assert contradictions == sorted(contradictions)
    assert {fit.row for fit in found.ranking} == ROWS
    if found.variant is not None:
        assert found.ranking[0].row == found.variant
        assert (contradictions[0], found.ranking[0].matches > 0) == (0, True)
    assert bool(found.remark) == (found.variant is None)


@given(
    st.integers(min_value=1, max_value=10**10),
    st.integers(min_value=0, max_value=3),
    st.sampled_from([1e3, 1e6, 1e9, 2.0**20]),
)
def test_a_claim_that_is_printed_by_rounding_a_count_admits_the_count(count, decimals, scale):
    rule = Rule(attribute="params", fact="parameters", unit="M", scale=scale, decimals=decimals)
    printed = float(in_unit(count, rule).partition(" ")[0].replace(",", ""))
    assert Claim(subject="S", rule=rule, value=printed).admits(count)
    beyond = printed + 10.0**-decimals * 1.5
    assert not Claim(subject="S", rule=rule, value=beyond).admits(count)


@given(values, values, st.sampled_from([None, 0, 2]), st.sampled_from([None, 0.02]))
def test_any_claim_may_be_held_against_any_fact(claimed, found, decimals, tolerance):
    rule = Rule(attribute="x", fact="x", decimals=decimals, tolerance=tolerance)
    if isinstance(claimed, int) and abs(claimed) > 10**30:
        claimed = 1  # no table may claim it
    if claimed is None:
        return
    architecture = msgspec.structs.replace(
        tables_architecture(), facts=(Fact(name="x", value=found, origin=Origin.OBSERVED),)
    )
    judged = judge(Claim(subject="S", rule=rule, value=claimed), architecture)
    assert judged.verdict in (Verdict.MATCHES, Verdict.CONTRADICTS)
    assert len(judged.explanation) < 5000


def tables_architecture() -> Architecture:
    return Architecture(
        family="convnextpose",
        title="",
        state_dict="",
        prefix="",
        reasons=(),
        coverage=1.0,
        facts=(),
        settings=None,
        dialect="",
        counts=None,
    )


separators = st.sampled_from(["_", "-", ".", " ", "__", " - "])
endings = st.sampled_from([".tar", ".pth", ".pth.tar", ".safetensors", "", " (1).tar", " (12).pth"])
words = st.lists(st.sampled_from(["best", "final", "epoch", "68", "83", "v2", "h36m"]), max_size=3)


@given(st.sampled_from(sorted(ROWS)), separators, words, endings, st.booleans(), st.booleans())
def test_a_label_behind_the_name_of_the_family_is_found_in_any_case(
    row, separator, more, ending, is_lower, is_first
):
    pieces = ["ConvNeXtPose", row, *more] if is_first else [*more, "ConvNeXtPose", row]
    name = separator.join(pieces)
    assert rows_named((name.lower() if is_lower else name) + ending, PAPER) == (row,)


@given(words, separators, endings)
def test_names_without_a_label_claim_nothing(more, separator, ending):
    assert rows_named(separator.join(["snapshot", *more]) + ending, PAPER) == ()


@given(st.text(max_size=60))
def test_any_name_claims_rows_of_the_table_or_none(name):
    assert set(rows_named(name, PAPER)) <= ROWS
    found, rows = first_claim([name, "ConvNeXtPose_L"], PAPER)
    assert found in (name, "ConvNeXtPose_L")
    assert rows


@given(st.data())
def test_a_table_changed_anywhere_is_read_or_refused_in_one_line(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "changed.toml"
    text = TEXT
    for _ in range(data.draw(st.integers(min_value=1, max_value=3))):
        start = data.draw(st.integers(min_value=0, max_value=len(text)))
        end = start + data.draw(st.sampled_from([0, 1, 2, 10, 100]))
        new = data.draw(st.sampled_from(["", "x", "3", "[", "]", '"', "=", "\n", "{}", ".", "-1"]))
        text = text[:start] + new + text[end:]
    path.write_text(text, encoding="utf-8")
    try:
        table = load_table(path)
    except SpecError as error:
        said = str(error)
    else:
        said = "changed.toml: "
        stand(tables_architecture(), table)
    assert said.startswith("changed.toml: ")
    assert "\n" not in said


lines = st.sampled_from(
    [
        "[a]",
        "[a.b]",
        '[a."x y"]',
        "[b]",
        "x = 1",
        "y = 1.50",
        'z = "t\\n"',
        "b = [1, 2]",
        "# said",
        "",
        "x = 1_000",
        "y = 'x'",
        "q = true",
        "g = 1_234_567",
        "g = 1_23",
        "g = 01_234",
        "g = 1__234",
        "w = [1,\n2]",
        'v = """\nx"""',
        "d = 2020-01-01",
        "n = nan",
        "x.y = 3",
        "x = 1 # said",
    ]
)


@given(st.lists(lines, max_size=8).map("\n".join))
def test_the_fast_reader_reads_what_tomllib_reads_or_nothing(text):
    found = read_plain(text)
    try:
        wanted = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        wanted = None
    assert found is None or found == wanted


@given(st.lists(lines, max_size=8).map("\n".join))
def test_the_line_of_a_value_is_the_first_without_which_it_is_not_there(text):
    try:
        whole = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    for key in whole:
        line = line_of(text, (key,))
        assert line is not None
        before = text.split("\n")[: line - 1]
        try:
            assert key not in tomllib.loads("\n".join(before))
        except tomllib.TOMLDecodeError:
            raise AssertionError("a line before it is within another value") from None
