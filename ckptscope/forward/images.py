"""A picture → the input of a network. The only module that imports Pillow.

Enters: a JPEG or PNG file. Leaves: [1, 3, H, W] in float32, resized to the input's size without
cropping, in 0..1, normalized with the mean and deviation of ImageNet, which the authors use too.
"""

import warnings
from pathlib import Path

import torch

from ckptscope.errors import UsageError

#: `pixel_mean` and `pixel_std` of the authors' configuration, for red, green, blue.
MEAN = (0.485, 0.456, 0.406)
DEVIATION = (0.229, 0.224, 0.225)
DESCRIPTION = "resized without cropping (bilinear), scaled to 0..1, normalized as ImageNet's"


def read_image(path: Path, size: tuple[int, int]) -> torch.Tensor:
    """Return a picture as [1, 3, H, W].

    Args:
        path: JPEG or PNG; what a camera says of its orientation is followed.
        size: Height and width.

    Raises:
        UsageError: Pillow is not installed; or the file is no such picture, is damaged, or has
            more pixels than Pillow takes for harmless.
    """
    try:
        from PIL import Image, ImageOps  # noqa: PLC0415 - torch alone is enough for noise
    except ModuleNotFoundError as error:
        raise UsageError(
            "an image as input needs Pillow: pip install 'ckptscope[forward]'"
        ) from error
    height, width = size
    try:
        with warnings.catch_warnings():
            # Pillow only warns of pictures that unpack to hundreds of megabytes.
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=("JPEG", "PNG")) as opened:
                upright = ImageOps.exif_transpose(opened).convert("RGB")
        resized = upright.resize((width, height), Image.Resampling.BILINEAR)
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise UsageError(f"the image {str(path)!r} is too large: {error}") from error
    except (OSError, SyntaxError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is none, or damaged"
        raise UsageError(
            f"expected a JPEG or PNG image or a .npy array, found {str(path)!r}: {reason}"
        ) from error
    pixels = torch.frombuffer(bytearray(resized.tobytes()), dtype=torch.uint8)
    scaled = pixels.reshape(height, width, 3).permute(2, 0, 1).contiguous().float().div(255)
    mean, deviation = (torch.tensor(values)[:, None, None] for values in (MEAN, DEVIATION))
    return scaled.sub(mean).div(deviation)[None]
