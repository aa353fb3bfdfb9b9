"""What one pass through a network showed, layer by layer.

Enters: a network that ran, or whose shapes were followed. Leaves: a `ForwardReport`: rows of the
trace, hypotheses about what has no weights, coordinates, what BatchNorm remembers.
"""

import msgspec

from ckptscope.facts.architecture import FactValue
from ckptscope.facts.claims import Verdict
from ckptscope.facts.tensors import Origin
from ckptscope.facts.upsampling import Plane, Upsampling
from ckptscope.facts.values import Values


class PassRequest(msgspec.Struct, frozen=True, kw_only=True):
    """How a network is to be run.

    Attributes:
        seed: Of the noise that goes in.
        input: A .npy array or an image to go in instead.
        size: Height and width of the input; None for the family's own, or the array's.
        device: cpu, cuda, cuda:1, meta.
        batch: Images of noise; None for one.
        dtype: Element type of the pass; None to choose by the file's and the device.
        threads: Threads of a CPU; None for torch's own choice.
    """

    seed: int = 0
    input: str | None = None
    size: Plane | None = None
    device: str = "cpu"
    batch: int | None = None
    dtype: str | None = None
    threads: int | None = None


class LayerRow(msgspec.Struct, frozen=True, kw_only=True):
    """One stage, or one layer of a head.

    Attributes:
        name: stem, stage 0, head layer 1, ...
        kind: What it is made of, in words.
        part: backbone or head, as the family counts.
        input_shape: Shape of what enters, without the batch: [channels, height, width].
        output_shape: Shape of what leaves, without the batch.
        parameters: Elements of its parameters.
        macs: Multiply-accumulates for one input, by arithmetic on its weights and planes.
        counted_macs: The same as torch's counter gives it.
        upsampling: Whether the layer doubles the plane; None where there is no such question.
        values: Statistics of the output; None where shapes alone were followed.
        seconds: Time that it took; None where shapes alone were followed.
        share: Fraction of the time of all rows.
    """

    name: str
    kind: str
    part: str
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    parameters: int
    macs: int
    counted_macs: int
    upsampling: bool | None = None
    values: Values | None = None
    seconds: float | None = None
    share: float | None = None

    @property
    def factor(self) -> str:
        """How the side of the plane changes: ×2, ×½, ×1; empty where either has no plane."""
        if len(self.input_shape) != len(self.output_shape) or len(self.input_shape) < 3:
            return ""
        factors = {
            _factor(before, after)
            for before, after in zip(self.input_shape[1:], self.output_shape[1:], strict=True)
        }
        return factors.pop() if len(factors) == 1 else ""


#: Fractions that have a character of their own.
_FRACTIONS = {2: "½", 4: "¼", 8: "⅛"}


def _factor(before: int, after: int) -> str:
    if before and after % before == 0:
        return f"×{after // before}"
    if after and before % after == 0:
        return f"×{_FRACTIONS.get(before // after, f'1/{before // after}')}"
    return f"×{after}/{before}"


class NormMemory(msgspec.Struct, frozen=True, kw_only=True):
    """What a BatchNorm layer remembers of training, beside what it met in this pass.

    Attributes:
        key: Name of the layer in the file's dialect, without the prefix.
        part: backbone or head.
        channels: How many it normalizes.
        batches: Its counter `num_batches_tracked`; None if the file has none.
        stored_mean: Mean over the channels of `running_mean`.
        stored_variance: Mean over the channels of `running_var`.
        pass_mean: Mean over the channels of the mean that it met.
        pass_variance: Mean over the channels of the variance that it met.
        mean_distance: Median over the channels of |mean met - running_mean| / √running_var, with
            the layer's epsilon added to the variance, as the layer does.
        variance_ratio: Median over the channels of variance met / running_var, both with epsilon.
        is_untrained: Whether mean 0, variance 1 and no batch counted say that it was never
            trained.
    """

    key: str
    part: str
    channels: int
    batches: int | None
    stored_mean: float | None
    stored_variance: float | None
    pass_mean: float | None
    pass_variance: float | None
    mean_distance: float | None
    variance_ratio: float | None
    is_untrained: bool


class Coordinates(msgspec.Struct, frozen=True, kw_only=True):
    """Where one joint of one image is, in cells of the volume.

    Attributes:
        image: Index in the batch.
        joint: Index of the joint.
        x: Along the width; None where the volume holds no finite numbers. y and z likewise.
        y: Along the height.
        z: Along the depth bins.
        is_inside: Whether all three lie in the volume.
    """

    image: int
    joint: int
    x: float | None
    y: float | None
    z: float | None
    is_inside: bool


class RootPlace(msgspec.Struct, frozen=True, kw_only=True):
    """Where the root of the body of one image is.

    Attributes:
        image: Index in the batch.
        x: Along the width of the heatmap, in cells; None if it is not finite. y and depth likewise.
        y: Along its height.
        depth: The correction of the depth, for k = 1.
    """

    image: int
    x: float | None
    y: float | None
    depth: float | None


class ClassScore(msgspec.Struct, frozen=True, kw_only=True):
    """One of the classes that score highest: image, index of the class, logit, probability."""

    image: int
    index: int
    logit: float
    probability: float


class PassInput(msgspec.Struct, frozen=True, kw_only=True):
    """What went in.

    Attributes:
        kind: seeded noise, array, image, shapes only.
        shape: [N, 3, height, width].
        seed: Of the noise.
        path: File that it was read from.
        description: How it was made, in words.
    """

    kind: str
    shape: tuple[int, ...]
    seed: int | None = None
    path: str | None = None
    description: str = ""


class MacCount(msgspec.Struct, frozen=True, kw_only=True):
    """Multiply-accumulates of one input, counted three ways.

    Attributes:
        closed_form: By the family, from the settings alone; None where it cannot say.
        layers: Sum over the layers, of weights times places.
        counter: By torch's own counter, or by its formulas.
        counted_by: Which of the two, in words.
        what: What is counted, in words.
    """

    closed_form: int | None
    layers: int
    counter: int
    counted_by: str
    what: str

    @property
    def agree(self) -> bool:
        """Whether all counts are the same."""
        return self.layers == self.counter and self.closed_form in (None, self.layers)


class ForwardReport(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of `forward`.

    Attributes:
        path: The checkpoint.
        state_dict: Path of the state_dict in its tree.
        prefix: What stands before every key of the network.
        family: Name of the family.
        title: The same for people.
        dialect: How the keys are named.
        settings: What the network was built from.
        origins: What each of these settings rests on, where a fact says so.
        device: cpu, cuda, meta.
        dtype: Element type of the pass.
        threads: Threads of the pass on a CPU.
        torch: Version of torch.
        given: What went in.
        rows: The trace, in the order of the network.
        output_shape: Shape of the output, with the batch.
        output: Statistics of the output; None on shapes alone.
        macs: Multiply-accumulates.
        parameters: Elements of the network's parameters.
        mapped_bytes: Bytes of weights that were used where they lie in the file.
        read_bytes: Bytes of weights that were read or converted into memory.
        label: Row of a table that the file is said to be; empty for none.
        contradictions: Claims of that row that the tensors contradict, in words.
        upsampling: The hypotheses; None where the family has no such question.
        coordinates: Joints of every image, for networks that give them.
        volume: Depth bins, height and width of the volume that they lie in.
        root: Root of every image, for networks that give it.
        scores: Best classes of every image, for classifiers.
        norms: What BatchNorm layers remember.
        saved_to: File that the output was written to.
        notes: What was decided on the way: conversions, tensors of others, missing counters.
        failures: What is wrong with weights or output, each a line; empty for a sound pass.
        seconds: Time of the pass, without reading and building.
    """

    path: str
    state_dict: str
    prefix: str
    family: str
    title: str
    dialect: str
    settings: dict[str, FactValue]
    origins: dict[str, Origin]
    device: str
    dtype: str
    threads: int | None
    torch: str
    given: PassInput
    rows: tuple[LayerRow, ...]
    output_shape: tuple[int, ...]
    output: Values | None
    macs: MacCount
    parameters: int
    mapped_bytes: int
    read_bytes: int
    label: str = ""
    contradictions: tuple[str, ...] = ()
    upsampling: Upsampling | None = None
    coordinates: tuple[Coordinates, ...] = ()
    volume: tuple[int, int, int] | None = None
    root: tuple[RootPlace, ...] = ()
    scores: tuple[ClassScore, ...] = ()
    norms: tuple[NormMemory, ...] = ()
    saved_to: str | None = None
    notes: tuple[str, ...] = ()
    failures: tuple[str, ...] = ()
    seconds: float | None = None

    @property
    def is_contradicted(self) -> bool:
        """Whether the tensors contradict the row, or no hypothesis meets it."""
        if self.upsampling is not None and self.upsampling.verdict is Verdict.CONTRADICTS:
            return True
        return bool(self.contradictions)
