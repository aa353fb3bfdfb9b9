"""Many keys in a few patterns."""

from builders.loading import XS, S, difference, shapes

from ckptscope.differences.patterns import fold_keys, patterns_text


def test_numbered_layers_of_the_same_kind_become_a_range():
    keys = [key for key in shapes(S) if ".stages.2." in key and int(key.split(".")[3]) > 5]
    assert fold_keys(keys) == (("backbone.stages.2.{6..8}.*", 33),)


def test_stages_with_other_blocks_stand_side_by_side():
    assert patterns_text(difference(S, XS).unexpected) == (
        "backbone.stages.0.2.* (11), backbone.stages.1.2.* (11), backbone.stages.2.{6..8}.* (33), "
        "backbone.stages.3.2.* (11)"
    )


def test_numbers_behind_a_name_become_a_range_too():
    keys = [f"head.deconv_layers_{number}.norm.weight" for number in (1, 2, 3)]
    assert patterns_text(keys) == "head.deconv_layers_{1..3}.norm.weight (3)"


def test_a_single_key_is_written_out_without_a_count():
    assert patterns_text(["head.final_layer.bias"]) == "head.final_layer.bias"


def test_the_counts_of_all_patterns_add_up_whatever_the_keys_are():
    keys = [*shapes(S), "", ".", "a..b", "1.2.3", "x" * 5000, "0", *(str(n) for n in range(9))]
    for most in (1, 2, 4, 8):
        folded = fold_keys(keys, most=most)
        assert sum(count for _, count in folded) == len(keys)
        assert len(folded) <= most


def test_no_keys_are_no_pattern():
    assert fold_keys([]) == ()
