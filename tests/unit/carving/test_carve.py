"""Storages without names: what they were, or that no size tells."""

from collections.abc import Sequence
from typing import Any

import pytest

from ckptscope.carving.carve import carve
from ckptscope.carving.shelf import Shelf
from ckptscope.facts.carving import Carving, Found, Slot, Survivor
from ckptscope.facts.expected import ExpectedTensor
from ckptscope.facts.tensors import Kind
from ckptscope.families.registry import known_family

ADAM = (4, None, None)


def keys(family: str, dialect: str = "", **settings: Any) -> list[ExpectedTensor]:
    known = known_family(family)
    return list(known.keys(known.configure(settings), dialect))


def network(tensors: Sequence[ExpectedTensor], item: int = 4) -> list[int]:
    return [8 if one.is_counter else one.elements * item for one in tensors]


def state(
    tensors: Sequence[ExpectedTensor], entries: Sequence[int | None], item: int = 4
) -> list[int]:
    return [
        one.elements * item if entry is None else entry
        for one in tensors
        if one.kind is Kind.PARAMETER
        for entry in entries
    ]


def numbered(sizes: Sequence[int], lost: Sequence[int] = ()) -> list[Survivor]:
    return [
        Survivor(key=f"s{number}", number=number, size_bytes=size)
        for number, size in enumerate(sizes)
        if number not in lost
    ]


def run(survivors: Sequence[Survivor], **more: Any) -> Carving:
    return carve(survivors, damage="no data.pkl", name="x.pth", **more)


POSE = keys("convnextpose", backbone="Femto", head_width=64, joints=17, depth_bins=8)


def test_a_lost_beginning_is_found_again_in_the_optimizer() -> None:
    sizes = network(POSE) + state(POSE, ADAM)
    carving = run(numbered(sizes, range(60)))
    assert carving.is_certain
    assert carving.best is not None
    assert carving.best.settings["dims"] == (48, 96, 192, 384)
    assert carving.best.settings["final_channels"] == 136
    assert (carving.best.first, carving.best.missing) == (0, 60)
    missing = [one.number for one in carving.tensors if one.found is Found.MISSING]
    assert missing == list(range(60))
    assert carving.tensors[0].key == POSE[0].key


def test_every_storage_gets_the_name_that_it_had() -> None:
    sizes = network(POSE) + state(POSE, ADAM)
    carving = run(numbered(sizes, (3, 70, 300)))
    names = [(one.key, one.shape) for one in carving.tensors if one.slot is Slot.NETWORK]
    assert names == [(one.key, one.shape) for one in POSE]
    assert all(
        one.storage == f"s{one.number}" for one in carving.tensors if one.found is Found.CARVED
    )


@pytest.mark.parametrize(
    ("entries", "title", "step"),
    [
        (ADAM, "AdamW or Adam", "tensor"),
        ((None, None), "AdamW or Adam", "number"),
        ((None,), "SGD with momentum", ""),
        ((4, None, None, None), "AdamW or Adam, amsgrad", "tensor"),
    ],
)
@pytest.mark.parametrize("is_first", [False, True])
def test_the_optimizer_is_told_by_how_often_a_size_repeats(
    entries: tuple[int | None, ...], title: str, step: str, is_first: bool
) -> None:
    blocks = [network(POSE), state(POSE, entries)]
    if is_first:
        blocks.reverse()
    best = run(numbered([*blocks[0], *blocks[1]], (5, 90))).best
    assert best is not None
    assert (best.optimizer, best.step) == (title, step)
    assert best.explained == sum(map(len, blocks)) - 2
    assert best.first == (len(blocks[0]) if is_first else 0)


@pytest.mark.parametrize(("item", "dtype"), [(4, "float32"), (8, "float64")])
def test_the_type_is_told_by_the_sizes(item: int, dtype: str) -> None:
    best = run(numbered(network(POSE, item))).best
    assert best is not None
    assert best.dtype == dtype


def test_two_types_of_two_bytes_are_told_apart_by_values_alone() -> None:
    survivors = numbered(network(POSE, 2))
    best = run(survivors).best
    assert best is not None
    assert best.dtype == "float16 or bfloat16"
    # 0.02 in each type.
    for pattern, dtype in ((b"\x1e\x25", "float16"), (b"\xa4\x3c", "bfloat16")):
        sizes = {one.key: one.size_bytes for one in survivors}
        carving = run(survivors, read=lambda key, p=pattern, s=sizes: p * (s[key] // 2))
        assert carving.best is not None
        assert carving.best.dtype == dtype
        assert {one.dtype for one in carving.tensors} == {dtype, "int64"}


def test_parameters_in_groups_are_found() -> None:
    plain = [one for one in POSE if len(one.shape) > 1]
    vectors = [one for one in POSE if len(one.shape) == 1]
    sizes = network(POSE) + state([*vectors, *plain], ADAM)
    best = run(numbered(sizes)).best
    assert best is not None
    assert best.explained == len(sizes)


def test_an_averaged_copy_is_found_behind_the_network() -> None:
    sizes = network(POSE) + network(POSE) + state(POSE, ADAM)
    carving = run(numbered(sizes, (4,)))
    assert carving.best is not None
    assert carving.best.explained == len(sizes) - 1
    assert sum(one.slot is Slot.EMA for one in carving.tensors) == len(POSE)


@pytest.mark.parametrize(
    ("family", "settings"),
    [
        ("convnext", {"dims": (24, 56, 112), "depths": (2, 5, 1), "classes": 7}),
        ("resnet", {"block": "BasicBlock", "dims": (24, 40), "depths": (2, 3), "classes": 9}),
        (
            "posenet",
            {
                "block": "Bottleneck",
                "dims": (96, 192, 384),
                "depths": (2, 1, 3),
                "head_out_channels": (56, 48),
                "joints": 5,
                "depth_bins": 3,
            },
        ),
        (
            "rootnet",
            {
                "block": "Bottleneck",
                "dims": (96, 192, 384),
                "depths": (2, 1, 3),
                "head_out_channels": (56, 48),
            },
        ),
        (
            "convnextpose",
            {
                "dims": (24, 56, 112),
                "depths": (2, 4, 3),
                "head_out_channels": (40, 72),
                "head_kernels": (3, 5),
                "final_channels": 33,
            },
        ),
    ],
)
def test_settings_of_no_paper_are_solved_for(family: str, settings: dict[str, Any]) -> None:
    tensors = keys(family, **settings)
    sizes = network(tensors) + state(tensors, ADAM)
    carving = run(numbered(sizes, (9, 17, 30)))
    assert carving.is_certain, carving.verdict
    assert carving.best is not None
    assert (carving.best.family, carving.best.variant) == (family, "")
    assert carving.best.settings["dims"] == settings["dims"]
    assert carving.best.settings["depths"] == settings["depths"]
    found = [one.shape for one in carving.tensors if one.slot is Slot.NETWORK]
    assert found == [one.shape for one in tensors]


def test_what_no_storage_shows_is_named_and_nothing_is_certain_then() -> None:
    carving = run(numbered(network(POSE), (len(POSE) - 2, len(POSE) - 1)))
    assert not carving.is_certain
    assert carving.best is not None
    assert "final_channels" in carving.best.open_settings
    assert "final_channels" in carving.verdict
    assert "final_channels" not in carving.best.settings


def test_a_trunk_alone_may_have_lost_what_stood_behind_it() -> None:
    trunk = [one for one in keys("resnet", backbone="ResNet-18") if one.part == "backbone"]
    carving = run(numbered(network(trunk)))
    assert carving.best is not None
    assert carving.best.family == "resnet"
    assert not carving.is_certain


def test_a_stem_that_reads_two_ways_is_not_certain() -> None:
    # One channel by 4×4 and four channels by 2×2 are as many elements.
    tensors = keys(
        "convnextpose", backbone="Atto", head_width=64, final_channels=34, input_channels=1
    )
    carving = run(numbered(network(tensors) + state(tensors, ADAM)))
    assert carving.alike >= 1
    assert not carving.is_certain


@pytest.mark.parametrize(
    "sizes",
    [
        [1024] * 200,
        [4 * 64 * 64, 256] * 30,
        [size for i in range(1, 40) for size in (36 * i * i, 4 * i)],
        [size for _ in range(12) for size in (3 * 768 * 768 * 4, 3 * 768 * 4, 768 * 768 * 4, 3072)],
    ],
    ids=["equal", "multilayer", "growing", "transformer"],
)
def test_no_table_fits_another_network(sizes: list[int]) -> None:
    carving = run(numbered(sizes))
    assert carving.best is None
    assert carving.tensors == ()
    assert carving.verdict.startswith("no table fits")


def test_a_named_network_with_a_few_other_sizes_is_another_one() -> None:
    sizes = network(POSE)
    for place in range(0, len(sizes), 12):
        sizes[place] += 4
    assert not run(numbered(sizes)).is_certain


def test_storages_without_numbers_are_aligned_in_their_order() -> None:
    sizes = network(POSE) + state(POSE, ADAM)
    survivors = [
        Survivor(key=str(place), number=None, size_bytes=size)
        for place, size in enumerate(sizes)
        if place % 11
    ]
    named = keys("convnextpose", backbone="Atto", head_width=128, joints=18, depth_bins=32)
    assert [one.elements for one in named] != [one.elements for one in POSE]
    carving = run(
        [
            Survivor(key=str(place), number=None, size_bytes=size)
            for place, size in enumerate(network(named) + state(named, ADAM))
            if place % 11
        ]
    )
    assert carving.best is not None
    assert carving.best.variant == "XS"
    assert carving.best.unexplained == 0
    # An order without numbers contradicts nothing, so no other table is excluded.
    assert not carving.is_certain
    assert not run(survivors).is_certain


def test_a_storage_that_is_cut_is_no_evidence() -> None:
    survivors = numbered(network(POSE))
    survivors[-1] = Survivor(
        key="cut", number=len(POSE) - 1, size_bytes=survivors[-1].size_bytes, is_whole=False
    )
    carving = run(survivors)
    assert carving.tensors[-1].found is Found.MISSING
    assert len(Shelf(survivors)) == len(POSE) - 1


def test_what_the_pickle_had_named_is_kept_as_observed() -> None:
    observed = {
        f"s{place}": (f"module.{one.key}", one.shape, "float32")
        for place, one in enumerate(POSE[:20])
        if not one.is_counter
    }
    carving = run(numbered(network(POSE) + state(POSE, ADAM)), observed=observed)
    assert carving.observed == len(observed)
    kept = [one for one in carving.tensors if one.found is Found.OBSERVED]
    assert {one.storage for one in kept} == set(observed)
    assert carving.checks[0].holds is True


def test_a_shape_that_contradicts_the_table_takes_the_certainty() -> None:
    sizes = network(POSE) + state(POSE, ADAM)
    assert run(numbered(sizes)).is_certain
    carving = run(numbered(sizes), observed={"s0": ("a.weight", (3, 4), "float32")})
    assert carving.checks[0].holds is False
    assert not carving.is_certain


def test_a_lost_tensor_that_the_pickle_named_is_listed_once_and_under_that_name() -> None:
    sizes = network(POSE) + state(POSE, ADAM)
    observed = {
        f"s{place}": (f"module.{POSE[place].key}", POSE[place].shape, "float32") for place in (0, 1)
    }
    observed["s0"] = ("module.stem.weight", POSE[0].shape, "float32")
    carving = run(numbered(sizes, [0, 1]), observed=observed, places={"s0": 0, "s1": 1})
    assert len(carving.tensors) == len(sizes)
    assert [(one.key, one.found, one.storage) for one in carving.tensors[:2]] == [
        ("module.stem.weight", Found.MISSING, None),
        (POSE[1].key, Found.MISSING, None),
    ]
    assert carving.checks[0].evidence == "2 of 2"


def test_a_lost_tensor_of_no_table_keeps_its_place() -> None:
    sizes = [5056, *network(POSE), *state(POSE, ADAM)]
    said = {"s0": ("rng_state", (5056,), "uint8")}
    carving = run(numbered(sizes, [0]), observed=said, places={"s0": 0})
    first = carving.tensors[0]
    assert (first.key, first.number, first.found) == ("rng_state", 0, Found.MISSING)


def test_axes_of_one_contradict_no_table() -> None:
    shape = (*POSE[0].shape, 1)
    carving = run(
        numbered(network(POSE) + state(POSE, ADAM)), observed={"s0": ("a.weight", shape, "float32")}
    )
    assert carving.checks[0].holds is True
    assert carving.is_certain


def test_of_a_network_and_its_momentum_the_first_is_taken_for_the_network_with_doubt() -> None:
    plain = keys("convnext", backbone="Femto", layer_scale=True)
    carving = run(numbered(network(plain) + state(plain, (None,)), range(20)))
    assert carving.best is not None
    assert (carving.best.first, carving.best.optimizer) == (0, "SGD with momentum")
    assert not carving.is_certain
    assert "may be an optimizer's momentum" in carving.verdict


def test_what_stands_behind_room_for_another_network_may_be_a_copy() -> None:
    sizes = network(POSE)
    twice = sizes + sizes
    alone = run(numbered(twice, range(len(sizes))))
    assert alone.best is not None
    assert alone.best.network_tensors == len(sizes)
    assert not alone.is_certain
    assert "may be a copy" in alone.verdict
    # One storage of the first tells that there was one.
    assert run(numbered(twice, range(len(sizes) - 1))).is_certain
    assert run(numbered(sizes)).is_certain


def test_observed_names_stay_where_no_table_fits() -> None:
    carving = run(numbered([40, 40, 8]), observed={"s1": ("a.bias", (10,), "float32")})
    assert carving.best is None
    assert [(one.key, one.storage) for one in carving.tensors] == [("a.bias", "s1")]


def test_nothing_left_is_an_answer() -> None:
    assert "no storage is left" in run([]).verdict


def test_names_and_dialect_are_said_to_be_assumed() -> None:
    verdict = run(numbered(network(POSE) + state(POSE, ADAM))).verdict
    assert "are assumed from the table" in verdict
    assert "prefix" in verdict
