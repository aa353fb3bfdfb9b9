"""Settings of ConvNeXtPose as people say them → those that a configuration has.

Enters: settings by name, some of which say several at once: `backbone`, `head_width` and
`head_layers`, `upsamplings`, `final_channels`. Leaves: fields of `ConvNeXtPoseConfiguration`.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from ckptscope.errors import UsageError
from ckptscope.facts.architecture import FactValue
from ckptscope.families.known.convnextpose.configuration import ConvNeXtPoseConfiguration
from ckptscope.families.settings import read_some, require_sizes
from ckptscope.families.trunks.convnext import BATCH_NORM, LAYER_NORM, NAMED_SIZES

FAMILY: Final = "convnextpose"
#: Layers of the authors' head.
_HEAD_LAYERS: Final = 3
#: A plane that was doubled more often has more pixels than any machine has bytes.
_MOST_UPSAMPLINGS: Final = 20
#: Shorter ways to say several settings, and the one type of their values.
SHORT_WAYS: Final[Mapping[str, type]] = {
    "backbone": str,
    "head_width": int,
    "head_layers": int,
    "upsamplings": int,
    "final_channels": int,
}


def spell_out(settings: Mapping[str, FactValue]) -> dict[str, FactValue]:
    """Replace settings that say several at once by the fields that they mean.

    Raises:
        UsageError: One of them has an impossible value, or does not go with another setting.
    """
    _require_known(settings)
    given = dict(settings)
    short = {name: given.pop(name) for name in SHORT_WAYS if given.get(name) is not None}
    for name in SHORT_WAYS:
        given.pop(name, None)
    for name, value in short.items():
        _require_kind(name, value)
    if "backbone" in short:
        dims, depths = backbone_sizes(str(short["backbone"]))
        given.setdefault("dims", dims)
        given.setdefault("depths", depths)
    width, layers = short.get("head_width"), short.get("head_layers")
    if isinstance(width, int):
        given.setdefault(
            "head_out_channels", (width,) * (layers if isinstance(layers, int) else _HEAD_LAYERS)
        )
    _require_layers(layers, given.get("head_out_channels"))
    _spell_upsamplings(short.get("upsamplings"), given)
    _divide(short.get("final_channels", given.pop("undivided", None)), given)
    return given


def read_stated(
    stated: Mapping[str, FactValue], layers: int | None
) -> tuple[dict[str, FactValue], list[str]]:
    """Read what a user says of a file, of which nothing is required.

    Args:
        stated: Settings, short ways among them.
        layers: Layers of the head that the file has.

    Returns:
        Settings by the names of fields, `final_channels` among them; and what cannot be true of
        this file, in words.

    Raises:
        UsageError: A name is unknown, or a value impossible.
    """
    _require_known(stated)
    given = {name: value for name, value in stated.items() if value is not None}
    short = {name: given.pop(name) for name in SHORT_WAYS if name in given}
    for name, value in short.items():
        _require_kind(name, value)
    fields = read_some(ConvNeXtPoseConfiguration, given, family=FAMILY)
    _require_norm(fields.get("norm", BATCH_NORM))
    if "undivided" in fields:
        fields.setdefault("final_channels", fields.pop("undivided"))
    if "final_channels" in short:
        fields["final_channels"] = short["final_channels"]
    if "backbone" in short:
        dims, depths = backbone_sizes(str(short["backbone"]))
        fields = {"dims": dims, "depths": depths} | fields
    notes: list[str] = []
    if layers is not None:
        _spell_head(short, fields, layers, notes)
    return fields, notes


def _spell_head(
    short: Mapping[str, FactValue], fields: dict[str, FactValue], layers: int, notes: list[str]
) -> None:
    """Spell out what is stated of each layer of the head, for the layers that there are."""
    stated_layers, width = short.get("head_layers"), short.get("head_width")
    if stated_layers is not None and stated_layers != layers:
        notes.append(f"stated head_layers is {stated_layers}, the file has {layers}")
    if isinstance(width, int):
        fields.setdefault("head_out_channels", (width,) * layers)
    count = short.get("upsamplings")
    if isinstance(count, int):
        if count > layers:
            notes.append(f"stated upsamplings is {count}, the file has {layers} head layers")
        else:
            fields.setdefault("upsampling", tuple(i < count for i in range(layers)))
    pattern = fields.get("upsampling")
    if isinstance(pattern, tuple) and len(pattern) != layers:
        notes.append(
            f"stated upsampling is of {len(pattern)} layers, the file has {layers} head layers"
        )
        del fields["upsampling"]
    elif isinstance(pattern, tuple):
        _require_planes(sum(1 for item in pattern if item))


def backbone_sizes(name: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return dims and depths of a backbone by its name.

    Raises:
        UsageError: There is none of that name.
    """
    sizes = NAMED_SIZES.get(name)
    if sizes is None:
        known = ", ".join(NAMED_SIZES)
        raise UsageError(f"no ConvNeXt backbone {name!r}; there are: {known}")
    return sizes


def require_sound(configuration: ConvNeXtPoseConfiguration) -> None:
    """Refuse lists that do not go together, and norms that the network cannot have.

    Raises:
        UsageError: As many depths as dims, as many truth values as head layers are needed.
    """
    layers = len(configuration.head_out_channels)
    for name, count, other, wanted in (
        ("depths", len(configuration.depths), "dims", len(configuration.dims)),
        (
            "upsampling",
            layers if configuration.upsampling is None else len(configuration.upsampling),
            "head_out_channels",
            layers,
        ),
        ("head_kernels", len(configuration.kernels), "head_out_channels", layers),
    ):
        if count != wanted:
            raise UsageError(
                f"{FAMILY}: expected as many values of {name!r} as of {other!r}, found {count} and "
                f"{wanted}"
            )
    if not configuration.dims:
        raise UsageError(f"{FAMILY}: expected at least one stage in 'dims', found none")
    _require_norm(configuration.norm)
    _require_planes(sum(configuration.upsampling or ()))


def _require_norm(norm: FactValue) -> None:
    if norm not in (BATCH_NORM, LAYER_NORM):
        raise UsageError(
            f"{FAMILY}: expected {BATCH_NORM} or {LAYER_NORM} for 'norm', found {norm!r}"
        )


def _require_planes(upsamplings: int) -> None:
    if upsamplings > _MOST_UPSAMPLINGS:
        raise UsageError(
            f"{FAMILY}: expected at most {_MOST_UPSAMPLINGS} layers that upsample, found "
            f"{upsamplings}"
        )


def _require_known(settings: Iterable[str]) -> None:
    fields = ConvNeXtPoseConfiguration.__struct_fields__
    for name in settings:
        if name not in fields and name not in SHORT_WAYS:
            known = ", ".join(one for one in (*fields, *SHORT_WAYS) if one != "undivided")
            raise UsageError(f"{FAMILY} has no setting {name!r}; it has: {known}")


def _require_kind(name: str, value: FactValue) -> None:
    kind = SHORT_WAYS[name]
    if not isinstance(value, kind) or isinstance(value, bool):
        words = "a whole number" if kind is int else "a name"
        raise UsageError(f"{FAMILY}: expected {words} for {name!r}, found {value!r}")
    if name != "upsamplings" or value != 0:
        require_sizes(name, value, family=FAMILY)


def _require_layers(layers: FactValue, channels: FactValue) -> None:
    if layers is not None and isinstance(channels, tuple) and len(channels) != layers:
        raise UsageError(
            f"{FAMILY}: expected {layers} values of 'head_out_channels' for {layers} head layers, "
            f"found {len(channels)}"
        )


def _spell_upsamplings(count: FactValue, given: dict[str, FactValue]) -> None:
    """Let the first layers of the head upsample, where their number is given."""
    channels = given.get("head_out_channels")
    if not isinstance(count, int) or not isinstance(channels, tuple):
        return
    if count > len(channels):
        raise UsageError(
            f"{FAMILY}: expected at most {len(channels)} 'upsamplings', one a head layer, found "
            f"{count}"
        )
    pattern = given.setdefault("upsampling", tuple(i < count for i in range(len(channels))))
    if isinstance(pattern, tuple) and sum(1 for item in pattern if item) != count:
        raise UsageError(f"{FAMILY}: expected {count} layers that upsample, found {pattern!r}")


def _divide(final: FactValue, given: dict[str, FactValue]) -> None:
    """Divide final channels into joints and depth bins, as far as either is given."""
    joints, bins = given.get("joints"), given.get("depth_bins")
    if final is None:
        for name, value in (("joints", joints), ("depth_bins", bins)):
            if value is None:
                raise UsageError(f"{FAMILY}: expected a value for {name!r}, found none")
        return
    known = [value for value in (joints, bins) if isinstance(value, int) and value > 0]
    if not isinstance(final, int) or len(known) < sum(one is not None for one in (joints, bins)):
        given["undivided"] = final
        return
    if len(known) == 2 and known[0] * known[1] != final:
        raise UsageError(
            f"{FAMILY}: {joints} joints × {bins} depth bins are {known[0] * known[1]:,} final "
            f"channels, not {final:,}"
        )
    if len(known) == 1:
        name, other = ("joints", "depth_bins") if bins is None else ("depth_bins", "joints")
        if final % known[0]:
            raise UsageError(
                f"{FAMILY}: {known[0]} {name.replace('_', ' ')} do not divide {final:,} final "
                "channels"
            )
        given[other] = final // known[0]
    if not known:
        given["undivided"] = final
