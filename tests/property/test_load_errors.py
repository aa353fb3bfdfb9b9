"""Random networks loaded into each other, random pastes of what torch says, random text."""

import pytest
from builders.loading import (
    FAMILY,
    adds_up,
    architecture,
    difference,
    error_text,
    forecast,
    whole,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from ckptscope.differences.explaining import explain_error
from ckptscope.differences.factoring import factor_lines
from ckptscope.differences.forecast import FileNetwork, Target, forecast_steps
from ckptscope.differences.recognising import make_catalogue
from ckptscope.differences.solving import Reference
from ckptscope.differences.traceback import read_errors
from ckptscope.errors import UsageError
from ckptscope.pipeline.explaining import explain_paste
from ckptscope.reports.explained import describe_explained
from ckptscope.reports.text import lay_out

DIALECTS = st.sampled_from(FAMILY.dialects)
PREFIXES = st.sampled_from(["", "module.", "model.", "_orig_mod.module.", "net.encoder."])


@st.composite
def configurations(draw):
    stages = draw(st.integers(1, 4))
    layers = draw(st.integers(1, 3))
    widths = st.sampled_from([3, 4, 6, 8])
    return {
        "dims": tuple(draw(widths) for _ in range(stages)),
        "depths": tuple(draw(st.integers(1, 3)) for _ in range(stages)),
        "head_out_channels": tuple(draw(widths) for _ in range(layers)),
        "joints": draw(st.sampled_from([16, 17, 18, 21])),
        "depth_bins": draw(st.sampled_from([8, 32, 64])),
        "upsampling": (True,) * layers,
        "kernel_size": draw(st.sampled_from([3, 7])),
        "norm": draw(st.sampled_from(["BatchNorm2d", "LayerNorm"])),
        "layer_scale": draw(st.booleans()),
        "grn": draw(st.booleans()),
    }


@st.composite
def pairs(draw):
    """Two configurations that agree in some settings."""
    one, other = draw(configurations()), draw(configurations())
    together = [
        ("dims", "depths"),
        ("head_out_channels", "upsampling"),
        *((name,) for name in ("joints", "depth_bins", "kernel_size", "norm", "grn")),
    ]
    changed = dict(one)
    for names in together:
        if draw(st.booleans()):
            changed.update({name: other[name] for name in names})
    return one, changed


@given(pairs(), DIALECTS, DIALECTS, PREFIXES, st.booleans())
def test_every_line_of_a_forecast_has_a_cause_and_the_counts_add_up(
    made, dialect, other, prefix, has_versions
):
    file, network = made
    versions = {"backbone.norm": 2, f"{prefix}backbone.norm": 2} if has_versions else None
    steps = forecast(
        file, network, dialect=dialect, network_dialect=other, prefix=prefix, versions=versions
    )
    assert steps[0].changes == "nothing"
    for step in steps:
        assert adds_up(step.diagnosis)
        assert step.diagnosis.unexplained.is_empty
    last = steps[-1].diagnosis
    assert {cause.kind.value for cause in last.causes} <= {"setting", "counters"}
    if file == network and not has_versions:
        assert last.differences.is_empty


@given(configurations(), DIALECTS, PREFIXES)
def test_a_file_of_the_configuration_itself_loads(made, dialect, prefix):
    steps = forecast(made, made, dialect=dialect, network_dialect=dialect, prefix=prefix)
    assert steps[-1].diagnosis.differences.is_empty
    assert len(steps) == 1 + bool(prefix)


@given(
    pairs(),
    st.dictionaries(
        st.text(max_size=12) | st.sampled_from(["backbone.norm.weight", "head.final_layer.bias"]),
        st.none() | st.lists(st.integers(0, 2**62), max_size=6).map(tuple),
        max_size=12,
    ),
)
def test_shapes_and_names_of_any_sort_only_add_lines(made, more):
    file, network = made
    steps = forecast(file, network, more=more)
    assert all(adds_up(step.diagnosis) for step in steps)


@given(
    st.dictionaries(
        st.text("abc01._", max_size=20), st.lists(st.integers(0, 9), max_size=4).map(tuple)
    ),
    PREFIXES,
)
def test_a_file_that_is_nothing_of_the_family_is_compared_all_the_same(shapes, prefix):
    target = Target(settings=whole(next(iter(SOME))), dialect="named")
    network = FileNetwork(
        shapes=shapes, versions=None, architecture=architecture(None, "named", prefix)
    )
    for step in forecast_steps(FAMILY, network, target):
        assert adds_up(step.diagnosis)


SOME = (
    {
        "dims": (4, 6),
        "depths": (1, 2),
        "head_out_channels": (8,),
        "joints": 18,
        "depth_bins": 32,
        "upsampling": (True,),
    },
)
CATALOGUE = make_catalogue(
    FAMILY, [Reference(row="some", table="rows", settings=whole(one)) for one in SOME]
)


@st.composite
def manglings(draw):
    """What happens to a text on its way: lines broken anywhere, colours, borders, line ends."""
    width = draw(st.integers(12, 200))
    before = draw(st.sampled_from(["", "> ", "[rank3]: ", "│ ", "E       ", "\x1b[31m", "    "]))
    after = draw(st.sampled_from(["", "  │", "\x1b[0m", "\r", "   "]))

    def mangle(text: str) -> str:
        lines = [
            line[start : start + width]
            for line in text.split("\n")
            for start in range(0, max(len(line), 1), width)
        ]
        return "\n".join(f"{before}{line}{after}" for line in lines)

    return mangle


@settings(max_examples=30)
@given(pairs(), DIALECTS, PREFIXES, manglings())
def test_a_paste_is_read_as_it_was_printed_however_it_was_wrapped(made, dialect, prefix, mangle):
    lines = difference(*made, dialects=(dialect, "named"), prefixes=(prefix, ""))
    if lines.is_empty:
        return
    (plain,) = read_errors(error_text(lines))
    assert plain.differences.missing == lines.missing
    assert plain.differences.unexpected == lines.unexpected
    assert [(one.key, one.found, one.expected) for one in plain.differences.mismatched] == [
        (one.key, one.found, one.expected) for one in lines.mismatched
    ]
    assert read_errors(mangle(error_text(lines))) == (plain,)


@settings(max_examples=30)
@given(pairs(), DIALECTS, PREFIXES)
def test_every_line_of_a_paste_stands_under_one_cause_or_none(made, dialect, prefix):
    lines = difference(*made, dialects=(dialect, "named"), prefixes=(prefix, ""))
    if lines.is_empty:
        return
    (error,) = read_errors(error_text(lines))
    explained = explain_error(error, (CATALOGUE,))
    assert adds_up(explained.diagnosis)
    assert adds_up(factor_lines(error.differences))


FRAGMENTS = st.sampled_from(
    [
        "Error(s) in loading state_dict for ",
        "Net:",
        "Missing key(s) in state_dict: ",
        "Unexpected key(s) in state_dict: ",
        '"a.weight", ',
        '"head.final_layer.weight"',
        ". ",
        "...",
        "size mismatch for ",
        "head.final_layer.weight",
        ": copying a param with shape torch.Size([",
        "1152, 256, 1, 1",
        "]) from checkpoint, the shape in current model is torch.Size([",
        "0",
        "]).",
        "While copying the parameter named ",
        "_IncompatibleKeys(missing_keys=['",
        "'], unexpected_keys=['",
        "[rank1]: ",
        "\x1b[31m",
        "\n",
        "\\",
        '"',
        "'",
    ]
)


@settings(max_examples=150)
@given(st.lists(FRAGMENTS | st.text(max_size=6), max_size=30).map("".join))
def test_text_of_any_sort_is_explained_or_refused(text):
    try:
        report = explain_paste(text.encode("utf-8", "replace"))
    except UsageError:
        return
    for one in report.errors:
        assert adds_up(one.diagnosis)
    page = lay_out(describe_explained(report, lines=True), width=60, color=False)
    assert all(line.isprintable() for line in page.splitlines())
    assert max(map(len, page.splitlines())) <= 60


@given(st.binary(max_size=300))
def test_bytes_of_any_sort_are_explained_or_refused(content):
    with pytest.raises(UsageError):
        explain_paste(content)
