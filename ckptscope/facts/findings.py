"""What was noticed on the way: one finding type, one list of codes.

Enters: facts known where the finding is made. Leaves: `Finding`s, collected in order and shown by
every report. Codes are named by room and never reused; `CON` containers, `PKL` pickles, `TEN`
tensors. A prefix selects a group.
"""

import enum

import msgspec


class Severity(enum.StrEnum):
    """How much a finding matters."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


class Code(enum.StrEnum):
    """Every finding's code."""

    MEMBER_CRC = "CON001"
    MEMBER_HEADER_DIFFERS = "CON002"
    MEMBER_DUPLICATE = "CON003"
    MEMBER_PATH_UNSAFE = "CON004"
    MEMBER_LINK = "CON005"
    MEMBER_SIZE_FALSE = "CON007"
    MEMBER_UNREADABLE = "CON008"
    MEMBERS_OVERLAP = "CON009"
    ARCHIVE_PREFIXED = "CON010"
    ARCHIVE_TRAILING = "CON011"
    ARCHIVE_ROOTS = "CON012"
    ARCHIVE_COUNT = "CON013"
    ARCHIVE_TRUNCATED = "CON014"
    ARCHIVES_IN_A_ROW = "CON015"
    STREAM_TRAILING = "CON020"
    STREAM_KEYS_DIFFER = "CON021"
    HEADER_DUPLICATE_KEY = "CON030"
    BYTEORDER_UNKNOWN = "CON040"
    NOT_READ = "CON050"
    SHARD_MISSING = "CON060"
    SHARD_PATH_UNSAFE = "CON061"
    SHARD_DISAGREES = "CON062"
    CHUNK_DISAGREES = "CON063"
    CHUNKS_INCOMPLETE = "CON064"
    DESCRIPTION_ODD = "CON065"

    PICKLE_TRAILING = "PKL001"
    PICKLE_EXTENSION = "PKL002"
    PICKLE_PERSISTENT_ID = "PKL003"
    PICKLE_BUILD_ODD = "PKL004"
    PICKLE_REBUILD_ODD = "PKL005"
    PICKLE_SECOND_UNREADABLE = "PKL006"

    VIEW_OUTSIDE_STORAGE = "TEN001"
    STORAGE_MISSING = "TEN002"
    STORAGE_SHORT = "TEN003"
    STORAGE_LONG = "TEN004"
    STORAGE_UNUSED = "TEN005"
    DTYPE_UNKNOWN = "TEN006"
    SHAPE_IMPOSSIBLE = "TEN007"
    KEY_DUPLICATE = "TEN008"


class Where(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The place a finding speaks of.

    Attributes:
        member: Member of the archive, or None for the file itself.
        key: Path or state_dict name of the tensor.
        offset_bytes: Byte offset within `member`, or within the file.
    """

    member: str | None = None
    key: str | None = None
    offset_bytes: int | None = None


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was noticed.

    Attributes:
        code: What kind of thing.
        severity: How much it matters.
        message: One sentence, lower case, with text of the file quoted by `{!r}`.
        where: The place.
        evidence: The numbers and names that the sentence rests on.
        help: What to do next, or the empty string.
    """

    code: Code
    severity: Severity
    message: str
    where: Where = Where()
    evidence: tuple[str, ...] = ()
    help: str = ""
