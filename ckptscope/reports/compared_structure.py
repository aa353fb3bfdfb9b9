"""How names, shapes and dtypes of two checkpoints differ → blocks.

Enters: a `Comparison`. Leaves: a section in which many tensors stand in few patterns, and a
renaming in its rules.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from ckptscope.facts.comparison import ComparedTensor, Comparison, RenamingRule, TensorPair
from ckptscope.reports.blocks import Block, Field, Name, Part, Words, field, section
from ckptscope.reports.compared_phrases import count_of, letter
from ckptscope.reports.key_patterns import KeyPattern, fold_keys
from ckptscope.reports.numerals import count_text, shape_text

_MOST_RULES: Final = 12
#: Changes of shape, or of dtype, that are told one by one.
_MOST_CHANGES: Final = 8
_ARROW: Final = " → "


def describe_structure(comparison: Comparison) -> Iterator[Block]:
    """Describe the differences of structure, or say in one line that there are none."""
    found = comparison.structure
    left, right = letter(comparison.left), letter(comparison.right)
    common = count_of(len(comparison.pairs), "tensor")
    if found.is_same:
        order = "; they stand in another order" if found.is_reordered else ""
        yield section("structure", Words(f": names, shapes and dtypes of {common} agree{order}"))
        return
    yield section("structure")
    yield field("in both", common + (", in another order" if found.is_reordered else ""))
    both_left = [pair.left.key for pair in comparison.pairs]
    both_right = [pair.right.key for pair in comparison.pairs]
    yield from _describe_missing(f"only in {left}", found.only_left, both_left)
    yield from _describe_missing(f"only in {right}", found.only_right, both_right)
    yield from _describe_changes("reshaped", found.reshaped, comparison, _shapes, _is_any)
    yield from _describe_changes("retyped", found.retyped, comparison, _dtypes, _has_dtype)
    yield from _describe_rules(found.rules)


def _describe_missing(
    label: str, tensors: Sequence[ComparedTensor], common: Sequence[str]
) -> Iterator[Block]:
    if not tensors:
        return
    elements = count_text(sum(one.elements for one in tensors), "elements")
    yield field(label, f"{count_of(len(tensors), 'tensor')}, {elements}")
    for pattern in fold_keys((one.key for one in tensors), common):
        yield field("", *pattern_parts(pattern))


def pattern_parts(pattern: KeyPattern) -> tuple[Part, ...]:
    """Return a pattern with how many tensors it stands for."""
    if not pattern.text:
        return (Words(f"and {count_of(pattern.count, 'tensor')} elsewhere"),)
    name = Name(pattern.text)
    if not pattern.is_exact:
        return Words("some of "), name, Words(f" ({pattern.count:,})")
    return (name, Words(f" ({pattern.count:,})")) if pattern.count > 1 else (name,)


def _describe_changes(
    label: str,
    pairs: Sequence[TensorPair],
    comparison: Comparison,
    change_of: Callable[[TensorPair], tuple[Part, Part]],
    is_alike: Callable[[ComparedTensor, Part], bool],
) -> Iterator[Field]:
    """Describe pairs of which something changed, those of the same change together.

    Args:
        label: What changed.
        pairs: Those of which it did.
        comparison: Where they are from.
        change_of: What it was, and what it is.
        is_alike: Whether a tensor that kept it is one of those that a pattern must tell apart.
    """
    if not pairs:
        return
    left, right = letter(comparison.left), letter(comparison.right)
    changes: dict[tuple[Part, Part], list[str]] = {}
    for pair in pairs:
        changes.setdefault(change_of(pair), []).append(pair.left.key)
    chosen = {pair.left.key for pair in pairs}
    kept = [pair.left for pair in comparison.pairs if pair.left.key not in chosen]
    kept += comparison.structure.only_left
    yield field(label, count_of(len(pairs), "tensor"))
    shown = sorted(changes.items(), key=lambda one: -len(one[1]))[:_MOST_CHANGES]
    for (before, after), keys in shown:
        rest = [key for other in changes.values() if other is not keys for key in other]
        others = [one.key for one in kept if is_alike(one, before)]
        for pattern in fold_keys(keys, [*others, *rest], most=2):
            told = (": ", before, f" in {left}, ", after, f" in {right}")
            yield field("", *pattern_parts(pattern), *told)
    left_out = sum(map(len, changes.values())) - sum(len(keys) for _, keys in shown)
    if left_out:
        yield field("", f"and {count_of(left_out, 'more tensor')}")


def _shapes(pair: TensorPair) -> tuple[Part, Part]:
    return Words(shape_text(pair.left.shape)), Words(shape_text(pair.right.shape))


def _dtypes(pair: TensorPair) -> tuple[Part, Part]:
    return Name(pair.left.dtype), Name(pair.right.dtype)


def _is_any(_: ComparedTensor, __: Part) -> bool:
    return True


def _has_dtype(tensor: ComparedTensor, before: Part) -> bool:
    """Whether it could have been cast, too; a counter beside weights that were cast could not."""
    return tensor.dtype == before.text


def _describe_rules(rules: Sequence[RenamingRule]) -> Iterator[Field]:
    for index, rule in enumerate(rules[:_MOST_RULES]):
        yield field("" if index else "renamed", Name(rule.left), _ARROW, Name(rule.right))
    if len(rules) > _MOST_RULES:
        yield field("", f"and {count_of(len(rules) - _MOST_RULES, 'more rule')}")
