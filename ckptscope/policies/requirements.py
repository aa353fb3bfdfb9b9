"""What a policy asks of a checkpoint beside the checks.

Enters: a policy, a file's manifest and what its network was found to be. Leaves: for each demand a
`Requirement`, and a finding `POL...` where it is not met, or nothing in the file decides.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

import msgspec

from ckptscope.facts.findings import Code, Finding, Severity
from ckptscope.facts.gate import CheckRun, CheckState, Requirement, RequirementOutcome
from ckptscope.facts.paper import PaperFile
from ckptscope.facts.standing import Identified
from ckptscope.facts.tables import SpecTable
from ckptscope.facts.tensors import Manifest
from ckptscope.policies.demands import Judged, met, missed, undecided
from ckptscope.policies.policy import Policy

#: Key of a policy → check that it asks for, and what that is in words.
_CHECKS: Final = {
    "values": ("values", "the values of all tensors are scanned"),
    "deep": ("crc", "the CRCs of all members are compared"),
}


class Demands(msgspec.Struct, frozen=True, kw_only=True):
    """What came out.

    Attributes:
        requirements: One for each demand, in the order of the policy's keys.
        findings: Of those that are not met, or not decided.
    """

    requirements: tuple[Requirement, ...] = ()
    findings: tuple[Finding, ...] = ()


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """One checkpoint, as `check_requirements` gets it."""

    policy: Policy
    manifest: Manifest
    identified: Sequence[Identified]
    held: PaperFile | None
    runs: Sequence[CheckRun]
    file_bytes: int
    tables: Sequence[SpecTable]


def check_requirements(
    policy: Policy,
    manifest: Manifest,
    identified: Sequence[Identified],
    held: PaperFile | None,
    runs: Sequence[CheckRun],
    *,
    file_bytes: int,
    tables: Sequence[SpecTable] = (),
) -> Demands:
    """Say which demands of a policy are met, which are not, and which could not be decided.

    Args:
        policy: The policy.
        manifest: What the checkpoint holds.
        identified: Its networks, as far as a family knows them.
        held: The file against the row of its label; None where that was not asked for.
        runs: Which checks were made.
        file_bytes: Size of the file on disk; of a folder, of what belongs to the checkpoint.
        tables: Those that the policy names.
    """
    subject = Subject(
        policy=policy,
        manifest=manifest,
        identified=identified,
        held=held,
        runs=runs,
        file_bytes=file_bytes,
        tables=tables,
    )
    judged = [one for check in _checks(policy) for one in check(subject)]
    return Demands(
        requirements=tuple(one.requirement for one in judged),
        findings=tuple(one.finding for one in judged if one.finding is not None),
    )


def _checks(policy: Policy) -> Iterator[Callable[[Subject], Iterator[Judged]]]:
    if policy.family or policy.variant or policy.config or policy.specs:
        from ckptscope.policies.networks import NETWORK_CHECKS

        yield from NETWORK_CHECKS
    yield _containers
    yield _size
    yield _metadata
    yield _runs


def _containers(subject: Subject) -> Iterator[Judged]:
    allowed = subject.policy.containers
    if not allowed:
        return
    chain = " > ".join(subject.manifest.containers)
    text = f"containers {', '.join(allowed)}"
    others = [kind for kind in dict.fromkeys(subject.manifest.containers) if kind not in allowed]
    if not others:
        yield met("containers", text, chain)
        return
    names = ", ".join(repr(kind.value) for kind in others)
    yield missed(
        "containers",
        text,
        chain,
        code=Code.CONTAINER_REFUSED,
        message=f"the policy does not allow {names}",
        evidence=(f"found: {chain}", f"allowed: {', '.join(allowed)}"),
        help="save it in one of the allowed kinds, or allow this one in the policy",
    )


def _size(subject: Subject) -> Iterator[Judged]:
    most = subject.policy.max_bytes
    if most is None:
        return
    text, found = f"at most {most:,} bytes", f"{subject.file_bytes:,} bytes"
    if subject.file_bytes <= most:
        yield met("max-size", text, found)
        return
    spent = sorted(subject.manifest.spending, key=lambda one: -one.size_bytes)[:3]
    yield missed(
        "max-size",
        text,
        found,
        code=Code.FILE_TOO_LARGE,
        message=f"the file has {found}, and the policy allows {most:,}",
        evidence=tuple(
            f"{_part(one.what, subject.manifest)}: {one.size_bytes:,} bytes" for one in spent
        ),
        help="leave out what a release does not need, such as the optimizer, or allow more",
    )


def _part(what: str, manifest: Manifest) -> str:
    """Name a part of a file; where there is no pickle, a header stands for it."""
    return "header" if what == "pickle" and not manifest.pickles else what


def _metadata(subject: Subject) -> Iterator[Judged]:
    if not subject.policy.metadata:
        return
    from ckptscope.policies.metadata import read_record

    record = read_record(subject.manifest)
    for pattern in subject.policy.metadata:
        text = f"metadata {pattern}"
        found = record.first(pattern)
        if found is not None:
            yield met("require-metadata", text, "" if found == pattern else f"{found:.200}")
        elif record.may_hide(pattern):
            yield undecided(
                "require-metadata",
                text,
                "not among the entries that were read",
                message=f"nobody can tell whether there is metadata {pattern!r:.200}: the file "
                "has more entries than are read",
                help="put it at the top, before long lists",
            )
        else:
            yield missed(
                "require-metadata",
                text,
                "not there",
                code=Code.METADATA_REQUIRED,
                message=f"the policy requires metadata {pattern!r:.200}, and the file has none",
                evidence=_some_of(record.paths),
                help="save it beside the weights, or in the metadata of a safetensors header",
            )


def _some_of(paths: frozenset[str]) -> tuple[str, ...]:
    shown = ", ".join(f"{path!r:.60}" for path in sorted(paths)[:8])
    more = f", and {len(paths) - 8:,} more" if len(paths) > 8 else ""
    return (f"there is: {shown}{more}" if paths else "there is nothing beside the weights",)


def _runs(subject: Subject) -> Iterator[Judged]:
    for key, (name, text) in _CHECKS.items():
        if not getattr(subject.policy, key):
            continue
        run = next((one for one in subject.runs if one.name == name), None)
        state = run.state if run is not None else CheckState.NOT_ASKED
        remark = run.remark if run is not None else ""
        if state is CheckState.RAN:
            yield met(key, text, remark)
            continue
        said = "were not finished" if state is CheckState.UNFINISHED else "were not made"
        yield Judged(
            Requirement(
                key=key, text=text, outcome=RequirementOutcome.NOT_DECIDED, found=remark or state
            ),
            Finding(
                code=Code.VALUES_REQUIRED,
                severity=Severity.WARNING,
                message=f"the policy requires that {text}, and the checks {name!r} {said}",
                evidence=(f"{name}: {remark or state}",),
                help=f"run the gate with --{key}" if said == "were not made" else "",
            ),
        )
