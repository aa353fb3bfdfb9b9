"""What a file of claims to be checked looks like: the schema `ckptscope/claims/1`.

Enters: nothing. Leaves: the types that a TOML file is read into, and its JSON schema.
docs/checking-claims.md explains every key.
"""

from typing import Annotated, Any, Final, Literal, TypeAlias

import msgspec

from ckptscope.specs.schema import AttributeEntry, Text

CLAIMS_SCHEMA: Final = "ckptscope/claims/1"

#: An attribute's value; `statements.read_statement` says which kinds there are.
RawValue: TypeAlias = Any
#: What two networks may be said to be to each other.
RelationName: TypeAlias = Literal["loads", "equivalent", "same_architecture"]
#: Keys of a network that are no attributes.
NETWORK_KEYS: Final = ("name", "row", "tensors")
#: Keys of a premise that are no attributes: what only a file can tell.
PREMISE_KEYS: Final = ("nonzero", "weights")


class ClaimEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[[claims]]`: one claim; see `facts.checked.CheckedClaim`."""

    id: Text | int
    text: str = ""
    source: str = ""
    networks: Annotated[
        tuple[dict[Text, RawValue], ...], msgspec.Meta(min_length=1, max_length=100)
    ]
    relation: RelationName | tuple[RelationName, ...] = ()
    same: tuple[Text, ...] = ()
    because: dict[Text, RawValue] = {}
    therefore: dict[Text, RawValue] = {}


class ClaimsEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole file."""

    schema: Literal["ckptscope/claims/1"]
    family: Text
    title: str = ""
    source: str = ""
    table: Text | tuple[Text, ...] = ()
    attributes: dict[Text, AttributeEntry] = {}
    claims: Annotated[tuple[ClaimEntry, ...], msgspec.Meta(min_length=1, max_length=1000)]


def claims_json_schema() -> bytes:
    """Return the JSON schema of a file of claims, indented."""
    schema = msgspec.json.schema(ClaimsEntry)
    schema["$id"] = CLAIMS_SCHEMA
    return msgspec.json.format(msgspec.json.encode(schema), indent=2) + b"\n"
