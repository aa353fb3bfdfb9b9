"""What is left of a damaged checkpoint → blocks: what it was, how sure that is, what stays open.

Enters: a `Carving`. Leaves: blocks: the verdict first, then the damage, the table that fits and how
well, what values say, the training record, and what no size can tell. Names are the table's, or the
file's where its pickle still told them.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from ckptscope.carving.assumptions import assumptions_of, open_questions, table_title
from ckptscope.facts.architecture import Fact
from ckptscope.facts.carving import CarvedTensor, Carving, Check, Slot, Survivor, TableFit
from ckptscope.reports.architecture import origin_part
from ckptscope.reports.architecture_phrases import plain_value, value_text, words_of
from ckptscope.reports.blocks import (
    Block,
    Field,
    Heading,
    Name,
    Part,
    Tone,
    Words,
    entry,
    field,
    line,
    section,
)
from ckptscope.reports.carved_lists import list_by_size, list_storages, numbers_text
from ckptscope.reports.key_patterns import fold_keys
from ckptscope.reports.numerals import count_text, size_text

_NETWORKS: Final = (Slot.NETWORK, Slot.EMA)
#: What is told of one kind; the list of all tensors has the rest.
_MOST_PATTERNS: Final = 6
_MOST_KEYS: Final = 8
_MOST_CHECKS: Final = 12
_MOST_SETTINGS: Final = 24
_STEPS: Final = {
    "tensor": ", with a counter of each parameter as a tensor",
    "number": ", with counters as numbers, which have no storage",
}
_HOLDS: Final = {True: "holds", False: "fails", None: "not read"}
_TONES: Final = {True: Tone.PLAIN, False: Tone.WARNING, None: Tone.PLAIN}


def describe_carved(path: str, carving: Carving, *, tensors: bool = False) -> Iterator[Block]:
    """Describe what is left of a file.

    Args:
        path: Of the file.
        carving: What was found.
        tensors: Whether every storage is listed.
    """
    yield Heading(1, (Name(path, Tone.STRONG),))
    yield line(carving.verdict)
    yield field("damage", carving.damage)
    yield field("left", _left(carving))
    if carving.best is not None:
        yield from _describe_table(carving, carving.best)
        yield from _describe_checks(carving.checks)
        yield from _describe_training(carving.training)
        yield from _describe_limits(carving, carving.best)
    else:
        if carving.tried:
            tables = count_text(carving.tried, "tables", rounded=False)
            yield field("tried", f"{tables} of known families")
        if carving.tensors:
            count = count_text(len(carving.tensors), "tensors", rounded=False)
            yield field("named", f"{count} by the pickle: ", *_folded(carving.tensors, ()))
        yield section("storages", Words(f": {len(carving.survivors):,}"))
        yield list_by_size(carving.survivors)
    if tensors:
        yield section("storages and tensors")
        yield list_storages(carving)


def _left(carving: Carving) -> str:
    """Say how much there is."""
    size = sum(one.size_bytes for one in carving.survivors)
    text = f"{count_text(len(carving.survivors), 'storages', rounded=False)}, {size_text(size)}"
    cut = sum(not one.is_whole for one in carving.survivors)
    if cut:
        text += f"; {cut:,} of them cut off, which tells no size"
    if carving.observed:
        named = count_text(carving.observed, "tensors", rounded=False)
        text += f"; the pickle named {named} before it broke off"
    return text


def _describe_table(carving: Carving, best: TableFit) -> Iterator[Block]:
    sure = Words("certain") if carving.is_certain else Words("not certain", Tone.WARNING)
    yield section("what it was", Words(f": {table_title(best)} ("), sure, Words(")"))
    if best.settings:
        yield field("settings", _settings(best))
    yield field("dtype", best.dtype)
    if best.optimizer:
        yield field("optimizer", f"{best.optimizer}{_STEPS.get(best.step, '')}")
    else:
        yield field("optimizer", "none that a storage tells of")
    yield from _describe_agreement(carving, best)
    yield from _describe_missing(carving)
    yield from _describe_strangers(carving)
    yield from _describe_rivals(carving)


def _settings(fit: TableFit, beside: TableFit | None = None) -> str:
    """Return settings by name; beside another table those that differ."""
    others = {} if beside is None else beside.settings
    told = {
        name: value
        for name, value in fit.settings.items()
        if beside is None or name not in others or others[name] != value
    }
    shown = [f"{words_of(name)} {plain_value(name, value)}" for name, value in told.items()]
    more = len(shown) - _MOST_SETTINGS
    return "; ".join(shown[:_MOST_SETTINGS]) + (f"; and {more:,} more" if more > 0 else "")


def _describe_agreement(carving: Carving, best: TableFit) -> Iterator[Block]:
    """Say how many storages have the sizes that the table has at their places."""
    copies = [one for one in carving.tensors if one.slot is Slot.EMA]
    yield field("network", _agreement(carving, (Slot.NETWORK,)))
    if copies:
        yield field("copy", _agreement(carving, (Slot.EMA,)))
    if best.optimizer:
        others = tuple(slot for slot in Slot if slot not in _NETWORKS)
        yield field("state", _agreement(carving, others))
    if best.contradicted:
        count = count_text(best.contradicted, "storages", rounded=False)
        yield field("against", f"{count} of another size at a place of the table")


def _agreement(carving: Carving, slots: Sequence[Slot]) -> str:
    """Return `183 of 183 storages agree, of 194 tensors; numbers 0 to 193`."""
    tensors = [one for one in carving.tensors if one.slot in slots]
    held = [one for one in tensors if one.storage is not None]
    whole = {one.number for one in carving.survivors if one.is_whole and one.number is not None}
    there = whole & {one.number for one in tensors}
    tables = count_text(len(tensors), "tensors", rounded=False)
    if not whole:
        return f"{len(held):,} of {tables} have a storage of their size, in order"
    span = numbers_text(one.number for one in tensors)
    numbers = f"; numbers {span}" if span else ""
    return f"{len(held):,} of {len(there):,} storages that are left agree, of {tables}{numbers}"


def _describe_missing(carving: Carving) -> Iterator[Block]:
    """Name the tensors of which no storage is left, by what they were."""
    label = "missing"
    for slot in Slot:
        gone = [one for one in carving.tensors if _is_missing(one) and one.slot is slot]
        if not gone:
            continue
        count = count_text(len(gone), "tensors", rounded=False)
        numbers = numbers_text(one.number for one in gone)
        lead = f"{count} of {_slot_words(slot)}, numbers {numbers}: "
        yield field(label, lead, *_patterns(gone, carving))
        label = ""


def _is_missing(one: CarvedTensor) -> bool:
    return one.storage is None


def _slot_words(slot: Slot) -> str:
    if slot is Slot.NETWORK:
        return "the network"
    return "its averaged copy" if slot is Slot.EMA else f"{slot.value} of the optimizer"


def _patterns(gone: Sequence[CarvedTensor], carving: Carving) -> Iterator[Part]:
    slot = gone[0].slot
    others = (one.key for one in carving.tensors if one.slot is slot and not _is_missing(one))
    # Names of a table are ours, and are never cut.
    return _folded(gone, others, written=Name if carving.observed else Words)


def _folded(
    tensors: Sequence[CarvedTensor],
    others: Iterable[str],
    *,
    written: type[Name] | type[Words] = Name,
) -> Iterator[Part]:
    found = fold_keys((one.key for one in tensors), others, most=_MOST_PATTERNS)
    for index, pattern in enumerate(found):
        if index:
            yield Words(", ")
        if not pattern.text:
            yield Words(f"and {pattern.count:,} more")
            continue
        yield written(pattern.text)
        if not pattern.is_exact:
            yield Words(f" ({pattern.count:,} of these)")


def _describe_strangers(carving: Carving) -> Iterator[Block]:
    """Name the storages that are no tensor of the table."""
    used = {one.storage for one in carving.tensors}
    rest = [one for one in carving.survivors if one.key not in used]
    cut = [one for one in rest if not one.is_whole]
    whole = [one for one in rest if one.is_whole]
    if whole:
        yield field("no tensor", *_keys(whole))
    if cut:
        yield field("cut off", *_keys(cut))


def _keys(survivors: Sequence[Survivor]) -> Iterator[Part]:
    yield Words(f"{count_text(len(survivors), 'storages', rounded=False)}: ")
    for index, one in enumerate(survivors[:_MOST_KEYS]):
        yield Words(", " if index else "")
        yield Name(one.key)
        yield Words(f" of {size_text(one.size_bytes)}")
    if len(survivors) > _MOST_KEYS:
        yield Words(f" and {len(survivors) - _MOST_KEYS:,} more")


def _describe_rivals(carving: Carving) -> Iterator[Block]:
    second = carving.runner_up
    if second is not None:
        explained = count_text(second.explained, "storages", rounded=False)
        against = f", and other ones of {second.contradicted:,}" if second.contradicted else ""
        differing = _settings(second, carving.best)
        title = f"{table_title(second)} of {differing}" if differing else table_title(second)
        yield field("runner-up", f"{title}: the sizes of {explained}{against}")
    tables = count_text(carving.tried, "tables", rounded=False)
    if carving.alike:
        others = "1 other explains" if carving.alike == 1 else f"{carving.alike:,} others explain"
        tail = f"{others} as many storages: sizes do not decide between them"
    else:
        tail = "no other explains as many storages"
    yield field("tried", f"{tables}; {tail}")


def _describe_checks(checks: Sequence[Check]) -> Iterator[Block]:
    if not checks:
        return
    yield section("what values say")
    # What speaks against the table is not to be missed.
    ordered = sorted(checks, key=lambda one: one.holds is not False)
    for one in ordered[:_MOST_CHECKS]:
        evidence = f" ({one.evidence})" if one.evidence else ""
        yield field(_HOLDS[one.holds], Words(f"{one.what}{evidence}", _TONES[one.holds]))
    if len(ordered) > _MOST_CHECKS:
        yield line(f"and {count_text(len(ordered) - _MOST_CHECKS, 'more checks', rounded=False)}")


def _describe_training(facts: Sequence[Fact]) -> Iterator[Block]:
    """Say how long it was trained, each number with its origin and what it rests on."""
    if not facts:
        return
    yield section("training record")
    for fact in facts:
        parts: list[Part] = [Words(f"{words_of(fact.name)} {value_text(fact.value)}")]
        if fact.value is not None:
            parts.append(origin_part(fact.origin))
        rests = "; ".join(one.text for one in fact.evidence)
        yield entry(*parts, f": {rests}" if rests else "")
    yield from _listed("assuming", [text for fact in facts for text in fact.assumptions])
    open_ = (fact for fact in facts if fact.decided_by)
    yield from _listed("decided by", [f"{words_of(one.name)}: {one.decided_by}" for one in open_])


def _listed(label: str, texts: Sequence[str]) -> Iterator[Field]:
    for index, text in enumerate(dict.fromkeys(texts)):
        yield field("" if index else label, text)


def _describe_limits(carving: Carving, best: TableFit) -> Iterator[Block]:
    yield section("what sizes cannot tell")
    yield from _listed("assumed", assumptions_of(carving, best))
    yield from _listed("unknown", open_questions(carving, best))
