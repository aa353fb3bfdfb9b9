"""The weights of a file in the network: from every container, in every dialect, and unsound ones."""

import struct
from zipfile import ZipFile

import pytest

torch = pytest.importorskip("torch")

import numpy as np  # noqa: E402
from builders import torch_references as references  # noqa: E402
from builders.forward_networks import noise  # noqa: E402
from builders.pose_files import ASSUMED, SIDES, pose_state, save_pose  # noqa: E402
from builders.zips import Member, zip_bytes  # noqa: E402

from ckptscope.errors import ArtifactError, LimitError, TensorLayoutError, UsageError  # noqa: E402
from ckptscope.facts.limits import DEFAULT_LIMITS  # noqa: E402
from ckptscope.facts.trace import PassRequest  # noqa: E402
from ckptscope.forward import run as run_module  # noqa: E402
from ckptscope.forward.mapping import FileMaps  # noqa: E402
from ckptscope.pipeline import open_checkpoint  # noqa: E402
from ckptscope.pipeline.choosing import Choice  # noqa: E402
from ckptscope.pipeline.forwarding import forward  # noqa: E402
from ckptscope.sources import MemorySource, Window, open_local, place_in_file  # noqa: E402
from fixtures.build import build, tiny_set  # noqa: E402

pytestmark = pytest.mark.torch

KNOWN = Choice(stated=ASSUMED)
ONE_THREAD = PassRequest(size=SIDES, threads=1)


def saved_output(path, tmp_path, *, choice=KNOWN, request=ONE_THREAD):
    """What `--save` writes for a file, and the report."""
    out = tmp_path / "out.npy"
    report = forward(path, request=request, choice=choice, save=out)
    return np.load(out, allow_pickle=False), report


@pytest.fixture(scope="module")
def tiny_folder(tmp_path_factory):
    return tmp_path_factory.mktemp("tiny")


@pytest.fixture(scope="module")
def tiny_reference(tiny_folder):
    """Input and output of the narrow fixture: its weights by torch.load, in functional calls."""
    fixture = next(one for one in tiny_set() if one.name == "tiny_named_zip.pth")
    build(fixture, tiny_folder)
    value = torch.load(tiny_folder / fixture.name, map_location="cpu", weights_only=True)
    state = {key.removeprefix("module."): tensor for key, tensor in value["network"].items()}
    x = noise((64, 64), batch=1)
    np.save(tiny_folder / "x.npy", x.numpy())
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with torch.no_grad():
        expected = references.pose(state, x, (True, True, False))
    torch.set_num_threads(threads)
    return tiny_folder / "x.npy", expected.numpy()


@pytest.mark.parametrize("fixture", tiny_set(), ids=lambda fixture: fixture.name)
def test_every_container_and_dialect_gives_the_output_of_torchs_own_reading(
    fixture, tiny_folder, tiny_reference, tmp_path
) -> None:
    given, expected = tiny_reference
    build(fixture, tiny_folder)
    request = PassRequest(input=str(given), threads=1)
    found, report = saved_output(tiny_folder / fixture.name, tmp_path, request=request)
    assert np.array_equal(found, expected)
    assert report.failures == ()


def test_weights_of_a_torch_zip_are_mapped_and_none_is_copied(tmp_path) -> None:
    path = save_pose(tmp_path / "pose.pth")
    before = path.read_bytes()
    found, report = saved_output(path, tmp_path)
    size = sum(tensor.numel() * tensor.element_size() for tensor in pose_state().values())
    assert (report.mapped_bytes, report.read_bytes) == (size, 0)
    assert np.isfinite(found).all()
    assert path.read_bytes() == before


def test_weights_of_a_deflated_member_are_read(tmp_path) -> None:
    path = save_pose(tmp_path / "pose.pth")
    expected, _ = saved_output(path, tmp_path)
    with ZipFile(path) as archive:
        members = [
            Member(name=name, data=archive.read(name), deflate=True) for name in archive.namelist()
        ]
    deflated = tmp_path / "deflated.pth"
    deflated.write_bytes(zip_bytes(members))
    found, report = saved_output(deflated, tmp_path)
    assert np.array_equal(found, expected)
    assert report.mapped_bytes == 0
    assert report.read_bytes > 0


def test_a_dialect_may_change_from_layer_to_layer(tmp_path) -> None:
    def mix(state):
        for key in list(state):
            new = key.replace("head.deconv_layers_2.dwconv", "head.deconv_layers_2.0")
            new = new.replace("head.deconv_layers_2.norm", "head.deconv_layers_2.1")
            state[new.replace("head.deconv_layers_2.pwconv", "head.deconv_layers_2.2")] = state.pop(
                key
            )

    expected, _ = saved_output(save_pose(tmp_path / "named.pth"), tmp_path)
    found, _ = saved_output(save_pose(tmp_path / "mixed.pth", mix), tmp_path)
    assert np.array_equal(found, expected)


def drop(*keys):
    def change(state):
        for key in keys:
            del state[key]

    return change


def put(key, value):
    def change(state):
        state[key] = value

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            drop("backbone.stages.2.1.pwconv1.bias"),
            "1 missing: 'module.backbone.stages.2.1.pwconv1.bias'",
        ),
        (
            drop("backbone.norm.weight", "head.deconv_layers_2.norm.running_var"),
            "2 missing: 'module.backbone.norm.weight', "
            "'module.head.deconv_layers_2.norm.running_var'",
        ),
        (put("head.extra", torch.zeros(3)), "1 unexpected: 'module.head.extra'"),
        (
            put("backbone.norm.weight", torch.ones(13)),
            '1 of another shape: "module.backbone.norm.weight (expected [12], found [13])"',
        ),
    ],
)
def test_keys_that_load_state_dict_would_refuse_are_named(change, said, tmp_path) -> None:
    path = save_pose(tmp_path / "pose.pth", change)
    with pytest.raises(TensorLayoutError) as refused:
        forward(path, request=ONE_THREAD, choice=KNOWN)
    assert said.replace('"', "'") in str(refused.value).replace('"', "'")
    assert "\n" not in str(refused.value)


def test_a_missing_counter_is_filled_in_and_told(tmp_path) -> None:
    expected, _ = saved_output(save_pose(tmp_path / "pose.pth"), tmp_path)
    without = save_pose(
        tmp_path / "old.pth",
        lambda state: [state.pop(key) for key in list(state) if key.endswith("batches_tracked")],
    )
    found, report = saved_output(without, tmp_path)
    assert np.array_equal(found, expected)
    assert any("BatchNorm counters" in note for note in report.notes)
    assert all(norm.batches is None for norm in report.norms)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_narrow_weights_are_computed_in_float32_on_a_cpu_and_told(dtype, tmp_path) -> None:
    path = save_pose(tmp_path / "narrow.pth", dtype=dtype)
    found, report = saved_output(path, tmp_path)
    state = {
        key: value.to(dtype).float() if value.is_floating_point() else value
        for key, value in pose_state().items()
    }
    x = noise(SIDES, batch=1, seed=0)
    with torch.no_grad():
        expected = references.pose(state, x, (True, True, False)).numpy()
    assert np.array_equal(found, expected)
    assert report.dtype == "float32"
    name = str(dtype).removeprefix("torch.")
    assert any(f"stored in {name}" in note for note in report.notes)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
def test_another_element_type_is_computed_in_where_it_is_asked_for(dtype, tmp_path) -> None:
    path = save_pose(tmp_path / "pose.pth")
    expected, _ = saved_output(path, tmp_path)
    request = PassRequest(size=SIDES, threads=1, dtype=dtype)
    found, report = saved_output(path, tmp_path, request=request)
    assert report.dtype == dtype
    assert found.dtype == np.float32
    scale = np.abs(expected).max()
    assert not np.array_equal(found, expected)
    assert np.abs(found - expected).max() < {"float64": 1e-6}.get(dtype, 0.1) * scale


def test_weights_in_float64_alone_are_computed_in_float64(tmp_path) -> None:
    path = save_pose(tmp_path / "wide.pth", dtype=torch.float64)
    _, report = saved_output(path, tmp_path)
    assert report.dtype == "float64"


def test_weights_of_whole_numbers_are_refused(tmp_path) -> None:
    weight = torch.ones((12,), dtype=torch.int32)
    path = save_pose(tmp_path / "whole.pth", put("backbone.norm.weight", weight))
    with pytest.raises(TensorLayoutError, match=r"floating-point.*backbone\.norm\.weight.*int32"):
        forward(path, request=ONE_THREAD, choice=KNOWN)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_finite_numbers_are_named_and_the_pass_is_told(value, tmp_path) -> None:
    def spoil(state):
        state["backbone.stages.1.0.dwconv.weight"][2, 0, 3, 3] = value

    _, report = saved_output(save_pose(tmp_path / "nan.pth", spoil), tmp_path)
    assert report.failures[0] == (
        "1 tensor holds NaN or infinities: 'module.backbone.stages.1.0.dwconv.weight'"
    )
    assert "the first layer with such is 'stage 1'" in report.failures[1]
    assert report.output is not None
    assert not report.output.is_finite


def test_an_infinite_bias_that_leaves_the_output_finite_is_told_all_the_same(tmp_path) -> None:
    def spoil(state):
        # ReLU turns it into nothing.
        state["head.deconv_layers_3.pwconv.bias"][4] = float("-inf")

    _, report = saved_output(save_pose(tmp_path / "inf.pth", spoil), tmp_path)
    assert report.output is not None
    assert report.output.is_finite
    assert report.failures == (
        "1 tensor holds NaN or infinities: 'module.head.deconv_layers_3.pwconv.bias'",
    )


def test_a_tensor_that_is_a_view_of_a_larger_storage_is_read_as_that_view(tmp_path) -> None:
    def share(state):
        whole = torch.stack([state["backbone.norm.weight"], torch.full((12,), 9.0)], dim=1)
        state["backbone.norm.weight"] = whole[:, 0]

    expected, _ = saved_output(save_pose(tmp_path / "pose.pth"), tmp_path)
    found, _ = saved_output(save_pose(tmp_path / "view.pth", share), tmp_path)
    assert np.array_equal(found, expected)


def test_keys_of_a_second_network_are_left_out_and_told(tmp_path) -> None:
    first = {f"student.{key}": value for key, value in pose_state().items()}
    second = {f"teacher.{key}": value for key, value in pose_state(seed=5).items()}
    path = tmp_path / "two.pth"
    torch.save({**first, **second}, path)
    _, report = saved_output(path, tmp_path)
    assert report.prefix == "student."
    assert any("teacher." in note for note in report.notes)


def test_another_state_dict_is_run_where_it_is_named(tmp_path) -> None:
    path = save_pose(tmp_path / "both.pth", ema=pose_state(seed=5))
    found, report = saved_output(path, tmp_path)
    named = Choice(stated=ASSUMED, state_dict="ema")
    other, second = saved_output(path, tmp_path, choice=named)
    assert (report.state_dict, second.state_dict) == ("network", "ema")
    assert any("'ema'" in note for note in report.notes)
    assert not np.array_equal(found, other)


def test_a_file_without_a_network_of_a_known_family_is_a_wrong_request(tmp_path) -> None:
    path = tmp_path / "other.pth"
    torch.save({"encoder.weight": torch.zeros(3, 3)}, path)
    with pytest.raises(UsageError, match="no known family"):
        forward(path)


def test_a_network_that_lacks_what_its_settings_follow_from_is_not_built(tmp_path) -> None:
    path = save_pose(
        tmp_path / "headless.pth",
        lambda state: [state.pop(key) for key in list(state) if "final_layer" in key],
    )
    with pytest.raises(ArtifactError):
        forward(path, request=ONE_THREAD, choice=Choice())


def test_a_network_of_very_many_tensors_is_not_built(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(run_module, "_MOST_TENSORS", 10)
    with pytest.raises(LimitError, match="forward_tensors"):
        forward(save_pose(tmp_path / "pose.pth"), request=ONE_THREAD, choice=KNOWN)


def test_a_storage_that_is_too_short_is_refused(tmp_path) -> None:
    path = save_pose(tmp_path / "pose.pth")
    with ZipFile(path) as archive:
        members = [
            Member(name=name, data=archive.read(name)[: 4 if name.endswith("/data/0") else None])
            for name in archive.namelist()
        ]
    short = tmp_path / "short.pth"
    short.write_bytes(zip_bytes(members))
    with pytest.raises(ArtifactError, match="ends at byte"):
        forward(short, request=ONE_THREAD, choice=KNOWN)


def test_a_place_in_a_file_is_found_through_windows_and_none_in_memory(tmp_path) -> None:
    path = tmp_path / "numbers"
    path.write_bytes(struct.pack("<8f", *range(8)))
    with open_local(path) as file:
        window = Window(Window(file, 4, 24), 8, 12)
        assert place_in_file(window, 4) == (file, 16)
        values = FileMaps().elements(window, 4, 2, torch.float32)
        assert values is not None
        assert values.tolist() == [4.0, 5.0]
        assert FileMaps().elements(window, 1, 2, torch.float32) is None
    assert place_in_file(MemorySource(b"abcd"), 0) is None


def test_a_file_that_shrank_is_not_mapped(tmp_path) -> None:
    path = tmp_path / "numbers"
    path.write_bytes(bytes(64))
    with open_local(path) as file:
        path.write_bytes(bytes(8))
        with pytest.raises(ArtifactError, match="shrank"):
            FileMaps().elements(file, 0, 2, torch.float32)


def test_writing_to_a_mapped_weight_does_not_reach_the_file(tmp_path) -> None:
    path = tmp_path / "numbers"
    path.write_bytes(bytes(64))
    with open_local(path) as file:
        values = FileMaps().elements(file, 0, 4, torch.float32)
        assert values is not None
        values.fill_(7.0)
    assert path.read_bytes() == bytes(64)


def test_opening_reads_no_weights_on_the_meta_device(tmp_path, monkeypatch) -> None:
    path = save_pose(tmp_path / "pose.pth")
    with open_checkpoint(path, limits=DEFAULT_LIMITS) as checkpoint:
        kind = type(checkpoint.build)

    def refuse(*_):
        raise AssertionError("a storage was opened")

    monkeypatch.setattr(kind, "open_storage", refuse)
    report = forward(path, request=PassRequest(size=SIDES, device="meta"), choice=KNOWN)
    assert report.output is None
    assert [row.values for row in report.rows] == [None] * len(report.rows)
