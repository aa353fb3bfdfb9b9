"""What goes into a network.

Enters: the request. Leaves: a tensor [N, C, H, W] in float32 and its description: seeded noise, an
array as it is, or an image.
"""

from pathlib import Path

import torch

from ckptscope.containers.numpy_files import MAGIC, read_numpy_file
from ckptscope.errors import ArtifactError, UsageError
from ckptscope.facts.limits import DEFAULT_LIMITS
from ckptscope.facts.tensors import ArrayInfo
from ckptscope.facts.trace import PassInput, PassRequest
from ckptscope.facts.upsampling import Plane
from ckptscope.forward.images import DESCRIPTION, MEAN, read_image
from ckptscope.forward.network import Network
from ckptscope.sources import LocalFile, open_local

#: numpy's code for little-endian float32.
_FLOAT32 = b"'<f4'"


def seeded_noise(shape: tuple[int, int, int, int], seed: int) -> tuple[torch.Tensor, PassInput]:
    """Return normal noise that depends on the seed and the shape alone."""
    source = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=source), PassInput(
        kind="seeded noise",
        shape=shape,
        seed=seed,
        description=f"normal noise, seed {seed}",
    )


def is_array(path: Path) -> bool:
    """Whether a file begins as numpy's do.

    Raises:
        UsageError: There is no such file.
        ArtifactError: It cannot be read.
    """
    with open_local(path) as file:
        return file.peek(0, len(MAGIC)) == MAGIC


def array_shape(path: Path, channels: int) -> tuple[int, ...]:
    """Return the shape of an array [N, channels, H, W] of float32, from its header.

    Raises:
        UsageError: It is none, or of another shape or type.
        ArtifactError: The file cannot be read.
    """
    with open_local(path) as file:
        return _read_header(path, file, channels).shape


def read_array(path: Path, channels: int) -> tuple[torch.Tensor, PassInput]:
    """Return an array [N, channels, H, W] of float32 as it is.

    Raises:
        UsageError: It is none, of another shape or type, or holds NaN or infinities.
        ArtifactError: The file cannot be read.
    """
    with open_local(path) as file:
        array = _read_header(path, file, channels)
        held = array.size_bytes or 0
        raw = file.read(file.size - held, held)
    values = torch.frombuffer(bytearray(raw), dtype=torch.float32).reshape(array.shape)
    if not torch.isfinite(values).all():
        raise UsageError(f"expected finite numbers in {str(path)!r}, found NaN or infinities")
    return values, PassInput(
        kind="array", shape=array.shape, path=str(path), description="an array, used as it is"
    )


def _read_header(path: Path, file: LocalFile, channels: int) -> ArrayInfo:
    try:
        array = read_numpy_file(file, DEFAULT_LIMITS, containers=()).arrays[0]
    except ArtifactError as error:
        raise UsageError(f"cannot read the array {str(path)!r}: {error}") from error
    held = array.size_bytes or 0
    if _FLOAT32 not in file.peek(0, file.size - held) or array.fortran_order:
        raise UsageError(
            f"expected little-endian float32 in C order in {str(path)!r}, found {array.dtype!r:.40}"
            f"{' in Fortran order' if array.fortran_order else ''}"
        )
    if len(array.shape) != 4 or array.shape[1] != channels or 0 in array.shape:
        raise UsageError(
            f"expected an array [N, {channels}, H, W] in {str(path)!r}, found "
            f"{list(array.shape)!r:.100}"
        )
    wanted = torch.float32.itemsize
    for size in array.shape:
        wanted *= size
    if wanted != held:
        raise UsageError(f"expected {wanted:,} bytes of elements in {str(path)!r}, found {held:,}")
    return array


def planned_size(network: Network, usual: Plane, request: PassRequest) -> Plane:
    """Return height and width of the input: the array's, the request's, or the usual ones.

    Args:
        network: Knows its stride.
        usual: Height and width where the request says nothing of them.
        request: What the user wants.

    Raises:
        UsageError: The sides are no multiples of the stride, or the request contradicts the array.
        ArtifactError: The file cannot be read.
    """
    size = request.size or usual
    if request.input is not None and is_array(Path(request.input)):
        shape = array_shape(Path(request.input), network.input_channels)
        size = shape[2], shape[3]
        if request.size not in (None, size):
            raise UsageError(
                f"expected no --size with the array {request.input!r}, which is used as it is: "
                f"{size[0]}×{size[1]}"
            )
    if any(side % network.stride or side < 1 for side in size):
        raise UsageError(
            f"expected an input whose sides are multiples of the network's stride "
            f"{network.stride}, found {size[0]}×{size[1]}"
        )
    return size


def batch_of(network: Network, request: PassRequest) -> int:
    """Return how many images go in.

    Raises:
        UsageError: An array is no input of the network.
        ArtifactError: The file cannot be read.
    """
    if request.input is not None and is_array(Path(request.input)):
        return array_shape(Path(request.input), network.input_channels)[0]
    return request.batch or 1


def make_input(
    network: Network, size: Plane, request: PassRequest
) -> tuple[torch.Tensor, PassInput]:
    """Return what goes in, in float32 on the CPU, and its description; shapes alone for meta.

    Args:
        network: Knows its channels.
        size: Height and width, as planned.
        request: What the user wants.

    Raises:
        UsageError: The request does not fit the network, or a file cannot be used.
        ArtifactError: A file cannot be read.
    """
    channels = network.input_channels
    is_meta = request.device == "meta"
    if request.input is None:
        shape = (request.batch or 1, channels, *size)
        if is_meta:
            return torch.empty(shape, device="meta"), PassInput(kind="shapes only", shape=shape)
        return seeded_noise(shape, request.seed)
    if request.batch is not None:
        raise UsageError("expected --batch with noise, which is made; found it with --input")
    path = Path(request.input)
    if is_array(path):
        values, given = read_array(path, channels)
    else:
        if channels != len(MEAN):
            raise UsageError(
                f"expected an array of {channels} channels, found an image, of {len(MEAN)}"
            )
        values = read_image(path, size)
        given = PassInput(
            kind="image", shape=tuple(values.shape), path=str(path), description=DESCRIPTION
        )
    return values.to("meta") if is_meta else values, given
