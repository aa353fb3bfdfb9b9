"""A whole report → blocks, in the order in which a person asks.

Enters: an `InspectReport`. Leaves: what every renderer for people lays out.
"""

from collections.abc import Iterator

from ckptscope.facts.report import FileReport, InspectReport
from ckptscope.facts.tensors import Manifest
from ckptscope.reports.architecture import describe_architectures
from ckptscope.reports.architecture_evidence import describe_evidence
from ckptscope.reports.blocks import Block, Heading, Name, Part, Tone, Words, field, line
from ckptscope.reports.contents import describe_contents
from ckptscope.reports.forecast import describe_forecast
from ckptscope.reports.holdings import (
    describe_arrays,
    describe_bytes,
    describe_imports,
    describe_metadata,
    describe_unclaimed,
    size_of_pickles,
)
from ckptscope.reports.noticed import describe_closing, describe_failure, describe_findings
from ckptscope.reports.numerals import KIB, size_text
from ckptscope.reports.snippets import describe_snippets
from ckptscope.reports.state_dicts import describe_state_dicts, list_tensors
from ckptscope.reports.training import describe_training
from ckptscope.reports.values import describe_values
from ckptscope.reports.wanted import WHAT_IS_QUICK, Wanted

#: What a container says of itself is shown as far as it is short.
_FACT_CHARACTERS = 24
#: Facts that are said elsewhere: the byte order only where it is big, the stream's magic numbers
#: never.
_SILENT_FACTS = frozenset({"byteorder", "little_endian", "stream protocol", "protocol_version"})


def describe_report(report: InspectReport, wanted: Wanted = WHAT_IS_QUICK) -> Iterator[Block]:
    """Describe all files of a run, then the run itself."""
    for one in report.files:
        yield from _describe_file(one, wanted)
    yield from describe_closing(report)


def _describe_file(one: FileReport, wanted: Wanted) -> Iterator[Block]:
    if one.manifest is None:
        yield from _describe_unread(one, wanted)
        return
    manifest = one.manifest
    yield Heading(1, (Name(one.path, Tone.STRONG),))
    yield from _describe_container(manifest)
    if one.weights_only is not None:
        yield from describe_forecast(one.weights_only)
    yield from describe_contents(manifest, wanted.tree_depth)
    yield from describe_architectures(one)
    if wanted.snippets:
        yield from describe_snippets(one.identified)
    if wanted.evidence:
        yield from describe_evidence(one.identified)
    yield from describe_state_dicts(
        manifest.state_dicts, one.modules, tensors=wanted.tensors, depth=wanted.module_depth
    )
    yield from describe_training(manifest)
    yield from describe_bytes(manifest)
    yield from describe_arrays(manifest)
    yield from describe_imports(manifest, everything=wanted.tensors)
    yield from describe_unclaimed(manifest)
    yield from describe_metadata(manifest)
    yield from describe_findings(manifest.findings, everything=wanted.tensors)
    yield from describe_values(manifest.state_dicts, one.values, everything=wanted.tensors)
    if one.identity is not None:
        from ckptscope.reports.identity import describe_identity  # noqa: PLC0415 - seldom asked

        yield from describe_identity(one.identity, tensors=False)
    if wanted.tensors:
        yield from list_tensors(manifest.state_dicts)


def _describe_unread(one: FileReport, wanted: Wanted) -> Iterator[Block]:
    if one.carved is not None and one.carved.survivors:
        from ckptscope.reports.carved import describe_carved  # noqa: PLC0415 - seldom met

        yield from describe_carved(one.path, one.carved, tensors=wanted.tensors)
    elif one.failure is not None:
        yield from describe_failure(one.path, one.failure)


def _describe_container(manifest: Manifest) -> Iterator[Block]:
    chain = " > ".join(manifest.containers)
    size = size_text(manifest.size_bytes)
    exact = f" ({manifest.size_bytes:,} bytes)" if manifest.size_bytes >= KIB else ""
    yield line(f"{chain}, {size}{exact}")
    if manifest.location:
        parts: list[Part] = []
        for member in manifest.location:
            parts += [Words(" > ")] if parts else []
            parts.append(Name(member))
        yield field("inside", *parts)
    facts = _format_facts(manifest)
    if facts:
        yield field("format", *facts)


def _format_facts(manifest: Manifest) -> list[Part]:
    """Return what the container says of itself, briefly."""
    parts: list[Part] = []
    if manifest.byteorder != "little":
        parts.append(Name(f"{manifest.byteorder}-endian"))
    for key, value in manifest.format_facts:
        if key not in _SILENT_FACTS and len(value) <= _FACT_CHARACTERS:
            parts += [Words(", ")] if parts else []
            parts.append(Name(f"{key.lstrip('.')} {value}"))
    if manifest.pickles:
        parts.append(Words(f"{', ' if parts else ''}{size_of_pickles(manifest)}"))
    return parts
