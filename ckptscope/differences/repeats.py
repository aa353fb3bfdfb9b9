"""Layers that only one side has, where the network is not known.

Enters: `KeyDifferences` without a table. Leaves: a `Cause` for each container of numbered layers
whose last ones are missing or unexpected: `encoder.layer` has 24 layers in the file, 12 in the
network.
"""

from collections.abc import Iterable, Iterator, Sequence

from ckptscope.differences.patterns import patterns_text
from ckptscope.facts.differences import Cause, CauseKind, KeyDifferences
from ckptscope.facts.tensors import Origin

_MOST_COMPONENTS = 12
_MOST_DIGITS = 6
#: Numbers of a key that may count layers, and rows of layers that are told.
_MOST_NUMBERS = 3
_MOST_ROWS = 16
#: A single layer beyond must have so many tensors to be taken for one of a row.
_LEAST_TENSORS = 3


def repeat_causes(differences: KeyDifferences) -> Iterator[Cause]:
    """Yield a cause for each row of layers that goes on on one side."""
    shared = [line.key for line in differences.mismatched]
    for in_file, keys, others in (
        (True, differences.unexpected, (*differences.missing, *shared)),
        (False, differences.missing, (*differences.unexpected, *shared)),
    ):
        taken: set[str] = set()
        told = 0
        both = _layers(others)
        for container, layers in _layers(keys).items():
            wanted = {
                number: [key for key in found if key not in taken]
                for number, found in layers.items()
                if number not in both.get(container, {})
            }
            if _is_row(container, {n: found for n, found in wanted.items() if found}):
                lines = tuple(key for found in wanted.values() for key in found)
                taken.update(lines)
                told += 1
                if told > _MOST_ROWS:
                    break
                yield _cause(container, sorted(wanted), lines, in_file=in_file)


def _layers(keys: Iterable[str]) -> dict[str, dict[int, list[str]]]:
    """Return keys by container and number, the outermost containers first."""
    found: dict[str, dict[int, list[str]]] = {}
    for key in keys:
        parts = key.split(".", _MOST_COMPONENTS)
        numbered = [
            depth
            for depth, part in enumerate(parts[:-1])
            if depth and part.isdecimal() and len(part) <= _MOST_DIGITS
        ]
        for depth in numbered[:_MOST_NUMBERS]:
            container = ".".join(parts[:depth])
            found.setdefault(container, {}).setdefault(int(parts[depth]), []).append(key)
    return dict(sorted(found.items(), key=lambda item: item[0].count(".")))


def _is_row(container: str, layers: dict[int, list[str]]) -> bool:
    """Whether these are the last of a row of equal layers."""
    numbers = sorted(layers)
    if not numbers or numbers[0] < 1 or numbers[-1] - numbers[0] + 1 != len(numbers):
        return False
    if len(numbers) == 1:
        return len(layers[numbers[0]]) >= _LEAST_TENSORS
    tails = {
        frozenset(key[len(f"{container}.{number}.") :] for key in keys)
        for number, keys in layers.items()
    }
    return len(tails) == 1


def _cause(
    container: str, numbers: Sequence[int], lines: tuple[str, ...], *, in_file: bool
) -> Cause:
    more, fewer = numbers[-1] + 1, numbers[0]
    found, expected = (more, fewer) if in_file else (fewer, more)
    return Cause(
        text=f"{container!r} has {found} layers in the file, {expected} in the network",
        kind=CauseKind.SETTING,
        setting=f"layers of {container}",
        found=str(found),
        expected=str(expected),
        missing=() if in_file else lines,
        unexpected=lines if in_file else (),
        evidence=(f"only in the {'file' if in_file else 'network'}: {patterns_text(lines)}",),
        origin=Origin.ASSUMED,
        assumptions=("layers are numbered from 0 without gaps",),
        advice=f"build the network with {found} layers there, or take a file with {expected}",
    )
