"""What a file of claims looks like: the schema `ckptscope/spec/1`.

Enters: nothing. Leaves: the types that a TOML file is read into, and its JSON schema.
docs/writing-a-spec.md explains every key.
"""

from typing import Annotated, Final, Literal, TypeAlias

import msgspec

SPEC_SCHEMA: Final = "ckptscope/spec/1"

#: What one unit is worth. Units that are not here belong to attributes that no fact stands for.
UNITS: Final = {
    "": 1.0,
    "%": 1e-2,
    "k": 1e3,
    "M": 1e6,
    "G": 1e9,
    "T": 1e12,
    "kB": 1e3,
    "MB": 1e6,
    "GB": 1e9,
    "KiB": 2.0**10,
    "MiB": 2.0**20,
    "GiB": 2.0**30,
}

Text: TypeAlias = Annotated[str, msgspec.Meta(min_length=1, max_length=2000)]
Item: TypeAlias = bool | int | float | str | tuple[int, ...]
#: What a source may print for an attribute, and what a family takes for a setting.
Value: TypeAlias = bool | int | float | str | tuple[Item, ...]


class AttributeEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[attributes.NAME]`: how claims of one attribute are read; see `facts.claims.Rule`."""

    fact: Text | None = None
    unit: str = ""
    decimals: Annotated[int, msgspec.Meta(ge=0, le=12)] | None = None
    tolerance: Annotated[float, msgspec.Meta(gt=0, lt=1)] | None = None
    note: str = ""
    source: str = ""


class VariantEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[variants.NAME]`: one row; see `facts.paper.SpecRow`."""

    claims: dict[Text, Value]
    labels: Annotated[tuple[Text, ...], msgspec.Meta(min_length=1)] | None = None
    settings: dict[Text, Value] = {}


class SpecEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole file."""

    schema: Literal["ckptscope/spec/1"]
    name: Text
    family: Text
    title: Text
    source: Text
    settings_source: str = ""
    attributes: dict[Text, AttributeEntry] = {}
    variants: Annotated[dict[Text, VariantEntry], msgspec.Meta(min_length=1)]


def spec_json_schema() -> bytes:
    """Return the JSON schema of a table, indented."""
    schema = msgspec.json.schema(SpecEntry)
    schema["$id"] = SPEC_SCHEMA
    return msgspec.json.format(msgspec.json.encode(schema), indent=2) + b"\n"
