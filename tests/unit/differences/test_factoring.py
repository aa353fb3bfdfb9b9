"""What recurs in the lines of networks that no family knows."""

import pytest
from builders.loading import adds_up, counts, size_line

from ckptscope.differences.factoring import factor_lines
from ckptscope.differences.traceback import read_errors
from ckptscope.facts.differences import CauseKind, KeyDifferences
from ckptscope.facts.tensors import Origin


def factored(*lines: str, missing=(), unexpected=()):
    text = ""
    for word, keys in (("Missing", missing), ("Unexpected", unexpected)):
        if keys:
            text += f"{word} key(s) in state_dict: " + ", ".join(f'"{k}"' for k in keys) + ". \n"
    (error,) = read_errors(text + "\n".join(lines))
    found = factor_lines(error.differences)
    assert adds_up(found)
    return found


def layer(number: int) -> list[str]:
    name = f"encoder.layer.{number}"
    return [f"{name}.attn.weight", f"{name}.attn.bias", f"{name}.mlp.weight", f"{name}.norm.weight"]


def test_a_last_layer_of_another_size_is_another_number_of_classes():
    found = factored(
        size_line("head.weight", (1000, 768), (10, 768)), size_line("head.bias", (1000,), (10,))
    )
    (cause,) = found.causes
    assert cause.text.startswith("'head' has 1000 outputs in the file, 10 in the network")
    assert cause.origin is Origin.ASSUMED
    assert any("ImageNet-1K" in text for text in cause.evidence)


def test_a_width_that_another_layer_takes_in_is_no_number_of_classes():
    found = factored(
        size_line("a.weight", (20, 3), (10, 3)), size_line("b.weight", (5, 20), (5, 10))
    )
    assert [cause.kind for cause in found.causes] == [CauseKind.SIZES]


def test_rows_of_an_embedding_are_words():
    found = factored(size_line("model.embed_tokens.weight", (32000, 64), (32001, 64)))
    assert "another number of words" in found.causes[0].text


@pytest.mark.parametrize(
    ("key", "found", "expected", "grid"),
    [
        ("pos_embed", (1, 197, 768), (1, 577, 768), "197 = 14×14 + 1 in the file, 577 = 24×24 + 1"),
        ("embeddings.position_embeddings.weight", (512, 768), (1024, 768), ""),
        ("attn.relative_position_bias_table", (169, 3), (529, 3), "169 = 13×13 in the file"),
    ],
)
def test_tables_of_positions_say_that_the_input_has_another_size(key, found, expected, grid):
    (cause,) = factored(size_line(key, found, expected)).causes
    assert "another size of input" in cause.text
    assert any(grid in text for text in cause.evidence)


def test_the_first_convolution_says_another_number_of_colours():
    (cause,) = factored(size_line("stem.weight", (64, 3, 7, 7), (64, 1, 7, 7))).causes
    assert cause.text.startswith("'stem' takes 3 channels in the file, 1 in the network")


def test_widths_of_one_ratio_are_one_cause():
    sizes = [(48, 40), (96, 80), (192, 160)]
    lines = [
        size_line(f"conv{index}.weight", (found, 7), (expected, 7))
        for index, (found, expected) in enumerate(sizes)
    ]
    lines += [size_line("out.weight", (9, 192), (9, 160)), size_line("in.weight", (3, 48), (3, 40))]
    lines += [size_line("mid.weight", (3, 96), (3, 80))]
    (cause,) = factored(*lines).causes
    assert cause.text.startswith("sizes are 48, 96, 192 in the file, 40, 80, 160 in the network")
    assert len(cause.mismatched) == 6


def test_a_single_size_that_recurs_in_nothing_stays_unexplained():
    found = factored(size_line("a.scale", (3,), (4,)))
    assert found.causes == ()
    assert [line.key for line in found.unexplained.mismatched] == ["a.scale"]


def test_layers_that_only_the_file_has_are_a_deeper_row():
    keys = [key for number in range(12, 24) for key in layer(number)]
    (cause,) = factored(unexpected=keys).causes
    assert cause.text == "'encoder.layer' has 24 layers in the file, 12 in the network"
    assert len(cause.unexpected) == 48


def test_layers_that_only_the_network_has_are_counted_the_other_way_round():
    keys = [key for number in range(2, 3) for key in layer(number)]
    (cause,) = factored(missing=keys).causes
    assert (cause.found, cause.expected) == ("2", "3")


def test_layers_that_begin_with_the_first_are_no_deeper_row():
    keys = [key for number in range(4) for key in layer(number)]
    assert factored(missing=keys).causes == ()


def test_running_statistics_of_one_side_are_a_norm_of_another_kind():
    leaves = ("running_mean", "running_var", "num_batches_tracked")
    keys = [f"layer{n}.bn.{leaf}" for n in range(3) for leaf in leaves]
    (cause,) = factored(missing=keys).causes
    assert cause.setting == "norm"
    assert "BatchNorm" in cause.text


def test_counters_alone_are_no_other_norm():
    (cause,) = factored(missing=["a.num_batches_tracked", "b.num_batches_tracked"]).causes
    assert cause.kind is CauseKind.COUNTERS


def test_biases_of_layers_that_both_sides_have_are_a_setting():
    (cause,) = factored(unexpected=["a.conv.bias", "b.conv.bias"]).causes
    assert (cause.setting, cause.found, cause.expected) == ("bias", "true", "false")


def test_pointwise_convolutions_against_linear_layers_are_recognised():
    (cause,) = factored(size_line("a.weight", (10, 20, 1, 1), (10, 20))).causes
    assert "1×1 convolution" in cause.text


@pytest.mark.parametrize(
    ("of_file", "of_network"),
    [("module.", ""), ("", "model."), ("_orig_mod.module.", ""), ("encoder.", "backbone.")],
)
def test_a_prefix_of_any_name_is_found(of_file, of_network):
    keys = [f"block{n}.{part}.weight" for n in range(4) for part in ("conv", "norm")]
    found = factored(
        missing=[of_network + key for key in keys], unexpected=[of_file + key for key in keys]
    )
    (cause,) = found.causes
    assert (cause.kind, cause.found, cause.expected) == (CauseKind.PREFIX, of_file, of_network)
    assert cause.count == 16


def test_layers_with_other_names_are_paired_and_said_to_be_a_guess():
    parts = ("weight", "bias", "scale")
    found = factored(
        missing=[f"blocks.{n}.fc.{part}" for n in range(1) for part in parts],
        unexpected=[f"layers.{n}.linear.{part}" for n in range(1) for part in parts],
    )
    (cause,) = found.causes
    assert cause.kind is CauseKind.NAMES
    assert cause.origin is Origin.ASSUMED


def test_two_keys_are_too_few_to_be_the_same_layer_under_other_names():
    found = factored(missing=["new.weight", "new.bias"], unexpected=["old.weight", "old.bias"])
    assert found.causes == ()
    assert found.unexplained.count == 4


def test_nothing_gives_nothing():
    assert counts(factor_lines(KeyDifferences())) == []
