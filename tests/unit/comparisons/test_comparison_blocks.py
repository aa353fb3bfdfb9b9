"""Modules of a comparison: every pair in one row, the largest opened first."""

from builders.tensor_pairs import difference, moved, pair
from hypothesis import given
from hypothesis import strategies as st

from ckptscope.comparisons.blocks import make_blocks

keys = st.lists(
    st.lists(st.sampled_from(["a", "b", "0", "1", "weight", ""]), min_size=1, max_size=15).map(
        ".".join
    ),
    unique=True,
    max_size=60,
)


@given(keys)
def test_every_pair_stands_in_one_block(names):
    blocks = make_blocks([pair(name, difference(4)) for name in names])
    assert sum(block.tensors for block in blocks) == len(names)
    assert len(blocks) <= 24


def test_the_largest_module_is_opened_and_the_order_is_kept():
    names = [f"stages.{i}.conv.weight" for i in range(12)]
    blocks = make_blocks([pair(name, difference(100)) for name in names])
    assert [block.name for block in blocks] == [f"stages.{i}" for i in range(12)]


def test_a_module_of_too_many_parts_stays_one_row():
    pairs = [pair(f"rows.{i}.weight", difference(4)) for i in range(200)]
    pairs.append(pair("head.weight", moved(4, 0.5)))
    blocks = make_blocks(pairs)
    assert [(block.name, block.tensors, block.changed) for block in blocks] == [
        ("rows", 200, 0),
        ("head", 1, 4),
    ]
    assert blocks[1].relative_l2 == 0.5


def test_what_could_not_be_read_is_counted():
    (block,) = make_blocks([pair("a.x", difference(4)), pair("a.y", unread="broken")])
    assert (block.tensors, block.unread) == (2, 1)


def test_a_tensor_of_no_module_stands_at_the_top():
    (block,) = make_blocks([pair("weight", difference(4))])
    assert block.name == "(top)"


def test_names_of_an_optimizer_are_parted_at_their_slashes():
    pairs = [pair(f"state/{i}/exp_avg", difference(4)) for i in range(12)]
    assert [block.name for block in make_blocks(pairs)] == [f"state/{i}" for i in range(12)]


def test_a_counter_of_steps_is_in_no_distance():
    counter = difference(1, equal_bits=0, equal_cast=0, squares_left=1.0, squares_apart=4e9)
    (block,) = make_blocks([pair("m.step", counter, shape=()), pair("m.w", moved(4, 0.5))])
    assert (block.changed, block.relative_l2) == (5, 0.5)


def test_tensors_of_other_shapes_are_in_no_share():
    blocks = make_blocks([pair("a.x", difference(4)), pair("b.x", shape=(8,), right_shape=(9,))])
    assert [(block.elements, block.unread_elements) for block in blocks] == [(4, 0), (8, 8)]
