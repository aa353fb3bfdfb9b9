"""Networks that the sizes suggest, before anything is counted.

Enters: how often each size occurs. Leaves: `Frame`s: configurations of a family with two blocks in
each stage and placeholders behind the trunk, and the ends that each may have.

A stage of a ConvNeXt gives itself away by three sizes for one width d: k²·d of the depthwise
kernel, e·d of the inner bias, e·d² of the pointwise layers. A stage of a ResNet does by the
convolutions between its widths: 9·d² of a BasicBlock; w·out and 9·w·g of a Bottleneck.
"""

import itertools
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from ckptscope.carving.shelf import Shelf
from ckptscope.carving.tables import COUNTER_BYTES, Table, make_table
from ckptscope.errors import UsageError
from ckptscope.families.base import Configuration
from ckptscope.families.known.convnext.configuration import ConvNeXtConfiguration
from ckptscope.families.known.convnextpose.configuration import ConvNeXtPoseConfiguration
from ckptscope.families.known.posenet.configuration import PoseNetConfiguration
from ckptscope.families.known.resnet.configuration import ResNetConfiguration
from ckptscope.families.known.rootnet.configuration import RootNetConfiguration
from ckptscope.families.registry import known_family
from ckptscope.families.trunks.convnext import BATCH_NORM, LAYER_NORM, RMS_NORM
from ckptscope.families.trunks.deconvolutions import KERNEL
from ckptscope.families.trunks.resnet import BASIC, BOTTLENECK, STEM_WIDTH

#: Sides of depthwise kernels, and inner widths in widths, the papers' first.
_KERNELS: Final = (7, 3, 5, 9, 11, 13)
_EXPANSIONS: Final = (4, 2, 3, 6, 8, 1)
#: Layer scale and GRN: version 1, version 2, neither, both.
_TRAITS: Final = ((True, False), (False, True), (False, False), (True, True))
#: Stages and head layers that are looked for.
_MOST_STAGES: Final = 6
_MOST_LAYERS: Final = 4
#: Widths that are paired with each other.
_MOST_WIDTHS: Final = 48
#: Guesses of one kind that are followed.
_MOST_GUESSES: Final = 4
_MOST_LOOSE: Final = 2
#: Groups of a Bottleneck's convolution that are looked for.
_GROUPS: Final = (1, 32, 64, 2, 4, 8, 16)


class Frame(msgspec.Struct, frozen=True, kw_only=True):
    """A trunk of unknown depths.

    Attributes:
        family: Name of the family.
        configuration: Two blocks in each stage; placeholders behind the trunk.
        dialect: Whose order the tensors have.
        item: Bytes of an element.
    """

    family: str
    configuration: Configuration
    dialect: str
    item: int

    def table(self) -> Table:
        """Return the whole table, placeholders included."""
        return make_table(known_family(self.family), self.configuration, self.dialect)


class End(msgspec.Struct, frozen=True, kw_only=True):
    """What may stand behind a trunk.

    Attributes:
        configuration: With placeholders.
        unknown: Settings that the sizes must tell, as axes name them.
    """

    configuration: Configuration
    unknown: frozenset[str]


class Census:
    """Elements of the storages, with so many bytes for each.

    Attributes:
        item: Bytes of an element.
        counts: Storages by elements.
        counters: Storages as large as a BatchNorm's counter.
    """

    def __init__(self, shelf: Shelf, item: int) -> None:
        self.item = item
        self.counts = {s // item: n for s, n in shelf.counts.items() if s and not s % item}
        self.counters = shelf.counts.get(COUNTER_BYTES, 0)
        self._numbers = {s // item: n for s, n in shelf.numbers.items() if s and not s % item}

    def __contains__(self, elements: int) -> bool:
        return elements in self.counts

    @property
    def widths(self) -> list[int]:
        """Elements that may be a width: none as small as a counter or a number."""
        return [d for d in self.counts if d * self.item > COUNTER_BYTES]

    def orders(self, marks: dict[int, int]) -> list[tuple[int, ...]]:
        """Return the orders in which widths may follow each other.

        Args:
            marks: By width, the elements of a tensor that tells it.
        """
        found = [
            tuple(sorted(marks, key=lambda d: self._numbers.get(marks[d], [0])[0])),
            tuple(sorted(marks, key=lambda d: self._numbers.get(marks[d], [0])[-1])),
            tuple(sorted(marks)),
        ]
        return list(dict.fromkeys(found))


def propose_frames(shelf: Shelf, item: int) -> Iterator[tuple[Frame, ...]]:
    """Yield the trunks that the sizes suggest, each as every family on such a trunk has it."""
    census = Census(shelf, item)
    yield from _convnext_frames(census)
    yield from _resnet_frames(census)


def _convnext_frames(census: Census) -> Iterator[tuple[Frame, ...]]:
    for kernel, expansion, widths in _convnext_widths(census):
        for dims in census.orders({d: d * kernel**2 for d in widths}):
            for whole in _with_lost_stages(dims, 2 * 2, census):
                norms: tuple[str, ...] = (LAYER_NORM, RMS_NORM, BATCH_NORM)
                if census.counters >= len(dims) or not census.counters:
                    norms = (BATCH_NORM,) if census.counters else (LAYER_NORM, RMS_NORM)
                for (scale, grn), norm in itertools.product(_TRAITS, norms):
                    settings: Any = {
                        "dims": whole,
                        "depths": (2,) * len(whole),
                        "kernel_size": kernel,
                        "expansion": expansion,
                        "norm": norm,
                        "layer_scale": scale,
                        "grn": grn,
                    }
                    yield from _convnext_families(settings, census.item)


def _with_lost_stages(
    dims: tuple[int, ...], taps: int, census: Census, ratio: int = 1
) -> Iterator[tuple[int, ...]]:
    """Yield widths of stages, some more, and some less.

    Of a stage there may be nothing left but the downsampling; and what stands behind the trunk may
    look like a stage.

    Args:
        dims: Widths of the stages that give themselves away.
        taps: Places of the downsampling's kernel.
        census: Of the storages.
        ratio: What every width is a multiple of.
    """
    yield dims
    for count in range(1, min(2, len(dims) - 2) + 1):
        yield dims[:-count]
    whole = dims
    for _ in range(_MOST_STAGES - len(dims)):
        before = [d for d in _partners(whole[0], taps, census, ratio) if d < whole[0]]
        behind = [d for d in _partners(whole[-1], taps, census, ratio) if d > whole[-1]]
        before = [d for d in before if d not in whole]
        behind = [d for d in behind if d not in whole]
        if not before and not behind:
            break
        whole = (*before[-1:], *whole, *behind[:1])
    if whole != dims:
        yield whole[-_MOST_STAGES:]


def _partners(width: int, taps: int, census: Census, ratio: int) -> list[int]:
    """Return the widths between which and this one a downsampling convolution stands."""
    widths = set(census.widths)
    return sorted(
        elements // (taps * width)
        for elements in census.counts
        if not elements % (taps * width * ratio) and elements // (taps * width) in widths
    )


def _convnext_families(settings: dict[str, Any], item: int) -> Iterator[tuple[Frame, ...]]:
    plain = ConvNeXtConfiguration(**settings, classes=None)
    original = Frame(family="convnext", configuration=plain, dialect="original", item=item)
    if settings["norm"] == RMS_NORM:
        yield (original,)
    else:
        pose = ConvNeXtPoseConfiguration(**settings, head_out_channels=(), undivided=1)
        yield original, Frame(family="convnextpose", configuration=pose, dialect="", item=item)
    yield (Frame(family="convnext", configuration=plain, dialect="timm", item=item),)


def _convnext_widths(census: Census) -> list[tuple[int, int, tuple[int, ...]]]:
    """Return kernel, expansion and widths of stages, those that most storages speak for first."""
    guesses: dict[tuple[int, int, tuple[int, ...]], tuple[bool, int]] = {}
    for kernel, expansion in itertools.product(_KERNELS, _EXPANSIONS):
        signs = {d: _signs(d, kernel, expansion, census) for d in census.widths}
        # Where much is lost, a stage may have lost one of its signs; others have two by chance.
        for fewest in (3, 2):
            widths = tuple(d for d, hits in signs.items() if len(hits) >= fewest)
            if 0 < len(widths) <= _MOST_STAGES:
                weight = sum(census.counts[one] for d in widths for one in signs[d])
                guesses.setdefault((kernel, expansion, widths), (fewest == 2, -weight))
    ordered = sorted(guesses, key=lambda guess: guesses[guess])
    exact = sum(not is_loose for is_loose, _ in guesses.values())
    return [*ordered[: min(exact, _MOST_GUESSES)], *ordered[exact : exact + _MOST_LOOSE]]


def _signs(width: int, kernel: int, expansion: int, census: Census) -> list[int]:
    signs = (width * kernel**2, expansion * width * width, expansion * width)
    # A width is there if its bias is: an inner bias of the same size tells nothing more.
    return [one for one in signs if one in census and one != width]


def _resnet_frames(census: Census) -> Iterator[tuple[Frame, ...]]:
    for block, groups, ratio, widths in (*_basic_stages(census), *_bottleneck_stages(census)):
        taps = 9 if block == BASIC else 1
        marks = {out: taps * out * (out // ratio) for out in widths}
        for seen in census.orders(marks):
            for dims in _with_lost_stages(seen, 1, census, ratio * groups):
                inner = [out // ratio for out in dims]
                for stem in dict.fromkeys((STEM_WIDTH, dims[0], inner[0])):
                    settings: Any = {
                        "block": block,
                        "depths": (2,) * len(dims),
                        "dims": dims,
                        "groups": groups,
                        "group_dims": tuple(width // groups for width in inner),
                        "stem_width": stem,
                    }
                    yield _resnet_families(settings, census.item)


def _resnet_families(settings: dict[str, Any], item: int) -> tuple[Frame, ...]:
    stack: Any = {"head_out_channels": (), "head_kernels": (), "upsampling": ()}
    plain = ResNetConfiguration(**settings, classes=None)
    pose = PoseNetConfiguration(**settings, **stack, undivided=1)
    root = RootNetConfiguration(**settings, **stack)
    return tuple(
        Frame(family=family, configuration=configuration, dialect="", item=item)
        for family, configuration in (("resnet", plain), ("posenet", pose), ("rootnet", root))
    )


#: Block, groups, widths that leave a stage in inner widths, and those widths.
_Guess = tuple[str, int, int, tuple[int, ...]]


def _basic_stages(census: Census) -> list[_Guess]:
    widths = tuple(d for d in census.widths if 9 * d * d in census)
    return [(BASIC, 1, 1, widths)] if 0 < len(widths) <= _MOST_STAGES else []


def _bottleneck_stages(census: Census) -> list[_Guess]:
    """Return guesses, those that most storages speak for first."""
    common = sorted(census.widths, key=lambda d: -census.counts[d])[:_MOST_WIDTHS]
    pairs = [(w, out) for w in common for out in common if w < out and w * out in census]
    found: list[tuple[int, _Guess]] = []
    ratios = sorted({(out // w) for w, out in pairs if not out % w})
    for groups, ratio in itertools.product(_GROUPS, ratios):
        widths: list[int] = []
        weight = 0
        for w, out in pairs:
            if out == ratio * w and not w % groups and 9 * w * w // groups in census:
                widths.append(out)
                weight += census.counts[w * out] + census.counts[9 * w * w // groups]
        if 0 < len(widths) <= _MOST_STAGES:
            found.append((-weight, (BOTTLENECK, groups, ratio, tuple(widths))))
    found.sort(key=lambda guess: guess[0])
    return [guess for _, guess in found[:_MOST_GUESSES]]


def propose_ends(family: str, configuration: Any, dialect: str) -> Iterator[End]:
    """Yield what may stand behind a trunk, and before it, with placeholders for every size."""
    stem = {"input_channels", "stem_kernel"}
    if family == "convnext":
        yield from _classifier_ends(configuration, dialect)
        return
    if family == "resnet":
        for classes in (None, 1):
            changed = msgspec.structs.replace(configuration, classes=classes)
            yield End(configuration=changed, unknown=frozenset({"classes", *stem}))
        return
    kernel = 3 if family == "convnextpose" else KERNEL
    # A head without layers has the sizes of a classifier, which it is then taken for.
    for count in range(1, _MOST_LAYERS + 1):
        layers: Any = {
            "head_out_channels": (1,) * count,
            "head_kernels": (kernel,) * count,
        }
        if family != "convnextpose":
            layers["upsampling"] = (True,) * count
        names = {f"{name}[{i}]" for name in layers if name != "upsampling" for i in range(count)}
        yield End(
            configuration=msgspec.structs.replace(configuration, **layers),
            unknown=frozenset({*names, "final_channels", *stem}),
        )


def _classifier_ends(configuration: Any, dialect: str) -> Iterator[End]:
    is_timm = dialect == "timm"
    for final_norm, classes, hidden, between in itertools.product(
        (True, False),
        (1, None),
        (None, 1) if is_timm else (None,),
        (None, 1) if is_timm else (None,),
    ):
        unknown = {"input_channels", "stem_kernel", "classes", "head_hidden", "stem_channels"}
        changed = msgspec.structs.replace(
            configuration,
            final_norm=final_norm,
            classes=classes,
            head_hidden=hidden,
            stem_channels=between,
            stem_kernel=configuration.stem_kernel if between is None else 3,
        )
        yield End(configuration=changed, unknown=frozenset(unknown))


def build(family: str, configuration: Configuration, dialect: str) -> Table | None:
    """List a configuration; None if the dialect's code cannot build it."""
    try:
        return make_table(known_family(family), configuration, dialect)
    except UsageError:
        return None
