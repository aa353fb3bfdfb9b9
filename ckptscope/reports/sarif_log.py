"""The objects of a SARIF log, as far as ours has them.

Enters: nothing. Leaves: types; their fields are the properties of the standard, in camel case.

Source: OASIS, Static Analysis Results Interchange Format (SARIF) 2.1.0 with errata 01, section 3.
"""

import enum

import msgspec

#: `id` of the schema that the standard publishes.
SCHEMA_URI = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)


class Level(enum.StrEnum):
    """How grave a result or a notification is (3.27.10)."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


class Object(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    """An object of the log; what is not said is left out."""


class Message(Object, frozen=True, kw_only=True):
    """Text for people (3.11, 3.12)."""

    text: str
    markdown: str | None = None


class ArtifactLocation(Object, frozen=True, kw_only=True):
    """Where a file lies (3.4)."""

    uri: str | None = None
    uri_base_id: str | None = None
    description: Message | None = None


class Region(Object, frozen=True, kw_only=True):
    """A part of a file: in lines or in bytes, never in both (3.30.4)."""

    start_line: int | None = None
    byte_offset: int | None = None


class PhysicalLocation(Object, frozen=True, kw_only=True):
    """A file and a part of it (3.29)."""

    artifact_location: ArtifactLocation
    region: Region | None = None


class LogicalLocation(Object, frozen=True, kw_only=True):
    """A place that has a name: a member, a tensor (3.33)."""

    name: str
    fully_qualified_name: str
    kind: str


class Location(Object, frozen=True, kw_only=True):
    """Where something was found (3.28)."""

    physical_location: PhysicalLocation | None = None
    logical_locations: tuple[LogicalLocation, ...] = ()
    message: Message | None = None


class Configuration(Object, frozen=True, kw_only=True):
    """How a rule is reported (3.50). The level is written even where it is the usual one."""

    level: Level | None = None


class RuleProperties(Object, frozen=True, kw_only=True):
    """What GitHub reads beside the standard."""

    tags: tuple[str, ...] = ()
    security_severity: str | None = msgspec.field(default=None, name="security-severity")


class Rule(Object, frozen=True, kw_only=True):
    """A code of the catalogue (3.49)."""

    id: str
    name: str
    short_description: Message
    full_description: Message
    help: Message
    default_configuration: Configuration
    properties: RuleProperties


class Suppression(Object, frozen=True, kw_only=True):
    """Why a result does not count (3.35)."""

    kind: str
    status: str
    justification: str


class ResultProperties(Object, frozen=True, kw_only=True):
    """What a finding rests on, and what the policy does about it."""

    evidence: tuple[str, ...] = ()
    help: str = ""
    action: str
    undecided: bool = False
    severity: str


class Result(Object, frozen=True, kw_only=True):
    """A finding (3.27)."""

    rule_id: str
    rule_index: int
    level: Level
    message: Message
    locations: tuple[Location, ...]
    related_locations: tuple[Location, ...] = ()
    partial_fingerprints: dict[str, str] = {}
    suppressions: tuple[Suppression, ...] = ()
    properties: ResultProperties


class Descriptor(Object, frozen=True, kw_only=True):
    """The kind of a notification (3.52)."""

    id: str


class Notification(Object, frozen=True, kw_only=True):
    """What happened to the tool itself (3.58)."""

    descriptor: Descriptor
    level: Level
    message: Message
    locations: tuple[Location, ...] = ()


class Invocation(Object, frozen=True, kw_only=True):
    """How the run went (3.20)."""

    execution_successful: bool
    exit_code: int
    exit_code_description: str
    tool_execution_notifications: tuple[Notification, ...] = ()


class ArtifactProperties(Object, frozen=True, kw_only=True):
    """The verdict on a file, its checks, and what the policy demands of it."""

    verdict: str
    checks: dict[str, str] = {}
    requirements: tuple[str, ...] = ()


class Artifact(Object, frozen=True, kw_only=True):
    """A file that was judged (3.24)."""

    location: ArtifactLocation
    roles: tuple[str, ...]
    properties: ArtifactProperties


class Driver(Object, frozen=True, kw_only=True):
    """The tool (3.19)."""

    name: str
    semantic_version: str
    short_description: Message
    rules: tuple[Rule, ...]


class Tool(Object, frozen=True, kw_only=True):
    """The tool and its extensions, of which there are none (3.18)."""

    driver: Driver


class RunProperties(Object, frozen=True, kw_only=True):
    """What came out on the whole, and under which policy."""

    verdict: str
    policy: str


class Run(Object, frozen=True, kw_only=True):
    """One run of the tool (3.14); results are encoded one by one, to be counted in bytes."""

    tool: Tool
    invocations: tuple[Invocation, ...]
    original_uri_base_ids: dict[str, ArtifactLocation] = {}
    artifacts: tuple[Artifact, ...]
    results: tuple[msgspec.Raw, ...]
    properties: RunProperties


class Log(Object, frozen=True, kw_only=True):
    """The whole file (3.13)."""

    schema: str = msgspec.field(name="$schema")
    version: str
    runs: tuple[Run, ...]
