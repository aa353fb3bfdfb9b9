"""The same layers under other names: prefixes of wrappers, dialects.

Enters: keys, a family. Leaves: what stands before the keys of one side alone; which key of one
dialect is which of another.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from ckptscope.errors import UsageError
from ckptscope.facts.expected import ExpectedTensor
from ckptscope.families.base import Configuration
from ckptscope.families.registry import AnyFamily

#: Who puts a component before every key. Lightning, and most training code, keep the network as
#: an attribute of that name.
WRAPPERS: Final[Mapping[str, str]] = {
    "module": "nn.DataParallel or DistributedDataParallel",
    "_orig_mod": "torch.compile",
    "_fsdp_wrapped_module": "FullyShardedDataParallel",
    "_forward_module": "DeepSpeed",
    "model": "a module that holds the network as its attribute 'model', as with Lightning",
    "net": "a module that holds the network as its attribute 'net'",
    "network": "a module that holds the network as its attribute 'network'",
}
_NUMBER: Final = re.compile(r"[0-9]{1,6}")
#: Keys that must meet for one name to stand for another; a single layer may have been replaced.
_LEAST_SWAPPED: Final = 3
#: Names of a tensor within its layer that all dialects share.
_COMMON_LEAVES: Final = frozenset(
    {"weight", "bias", "running_mean", "running_var", "num_batches_tracked"}
)


def prefix_origin(prefix: str) -> str:
    """Say who puts a prefix before every key; empty if it is nobody known."""
    found = [WRAPPERS[part] for part in prefix.split(".") if part in WRAPPERS]
    return ", and ".join(dict.fromkeys(found))


def prefix_advice(prefix: str) -> str:
    """Say how a prefix is taken off, or what to load it into."""
    strip = (
        f"consume_prefix_in_state_dict_if_present(state_dict, {prefix!r}) of torch.nn.modules.utils"
    )
    wrapped = {"module.": "nn.DataParallel(network)", "_orig_mod.": "torch.compile(network)"}
    if prefix in wrapped:
        return f"{strip} cuts it off; or load into {wrapped[prefix]}"
    return f"{strip} cuts it off"


def matching_keys(
    family: AnyFamily, configuration: Configuration, one: str, other: str
) -> dict[str, str]:
    """Return the name in dialect `other` of every key in dialect `one`.

    Both tables list the same tensors, each in the order of its own code. Tensors that have the same
    settings on their axes, count for the same part and bear the same name within their layer follow
    each other in the same order in both; those are paired. Names within a layer that differ
    (`gamma`, `layer_scale`) are paired in a second pass, without them.

    Returns:
        No entry for a key that has no counterpart; nothing at all if a dialect cannot name this
        configuration.
    """
    try:
        before, after = family.keys(configuration, one), family.keys(configuration, other)
    except UsageError:
        return {}
    pairs: dict[str, str] = {}
    for with_leaf in (True, False):
        left = _groups((tensor for tensor in before if tensor.key not in pairs), with_leaf)
        taken = set(pairs.values())
        right = _groups((tensor for tensor in after if tensor.key not in taken), with_leaf)
        for signature, keys in left.items():
            counterparts = right.get(signature, [])
            if len(counterparts) == len(keys):
                pairs.update(zip(keys, counterparts, strict=True))
    return pairs


def _groups(tensors: Iterable[ExpectedTensor], with_leaf: bool) -> dict[object, list[str]]:
    groups: dict[object, list[str]] = {}
    for tensor in tensors:
        leaf = tensor.key.rpartition(".")[2]
        named = leaf if with_leaf and leaf in _COMMON_LEAVES else ""
        terms = tuple(names for names in tensor.terms if names)
        signature = (tensor.part, tensor.kind, tensor.presence, terms, tensor.is_counter, named)
        groups.setdefault(signature, []).append(tensor.key)
    return groups


def renaming_rules(pairs: Sequence[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """Sum pairs of keys up: what of one stands for what of the other, each rule once.

    What both keys have in common at their ends is left out, except for one component before, which
    says where: `deconv_layers_1.0` → `deconv_layers_1.dwconv`. Rules that differ in a number alone
    become one: `deconv_layers_{k}.0` → `deconv_layers_{k}.dwconv`.
    """
    plain = dict.fromkeys(_rule(one, other) for one, other in pairs)
    numbered: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for rule in plain:
        numbered.setdefault(_with_letter(*rule), []).append(rule)
    return tuple(letter if len(rules) > 1 else rules[0] for letter, rules in numbered.items())


def _with_letter(one: str, other: str) -> tuple[str, str]:
    """Put `{k}` for the first number of a rule, and what it becomes on the other side."""
    found = _NUMBER.search(one)
    again = _NUMBER.search(other)
    if found is None or again is None:
        return one, other
    step = int(again[0]) - int(found[0])
    if abs(step) > 1:
        return one, other
    letter = {0: "{k}", 1: "{k+1}", -1: "{k-1}"}[step]
    return (
        f"{one[: found.start()]}{{k}}{one[found.end() :]}",
        f"{other[: again.start()]}{letter}{other[again.end() :]}",
    )


def _rule(one: str, other: str) -> tuple[str, str]:
    left, right = one.split("."), other.split(".")
    while len(left) > 1 and len(right) > 1 and left[-1] == right[-1]:
        left.pop()
        right.pop()
    start = 0
    while start < min(len(left), len(right)) - 1 and left[start] == right[start]:
        start += 1
    start = max(start - 1, 0)
    return ".".join(left[start:]), ".".join(right[start:])


def common_prefix_of(missing: Sequence[str], unexpected: Sequence[str]) -> tuple[str, str] | None:
    """Return the prefixes that only the file's, or only the network's keys have.

    Args:
        missing: Keys of the network.
        unexpected: Keys of the file.

    Returns:
        `("module.", "")` if cutting it off the file's keys makes at least half of the shorter list
        meet; None if nothing does.
    """
    wanted, found = set(missing), set(unexpected)
    if not wanted or not found:
        return None
    for candidates, least in (
        (_candidates(missing, unexpected), 1),
        (_first_components(missing, unexpected), _LEAST_SWAPPED),
    ):
        best, most = None, 0
        for of_file, of_network in candidates:
            meets = sum(
                of_file + key[len(of_network) :] in found
                for key in wanted
                if key.startswith(of_network)
            )
            if meets > most:
                best, most = (of_file, of_network), meets
        if best is not None and most >= least and 2 * most >= min(len(wanted), len(found)):
            return best
    return None


def _candidates(
    missing: Sequence[str], unexpected: Sequence[str], most: int = 4
) -> Iterator[tuple[str, str]]:
    """Yield the prefixes that would make one of a few keys meet one of the other side."""
    seen: set[tuple[str, str]] = set()
    step = max(len(missing) // most, 1)
    for key in missing[::step][:most]:
        for found in unexpected:
            candidate = _between(found, key)
            if candidate is not None and candidate not in seen:
                seen.add(candidate)
                yield candidate
                if len(seen) >= 4 * most:
                    return


def _first_components(
    missing: Sequence[str], unexpected: Sequence[str]
) -> Iterator[tuple[str, str]]:
    """Yield what most keys of either side begin with, where that is not the same."""
    first = [
        Counter(key.partition(".")[0] for key in keys if "." in key).most_common(1)
        for keys in (unexpected, missing)
    ]
    if all(first) and first[0][0][0] != first[1][0][0]:
        yield f"{first[0][0][0]}.", f"{first[1][0][0]}."


def _between(found: str, key: str) -> tuple[str, str] | None:
    """Return what stands before one of two keys and makes it the other."""
    if found.endswith(f".{key}"):
        return found[: -len(key)], ""
    if key.endswith(f".{found}"):
        return "", key[: -len(found)]
    return None
