"""Identities and what came out of holding files against them → JSON, under versioned schemas.

Enters: an `IdentityReport`, a `VerifyReport` or an `ArchiveComparison`. Leaves: UTF-8 bytes of one
JSON object: `ckptscope/identity/1`, which is the manifest that `--verify` reads,
`ckptscope/verify/1`, `ckptscope/archives/1`. It is indented: manifests are kept under version
control, where a line for each digest shows what has changed.
"""

import json
from typing import Final, Literal

import msgspec

from ckptscope.facts.identity import (
    IDENTITY_SCHEMA,
    ArchiveCheck,
    ArchiveComparison,
    IdentityManifest,
    IdentityReport,
    Likeness,
    Sameness,
    VerifiedFile,
    VerifyReport,
)

VERIFY_SCHEMA: Final = "ckptscope/verify/1"
ARCHIVES_SCHEMA: Final = "ckptscope/archives/1"
_INDENT: Final = 2


class VerifyOut(msgspec.Struct, frozen=True, kw_only=True):
    """All of a verification."""

    schema: Literal["ckptscope/verify/1"] = VERIFY_SCHEMA
    manifest: str
    outcome: Sameness
    files: tuple[VerifiedFile, ...]


class ArchivesOut(msgspec.Struct, frozen=True, kw_only=True):
    """All of a comparison by checksums; `probable` says what kind of answer it is."""

    schema: Literal["ckptscope/archives/1"] = ARCHIVES_SCHEMA
    probable: Literal[True] = True
    first: str
    second: str
    outcome: Likeness
    up_to_names: Likeness
    why: str
    checks: tuple[ArchiveCheck, ...]


def render_identity_json(report: IdentityReport) -> bytes:
    """Return identities as JSON with a newline at its end; the same report gives the same bytes."""
    return _indented(IdentityManifest(files=report.files, skipped=report.skipped))


def render_verify_json(report: VerifyReport) -> bytes:
    """Return what came out of a verification as JSON with a newline at its end."""
    return _indented(
        VerifyOut(manifest=report.manifest, outcome=report.outcome, files=report.files)
    )


def render_archives_json(comparison: ArchiveComparison) -> bytes:
    """Return what the directories of two archives say as JSON with a newline at its end."""
    return _indented(msgspec.convert(comparison, ArchivesOut, from_attributes=True))


def _indented(value: msgspec.Struct) -> bytes:
    """Encode as JSON; names with lone surrogates, which UTF-8 cannot hold, are escaped."""
    try:
        text = msgspec.json.format(msgspec.json.encode(value), indent=_INDENT)
    except UnicodeEncodeError:
        plain = msgspec.to_builtins(value, str_keys=True)
        text = json.dumps(plain, ensure_ascii=True, allow_nan=False, indent=_INDENT).encode("ascii")
    return text + b"\n"


def identity_json_schema() -> bytes:
    """Return the JSON schema of identities, and of a manifest, indented."""
    return _schema(IdentityManifest, IDENTITY_SCHEMA)


def verify_json_schema() -> bytes:
    """Return the JSON schema of a verification, indented."""
    return _schema(VerifyOut, VERIFY_SCHEMA)


def archives_json_schema() -> bytes:
    """Return the JSON schema of a comparison by checksums, indented."""
    return _schema(ArchivesOut, ARCHIVES_SCHEMA)


def _schema(kind: type[msgspec.Struct], name: str) -> bytes:
    schema = msgspec.json.schema(kind)
    schema["$id"] = name
    return msgspec.json.format(msgspec.json.encode(schema), indent=_INDENT) + b"\n"
