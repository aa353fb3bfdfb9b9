"""A forecast → findings `SAF010` and `SAF011`.

Enters: `WeightsOnly`. Leaves: one finding if the newest known version refuses the file, or if only
older ones do; none if all accept it.
"""

from ckptscope.facts.findings import Code, Finding, Severity, Where
from ckptscope.facts.weights_only import Because, Obstacle, WeightsOnly

#: Names that a finding lists, each cut to so many characters.
_MOST_NAMES = 20
_NAME_CHARACTERS = 120
#: Containers that have a loader of their own, which does not unpickle: nothing is wrong with them.
_OTHER_LOADER = frozenset({"TorchScript"})


def findings_of(answer: WeightsOnly) -> tuple[Finding, ...]:
    """Say that the newest known version refuses a file, or that others do."""
    stop = answer.obstacle
    if stop is None:
        return ()
    if answer.newest.obstacle is None:
        return (_finding(Code.WEIGHTS_ONLY_DEPENDS, Severity.INFO, answer, stop),)
    mild = stop.because is Because.CONTAINER and stop.subject in _OTHER_LOADER
    severity = Severity.INFO if mild else Severity.WARNING
    return (_finding(Code.WEIGHTS_ONLY_REFUSED, severity, answer, stop),)


def _finding(code: Code, severity: Severity, answer: WeightsOnly, stop: Obstacle) -> Finding:
    message = f"torch.load(weights_only=True) refuses it in torch {answer.refused_by}"
    if answer.accepted_by:
        message += f" and accepts it in {answer.accepted_by}"
    return Finding(
        code=code,
        severity=severity,
        message=f"{message}: {stop.sentence}",
        where=Where(member=stop.member, offset_bytes=stop.offset_bytes),
        evidence=tuple(_evidence(answer)),
        help=answer.advice,
    )


def _evidence(answer: WeightsOnly) -> list[str]:
    lines = [
        f"torch {one.versions}: {one.obstacle.sentence}{_place(one.obstacle)}"
        for one in answer.verdicts
        if one.obstacle is not None
    ]
    names = answer.unlisted
    if len(names) > 1 or (names and names[0] not in lines[-1]):
        shown = ", ".join(repr(name[:_NAME_CHARACTERS]) for name in names[:_MOST_NAMES])
        more = f" and {len(names) - _MOST_NAMES:,} more" if len(names) > _MOST_NAMES else ""
        lines.append(f"all that is not on the list of torch {answer.newest.last}: {shown}{more}")
    lines.append(f"weights_only is True by default since torch {answer.default_since}")
    return lines


def _place(stop: Obstacle) -> str:
    if stop.offset_bytes is None:
        return ""
    return f" ({stop.opcode} at byte {stop.offset_bytes:,})"
