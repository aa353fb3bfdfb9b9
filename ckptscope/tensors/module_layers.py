"""What the recognition of layers rests on: a layer's own tensors, and the layers around it.

Enters: `Layer`s in the order of the file. Leaves: widths of neighbours, and the `Guess` type in
which every recogniser answers.
"""

import re
from collections.abc import Iterator, Sequence
from typing import TypeAlias

import msgspec

from ckptscope.facts.modules import Reading
from ckptscope.facts.tensors import Origin, TensorInfo

Shape: TypeAlias = tuple[int, ...]

TIMES = "\N{MULTIPLICATION SIGN}"
ARROW = "\N{RIGHTWARDS ARROW}"
_WORDS = re.compile(r"[a-z]+")
#: Layers before and after one that are asked what they tell of it.
_REACH = 3
_MOST_SIZES = 6
#: Dimensions of the weight of a Conv3d.
_MOST_DIMENSIONS = 5


class Layer(msgspec.Struct, eq=False, kw_only=True, gc=False):
    """A module with tensors of its own, before it is known what it is.

    Attributes:
        name: Last segment of its path.
        path: Below the prefix.
        parent: Path of the module that holds it.
        family: Number of that module.
        shapes: By name below the module. What weight norm, spectral norm, pruning, quantization
            and parametrizations make of one tensor stands under the name of that tensor.
        sources: The tensors behind each of these names, with their own names.
        notes: What was undone for that: `weight norm`.
        below: Tensors that each sub-module holds itself, by their names.
        settings: Whole numbers among the attributes of a pickled module.
        weight: Shape of its weight; empty for none.
        position: Place among the layers in the order of the file; -1 for those that tell others
            nothing.
        rank: How many of the layers before it mix channels.
    """

    name: str
    path: str
    parent: str
    family: int
    shapes: dict[str, Shape]
    sources: dict[str, list[tuple[str, TensorInfo]]]
    notes: list[str]
    below: dict[str, dict[str, Shape]]
    settings: dict[str, int]
    weight: Shape = ()
    position: int = -1
    rank: int = 0

    @property
    def is_numbered(self) -> bool:
        """Whether it is an entry of a list, as those of Sequential: they run in their order."""
        return self.name.isdecimal()

    @property
    def norm_width(self) -> int | None:
        """Channels of a normalisation (or of anything else with a weight of one dimension).

        A single one is rather the slope of a PReLU.
        """
        shape = self.shapes.get("running_mean", self.weight)
        return shape[0] if len(shape) == 1 and shape[0] > 1 else None

    def has(self, name: str, *shape: int) -> bool:
        """Whether there is a tensor of that name and shape."""
        return self.shapes.get(name) == shape

    def fits(self, name: str, *shape: int) -> bool:
        """Whether a tensor is absent, or of that shape."""
        return self.shapes.get(name, shape) == shape

    def claim(self, *names: str) -> tuple[str, ...]:
        """Return those of the names that it has."""
        return tuple(name for name in names if name in self.shapes)


class Guess(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a recogniser takes a layer for.

    Attributes:
        kind: Class.
        detail: Sizes.
        origin: What that rests on.
        reason: In a few words.
        alternatives: What else it could be.
        claims: Names of `Layer.shapes` that make it up.
        expects: Sub-modules that belong to such a layer.
    """

    kind: str
    detail: str
    origin: Origin
    reason: str
    alternatives: tuple[Reading, ...] = ()
    claims: tuple[str, ...]
    expects: tuple[str, ...] = ()


class Surroundings:
    """All layers of a network, in the order of the file."""

    def __init__(self, layers: Sequence[Layer]) -> None:
        self._layers = layers
        self._matrices: list[Layer] = []
        self._by_width: dict[tuple[int, int], Layer] = {}
        #: Whether some layer holds its matrix as [in, out].
        self.has_transposed_matrices = False
        self.first_convolution = -1
        for position, layer in enumerate(layers):
            layer.position, layer.rank = position, len(self._matrices)
            if 2 <= len(layer.weight) <= _MOST_DIMENSIONS:
                self._note(layer)

    def _note(self, layer: Layer) -> None:
        weight = layer.weight
        self._matrices.append(layer)
        for width in weight[:2]:
            self._by_width.setdefault((layer.family, width), layer)
        if len(weight) > 2 and self.first_convolution < 0:
            self.first_convolution = layer.position
        if len(weight) == 2 and weight[0] != weight[1] and layer.has("bias", weight[1]):
            self.has_transposed_matrices = True

    def step(self, layer: Layer, steps: int) -> Layer | None:
        """Return the layer so many places behind it in the file; before it for negative ones."""
        place = layer.position + steps
        if layer.position < 0 or not 0 <= place < len(self._layers):
            return None
        return self._layers[place]

    def sibling(self, layer: Layer, steps: int) -> Layer | None:
        """Return the layer there if it stands in the same module."""
        found = self.step(layer, steps)
        return found if found is not None and found.family == layer.family else None

    def meeting(self, layer: Layer, width: int) -> Iterator[Layer]:
        """Yield the layers that mix channels and give a normalisation its width, or take it.

        The nearest in the file come first; then one of the same module, wherever it stands.
        """
        for distance in range(_REACH):
            before, behind = layer.rank - 1 - distance, layer.rank + distance
            if before >= 0 and _gives(self._matrices[before], width):
                yield self._matrices[before]
            if behind < len(self._matrices) and _takes(self._matrices[behind], width):
                yield self._matrices[behind]
        found = self._by_width.get((layer.family, width))
        if found is not None:
            yield found


def _gives(layer: Layer, width: int) -> bool:
    """Whether so many channels may leave a layer; which side that is, a convolution hides."""
    return layer.weight[0] == width or (len(layer.weight) > 2 and layer.weight[1] == width)


def _takes(layer: Layer, width: int) -> bool:
    """Whether so many channels may enter a layer."""
    return layer.weight[1] == width or (len(layer.weight) > 2 and layer.weight[0] == width)


def words(name: str) -> list[str]:
    """Return the words of a name: `q_proj2` → q, proj."""
    return _WORDS.findall(name.lower())


def telling_words(layer: Layer) -> list[str]:
    """Return the words of a layer's name; of the one above for entries of lists and wrappers."""
    told = words(layer.name)
    is_silent = layer.is_numbered or told == ["module"]
    return words(layer.parent.rpartition(".")[2]) if is_silent else told


def sizes_text(sizes: Sequence[int]) -> str:
    """Return sizes parted by multiplication signs."""
    shown = TIMES.join(str(size) for size in sizes[:_MOST_SIZES])
    return f"{shown}{TIMES}…" if len(sizes) > _MOST_SIZES else shown


def flow_text(entering: int, leaving: int) -> str:
    """Return `3→48`."""
    return f"{entering}{ARROW}{leaving}"
