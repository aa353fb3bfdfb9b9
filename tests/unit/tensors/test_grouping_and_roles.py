"""State_dicts of a manifest: grouping, roles, prefixes, parameters and buffers."""

import struct

import pytest
from builders.pickles import (
    Raw,
    asm,
    build,
    call,
    get,
    global_,
    module,
    new,
    ordered_dict,
    parameter,
    persistent,
    pickled,
    put,
    storage,
    tensor,
    value,
    with_items,
)
from builders.reading import codes, group, manifest, tensors
from builders.zips import torch_zip

from ckptscope.facts.tensors import Kind, Origin, Role
from ckptscope.tensors.grouping import find_prefix


def zipped(tree: object, count: int = 12, size: int = 64):
    return manifest(torch_zip(tree, {str(n): bytes(size) for n in range(count)}))


def net(start: int = 0, prefix: str = "") -> object:
    return ordered_dict(
        [
            (f"{prefix}fc.weight", tensor(str(start), (4, 2))),
            (f"{prefix}fc.bias", tensor(str(start + 1), (4,))),
            (f"{prefix}bn.running_mean", tensor(str(start + 2), (4,))),
            (
                f"{prefix}bn.num_batches_tracked",
                tensor(str(start + 3), (), "LongStorage", elements=1),
            ),
        ]
    )


def roles(made) -> list[tuple[str, str]]:
    return [(one.path, one.role.value) for one in made.state_dicts]


def test_a_bare_state_dict_is_a_network_at_the_top():
    made = zipped(net())
    assert roles(made) == [("", "network")]
    assert group(made).parameters == 12
    assert group(made).buffers == 5
    assert group(made).elements == 17
    assert made.tree.kind == "state_dict"


def test_networks_come_first_and_optimizers_last():
    optimizer = {"state": {0: {"exp_avg": tensor("8", (4,))}}, "param_groups": [{"params": [0]}]}
    made = zipped(
        {"optimizer": optimizer, "stats": [tensor("9", (3,))], "ema": net(4), "net": net()}
    )
    assert roles(made) == [
        ("net", "network"), ("ema", "ema"), ("stats", "other"), ("optimizer", "optimizer"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "path",
    [
        "ema",
        "model_ema",
        "ema_state_dict",
        "swa_model",
        "shadow",
        "avg",
        "averaged",
        "net-ema",
        "EMA",
    ],
)
def test_a_word_in_the_path_makes_an_averaged_copy(path):
    made = zipped({path: net()})
    assert roles(made) == [(path, "ema")]
    assert "assumed" in made.state_dicts[0].role_evidence


@pytest.mark.parametrize("path", ["schema", "thema", "emanuel", "network"])
def test_a_path_that_only_contains_the_letters_is_a_network(path):
    assert roles(zipped({path: net()})) == [(path, "network")]


def test_two_networks_of_one_file_are_two_groups():
    made = zipped({"generator": net(), "discriminator": net(4)})
    assert roles(made) == [("generator", "network"), ("discriminator", "network")]


def test_tensors_without_the_names_of_modules_are_other():
    assert roles(zipped({"a": 1, "scale": tensor("0", (3,))})) == [("", "other")]
    assert roles(zipped([tensor("0", (3,)), tensor("1", (3,))])) == [("", "other")]


def test_a_single_tensor_is_a_group_of_one():
    made = zipped(tensor("0", (2, 3)))
    assert roles(made) == [("", "other")]
    assert [t.key for t in group(made).tensors] == [""]
    assert made.tree.kind == "tensor"


def test_tensors_beside_other_entries_keep_their_group():
    made = zipped({"epoch": 3, "weight": tensor("0", (3,)), "inner": {"bias": tensor("1", (2,))}})
    assert set(tensors(made)) == {"weight", "inner/bias"}


def test_keys_of_other_types_are_shown_as_python_would():
    made = zipped({3: tensor("0", (1,)), None: tensor("1", (2,)), (1, "a"): tensor("2", (3,))})
    assert [t.key for t in made.state_dicts[0].tensors] == ["3", "None", "(1, 'a')"]


# Prefixes


@pytest.mark.parametrize(
    ("keys", "prefix"),
    [
        (["module.a", "module.b"], "module."),
        (["_orig_mod.a", "_orig_mod.b"], "_orig_mod."),
        (["module._orig_mod.a", "module._orig_mod.b.c"], "module._orig_mod."),
        (["_orig_mod.module.a", "_orig_mod.module.b"], "_orig_mod.module."),
        (["module.module.a", "module.module.b"], "module.module."),
        (["module.module.a", "module.b"], "module."),
        (["network.module.a", "network.module.b"], "network.module."),
        (["module.a", "b"], ""),
        (["a", "module.b"], ""),
        (["modules.a", "modules.b"], ""),
        (["module", "module.a"], ""),
        (["module"], ""),
        (["module.module"], "module."),
        (["a.b", "a.c"], ""),
        ([""], ""),
        ([], ""),
    ],
)
def test_the_prefix_is_what_wrappers_put_before_every_key(keys, prefix):
    assert find_prefix(keys) == prefix


def test_the_prefix_stands_in_the_state_dict_and_the_keys_stay_as_saved():
    made = zipped({"network": net(prefix="module._orig_mod.")})
    found = group(made, "network")
    assert found.prefix == "module._orig_mod."
    assert found.tensors[0].key == "module._orig_mod.fc.weight"


# Parameters and buffers


def test_kinds_are_assumed_from_names_unless_the_file_says():
    made = zipped(net())
    assert group(made).kind_origin is Origin.ASSUMED
    assert "running_mean" in group(made).kind_evidence


def test_kinds_are_observed_where_every_tensor_is_a_parameter_object():
    made = zipped(
        {"a.weight": parameter(tensor("0", (3,))), "b.weight": parameter(tensor("1", (2,)))}
    )
    assert group(made).kind_origin is Origin.OBSERVED
    assert (group(made).parameters, group(made).buffers) == (5, 0)


def adam(shapes, start: int = 5):
    state = {
        index: {"exp_avg": tensor(str(start + index), shape), "step": 5}
        for index, shape in enumerate(shapes)
    }
    return {"state": state, "param_groups": [{"params": list(range(len(shapes)))}]}


def test_kinds_are_derived_where_an_optimizer_lists_the_same_shapes():
    made = zipped({"net": net(), "optimizer": adam([(4, 2), (4,)])})
    assert group(made, "net").kind_origin is Origin.DERIVED
    assert "'optimizer'" in group(made, "net").kind_evidence


@pytest.mark.parametrize("shapes", [[(4, 2)], [(4,), (4, 2)], [(4, 2), (4,), (4,)]])
def test_kinds_stay_assumed_where_the_optimizer_disagrees(shapes):
    made = zipped({"net": net(), "optimizer": adam(shapes)})
    assert group(made, "net").kind_origin is Origin.ASSUMED


def test_module_versions_are_taken_from_the_metadata():
    metadata = ordered_dict(
        [("", {"version": 1}), ("bn", {"version": 2}), ("x", {}), ("y", {"version": "2"})]
    )
    state = {"_metadata": metadata}
    made = zipped(build(net(), state))
    assert group(made).versions == {"": 1, "bn": 2}
    assert group(zipped(net())).versions is None


# Aliases


def test_one_object_under_two_names_is_an_alias_and_counted_once_more():
    shared = Raw(asm(tensor("0", (4, 2)), put(9)))
    tree = with_items(Raw(value({})), [("encoder.weight", shared), ("decoder.weight", Raw(get(9)))])
    found = group(zipped(tree))
    assert [t.alias_of for t in found.tensors] == [None, "encoder.weight"]
    assert found.shared_elements == 8
    assert found.parameters == 16


def test_an_alias_in_another_group_names_the_whole_path():
    shared = Raw(asm(tensor("0", (4, 2)), put(9)))
    made = zipped({"a": {"weight": shared}, "b": {"weight": Raw(get(9))}})
    assert tensors(made)["b/weight"].alias_of == "a/weight"


def test_two_tensors_on_one_storage_are_no_aliases():
    found = group(
        zipped(
            {
                "a.weight": tensor("0", (2,), elements=4),
                "b.weight": tensor("0", (2,), elements=4, offset=2),
            }
        )
    )
    assert [t.alias_of for t in found.tensors] == [None, None]


# Modules


LINEAR = ("torch.nn.modules.linear", "Linear")


def linear(start: int, **attributes):
    return module(
        LINEAR,
        parameters={
            "weight": parameter(tensor(str(start), (4, 2))),
            "bias": parameter(tensor(str(start + 1), (4,))),
        },
        in_features=2,
        out_features=4,
        **attributes,
    )


def test_a_module_gives_the_keys_of_its_state_dict_in_that_order():
    norm = module(
        ("torch.nn.modules.batchnorm", "BatchNorm1d"),
        parameters={"weight": parameter(tensor("4", (4,))), "bias": None},
        buffers={"running_mean": tensor("5", (4,)), "scratch": tensor("6", (4,)), "none": None},
        _non_persistent_buffers_set=call("builtins", "set", ["scratch"]),
    )
    net_ = module(
        ("mylab", "Net"),
        modules={"fc": linear(0), "norm": norm, "gone": None},
        buffers={"top": tensor("7", ())},
    )
    made = zipped({"model": net_})
    found = group(made, "model")
    assert [t.key for t in found.tensors] == [
        "top",
        "fc.weight",
        "fc.bias",
        "norm.weight",
        "norm.running_mean",
    ]
    assert [t.kind for t in found.tensors] == [
        Kind.BUFFER,
        Kind.PARAMETER,
        Kind.PARAMETER,
        Kind.PARAMETER,
        Kind.BUFFER,
    ]
    assert found.kind_origin is Origin.OBSERVED
    assert (found.role, found.class_name) == (Role.NETWORK, "mylab.Net")


def test_the_tree_shows_the_modules_with_their_classes_and_settings():
    made = zipped(module(("mylab", "Net"), modules={"fc": linear(0)}))
    (fc,) = made.tree.children
    assert (made.tree.kind, made.tree.class_name) == ("module", "mylab.Net")
    assert (fc.name, fc.kind, fc.class_name) == ("fc", "module", "torch.nn.modules.linear.Linear")
    assert fc.value == "in_features=2, out_features=4"


def test_a_plain_attribute_that_is_a_tensor_is_no_part_of_the_state_dict():
    made = zipped(
        module(("mylab", "Net"), parameters={"w": tensor("0", (2,))}, anchors=tensor("1", (9,)))
    )
    assert [(one.role.value, [t.key for t in one.tensors]) for one in made.state_dicts] == [
        ("network", ["w"]), ("other", ["anchors"]),
    ]  # fmt: skip


def test_a_module_that_contains_itself_is_walked_once():
    made_of = Raw(asm(global_("m", "C"), "EMPTY_TUPLE", "NEWOBJ", put(3)))
    state = {
        "_parameters": ordered_dict([("w", tensor("0", (2,)))]),
        "_buffers": ordered_dict(),
        "_modules": ordered_dict([("me", Raw(get(3)))]),
    }
    made = zipped(build(made_of, state))
    assert [t.key for t in group(made).tensors] == ["w"]


def test_a_script_object_gives_its_attributes_as_tensors():
    inner = build(
        new("__torch__.torch.nn.modules.linear", "Linear"),
        {"weight": tensor("0", (2, 2)), "training": False},
    )
    outer = build(new("__torch__.mylab", "Net"), {"fc": inner, "scale": 2.0})
    made = zipped(outer)
    assert [t.key for t in group(made).tensors] == ["fc.weight"]


# Everything else


def test_scalars_near_the_top_are_the_training_record():
    value32 = call(
        "numpy.core.multiarray",
        "scalar",
        build(call("numpy", "dtype", "f4"), (3, "<")),
        struct.pack("<f", 0.5),
    )
    deep = {"b": {"c": {"d": {"e": 1}}}}
    made = zipped(
        {
            "epoch": 3,
            "best": value32,
            "name": "run",
            "long": "x" * 500,
            "huge": 1 << 200,
            "done": True,
            "a": deep,
        }
    )
    assert [(s.path, s.value) for s in made.scalars] == [
        ("epoch", 3), ("best", 0.5), ("name", "run"), ("done", True),
    ]  # fmt: skip


def test_a_bare_storage_in_the_tree_is_shown_and_no_finding():
    made = zipped({"s": storage("0", 16)})
    assert made.tree.children[0].kind == "storage"
    assert made.storage_uses["0"].elements == 16
    assert codes(made) == []


def test_an_unknown_persistent_id_is_pkl003():
    assert codes(zipped({"x": persistent(("weird", 1))})) == ["PKL003"]


def test_objects_of_any_class_are_named_with_their_tensors():
    made = zipped({"cfg": build(new("mylab", "Config"), {"lr": 0.1, "mean": tensor("0", (3,))})})
    (cfg,) = made.tree.children
    assert (cfg.kind, cfg.class_name) == ("instance", "mylab.Config")
    assert "cfg/mean" in tensors(made)


def test_long_containers_are_cut_in_the_tree_and_counted():
    made = manifest(pickled({"items": [{"n": n} for n in range(500)]}))
    (items,) = made.tree.children
    assert (items.length, len(items.children), items.left_out) == (500, 100, 400)


def test_flat_sequences_are_one_line():
    made = manifest(pickled({"a": [1, 2.5, "x"], "b": (1,), "c": list(range(50))}))
    assert [c.value for c in made.tree.children] == [
        "[1, 2.5, 'x']",
        "(1)",
        "[0, 1, 2, 3, 4, 5, 6, 7, ... 42 more]",
    ]
