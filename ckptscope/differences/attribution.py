"""Lines of load_state_dict → the few causes behind them.

Enters: `KeyDifferences`, and what is known of both networks. Leaves: a `Diagnosis`: every line
stands under one cause or is unexplained, so that the counts add up to the whole.

A line is put down to a setting if the setting stands on an axis that differs, or decides whether
the tensor is there, and has another value in the file. Where a table names no setting (a norm of
another kind brings other keys), the settings that differ are changed in the network, one alone or
as few together as are needed, and the line is put down to those that make it vanish. Of several
settings behind one line, the one that is behind most lines takes it; the others keep it as shared.
"""

from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from ckptscope.differences.causes import (
    counters_cause,
    foreign_cause,
    lost_cause,
    misfit_cause,
    setting_cause,
)
from ckptscope.differences.grounds import Grounds, Table
from ckptscope.differences.templates import Template
from ckptscope.differences.values import (
    are_different,
    is_divided,
    product_name,
    split_name,
    subject_of,
)
from ckptscope.facts.differences import Cause, Diagnosis, KeyDifferences, ShapeMismatch
from ckptscope.facts.expected import ExpectedTensor

#: Groups of keys that no network of the family has; the rest stands together.
_MOST_FOREIGN = 8
_OTHERS: Final = ""
#: Stands for a shape that is not known.
_ANY: Final = (-1,)


class Bucket(msgspec.Struct):
    """Lines of one cause, as they are found."""

    missing: list[str] = msgspec.field(default_factory=list)
    unexpected: list[str] = msgspec.field(default_factory=list)
    mismatched: list[ShapeMismatch] = msgspec.field(default_factory=list)
    shared: list[str] = msgspec.field(default_factory=list)

    @property
    def count(self) -> int:
        """Lines of its own."""
        return len(self.missing) + len(self.unexpected) + len(self.mismatched)

    def add(self, line: "str | ShapeMismatch", *, is_missing: bool) -> None:
        """Add a line of its own."""
        if isinstance(line, ShapeMismatch):
            self.mismatched.append(line)
        else:
            (self.missing if is_missing else self.unexpected).append(line)


class Line(msgspec.Struct, frozen=True, eq=False):
    """One line, and the settings that would explain it."""

    line: str | ShapeMismatch
    is_missing: bool
    subjects: tuple[str, ...]

    @property
    def key(self) -> str:
        """Name of the tensor."""
        return self.line.key if isinstance(self.line, ShapeMismatch) else self.line


def attribute(differences: KeyDifferences, grounds: Grounds) -> Diagnosis:
    """Find the causes of differences."""
    return _Sorter(grounds).sort(differences)


class _Sorter:
    """Puts each line where it belongs."""

    def __init__(self, grounds: Grounds) -> None:
        self._grounds = grounds
        self._lines: list[Line] = []
        self._lost = Bucket()
        self._counters = Bucket()
        self._misfits = Bucket()
        self._rest = Bucket()
        self._foreign: dict[str, Bucket] = {}
        self._own_template: Template | None = None
        self._differing_settings = tuple(
            name
            for name in grounds.settings
            if are_different(grounds.found, grounds.expected, name)
        )

    def sort(self, differences: KeyDifferences) -> Diagnosis:
        """Sort all lines."""
        for key in differences.missing:
            self._sort_missing(key)
        for key in differences.unexpected:
            self._sort_unexpected(key)
        for mismatch in differences.mismatched:
            self._sort_mismatched(mismatch)
        causes = [*self._setting_causes(), *self._other_causes()]
        causes.sort(key=lambda cause: -cause.count)
        return Diagnosis(
            differences=differences,
            causes=tuple(causes),
            unexplained=KeyDifferences(
                missing=tuple(self._rest.missing),
                unexpected=tuple(self._rest.unexpected),
                mismatched=tuple(self._rest.mismatched),
            ),
        )

    def _sort_missing(self, key: str) -> None:
        grounds = self._grounds
        bare = grounds.spelling.bare_expected(key)
        wanted = grounds.wanted.get(bare)
        if grounds.own is not None and bare in grounds.own:
            is_counter = wanted is not None and wanted.is_counter
            if grounds.is_solved:
                self._rest.missing.append(key)
            else:
                (self._counters if is_counter else self._lost).missing.append(key)
            return
        subjects = self._presence(wanted, bare, None) or self._varying(bare, None)
        self._keep(Line(key, True, subjects))

    def _sort_unexpected(self, key: str) -> None:
        own = self._grounds.own
        if own is None:
            self._rest.unexpected.append(key)
            return
        bare = self._grounds.spelling.bare_found(key)
        if bare not in own:
            if self._template(own).find(bare) is None:
                self._sort_foreign(key)
            else:
                # A name of the family, of a layer that this network does not have.
                self._rest.unexpected.append(key)
            return
        if bare in self._grounds.wanted:
            # Both networks have it, under the same name: nothing in their settings says why.
            self._rest.unexpected.append(key)
            return
        subjects = self._presence(own[bare], bare, _ANY) or self._varying(bare, _ANY)
        self._keep(Line(key, False, subjects))

    def _template(self, own: Table) -> Template:
        if self._own_template is None:
            self._own_template = Template(own, self._grounds.found)
        return self._own_template

    def _sort_foreign(self, key: str) -> None:
        networks = self._grounds.spelling.networks
        name = next((one for one in networks if key.startswith(one)), key.partition(".")[0])
        if name not in self._foreign and len(self._foreign) >= _MOST_FOREIGN:
            name = _OTHERS
        self._foreign.setdefault(name, Bucket()).unexpected.append(key)

    def _sort_mismatched(self, mismatch: ShapeMismatch) -> None:
        bare = self._grounds.spelling.bare_expected(mismatch.key)
        own = (self._grounds.own or {}).get(bare)
        subjects = self._sized(mismatch) or self._varying(bare, mismatch.found)
        if not subjects and own is not None and own.shape == mismatch.found:
            subjects = self._related(own, self._grounds.wanted.get(bare))
        if not subjects and own is not None and own.shape != mismatch.found:
            self._misfits.mismatched.append(mismatch)
            return
        self._keep(Line(mismatch, False, subjects))

    def _sized(self, mismatch: ShapeMismatch) -> tuple[str, ...]:
        """Return the settings that give the sizes which differ."""
        found, expected = self._grounds.found, self._grounds.expected
        subjects: dict[str, None] = {}
        for axis in mismatch.axes:
            names = axis.settings
            if len(names) > 1 and not is_divided(found, expected, names):
                subjects[product_name(names)] = None
            else:
                subjects.update(dict.fromkeys(self._differing(names)))
        return tuple(subjects)

    def _related(self, *tensors: ExpectedTensor | None) -> tuple[str, ...]:
        """Return all settings that differ of those behind a tensor of either network.

        Where a tensor has other dimensions, several of them have to change together.
        """
        known = [tensor for tensor in tensors if tensor is not None]
        names = [name for tensor in known for terms in tensor.terms for name in terms]
        return self._differing([*names, *(name for one in known for name in one.presence)])

    def _keep(self, line: Line) -> None:
        if line.subjects:
            self._lines.append(line)
        else:
            self._rest.add(line.line, is_missing=line.is_missing)

    def _presence(
        self, tensor: ExpectedTensor | None, key: str, shape: tuple[int, ...] | None
    ) -> tuple[str, ...]:
        """Return the settings that differ and decide whether a tensor is there.

        Of several those that are enough alone: the scale of a block that both networks have is
        there because of the scale, and not because there are more blocks behind it.
        """
        subjects = self._differing(tensor.presence) if tensor is not None else ()
        if len(subjects) < 2:
            return subjects
        enough = tuple(
            name for name in subjects if self._vanishes((split_name(name)[0],), key, shape)
        )
        return enough or subjects

    def _differing(self, names: Iterable[str]) -> tuple[str, ...]:
        """Return the settings among these that differ, each as it is to be spoken of."""
        found, expected = self._grounds.found, self._grounds.expected
        return tuple(
            dict.fromkeys(
                subject_of(found, expected, name)
                for name in names
                if are_different(found, expected, name)
            )
        )

    def _varying(self, key: str, shape: tuple[int, ...] | None) -> tuple[str, ...]:
        """Return the settings that make a line vanish if they are as in the file.

        Args:
            key: Of the line.
            shape: Shape in the file; None for a key that the file lacks, `_ANY` for one that the
                network lacks.
        """
        for name in self._differing_settings:
            if self._vanishes((name,), key, shape):
                return (name,)
        # None alone does it. As few of them as are needed together:
        names = self._differing_settings
        if not self._vanishes(names, key, shape):
            return ()
        for name in self._differing_settings:
            fewer = tuple(one for one in names if one != name)
            if self._vanishes(fewer, key, shape):
                names = fewer
        return names

    def _vanishes(self, names: tuple[str, ...], key: str, shape: tuple[int, ...] | None) -> bool:
        """Whether a line would not be there if some settings were as in the file."""
        table = self._grounds.vary(names)
        if table is None:
            return False
        tensor = table.get(key)
        if shape is None or tensor is None:
            return shape is None and tensor is None
        return shape in (_ANY, tensor.shape)

    def _setting_causes(self) -> Iterator[Cause]:
        """Give each line to one of its settings."""
        touched: dict[str, list[Line]] = {}
        for line in self._lines:
            for subject in line.subjects:
                touched.setdefault(subject, []).append(line)
        groups = _merge(touched)
        owner: dict[str, tuple[str, ...]] = {name: group for group in groups for name in group}
        size = {group: len(touched[group[0]]) for group in groups}
        buckets = {group: Bucket() for group in groups}
        for line in self._lines:
            candidates = dict.fromkeys(owner[name] for name in line.subjects)
            best = max(candidates, key=lambda group: size[group])
            buckets[best].add(line.line, is_missing=line.is_missing)
            for group in candidates:
                if group is not best:
                    buckets[group].shared.append(line.key)
        for group, bucket in buckets.items():
            yield setting_cause(group, bucket, self._grounds)

    def _other_causes(self) -> Iterator[Cause]:
        if self._lost.count:
            yield lost_cause(self._lost, self._grounds)
        if self._counters.count:
            yield counters_cause(self._counters, self._grounds)
        if self._misfits.count:
            yield misfit_cause(self._misfits, self._grounds)
        for name, bucket in self._foreign.items():
            yield foreign_cause(name, bucket, self._grounds)


def _merge(touched: dict[str, list[Line]]) -> list[tuple[str, ...]]:
    """Put settings together that are behind the very same lines: nothing tells them apart."""
    groups: dict[tuple[int, ...], list[str]] = {}
    for name, lines in touched.items():
        groups.setdefault(tuple(id(line) for line in lines), []).append(name)
    return [tuple(names) for names in groups.values()]
