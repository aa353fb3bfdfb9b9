"""Which tensor is which: names first, values next, places among equal shapes last."""

from builders.state_dicts import tensor_of

from ckptscope.comparisons.pairing import is_reordered, pair_tensors
from ckptscope.facts.comparison import Pairing


def tensors(**shapes):
    return {name.replace("__", "."): tensor_of(name, shape) for name, shape in shapes.items()}


def met(pairs):
    return {one: (other, pairing) for one, other, pairing in pairs.found}


def test_names_come_first_whatever_the_shapes_are():
    found = pair_tensors(tensors(a=(2,), b=(3,)), tensors(b=(2,), a=(3,)))
    assert met(found) == {"a": ("a", Pairing.NAME), "b": ("b", Pairing.NAME)}
    assert is_reordered(found, tensors(b=(2,), a=(3,)))


def test_something_before_all_names_of_one_side_is_looked_through():
    left = tensors(a__x=(2,), a__y=(3,), b__z=(4,))
    right = {f"net.{key}": value for key, value in left.items()}
    found = pair_tensors(left, right)
    assert met(found) == {key: (f"net.{key}", Pairing.NAME) for key in left}


def test_the_same_values_meet_in_the_order_of_the_files():
    left, right = tensors(p=(2,), q=(2,), r=(5,)), tensors(u=(2,), v=(2,), w=(2,))
    values = {"p": b"1", "q": b"2", "u": b"2", "v": b"1", "w": b"1"}

    def digest(one):
        return values.get(one.key)

    found = pair_tensors(left, right, digests=(digest, digest))
    assert met(found) == {"p": ("v", Pairing.VALUES), "q": ("u", Pairing.VALUES)}
    assert (found.only_left, found.only_right) == (("r",), ("w",))


def test_tensors_of_a_shape_that_the_other_side_lacks_are_not_read():
    def digest(one):
        raise AssertionError(one.key)

    found = pair_tensors(tensors(p=(2,)), tensors(q=(3,)), digests=(digest, digest))
    assert (found.only_left, found.only_right) == (("p",), ("q",))


def test_equal_shapes_meet_by_place_only_if_nearly_all_do():
    left = tensors(a__weight=(2, 3), b__weight=(2, 3), c__weight=(4, 4))
    right = tensors(k__weight=(2, 3), l__weight=(2, 3), m__weight=(4, 4))
    found = pair_tensors(left, right)
    assert met(found)["b.weight"] == ("l.weight", Pairing.SHAPE)
    more = {**right, **tensors(n__bias=(7,), o__bias=(7,), p__bias=(8,))}
    assert not pair_tensors(left, more).found


def test_a_dialect_is_asked_before_values():
    left, right = tensors(gamma=(2,)), tensors(scale=(2,))
    found = pair_tensors(left, right, translated={"gamma": "scale", "beta": "offset"})
    assert met(found) == {"gamma": ("scale", Pairing.DIALECT)}
