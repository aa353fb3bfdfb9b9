"""What the values of a ConvNeXtPose's weights say, where they are asked for.

Enters: a view, and a way to count elements that are not zero. Leaves: `head_nonzero`. A layer that
does nothing would show in it; whether one upsamples does not: upsampling has no weights.
"""

from collections.abc import Callable

from ckptscope.facts.architecture import Evidence, Fact
from ckptscope.facts.tensors import Origin, TensorInfo
from ckptscope.families.known.convnextpose.head import read_head
from ckptscope.families.trunks.convnext import BATCH_NORM
from ckptscope.families.view import NetworkView

_NOTE = "it says nothing of upsampling, which has no weights"


def nonzero_fact(view: NetworkView, nonzero: Callable[[TensorInfo], int]) -> Fact:
    """Return the share of weights that are not zero, for each layer of the head.

    Weights are those of both convolutions and of the norm; biases and statistics are not counted.

    Args:
        view: The network.
        nonzero: Counts the elements of a tensor that are not zero; it reads the file.

    Raises:
        ArtifactError: A storage cannot be read.
    """
    shares: list[float] = []
    evidence: list[Evidence] = []
    layers = read_head(view, None, BATCH_NORM).layers
    for layer in layers:
        found = elements = 0
        for tensor in layer.weights():
            count = nonzero(tensor)
            found, elements = found + count, elements + tensor.elements
            text = f"{count:,} of {tensor.elements:,} are not zero"
            evidence.append(Evidence(text=text, key=tensor.key, shape=tensor.shape))
        if elements:
            shares.append(found / elements)
    is_whole = bool(layers) and len(shares) == len(layers)
    return Fact(
        name="head_nonzero",
        value=tuple(shares) if is_whole else None,
        origin=Origin.OBSERVED if is_whole else Origin.UNDETERMINED,
        evidence=(*evidence, Evidence(text=_NOTE)),
        decided_by="" if is_whole else "the layers of the head that are missing",
    )
