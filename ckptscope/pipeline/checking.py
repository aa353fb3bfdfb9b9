"""Which checks are made of a checkpoint, and in which order.

Enters: a checkpoint that is laid open, and what is asked. Leaves: findings, and which checks ran.
"""

from collections.abc import Callable, Iterator

import msgspec

from ckptscope.checks.safety import check_imports
from ckptscope.containers import Contents
from ckptscope.facts.findings import Finding
from ckptscope.facts.gate import CheckRun, CheckState
from ckptscope.facts.values import TensorValues
from ckptscope.tensors import ManifestBuild


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be checked beside what every run checks.

    Attributes:
        allowed_imports: Unknown classes that are trusted.
        deep: Whether to read every member for its CRC.
        values: Whether to go over the values of all tensors.
        jobs: Threads that go over them.
        progress: Told how many bytes more have been read.
    """

    allowed_imports: tuple[str, ...] = ()
    deep: bool = False
    values: bool = False
    jobs: int = 1
    progress: Callable[[int], None] | None = None


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """What the checks of one checkpoint gave.

    Attributes:
        findings: In the order of the checks.
        runs: Which checks were made.
        values: Statistics of its tensors; empty where they were not asked for.
    """

    findings: tuple[Finding, ...]
    runs: tuple[CheckRun, ...]
    values: tuple[TensorValues, ...] = ()


def run_checks(contents: Contents, build: ManifestBuild, asked: Asked) -> Checked:
    """Make every check that needs nothing but the checkpoint itself."""
    from ckptscope.checks.training import check_training
    from ckptscope.checks.weights_only import check_weights_only

    manifest = build.manifest
    findings = [*check_imports(manifest.imports, allowed=asked.allowed_imports)]
    findings += check_weights_only(contents, manifest)
    findings += manifest.findings
    runs = [
        CheckRun(name="safety", state=CheckState.RAN, remark=_counted(manifest.imports, "import")),
        CheckRun(name="weights_only", state=CheckState.RAN),
        CheckRun(name="integrity", state=CheckState.RAN),
    ]
    values: tuple[TensorValues, ...] = ()
    for name, state, more in _deep(contents, asked):
        findings += more
        runs.append(CheckRun(name=name, state=state))
    if asked.values:
        from ckptscope.checks.health import check_values
        from ckptscope.tensors.scanning import scan_values

        values = scan_values(build, jobs=asked.jobs, progress=asked.progress)
        findings += check_values(manifest, values)
    unread = sum(bool(one.unread) for one in values)
    state = CheckState.NOT_ASKED if not asked.values else CheckState.RAN
    runs.append(
        CheckRun(
            name="values",
            state=CheckState.UNFINISHED if unread else state,
            remark=f"{_counted(values, 'tensor')}, {unread:,} of them not read" if unread else "",
        )
    )
    findings += check_training(manifest)
    runs.append(CheckRun(name="training", state=CheckState.RAN))
    return Checked(findings=tuple(findings), runs=tuple(runs), values=values)


def _deep(
    contents: Contents, asked: Asked
) -> Iterator[tuple[str, CheckState, tuple[Finding, ...]]]:
    if not asked.deep:
        yield "crc", CheckState.NOT_ASKED, ()
        return
    from ckptscope.checks.crc import check_crcs

    yield "crc", CheckState.RAN, check_crcs(contents, progress=asked.progress)


def _counted(items: tuple[object, ...], word: str) -> str:
    return f"1 {word}" if len(items) == 1 else f"{len(items):,} {word}s"
