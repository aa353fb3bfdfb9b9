"""What was noticed on the way: one finding type, one list of codes.

Enters: facts known where the finding is made. Leaves: `Finding`s, collected in order and shown by
every report. Codes are named by what they speak of and never reused: `CON` containers, `PKL`
pickles, `TEN` tensors and storages, `SAF` what loading would run, `VAL` values, `ARC` architecture,
`TRN` training record, `POL` what a policy asks for. A prefix selects a group;
`checks.catalogue` says of each what it means.
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
    CRC_UNRECORDED = "CON016"
    READINGS_DIFFER = "CON017"
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

    IMPORT_DANGEROUS = "SAF001"
    IMPORT_UNKNOWN = "SAF002"
    IMPORT_HIDDEN = "SAF003"
    CODE_INCLUDED = "SAF004"
    EXECUTABLE_MEMBER = "SAF005"
    WEIGHTS_ONLY_REFUSED = "SAF010"
    WEIGHTS_ONLY_DEPENDS = "SAF011"

    VALUES_NAN = "VAL001"
    VALUES_INFINITE = "VAL002"
    VALUES_ZERO = "VAL003"
    VALUES_CONSTANT = "VAL004"
    VALUES_DENORMAL = "VAL005"
    CHANNELS_DEAD = "VAL006"
    FILTERS_DUPLICATE = "VAL007"
    VARIANCE_NOT_POSITIVE = "VAL008"
    STATISTICS_UNTOUCHED = "VAL009"
    MAGNITUDE_OUTLIER = "VAL010"
    VALUES_SPARSE = "VAL011"
    NEAR_OVERFLOW = "VAL012"
    STORAGE_SHARED = "VAL013"
    MOMENT_NEGATIVE = "VAL014"
    VALUES_UNREAD = "VAL020"

    LABEL_CONTRADICTED = "ARC001"
    SPEC_CONTRADICTED = "ARC002"
    CONFIGURATION_CONTRADICTED = "ARC003"
    LABEL_UNDECIDED = "ARC004"
    FAMILY_UNKNOWN = "ARC005"
    FAMILY_MISFIT = "ARC006"

    OPTIMIZER_COUNT = "TRN001"
    OPTIMIZER_SHAPES = "TRN002"
    OPTIMIZER_INCLUDED = "TRN003"
    EMA_INCLUDED = "TRN004"
    COUNTERS_DISAGREE = "TRN005"
    EPOCH_DISAGREES = "TRN006"
    RATE_DISAGREES = "TRN007"
    RECORD_OF_TRAINING = "TRN008"
    DEVICE_RECORDED = "TRN010"
    PATH_RECORDED = "TRN011"
    USER_RECORDED = "TRN012"
    HOST_RECORDED = "TRN013"
    CREDENTIAL_RECORDED = "TRN014"

    FAMILY_REQUIRED = "POL001"
    VARIANT_REQUIRED = "POL002"
    CONTAINER_REFUSED = "POL003"
    FILE_TOO_LARGE = "POL004"
    METADATA_REQUIRED = "POL005"
    VALUES_REQUIRED = "POL006"
    SPEC_REQUIRED = "POL007"
    SETTING_REQUIRED = "POL008"
    NOT_DECIDED = "POL010"
    WAIVER_EXPIRED = "POL020"
    WAIVER_UNUSED = "POL021"


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
