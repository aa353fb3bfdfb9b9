"""What the gate says, made by hand: one file of each verdict, many findings, hostile names."""

import datetime
import hashlib

import msgspec
from hypothesis import strategies as st

from ckptscope.facts.containers import ContainerKind
from ckptscope.facts.findings import Code, Finding, Severity, Where
from ckptscope.facts.gate import (
    Action,
    CheckRun,
    CheckState,
    GateFile,
    GateReport,
    GateVerdict,
    Pardon,
    Requirement,
    RequirementOutcome,
    Ruling,
)
from ckptscope.facts.report import Failure, Skipped

#: What would act on a terminal, a page, in XML, on a runner of workflows.
HOSTILE = (
    "a|b\n::error::owned\r\n::stop-commands::x##[error]y\x1b[2J\x00\ufffe\ud800\u202e</details>"
    "<script>alert(1)</script>]]>&amp;&[l](http://e.org)@all `z` ```\n# h\n- [ ] %0A%25:,;]x"
)

CHECKS = (
    CheckRun(name="safety", state=CheckState.RAN, remark="12 imports"),
    CheckRun(name="weights_only", state=CheckState.RAN),
    CheckRun(name="integrity", state=CheckState.RAN),
    CheckRun(name="crc", state=CheckState.NOT_ASKED),
    CheckRun(name="values", state=CheckState.NOT_ASKED),
    CheckRun(name="training", state=CheckState.RAN),
    CheckRun(name="architecture", state=CheckState.RAN),
)


def finding(code: Code, severity: Severity = Severity.ERROR, **changes: object) -> Finding:
    made = Finding(code=code, severity=severity, message=f"something of {code.name.lower()}")
    return msgspec.structs.replace(made, **changes)


def ruling(
    code: Code,
    severity: Severity = Severity.ERROR,
    action: Action = Action.FAIL,
    *,
    undecided: bool = False,
    pardon: Pardon | None = None,
    **changes: object,
) -> Ruling:
    found = finding(code, severity, **changes)
    text = repr((found.code.value, found.message, found.where.member, found.where.key))
    return Ruling(
        finding=found,
        action=action,
        undecided=undecided,
        fingerprint=hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32],
        pardon=pardon,
    )


DANGEROUS = ruling(
    Code.IMPORT_DANGEROUS,
    message="'posix.system' is called with 'true' when this file is loaded",
    where=Where(member="archive/data.pkl", offset_bytes=61),
    evidence=("GLOBAL 'posix system' at byte 61", "REDUCE at byte 93"),
    help="do not load it; ask its author for a safetensors file",
)
OUTSIDE = ruling(
    Code.VIEW_OUTSIDE_STORAGE,
    message="the view ends at byte 4,096 of a storage of 1,024 bytes (held)",
    where=Where(key="backbone.0.weight"),
    help="save the checkpoint anew from the tensors in memory",
)
WARNED = ruling(
    Code.OPTIMIZER_INCLUDED,
    Severity.WARNING,
    Action.WARN,
    message="an optimizer takes 64.00 MiB of 96.00 MiB",
    where=Where(key="optimizer"),
    evidence=("2 moments of each of 8,000,000 parameters",),
)
TOLD = ruling(
    Code.DEVICE_RECORDED,
    Severity.INFO,
    Action.IGNORE,
    message="tensors were saved from 'cuda:0'",
)
WAIVED = ruling(
    Code.PATH_RECORDED,
    Severity.WARNING,
    message="the configuration names '/home/someone/runs'",
    where=Where(key="args.output_dir"),
    pardon=Pardon(
        source="waiver", reason="a folder of the cluster", expires=datetime.date(2026, 12, 31)
    ),
)
KNOWN = ruling(
    Code.STORAGE_UNUSED,
    Severity.WARNING,
    Action.WARN,
    message="2 storages belong to no tensor",
    pardon=Pardon(source="baseline", reason="known.json"),
)
UNDECIDED = ruling(
    Code.NOT_DECIDED,
    message="the policy asks for values, and 3 tensors could not be read",
    undecided=True,
    help="get the file again",
)
EXPIRED = ruling(
    Code.WAIVER_EXPIRED,
    message="the waiver of 'TRN011' in line 12 of 'ckptscope.toml' held until 2025-12-31",
    help="fix what it waived, or set a later day",
)
UNUSED = ruling(
    Code.WAIVER_UNUSED,
    Severity.WARNING,
    Action.WARN,
    message="no finding needs the waiver of 'TEN005' in line 17 of 'ckptscope.toml'",
)


def gate_file(path: str, *rulings: Ruling, **changes: object) -> GateFile:
    made = GateFile(
        path=path,
        containers=(ContainerKind.TORCH_ZIP,),
        size_bytes=34_012_345,
        family="posenet",
        variant="S",
        rulings=rulings,
        checks=CHECKS,
    )
    return msgspec.structs.replace(made, **changes)


REQUIRED = (
    Requirement(
        key="family",
        text="family posenet",
        outcome=RequirementOutcome.MET,
        found="posenet, by its shapes",
    ),
    Requirement(
        key="max-size",
        text="at most 16.00 MiB",
        outcome=RequirementOutcome.NOT_MET,
        found="32.44 MiB",
    ),
    Requirement(
        key="values", text="values are read", outcome=RequirementOutcome.NOT_DECIDED, found=""
    ),
)


def passed(path: str = "weights/good.pth") -> GateFile:
    return gate_file(path, WARNED, TOLD, WAIVED, KNOWN)


def refused(path: str = "weights/bad.pth") -> GateFile:
    found = (WARNED, OUTSIDE, TOLD, DANGEROUS, UNDECIDED)
    return gate_file(path, *found, requirements=REQUIRED)


def inconclusive(path: str = "weights/unclear.pth") -> GateFile:
    cut = CheckRun(name="values", state=CheckState.UNFINISHED, remark="9 tensors, 3 not read")
    checks = tuple(cut if one.name == "values" else one for one in CHECKS)
    return gate_file(path, UNDECIDED, checks=checks)


def unreadable(path: str = "weights/cut.pth") -> GateFile:
    return GateFile(
        path=path,
        location=("inner.tar",),
        rulings=(DANGEROUS,),
        failure=Failure(
            kind="ContainerFormatError",
            message="expected 4,096 bytes, found 12: it is cut off; download it again",
            member="data.pkl",
            offset_bytes=12,
        ),
    )


def gate_report(*files: GateFile, **changes: object) -> GateReport:
    return msgspec.structs.replace(GateReport(policy="ckptscope.toml", files=files), **changes)


def every_verdict() -> GateReport:
    return gate_report(
        passed(),
        refused(),
        inconclusive(),
        unreadable(),
        notices=(EXPIRED, UNUSED),
        skipped=(Skipped(path="README.md", reason="text"),),
    )


def many(count: int, *, files: int = 1, characters: int = 40) -> GateReport:
    """A report of `files` files with `count` findings each, their texts `characters` long."""
    text = "x" * characters
    found = tuple(
        ruling(
            Code.VIEW_OUTSIDE_STORAGE if index % 2 else Code.IMPORT_UNKNOWN,
            Severity.ERROR if index % 3 else Severity.WARNING,
            Action.FAIL if index % 3 else Action.WARN,
            message=f"finding {index} {text}",
            where=Where(key=f"layer.{index}.weight"),
            evidence=(text,),
        )
        for index in range(count)
    )
    return gate_report(*(gate_file(f"weights/{index}.pth", *found) for index in range(files)))


_texts = st.text(st.characters(), max_size=40) | st.text(
    st.sampled_from(":#[]%,=;\r\n\t \x0b\x0c\x85\u2028|<>&'\"`*_~@!-+\\/\x00\x1berorwaning"),
    max_size=40,
)
_wheres = st.builds(
    Where,
    member=st.none() | _texts,
    key=st.none() | _texts,
    offset_bytes=st.none() | st.integers(0, 2**63),
)
_findings = st.builds(
    Finding,
    code=st.sampled_from(Code),
    severity=st.sampled_from(Severity),
    message=_texts,
    where=_wheres,
    evidence=st.lists(_texts, max_size=3).map(tuple),
    help=_texts,
)
_rulings = st.builds(
    Ruling,
    finding=_findings,
    action=st.sampled_from(Action),
    undecided=st.booleans(),
    fingerprint=st.text("0123456789abcdef", min_size=32, max_size=32),
    pardon=st.none()
    | st.builds(
        Pardon,
        source=st.sampled_from(("waiver", "baseline")),
        reason=_texts,
        expires=st.none() | st.dates(),
    ),
)
_runs = st.builds(
    CheckRun,
    name=st.sampled_from([one.name for one in CHECKS]),
    state=st.sampled_from(CheckState),
    remark=_texts,
)
_requirements = st.builds(
    Requirement,
    key=_texts,
    text=_texts,
    outcome=st.sampled_from(RequirementOutcome),
    found=_texts,
)
_failures = st.builds(
    Failure, kind=st.just("PickleFormatError"), message=_texts, member=st.none() | _texts
)
_files = st.builds(
    GateFile,
    path=_texts,
    location=st.lists(_texts, max_size=2).map(tuple),
    containers=st.lists(st.sampled_from(ContainerKind), max_size=2).map(tuple),
    size_bytes=st.none() | st.integers(0, 2**63 - 1),
    family=_texts,
    variant=_texts,
    rulings=st.lists(_rulings, max_size=5).map(tuple),
    checks=st.lists(_runs, max_size=4, unique_by=lambda one: one.name).map(tuple),
    requirements=st.lists(_requirements, max_size=2).map(tuple),
    failure=st.none() | _failures,
).flatmap(
    # Only what could not be read is carved.
    lambda one: (
        st.just(one)
        if one.failure is None
        else st.builds(
            msgspec.structs.replace,
            st.just(one),
            carved=_texts,
            carved_as=st.sampled_from((GateVerdict.INCONCLUSIVE, GateVerdict.REFUSED)),
        )
    )
)
#: Any report: its texts are whatever a file or a policy can spell.
reports = st.builds(
    GateReport,
    policy=_texts,
    files=st.lists(_files, max_size=3).map(tuple),
    notices=st.lists(_rulings, max_size=2).map(tuple),
    skipped=st.lists(st.builds(Skipped, path=_texts, reason=_texts), max_size=2).map(tuple),
)
