"""What goes in: noise that depends on its seed alone, arrays as they are, images made to fit."""

import io
import sys

import pytest

torch = pytest.importorskip("torch")

import numpy as np  # noqa: E402
from builders.pose_files import ASSUMED, SIDES, save_pose  # noqa: E402
from PIL import Image  # noqa: E402

from ckptscope.errors import UsageError  # noqa: E402
from ckptscope.facts.trace import PassRequest  # noqa: E402
from ckptscope.forward import machine  # noqa: E402
from ckptscope.forward.images import DEVIATION, MEAN, read_image  # noqa: E402
from ckptscope.forward.inputs import seeded_noise  # noqa: E402
from ckptscope.pipeline.choosing import Choice  # noqa: E402
from ckptscope.pipeline.forwarding import forward  # noqa: E402
from ckptscope.writers.numpy_file import float32_header, write_float32  # noqa: E402

pytestmark = pytest.mark.torch

KNOWN = Choice(stated=ASSUMED)


@pytest.fixture(scope="module")
def pose(tmp_path_factory):
    return save_pose(tmp_path_factory.mktemp("pose") / "pose.pth")


def ran(pose, **request):
    return forward(pose, request=PassRequest(threads=1, **request), choice=KNOWN)


def coordinates(report):
    return [(one.x, one.y, one.z) for one in report.coordinates]


def test_noise_depends_on_its_seed_and_on_nothing_else() -> None:
    first, described = seeded_noise((1, 3, 8, 8), 5)
    torch.manual_seed(99)
    again, _ = seeded_noise((1, 3, 8, 8), 5)
    other, _ = seeded_noise((1, 3, 8, 8), 6)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert (described.kind, described.seed, described.shape) == ("seeded noise", 5, (1, 3, 8, 8))


def test_making_noise_leaves_the_global_generator_alone() -> None:
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    seeded_noise((1, 3, 8, 8), 5)
    assert torch.equal(torch.rand(2), expected)


def test_the_same_seed_gives_the_same_coordinates_and_another_gives_others(pose) -> None:
    first = coordinates(ran(pose, size=SIDES))
    assert first == coordinates(ran(pose, size=SIDES, seed=0))
    assert first != coordinates(ran(pose, size=SIDES, seed=1))


def test_a_batch_is_as_many_images_of_noise(pose) -> None:
    report = ran(pose, size=SIDES, batch=3)
    assert report.output_shape[0] == 3
    assert {one.image for one in report.coordinates} == {0, 1, 2}
    alone = ran(pose, size=SIDES)
    assert report.macs == alone.macs
    assert [row.macs for row in report.rows] == [row.macs for row in alone.rows]


def test_an_array_goes_in_as_it_is(pose, tmp_path) -> None:
    values, _ = seeded_noise((1, 3, *SIDES), 0)
    np.save(tmp_path / "x.npy", values.numpy())
    report = ran(pose, input=str(tmp_path / "x.npy"))
    assert report.given.kind == "array"
    assert coordinates(report) == coordinates(ran(pose, size=SIDES))


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (np.zeros((3, 64, 32), "<f4"), r"expected an array \[N, 3, H, W\].*found \[3, 64, 32\]"),
        (np.zeros((1, 4, 64, 32), "<f4"), r"\[N, 3, H, W\]"),
        (np.zeros((0, 3, 64, 32), "<f4"), r"\[N, 3, H, W\]"),
        (np.zeros((1, 3, 64, 32), "<f8"), "float32.*float64"),
        (np.zeros((1, 3, 64, 32), ">f4"), "little-endian float32"),
        (np.asfortranarray(np.zeros((1, 3, 64, 32), "<f4")), "Fortran"),
        (np.full((1, 3, 64, 32), np.nan, "<f4"), "finite"),
        (np.zeros((1, 3, 60, 32), "<f4"), "multiples of the network's stride 32, found 60×32"),
    ],
)
def test_an_array_that_does_not_fit_is_refused_in_one_line(array, said, pose, tmp_path) -> None:
    np.save(tmp_path / "x.npy", array)
    with pytest.raises(UsageError, match=said) as refused:
        ran(pose, input=str(tmp_path / "x.npy"))
    assert "\n" not in str(refused.value)


def test_an_array_that_is_cut_off_is_refused(pose, tmp_path) -> None:
    buffer = io.BytesIO()
    np.save(buffer, np.zeros((1, 3, *SIDES), "<f4"))
    (tmp_path / "x.npy").write_bytes(buffer.getvalue()[:-4])
    with pytest.raises(UsageError, match="bytes of elements"):
        ran(pose, input=str(tmp_path / "x.npy"))


def test_an_array_of_objects_is_never_unpickled(pose, tmp_path) -> None:
    np.save(tmp_path / "x.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(UsageError, match="float32"):
        ran(pose, input=str(tmp_path / "x.npy"))


def test_a_size_that_the_array_has_not_is_refused(pose, tmp_path) -> None:
    np.save(tmp_path / "x.npy", np.zeros((1, 3, *SIDES), "<f4"))
    with pytest.raises(UsageError, match="used as it is: 64×32"):
        ran(pose, input=str(tmp_path / "x.npy"), size=(32, 32))


@pytest.mark.parametrize("size", [(60, 32), (32, 33), (0, 32), (31, 31)])
def test_a_size_that_is_no_multiple_of_the_stride_is_refused(size, pose) -> None:
    with pytest.raises(UsageError, match="multiples of the network's stride 32"):
        ran(pose, size=size)


def picture(kind, size=(50, 40), mode="RGB"):
    """Bytes of a picture with a gradient; `size` is width and height."""
    width, height = size
    across = np.linspace(0, 255, width, dtype=np.uint8)[None, :].repeat(height, 0)
    down = np.linspace(0, 255, height, dtype=np.uint8)[:, None].repeat(width, 1)
    colours = np.stack([across, down, 255 - across], axis=2)
    image = Image.fromarray(colours, "RGB" if mode == "RGB" else None).convert(mode)
    buffer = io.BytesIO()
    image.save(buffer, kind)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_an_image_is_resized_without_cropping_and_normalized(kind, tmp_path) -> None:
    path = tmp_path / "picture"
    path.write_bytes(picture(kind))
    found = read_image(path, (64, 32))
    assert found.shape == (1, 3, 64, 32)
    with Image.open(path) as image:
        resized = np.asarray(image.resize((32, 64), Image.Resampling.BILINEAR), dtype=np.float32)
    expected = (resized / 255 - np.array(MEAN, "f4")) / np.array(DEVIATION, "f4")
    np.testing.assert_allclose(found[0].permute(1, 2, 0), expected, rtol=1e-6, atol=1e-6)
    # The left edge is dark in red, the right edge bright: nothing was cropped.
    assert found[0, 0, 0, 0] < -2.0
    assert found[0, 0, 0, -1] > 2.0


@pytest.mark.parametrize("mode", ["L", "RGBA", "P"])
def test_images_in_other_modes_become_red_green_blue(mode, tmp_path) -> None:
    path = tmp_path / "picture.png"
    path.write_bytes(picture("PNG", mode=mode))
    assert read_image(path, (32, 32)).shape == (1, 3, 32, 32)


def test_an_image_is_turned_as_its_camera_says(tmp_path) -> None:
    upright = Image.fromarray(
        np.stack([np.linspace(0, 255, 40, dtype=np.uint8)[None, :].repeat(40, 0)] * 3, axis=2)
    )
    exif = Image.Exif()
    exif[0x0112] = 3  # turned by 180°
    path = tmp_path / "picture.png"
    upright.save(path, exif=exif)
    found = read_image(path, (32, 32))
    assert found[0, 0, 0, 0] > found[0, 0, 0, -1]


def test_an_image_runs(pose, tmp_path) -> None:
    path = tmp_path / "picture.jpg"
    path.write_bytes(picture("JPEG"))
    report = ran(pose, input=str(path), size=SIDES)
    assert (report.given.kind, report.given.path) == ("image", str(path))
    assert report.given.shape == (1, 3, *SIDES)


@pytest.mark.parametrize(
    "data", [b"", b"no picture", b"\x89PNG\r\n\x1a\n", picture("JPEG")[:500], picture("GIF")]
)
def test_a_file_that_is_no_image_is_refused_in_one_line(data, pose, tmp_path) -> None:
    path = tmp_path / "picture.png"
    path.write_bytes(data)
    with pytest.raises(
        UsageError, match=r"expected a JPEG or PNG image or a \.npy array"
    ) as refused:
        ran(pose, input=str(path), size=SIDES)
    assert "\n" not in str(refused.value)


def test_an_image_of_very_many_pixels_is_refused(pose, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    path = tmp_path / "picture.png"
    path.write_bytes(picture("PNG"))
    with pytest.raises(UsageError, match="too large"):
        ran(pose, input=str(path), size=SIDES)


def test_an_input_that_is_not_there_is_a_wrong_request(pose, tmp_path) -> None:
    with pytest.raises(UsageError, match="no such file"):
        ran(pose, input=str(tmp_path / "absent.npy"))


def test_a_batch_of_a_file_is_a_wrong_request(pose, tmp_path) -> None:
    np.save(tmp_path / "x.npy", np.zeros((1, 3, *SIDES), "<f4"))
    with pytest.raises(UsageError, match="--batch"):
        ran(pose, input=str(tmp_path / "x.npy"), batch=2)


def test_shapes_of_an_array_are_followed_on_the_meta_device(pose, tmp_path) -> None:
    np.save(tmp_path / "x.npy", np.zeros((2, 3, *SIDES), "<f4"))
    report = ran(pose, input=str(tmp_path / "x.npy"), device="meta")
    assert report.output is None
    assert report.output_shape[0] == 2


@pytest.mark.parametrize("device", ["gpu", "cuda:7", "mps", "xpu", "", "cpu:x"])
def test_a_device_that_is_not_there_is_a_wrong_request(device, pose) -> None:
    if device == "cuda:7":
        assert torch.cuda.device_count() <= 7
    with pytest.raises(UsageError, match="device"):
        ran(pose, size=SIDES, device=device)


def test_a_pass_that_would_take_for_ever_is_refused_but_its_shapes_are_followed(pose) -> None:
    huge = (32 * 40_000, 32 * 40_000)
    with pytest.raises(UsageError, match="--device meta"):
        ran(pose, size=huge)
    report = ran(pose, size=huge, device="meta")
    assert report.rows[-1].output_shape == (12, 160_000, 160_000)


def test_threads_are_as_before_after_a_pass(pose) -> None:
    before = torch.get_num_threads()
    report = ran(pose, size=SIDES)
    assert report.threads == 1
    assert torch.get_num_threads() == before


@pytest.mark.parametrize("shape", [(2,), (), (1, 3, 4, 5), (0, 3), (70_000, 1)])
def test_numpy_reads_back_what_is_written(shape, tmp_path) -> None:
    values = np.arange(int(np.prod(shape)), dtype="<f4").reshape(shape)
    write_float32(tmp_path / "y.npy", shape, (values.tobytes(),))
    found = np.load(tmp_path / "y.npy", allow_pickle=False)
    assert found.dtype == np.dtype("<f4")
    assert np.array_equal(found, values)
    assert found.shape == shape
    assert len(float32_header(shape)) % 64 == 0


def test_a_pass_that_needs_more_memory_than_there_is_is_refused(pose, monkeypatch) -> None:
    monkeypatch.setattr(machine, "memory_bytes", lambda: 1 << 20)
    with pytest.raises(UsageError, match="GiB of memory"):
        ran(pose, size=(512, 512), batch=64)
    assert ran(pose, size=SIDES).failures == ()


def test_a_file_that_declares_a_million_channels_is_refused_before_any_is_made(tmp_path) -> None:
    def widen(state):
        wide = 1_000_000
        for name, shape in (("pwconv.weight", (wide, 11, 1, 1)), ("pwconv.bias", (wide,))):
            state[f"head.deconv_layers_3.{name}"] = torch.zeros(1).expand(shape)
        state["head.final_layer.weight"] = torch.zeros(1).expand(12, wide, 1, 1)

    path = save_pose(tmp_path / "wide.pth", widen)
    assert path.stat().st_size < 1 << 20
    with pytest.raises(UsageError, match=r"memory|GMACs"):
        ran(path, size=(1024, 1024))


def test_an_image_without_pillow_says_how_to_install_it(pose, tmp_path, monkeypatch) -> None:
    path = tmp_path / "picture.png"
    path.write_bytes(picture("PNG"))
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(UsageError, match=r"pip install 'ckptscope\[forward\]'"):
        ran(pose, input=str(path), size=SIDES)
