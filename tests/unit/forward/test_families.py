"""Files of every family, in every dialect, from the file to the output."""

import pytest

torch = pytest.importorskip("torch")

import numpy as np  # noqa: E402
from builders import torch_references as references  # noqa: E402
from builders.forward_networks import (  # noqa: E402
    CASES,
    buildable_dialects,
    case,
    filled,
    noise,
    random_state,
)

from ckptscope.facts.trace import PassRequest  # noqa: E402
from ckptscope.forward.build import build_network, key_tables  # noqa: E402
from ckptscope.pipeline.choosing import Choice  # noqa: E402
from ckptscope.pipeline.forwarding import forward  # noqa: E402
from ckptscope.reports.forward import describe_forward  # noqa: E402
from ckptscope.reports.text import lay_out  # noqa: E402

pytestmark = pytest.mark.torch

DIALECTS = [(name, dialect) for name in CASES for dialect in buildable_dialects(*case(name)[:2])]


@pytest.mark.parametrize(("name", "dialect"), DIALECTS)
def test_a_file_of_any_family_and_dialect_runs_as_its_network_does(name, dialect, tmp_path):
    family, configuration, sides = case(name)
    first = key_tables(family, configuration, dialect)[0]
    state = random_state(first)
    assert set(state) == {row.key for row in family.keys(configuration, dialect)}
    torch.save(state, tmp_path / "x.pth")
    network = filled(build_network(family, configuration, dialect), state)
    x = noise(sides, network.input_channels)
    np.save(tmp_path / "x.npy", x.numpy())
    with torch.no_grad():
        expected = network(x)
    report = forward(
        tmp_path / "x.pth",
        request=PassRequest(input=str(tmp_path / "x.npy"), threads=1),
        choice=Choice(stated=_stated(family, configuration)),
        save=tmp_path / "out.npy",
    )
    assert (report.family, report.dialect) == (family.name, dialect)
    assert np.array_equal(np.load(tmp_path / "out.npy"), expected.numpy())
    assert report.macs.agree
    assert report.macs.closed_form == family.count(configuration).macs
    assert report.failures == ()
    assert [row.part for row in report.rows] == sorted(row.part for row in report.rows)


def _stated(family, configuration):
    """What no weight tells."""
    settings = family.settings(configuration)
    names = (*family.weightless, "joints") if "joints" in settings else family.weightless
    return {name: settings[name] for name in names if name != "input_size"}


def test_dialects_of_the_same_weights_give_the_same_logits(tmp_path) -> None:
    family, configuration, sides = case("convnext v1")
    outputs = {}
    for dialect in buildable_dialects(family, configuration):
        rows = key_tables(family, configuration, dialect)[0]
        values = random_state(key_tables(family, configuration, "original")[0]).values()
        state = {row.key: value.reshape(row.shape) for row, value in zip(rows, values, strict=True)}
        torch.save(state, tmp_path / "x.pth")
        request = PassRequest(size=sides, threads=1)
        forward(tmp_path / "x.pth", request=request, save=tmp_path / "out.npy")
        outputs[dialect] = np.load(tmp_path / "out.npy")
        if dialect == "original":
            expected = references.convnext(state, noise(sides, batch=1, seed=0))
    assert set(outputs) == {"original", "timm", "torchvision", "hugging face"}
    for dialect, output in outputs.items():
        if dialect == "hugging face":  # its last norm has another epsilon
            np.testing.assert_allclose(output, expected, rtol=1e-3, atol=1e-4)
        else:
            assert np.array_equal(output, expected)


def test_a_classifier_tells_its_best_classes(tmp_path) -> None:
    family, configuration, sides = case("resnet of bottlenecks")
    state = random_state(family.keys(configuration))
    torch.save(state, tmp_path / "x.pth")
    report = forward(tmp_path / "x.pth", request=PassRequest(size=sides, threads=1, batch=2))
    with torch.no_grad():
        logits = references.resnet(state, noise(sides, batch=2, seed=0), groups=2)
    best = logits.softmax(1).topk(5, dim=1)
    assert [one.index for one in report.scores] == best.indices.flatten().tolist()
    assert report.scores[5].image == 1
    assert report.upsampling is None
    assert report.coordinates == ()


def test_a_row_that_the_tensors_contradict_is_told_where_nothing_upsamples(tmp_path) -> None:
    family, configuration, sides = case("convnext v1")
    torch.save(random_state(family.keys(configuration)), tmp_path / "x.pth")
    shapes = PassRequest(size=sides, device="meta")
    said = forward(tmp_path / "x.pth", request=shapes, choice=Choice(variant="V1-Tiny"))
    assert said.label == "V1-Tiny"
    assert said.is_contradicted
    assert any("dims" in one for one in said.contradictions)
    assert "contradicts row V1-Tiny" in lay_out(describe_forward(said), width=80, color=False)
    bare = forward(tmp_path / "x.pth", request=shapes)
    assert (bare.label, bare.is_contradicted) == ("", False)


def test_a_norm_that_may_be_one_of_two_is_told(tmp_path) -> None:
    family, configuration, sides = case("convnext with an overlapping stem")
    torch.save(random_state(family.keys(configuration, "timm")), tmp_path / "x.pth")
    report = forward(tmp_path / "x.pth", request=PassRequest(size=sides, device="meta"))
    assert any("SimpleNorm" in note for note in report.notes)


def test_rootnet_tells_a_place_and_a_depth(tmp_path) -> None:
    family, configuration, sides = case("rootnet")
    state = random_state(family.keys(configuration))
    torch.save(state, tmp_path / "x.pth")
    report = forward(tmp_path / "x.pth", request=PassRequest(size=sides, threads=1))
    with torch.no_grad():
        ((x, y, depth),) = references.rootnet(state, noise(sides, batch=1, seed=0)).tolist()
    assert report.output_shape == (1, 3)
    assert (report.root[0].x, report.root[0].y) == pytest.approx((x, y), rel=1e-5)
    assert report.root[0].depth == pytest.approx(depth, rel=1e-5)
    assert any("k is 1" in note for note in report.notes)
