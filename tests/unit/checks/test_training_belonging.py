"""Whether an optimizer belongs to the network beside it."""

from builders.training_files import SMALL, Storages, checkpoint, of_code

from ckptscope.facts.findings import Code, Finding, Severity

SHAPES = list(SMALL.values())


def judged(storages: Storages, **tree: object) -> list[Finding]:
    content = checkpoint(tree, storages)
    return of_code(content, Code.OPTIMIZER_COUNT) + of_code(content, Code.OPTIMIZER_SHAPES)


def test_the_optimizer_of_the_network_is_not_remarked_on() -> None:
    s = Storages()
    assert judged(s, network=s.network(), optimizer=s.adam()) == []


def test_a_frozen_part_explains_a_shorter_list() -> None:
    s = Storages()
    assert judged(s, network=s.network(), optimizer=s.adam(SHAPES[2:])) == []


def test_a_frozen_part_in_the_middle_explains_a_shorter_list() -> None:
    s = Storages()
    assert judged(s, network=s.network(), optimizer=s.adam([SHAPES[0], SHAPES[3], SHAPES[4]])) == []


def test_a_longer_list_is_told_with_both_counts() -> None:
    s = Storages()
    (found,) = judged(s, network=s.network(), optimizer=s.adam([*SHAPES, (9, 9)]))
    assert found.code is Code.OPTIMIZER_COUNT
    assert found.severity is Severity.ERROR
    assert "lists 6 parameters" in found.message
    assert "has 5" in found.message
    assert any("[9, 9]" in line for line in found.evidence)


def test_a_state_of_a_strange_shape_is_told_with_the_shape() -> None:
    s = Storages()
    (found,) = judged(s, network=s.network(), optimizer=s.adam([*SHAPES[:-1], (7, 4)]))
    assert found.code is Code.OPTIMIZER_SHAPES
    assert found.severity is Severity.ERROR
    assert any("[7, 4]" in line for line in found.evidence)


def test_a_shape_that_comes_more_often_than_the_network_has_it_is_strange() -> None:
    s = Storages()
    (found,) = judged(s, network=s.network(), optimizer=s.adam([*SHAPES[:-1], SHAPES[0]]))
    assert found.code is Code.OPTIMIZER_SHAPES
    assert "1 of them" in found.message


def test_another_order_in_one_group_is_a_warning_and_no_contradiction() -> None:
    s = Storages()
    (found,) = judged(s, network=s.network(), optimizer=s.adam(SHAPES[::-1]))
    assert found.severity is Severity.WARNING
    assert "not decidable" in found.message
    assert any("state 0" in line for line in found.evidence)


def test_groups_may_come_in_any_order() -> None:
    s = Storages()
    weights, biases = [SHAPES[0], SHAPES[4]], SHAPES[1:4]
    optimizer = s.adam([*weights, *biases], groups=(2, 3))
    assert judged(s, network=s.network(), optimizer=optimizer) == []


def test_addresses_as_keys_do_not_scramble_the_order() -> None:
    """Old versions of torch key a state by the address of its parameter."""
    s = Storages()
    ids = [140_003, 140_001, 140_005, 140_002, 140_004]
    assert judged(s, network=s.network(), optimizer=s.adam(ids=ids)) == []


def test_an_optimizer_of_two_networks_belongs_to_both_together() -> None:
    s = Storages()
    both = s.adam([*SHAPES, (8, 2)])
    first, second = s.network(), s.network({"head.weight": (8, 2)})
    assert judged(s, generator=first, discriminator=second, optimizer=both) == []


def test_weights_of_a_loss_that_were_trained_too_are_accounted_for() -> None:
    s = Storages()
    optimizer = s.adam([*SHAPES, (3, 2)])
    loss = {"a": s.floats((3, 2)), "note": "x"}
    assert judged(s, network=s.network(), optimizer=optimizer, loss=loss) == []


def test_flat_states_may_be_of_sharded_parameters_and_are_not_judged() -> None:
    s = Storages()
    flat = s.adam([(sum(len(SHAPES) for _ in SHAPES) + 100,)])
    assert judged(s, network=s.network(), optimizer=flat) == []


def test_a_file_without_a_network_is_not_judged() -> None:
    s = Storages()
    assert judged(s, optimizer=s.adam()) == []


def test_states_of_unknown_algorithms_are_not_judged_by_shape() -> None:
    s = Storages()
    state = {0: {"state1": s.floats((5, 9)), "state2": s.floats((5, 9))}}
    optimizer = {"state": state, "param_groups": [{"lr": 1e-3, "params": [0]}]}
    assert judged(s, network=s.network(), optimizer=optimizer) == []


def test_tied_weights_are_listed_once() -> None:
    s = Storages()
    shared = s.floats((2, 4))
    network = {"embed.weight": shared, "head.weight": shared}
    found = judged(s, network=network, optimizer=s.adam([(2, 4), (2, 4)]))
    assert [one.code for one in found] == [Code.OPTIMIZER_COUNT]
