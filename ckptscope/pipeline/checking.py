"""Which checks are made of a checkpoint, and in which order.

Enters: a checkpoint that is laid open, and what is asked. Leaves: findings, and which checks ran.
"""

from collections.abc import Callable, Iterator

import msgspec

from ckptscope.containers import Contents
from ckptscope.errors import LimitError
from ckptscope.facts.findings import Finding
from ckptscope.facts.gate import CheckRun, CheckState
from ckptscope.facts.tensors import Manifest
from ckptscope.facts.training import PlainMapping, Record
from ckptscope.facts.values import TensorValues
from ckptscope.tensors import ManifestBuild


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be checked beside what every run checks.

    Attributes:
        deep: Whether to read every member for its CRC.
        values: Whether to go over the values of all tensors.
        jobs: Threads that go over them.
        progress: Told how many bytes more have been read.
    """

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
        mappings: Plain values that it holds beside the tensors: a configuration may be among them.
    """

    findings: tuple[Finding, ...]
    runs: tuple[CheckRun, ...]
    values: tuple[TensorValues, ...] = ()
    mappings: tuple[PlainMapping, ...] = ()


def run_checks(contents: Contents, build: ManifestBuild, asked: Asked) -> Checked:
    """Make every check that needs nothing but the checkpoint itself."""
    manifest = build.manifest
    weights_only, forecast_run = _forecast(contents, manifest)
    # What the names and the layout gave, the manifest holds since it was built.
    findings = [*manifest.findings, *weights_only, *_programs(contents)]
    runs = [
        CheckRun(name="safety", state=CheckState.RAN, remark=_counted(manifest.imports, "import")),
        forecast_run,
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
    training, training_run, record = _training(contents, build)
    findings += training
    runs.append(training_run)
    return Checked(
        findings=tuple(findings), runs=tuple(runs), values=values, mappings=record.mappings
    )


def _programs(contents: Contents) -> tuple[Finding, ...]:
    from ckptscope.checks.code import check_code

    return check_code(contents)


def _training(
    contents: Contents, build: ManifestBuild
) -> tuple[tuple[Finding, ...], CheckRun, Record]:
    """Check the training record, and say what it could not look at."""
    from ckptscope.checks.training import check_training, read_code, read_record
    from ckptscope.tensors.counters import read_counters

    record = read_record(
        build.graphs,
        values=contents.values,
        metadata=contents.metadata,
        names=(*contents.location, *contents.unclaimed_members),
        code=read_code(contents),
    )
    batches = read_counters(build)
    unread = sum(one.unread for one in batches)
    gaps = [f"{unread:,} counters of batches not read"] if unread else []
    if record.left_out:
        gaps.append(f"{record.left_out:,} characters of text not searched")
    if record.unread_code:
        gaps.append(f"{record.unread_code:,} members of code not searched")
    run = CheckRun(
        name="training",
        state=CheckState.UNFINISHED if gaps else CheckState.RAN,
        remark="; ".join(gaps) or f"{_counted(record.texts, 'text')} searched",
    )
    return check_training(build.manifest, record, batches), run, record


def _forecast(contents: Contents, manifest: Manifest) -> tuple[tuple[Finding, ...], CheckRun]:
    """Say what torch.load(weights_only=True) would, and whether that could be told."""
    from ckptscope.checks.weights_only import findings_of, forecast_weights_only

    try:
        answer = forecast_weights_only(contents, manifest)
    except LimitError as error:
        # The pickle has been read once; only the second look at it is not to be had.
        run = CheckRun(name="weights_only", state=CheckState.UNFINISHED, remark=str(error))
        return (), run
    remark = "no file for torch.load" if answer is None else f"torch {answer.versions}"
    run = CheckRun(name="weights_only", state=CheckState.RAN, remark=remark)
    return findings_of(answer) if answer is not None else (), run


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
