"""Pasted errors of every age, and what terminals, logs and people make of them."""

import json

import pytest

from ckptscope.differences.paste import MOST_BYTES, decode_paste
from ckptscope.differences.traceback import read_errors
from ckptscope.errors import UsageError

ERROR = """\
Traceback (most recent call last):
  File "test.py", line 58, in <module>
    raise RuntimeError('Error(s) in loading state_dict for {}:\\n\\t{}'.format(
RuntimeError: Error(s) in loading state_dict for PoseNet:
\tMissing key(s) in state_dict: "backbone.conv1.weight", "backbone.bn1.weight".\x20
\tUnexpected key(s) in state_dict: "module.backbone.conv1.weight", "module.x".\x20
\tsize mismatch for head.final_layer.weight: copying a param with shape torch.Size([1152, 256, 1, 1]) from checkpoint, the shape in current model is torch.Size([1088, 256, 1, 1]).
\tsize mismatch for head.final_layer.bias: copying a param with shape torch.Size([1152]) from checkpoint, the shape in current model is torch.Size([1088]).
"""
(KNOWN,) = read_errors(ERROR)


def wrapped(text: str, width: int) -> str:
    """The text as a terminal breaks it: in the middle of words."""
    return "\n".join(
        line[start : start + width]
        for line in text.split("\n")
        for start in range(0, max(len(line), 1), width)
    )


def lines_with(text: str, before: str, after: str = "") -> str:
    return "\n".join(f"{before}{line}{after}" for line in text.split("\n"))


def test_an_error_is_read_with_its_network_and_its_three_lists():
    assert KNOWN.network == "PoseNet"
    assert KNOWN.differences.missing == ("backbone.conv1.weight", "backbone.bn1.weight")
    assert KNOWN.differences.unexpected == ("module.backbone.conv1.weight", "module.x")
    weight, bias = KNOWN.differences.mismatched
    assert (weight.key, weight.found, weight.expected) == (
        "head.final_layer.weight",
        (1152, 256, 1, 1),
        (1088, 256, 1, 1),
    )
    assert [(one.axis, one.found, one.expected) for one in weight.axes] == [(0, 1152, 1088)]
    assert (bias.key, bias.found, bias.expected) == ("head.final_layer.bias", (1152,), (1088,))
    assert (KNOWN.is_strict, KNOWN.cut_off, KNOWN.times) == (True, 0, 1)


@pytest.mark.parametrize(
    "text",
    [
        wrapped(ERROR, 20),
        wrapped(ERROR, 33),
        wrapped(ERROR, 80),
        ERROR.replace("\n", "\r\n"),
        ERROR.replace("\n", "\r"),
        lines_with(ERROR, "E       "),
        lines_with(ERROR, "> "),
        lines_with(ERROR, "[rank0]: "),
        lines_with(ERROR, "2024-05-01 12:00:00,123 [default3]:"),
        lines_with(wrapped(ERROR, 70), "│ \x1b[31m", "\x1b[0m   │"),
        lines_with(ERROR, "\x1b]0;title\x07\x1b[1;31;40m", "\x1b[K"),
        ERROR.replace('"', "\N{LEFT DOUBLE QUOTATION MARK}"),
        ERROR.replace('"', "&quot;"),
        ERROR.replace(" ", "\N{NO-BREAK SPACE}"),
        ERROR.replace(", ", ",\n\t    "),
        json.dumps({"message": ERROR}),
        "\ufeff" + ERROR,
        f"some words before\n{ERROR}some words behind: they are no keys.",
    ],
    ids=lambda text: repr(text[:24]),
)
def test_the_same_error_is_read_through_whatever_surrounds_it(text):
    assert read_errors(text) == (KNOWN,)


def test_lines_of_several_ranks_mixed_with_each_other_are_one_error_told_twice():
    mixed = "\n".join(f"[rank{r}]: {line}" for line in ERROR.split("\n") for r in (0, 1))
    (found,) = read_errors(mixed)
    assert found.times == 2
    assert found.differences == KNOWN.differences


def test_text_of_powershell_is_read():
    assert read_errors(decode_paste(ERROR.encode("utf-16"))) == (KNOWN,)


def test_two_errors_are_told_apart_with_and_without_their_headings():
    other = ERROR.replace("PoseNet", "RootNet").replace("1088", "1344")
    first, second = read_errors(ERROR + other)
    assert (first.network, second.network) == ("PoseNet", "RootNet")
    body = ERROR[ERROR.index("\tMissing") :]
    bare = read_errors(body + body.replace("1152", "576"))
    assert [one.differences.mismatched[0].found[0] for one in bare] == [1152, 576]


@pytest.mark.parametrize(
    "text",
    [
        # torch 0.4 and 1.0, whose error has the two shapes the wrong way round
        "size mismatch for fc.weight: copying a param of torch.Size([3, 5]) from checkpoint, where "
        "the shape is torch.Size([9, 5]) in current model.",
        # torch 0.1 to 0.4
        "While copying the parameter named fc.weight, whose dimensions in the model are "
        "torch.Size([3, 5]) and whose dimensions in the checkpoint are torch.Size([9, 5]).",
        'RuntimeError: While copying the parameter named "fc.weight", whose dimensions in the '
        "model are torch.Size([3, 5]) and whose dimensions in the checkpoint are torch.Size([9, "
        "5]), an exception occured : ('inconsistent tensor size',).",
        "size mismatch for fc.weight: copying a param with shape (9, 5) from checkpoint, the shape "
        "in current model is (3, 5).",
    ],
)
def test_the_words_of_every_version_say_which_shape_is_whose(text):
    (found,) = read_errors(text)
    (line,) = found.differences.mismatched
    assert (line.key, line.found, line.expected) == ("fc.weight", (9, 5), (3, 5))


def test_scalars_and_shapes_with_other_numbers_of_dimensions_are_read():
    (found,) = read_errors(
        "size mismatch for n: copying a param with shape torch.Size([]) from checkpoint, the shape "
        "in current model is torch.Size([2, 1])."
    )
    (line,) = found.differences.mismatched
    assert (line.found, line.expected, line.axes) == ((), (2, 1), ())


def test_keys_errors_of_torch_before_0_4_are_read():
    (found,) = read_errors("KeyError: 'unexpected key \"module.conv1.weight\" in state_dict'")
    assert found.differences.unexpected == ("module.conv1.weight",)
    (found,) = read_errors("KeyError: 'missing keys in state_dict: \"{'a.b', 'c.d'}\"'")
    assert found.differences.missing == ("a.b", "c.d")


def test_what_a_load_that_is_not_strict_returns_is_read():
    (found,) = read_errors(
        "_IncompatibleKeys(missing_keys=['a.weight', 'a.bias'], unexpected_keys=['b.weight'])"
    )
    assert not found.is_strict
    assert found.differences.missing == ("a.weight", "a.bias")
    assert found.differences.unexpected == ("b.weight",)


def test_a_load_to_which_nothing_was_wrong_is_no_error():
    assert read_errors("_IncompatibleKeys(missing_keys=[], unexpected_keys=[])") == ()


def test_a_parameter_that_could_not_be_copied_for_another_reason_is_no_mismatch():
    (found,) = read_errors(
        'Error(s) in loading state_dict for Net:\n\tWhile copying the parameter named "a.weight", '
        "expected torch.Tensor or Tensor-like object from checkpoint but received <class 'int'>"
    )
    assert found.refused == ("a.weight",)
    assert found.differences.is_empty


@pytest.mark.parametrize("dots", ["...", "…", "[...]"])
def test_an_ellipsis_in_a_list_is_counted_and_the_keys_around_it_are_kept(dots):
    (found,) = read_errors(f'Missing key(s) in state_dict: "a", "b", {dots}, "z". ')
    assert found.differences.missing == ("a", "b", "z")
    assert found.cut_off == 1


def test_lists_that_people_end_with_dots_are_cut_off():
    (found,) = read_errors(
        'Missing key(s) in state_dict: "a.weight", "a.bias"...\n'
        'Unexpected key(s) in state_dict: "module.a.weight", "module.a.bias"...'
    )
    assert found.differences.missing == ("a.weight", "a.bias")
    assert found.differences.unexpected == ("module.a.weight", "module.a.bias")
    assert found.cut_off == 2


def test_a_paste_that_breaks_off_keeps_every_whole_entry_wherever_it_is_cut():
    whole = ERROR[ERROR.index("Error(s) in loading state_dict for PoseNet") :]
    for end in range(len(whole)):
        for found in read_errors(whole[:end]):
            assert set(found.differences.missing) <= set(KNOWN.differences.missing)
            assert set(found.differences.unexpected) <= set(KNOWN.differences.unexpected)
            keys = {line.key: line for line in KNOWN.differences.mismatched}
            assert all(keys[line.key] == line for line in found.differences.mismatched)


def test_the_line_of_torch_that_a_traceback_shows_is_no_error_of_its_own():
    assert read_errors("raise RuntimeError('Error(s) in loading state_dict for {}:\\n\\t{}'") == ()
    assert read_errors('"Missing key(s) in state_dict: {}. ".format(", ".join(missing_keys))') == ()


@pytest.mark.parametrize("text", ["", "nothing of that sort", "state_dict", "size mismatch for "])
def test_text_without_an_error_gives_none(text):
    assert read_errors(text) == ()


def test_shapes_that_no_tensor_can_have_are_left_out():
    shape = "1, " * 100
    huge = "9" * 30
    for size in (shape, huge):
        text = (
            f"size mismatch for a: copying a param with shape torch.Size([{size}]) from checkpoint,"
            f" the shape in current model is torch.Size([1])."
        )
        assert read_errors(text) == ()


def test_a_text_longer_than_any_paste_is_refused():
    with pytest.raises(UsageError, match="at most 16,777,216 bytes"):
        decode_paste(bytes(MOST_BYTES + 1))
