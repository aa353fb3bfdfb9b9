"""The trace of a pass, the passes of the hypotheses, and what BatchNorm remembers."""

import pytest

torch = pytest.importorskip("torch")

from builders import torch_references as references  # noqa: E402
from builders.forward_networks import noise  # noqa: E402
from builders.pose_files import ASSUMED, SIDES, pose_state, save_pose  # noqa: E402

from ckptscope.facts.trace import LayerRow, PassRequest  # noqa: E402
from ckptscope.forward import passes, run  # noqa: E402
from ckptscope.pipeline.choosing import Choice  # noqa: E402
from ckptscope.pipeline.forwarding import forward  # noqa: E402

pytestmark = pytest.mark.torch

KNOWN = Choice(stated=ASSUMED)
ON_CPU = PassRequest(size=SIDES, threads=1)
ON_META = PassRequest(size=SIDES, device="meta")


@pytest.fixture(scope="module")
def pose(tmp_path_factory):
    return save_pose(tmp_path_factory.mktemp("pose") / "pose.pth")


@pytest.fixture(scope="module")
def report(pose):
    return forward(pose, request=ON_CPU, choice=KNOWN)


def test_there_is_a_row_for_every_stage_and_every_layer_of_the_head(report) -> None:
    assert [row.name for row in report.rows] == [
        *("stem", "stage 0", "downsample 1", "stage 1", "downsample 2", "stage 2"),
        *("downsample 3", "stage 3", "norm", "head layer 1", "head layer 2", "head layer 3"),
        "final layer",
    ]


def test_what_leaves_a_row_enters_the_next(report) -> None:
    shapes = [row.output_shape for row in report.rows]
    assert [row.input_shape for row in report.rows] == [(3, *SIDES), *shapes[:-1]]
    assert report.output_shape == (1, *shapes[-1])


def test_the_rows_of_the_head_say_what_becomes_of_the_plane(report) -> None:
    told = [
        (row.input_shape, row.output_shape, row.factor, row.upsampling)
        for row in report.rows
        if row.upsampling is not None
    ]
    assert told == [
        ((12, 2, 1), (10, 4, 2), "×2", True),
        ((10, 4, 2), (11, 8, 4), "×2", True),
        ((11, 8, 4), (13, 8, 4), "×1", False),
    ]
    assert "bilinear ×2" in report.rows[9].kind
    assert "no upsampling" in report.rows[11].kind


def test_rows_add_up_to_the_whole(report) -> None:
    assert sum(row.parameters for row in report.rows) == report.parameters
    assert sum(row.macs for row in report.rows) == report.macs.layers
    assert sum(row.counted_macs for row in report.rows) == report.macs.counter
    assert report.macs.closed_form == report.macs.layers == report.macs.counter
    assert report.macs.agree
    assert all(row.macs == row.counted_macs for row in report.rows)
    assert sum(row.share for row in report.rows) == pytest.approx(1.0)
    assert all(row.seconds > 0 for row in report.rows)


def test_statistics_of_a_row_are_those_of_what_leaves_it(report) -> None:
    x = noise(SIDES, batch=1, seed=0)
    state = pose_state()
    with torch.no_grad():
        features = references.pose_features(state, x)
        logits = references.pose(state, x, (True, True, False))
    rows = {row.name: row for row in report.rows}
    for name, expected in (("norm", features), ("final layer", logits)):
        values = rows[name].values
        assert (values.least, values.greatest) == (expected.min().item(), expected.max().item())
        assert values.mean == pytest.approx(expected.double().mean().item(), rel=1e-6)
        assert values.elements == expected.numel()
        assert values.is_finite
    assert report.output == rows["final layer"].values


def test_shapes_alone_give_the_same_rows_without_values(pose, report) -> None:
    shapes = forward(pose, request=ON_META, choice=KNOWN)
    assert [
        (row.name, row.kind, row.input_shape, row.output_shape, row.parameters, row.macs)
        for row in shapes.rows
    ] == [
        (row.name, row.kind, row.input_shape, row.output_shape, row.parameters, row.macs)
        for row in report.rows
    ]
    assert [row.counted_macs for row in shapes.rows] == [row.macs for row in report.rows]
    assert (shapes.output, shapes.coordinates, shapes.norms) == (None, (), ())
    assert shapes.output_shape == report.output_shape
    assert shapes.macs.counted_by != report.macs.counted_by
    assert (shapes.mapped_bytes, shapes.read_bytes) == (0, 0)


def test_every_row_is_told_while_it_runs(pose) -> None:
    told = []
    forward(pose, request=ON_CPU, choice=KNOWN, progress=lambda *row: told.append(row))
    assert [done for _, done, _ in told] == list(range(1, 14))
    assert told[-1] == ("final layer", 13, 13)


def test_hypotheses_that_are_worth_it_are_run_and_count_as_in_closed_form(pose, report) -> None:
    full = forward(
        pose,
        request=PassRequest(size=(64, 64), threads=1),
        choice=Choice(stated={**ASSUMED, "input_size": (64, 64)}),
    )
    found = full.upsampling
    ran = [one for one in found.hypotheses if one.output_shape is not None]
    assert {one.upsampling for one in ran} >= {(True, True, False), (True, True, True)}
    for one in ran:
        assert one.output_shape == (12, *one.heatmap)
        assert one.counted_macs == one.macs
        assert one.values.is_finite
    assert found.ran == (True, True, False)
    own = next(one for one in ran if one.upsampling == found.ran)
    assert own.values == full.output
    assert own.counted_macs == full.macs.counter


def test_running_a_hypothesis_gives_what_the_network_built_so_gives(pose) -> None:
    built = forward(
        pose, request=ON_CPU, choice=Choice(stated={**ASSUMED, "upsampling": (True, True, True)})
    )
    beside = forward(pose, request=ON_CPU, choice=KNOWN)
    found = next(
        one for one in beside.upsampling.hypotheses if one.upsampling == (True, True, True)
    )
    assert found.values == built.output


def test_watching_leaves_no_hook_behind(pose, monkeypatch) -> None:
    kept = []

    def keep(network, *more):
        kept.append(network)
        return passes.watch(network, *more)

    monkeypatch.setattr(run, "watch", keep)
    forward(pose, request=ON_CPU, choice=KNOWN)
    (network,) = kept
    for module in network.modules():
        assert not module._forward_hooks
        assert not module._forward_pre_hooks


def row(before, after):
    return LayerRow(
        name="x",
        kind="",
        part="",
        input_shape=before,
        output_shape=after,
        parameters=0,
        macs=0,
        counted_macs=0,
    )


@pytest.mark.parametrize(
    ("before", "after", "factor"),
    [
        ((3, 64, 32), (8, 64, 32), "×1"),
        ((3, 64, 32), (8, 128, 64), "×2"),
        ((3, 64, 32), (8, 32, 16), "×½"),
        ((3, 64, 32), (8, 16, 8), "×¼"),
        ((3, 64, 32), (8, 4, 2), "×1/16"),
        ((3, 6, 6), (8, 9, 9), "×9/6"),
        ((3, 64, 32), (8, 64, 64), ""),
        ((3, 64, 32), (8,), ""),
        ((3,), (8,), ""),
    ],
)
def test_a_factor_says_how_the_side_changes(before, after, factor) -> None:
    assert row(before, after).factor == factor


def test_memories_stand_beside_what_each_norm_met(report) -> None:
    state = pose_state()
    x = noise(SIDES, batch=1, seed=0)
    stem = references.convolve(state, "backbone.downsample_layers.0.0", x, stride=4)
    variance, mean = torch.var_mean(stem, dim=(0, 2, 3), correction=0)
    first = report.norms[0]
    name = "backbone.downsample_layers.0.1"
    stored_mean, stored = state[f"{name}.running_mean"], state[f"{name}.running_var"]
    assert (first.key, first.part, first.channels, first.batches) == (
        name,
        "backbone",
        4,
        7,
    )
    assert first.stored_mean == pytest.approx(stored_mean.mean().item(), rel=1e-5)
    assert first.stored_variance == pytest.approx(stored.mean().item(), rel=1e-5)
    assert first.pass_mean == pytest.approx(mean.mean().item(), abs=1e-6)
    assert first.pass_variance == pytest.approx(variance.mean().item(), rel=1e-5)
    distance = ((mean - stored_mean).abs() / (stored + 1e-5).sqrt()).median().item()
    assert first.mean_distance == pytest.approx(distance, rel=1e-4)
    ratio = ((variance + 1e-5) / (stored + 1e-5)).median().item()
    assert first.variance_ratio == pytest.approx(ratio, rel=1e-4)
    assert len(report.norms) == 4 + 7 + 1 + 3
    assert [norm.part for norm in report.norms].count("head") == 3
    assert not any(norm.is_untrained for norm in report.norms)


def blank(state, *, counter=True):
    name = "head.deconv_layers_2.norm"
    state[f"{name}.running_mean"].zero_()
    state[f"{name}.running_var"].fill_(1)
    if counter:
        state[f"{name}.num_batches_tracked"].zero_()
    else:
        for key in [key for key in state if key.endswith("num_batches_tracked")]:
            del state[key]


@pytest.mark.parametrize("counter", [True, False])
def test_a_norm_that_was_never_trained_is_flagged(counter, tmp_path) -> None:
    path = save_pose(tmp_path / "pose.pth", lambda state: blank(state, counter=counter))
    found = forward(path, request=ON_CPU, choice=KNOWN)
    flagged = [norm.key for norm in found.norms if norm.is_untrained]
    assert flagged == ["head.deconv_layers_2.norm"]


def test_a_norm_whose_counter_counted_is_not_flagged(tmp_path) -> None:
    def change(state):
        blank(state)
        state["head.deconv_layers_2.norm.num_batches_tracked"].fill_(1)

    found = forward(save_pose(tmp_path / "pose.pth", change), request=ON_CPU, choice=KNOWN)
    assert not any(norm.is_untrained for norm in found.norms)


def test_norms_are_named_as_the_file_names_them(tmp_path) -> None:
    def rename(state):
        for key in list(state):
            new = key
            for k in (1, 2, 3):
                for index, part in enumerate(("dwconv", "norm", "pwconv")):
                    new = new.replace(f"deconv_layers_{k}.{part}.", f"deconv_layers_{k}.{index}.")
            state[new] = state.pop(key)

    path = save_pose(tmp_path / "indexed.pth", rename)
    found = forward(path, request=ON_CPU, choice=KNOWN)
    assert found.norms[-1].key == "head.deconv_layers_3.1"
    assert found.dialect == "indexed"
