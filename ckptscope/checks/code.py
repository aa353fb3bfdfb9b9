"""What else of a checkpoint could run: code that a loader runs, programs that lie beside.

Enters: a checkpoint, laid open. Leaves: findings `SAF004` and `SAF005`. The code is counted and
named, not judged: nobody can tell from a program whether it means well.

Source: `torch/jit/_serialization.py` (`load`), `torch/package/package_importer.py`
(`import_module`), `torch/_inductor/package/package.py` (`load_package`).
"""

from collections.abc import Iterator

from ckptscope.checks.integrity import bound_findings
from ckptscope.containers import Contents, MemberTable, program_by_bytes, program_by_name
from ckptscope.facts.containers import ContainerKind
from ckptscope.facts.findings import Code, Finding, Severity, Where

#: Members that a finding lists.
_SHOWN = 5
#: What runs the code, by the container.
_RUNNERS = {
    ContainerKind.TORCHSCRIPT: "torch.jit.load compiles it and the model's forward runs it",
    ContainerKind.TORCH_PACKAGE: "torch.package's importer runs it as Python",
    ContainerKind.TORCH_EXPORT: "torch's loader of compiled packages loads it as a library",
}


def check_code(contents: Contents) -> tuple[Finding, ...]:
    """List code that belongs to the format, and programs that do not."""
    return bound_findings((*_code(contents), *_programs(contents)))


def _code(contents: Contents) -> Iterator[Finding]:
    names = contents.code_members
    if not names:
        return
    entries = contents.archives[-1].entries if contents.archives else {}
    total = sum(entries[name].size_bytes for name in names if name in entries)
    runner = _RUNNERS.get(contents.containers[-1], "loading the file may run it")
    yield Finding(
        code=Code.CODE_INCLUDED,
        severity=Severity.INFO,
        message=f"{'1 member is' if len(names) == 1 else f'{len(names):,} members are'} code, "
        f"{total:,} bytes; it was not run here, {runner}",
        where=Where(member=names[0][:400]),
        evidence=tuple(f"{name!r:.200}" for name in names[:_SHOWN]),
    )


def _programs(contents: Contents) -> Iterator[Finding]:
    known = set(contents.code_members)
    for archive in contents.archives:
        if archive.kind is ContainerKind.DIRECTORY and contents.containers[-1] is not archive.kind:
            # What lies beside the files of a checkpoint in a folder is no part of it.
            continue
        starts = dict(archive.starts(""))
        for name in archive.entries:
            if name in known:
                continue
            by_bytes = program_by_bytes(starts.get(name, b""))
            what = by_bytes or _by_name(archive, name)
            if what:
                rests_on = "its first bytes" if by_bytes else "its name"
                yield Finding(
                    code=Code.EXECUTABLE_MEMBER,
                    severity=Severity.WARNING,
                    message=f"the member is {what}, by {rests_on}",
                    where=Where(member=name[:400]),
                    evidence=(f"{archive.entries[name].size_bytes:,} bytes",),
                )


def _by_name(archive: MemberTable, name: str) -> str:
    """Say what a member is by its name; an empty one is nothing, whatever it is called."""
    return program_by_name(name) if archive.entries[name].size_bytes else ""
