"""Optimizers: kinds, groups, steps, shapes, without a value read."""

import struct

import pytest
from builders.pickles import build, call, tensor
from builders.reading import group, manifest
from builders.zips import torch_zip

from ckptscope.facts.tensors import Role


def read(state: dict, groups: object = None, **more):
    tree = {
        "optim": {"state": state, "param_groups": groups or [{"lr": 0.1, "params": [0]}], **more}
    }
    return manifest(torch_zip(tree, {str(n): bytes(16) for n in range(9)}))


def entries(*names: str) -> dict:
    return {0: {name: tensor(str(n), (4,)) for n, name in enumerate(names)}}


KINDS = [
    (("exp_avg", "exp_avg_sq"), {"amsgrad": False}, "Adam or AdamW"),
    (("exp_avg", "exp_avg_sq"), {"amsgrad": True, "decoupled_weight_decay": True}, "AdamW"),
    (("exp_avg", "exp_avg_sq"), {"amsgrad": True, "decoupled_weight_decay": False}, "Adam"),
    (("exp_avg", "exp_avg_sq"), {"betas": (0.9, 0.99), "decoupled_weight_decay": False}, "RAdam"),
    (
        ("exp_avg", "exp_avg_sq", "mu_product"),
        {"momentum_decay": 0.004, "decoupled_weight_decay": False},
        "NAdam",
    ),
    (("momentum_buffer",), {"nesterov": True, "ns_steps": 5}, "Muon"),
    (("exp_avg", "exp_avg_sq", "mu_product"), {"momentum_decay": 0.004}, "NAdam"),
    (("exp_avg", "exp_inf"), {}, "Adamax"),
    (("exp_avg", "exp_avg_sq"), {"betas": (0.9, 0.999)}, "Adam family"),
    (("square_avg", "acc_delta"), {}, "Adadelta"),
    (("square_avg", "momentum_buffer"), {}, "RMSprop"),
    (("prev", "step_size"), {}, "Rprop"),
    (("eta", "mu", "ax"), {}, "ASGD"),
    (("sum",), {}, "Adagrad"),
    (("momentum_buffer",), {}, "SGD with momentum"),
    ((), {"lr": 0.1, "momentum": 0, "nesterov": False}, "SGD"),
    (("mystery",), {}, "unknown"),
]


@pytest.mark.parametrize(("names", "settings", "kind"), KINDS)
def test_the_kind_follows_from_state_entries_and_settings(names, settings, kind):
    made = read(entries(*names) if names else {}, [{**settings, "params": [0]}])
    (only,) = made.optimizers
    assert (only.path, only.kind) == ("optim", kind)
    for name in (*names, *settings):
        assert name in only.kind_evidence


def test_an_optimizer_gives_counts_shapes_and_bytes():
    state = {
        n: {
            "step": 7,
            "exp_avg": tensor(str(2 * n), (2, 2)),
            "exp_avg_sq": tensor(str(2 * n + 1), (2, 2)),
        }
        for n in range(3)
    }
    groups = [
        {"lr": 0.1, "betas": (0.9, 0.999), "fused": None, "params": [0, 1]},
        {"lr": 0.2, "params": [2]},
    ]
    made = read(state, groups)
    (only,) = made.optimizers
    assert (only.states, only.tensors, only.elements, only.size_bytes) == (3, 6, 24, 96)
    assert only.parameter_shapes == ((2, 2),) * 3
    assert only.steps == (7,)
    assert [g.parameters for g in only.groups] == [2, 1]
    assert dict(only.groups[0].settings) == {"lr": "0.1", "betas": "(0.9, 0.999)", "fused": "None"}
    found = group(made, "optim")
    assert found.role is Role.OPTIMIZER
    assert [t.key for t in found.tensors][:2] == ["state/0/exp_avg", "state/0/exp_avg_sq"]


def test_step_counters_that_differ_are_all_told_up_to_eight():
    state = {n: {"step": n, "momentum_buffer": tensor("0", (4,))} for n in range(20)}
    assert read(state).optimizers[0].steps == tuple(range(8))


def test_a_step_may_be_a_numpy_scalar():
    scalar = call(
        "numpy.core.multiarray",
        "scalar",
        build(call("numpy", "dtype", "i8"), (3, "<")),
        struct.pack("<q", 9),
    )
    state = {0: {"step": scalar}}
    assert read(state).optimizers[0].steps == (9,)


def test_shapes_follow_the_numbers_of_the_parameters_not_the_order_of_the_file():
    state = {n: {"momentum_buffer": tensor(str(n), (n + 1,))} for n in (2, 0, 1)}
    assert read(state).optimizers[0].parameter_shapes == ((1,), (2,), (3,))


def test_a_parameter_without_state_has_no_shape():
    state = {
        0: {"step": 1},
        1: {"step": 1, "exp_avg": tensor("0", (4,)), "exp_avg_sq": tensor("1", (4,))},
    }
    assert read(state).optimizers[0].parameter_shapes == (None, (4,))


def test_tensors_in_settings_and_lists_are_collected():
    state = {
        0: {"old_dirs": [tensor("0", (2,)), tensor("1", (2,))], "d": tensor("2", (2,)), "t": 1.0}
    }
    made = read(state, [{"lr": tensor("3", ()), "params": [0]}])
    assert made.optimizers[0].kind == "LBFGS"
    assert [t.key for t in group(made, "optim").tensors] == [
        "state/0/old_dirs/0", "state/0/old_dirs/1", "state/0/d", "param_groups/0/lr",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "odd",
    [
        {"state": {}},
        {"param_groups": [{}]},
        {"state": 5, "param_groups": [{}]},
        {"state": {}, "param_groups": 5},
        {"state": {}, "param_groups": []},
        {"state": {}, "param_groups": [5]},
        {"state": [], "param_groups": [{}]},
    ],
)
def test_a_mapping_that_only_resembles_an_optimizer_is_none(odd):
    made = manifest(torch_zip({"optim": odd}, {}))
    assert made.optimizers == ()


def test_several_optimizers_of_one_file_are_told_apart():
    one = {"state": {}, "param_groups": [{"params": []}]}
    made = manifest(torch_zip({"g": one, "d": one}, {}))
    assert [o.path for o in made.optimizers] == ["g", "d"]
