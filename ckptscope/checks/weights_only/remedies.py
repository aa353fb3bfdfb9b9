"""What an author should change so that `torch.load(weights_only=True)` accepts a file.

Enters: what stops it. Leaves: one or two sentences. First comes what to save in place of the
object; `add_safe_globals` helps only those readers who have the class and trust the file.
"""

from collections.abc import Iterable, Sequence

from ckptscope.facts.weights_only import Because, Obstacle, WeightsOnly

#: Start of a qualified name → what to save instead. The first that fits counts.
_INSTEAD: tuple[tuple[str, str], ...] = (
    ("argparse.Namespace", "save vars(args) instead of the argparse.Namespace"),
    ("numpy.core.multiarray.scalar", "save numpy scalars as numbers of Python: value.item()"),
    ("numpy._core.multiarray.scalar", "save numpy scalars as numbers of Python: value.item()"),
    ("numpy", "save numpy arrays as tensors, torch.from_numpy(array), and scalars by .item()"),
    ("_codecs.encode", "save bytes as text or as a uint8 tensor; torch 2.4 accepts no others"),
    ("pathlib", "save paths as text: str(path)"),
    ("datetime", "save dates as text: moment.isoformat()"),
    ("collections.defaultdict", "save dict(mapping) instead of the defaultdict"),
    ("collections.deque", "save list(items) instead of the deque"),
    ("builtins.frozenset", "save sorted(items), a list, instead of the frozenset"),
    ("builtins.set", "save sorted(items), a list, instead of the set"),
    ("builtins.slice", "save the three numbers of a slice as a tuple"),
    ("builtins.range", "save list(numbers) instead of the range"),
    ("builtins.complex", "save complex numbers as a complex tensor, or as a pair of floats"),
    ("builtins.bytearray", "save bytes as a uint8 tensor"),
    ("uuid", "save identifiers as text: str(identifier)"),
    ("decimal", "save decimals as float(value) or text"),
    ("fractions", "save fractions as float(value) or text"),
    ("omegaconf", "save OmegaConf.to_container(config) instead of the configuration object"),
    ("torch.optim", "save optimizer.state_dict() instead of the optimizer"),
    ("torch.nn", "save model.state_dict() instead of the module"),
    ("torch._utils._rebuild_nested_tensor", "save nested tensors as lists of tensors: unbind()"),
    ("torch.nested", "save nested tensors as lists of tensors: unbind()"),
)
_CONTAINERS = {
    "legacy tar": "load the file with weights_only=False where it is trusted, and save it anew "
    "with torch.save of a current torch",
    "TorchScript": "load it with torch.jit.load, which takes no weights_only; for torch.load, "
    "save model.state_dict() with torch.save",
    "pickle": "save the object with torch.save: torch.load reads no bare pickles, whatever "
    "weights_only is",
    "cut off": "get the file again",
    "prefixed": "cut the bytes before the archive off, or save it anew with torch.save",
}
_OTHERS: dict[Because, str] = {
    Because.OPCODE: "save with torch.save as it is, without pickle_protocol: it writes protocol 2",
    Because.TEXT: "load the file with weights_only=False and encoding='latin1' where it is "
    "trusted, and save it anew under Python 3",
    Because.ITEMS: "save dict(mapping) or list(items) instead of an object of a class of its own",
    Because.STATE: "save plain values and tensors instead of objects with attributes",
    Because.OBJECT: "save plain values and tensors instead of objects of this class",
}
_SHARDED = (
    "save full tensors instead: tensor.full_tensor(); a reader who has torch.distributed can "
    "import torch.distributed.tensor first"
)
_ANEW = "save the checkpoint anew with torch.save of a current torch, as tensors and plain values"
#: Names that are listed for add_safe_globals.
_MOST_NAMES = 6
#: Characters of a name that somebody may be asked to type.
_NAME_CHARACTERS = 100
#: Different pieces of advice that are given.
_MOST_PIECES = 4
#: Unknown classes that are named in one of them.
_MOST_SHOWN = 3


def advise(answer: WeightsOnly, modules: frozenset[str]) -> str:
    """Say what to change.

    Args:
        answer: Who refuses the file, and because of what.
        modules: Classes that are modules of a network in this file.
    """
    stop = answer.obstacle
    if stop is None:
        return ""
    if stop.because is Because.CONTAINER:
        return _CONTAINERS.get(stop.subject, _ANEW)
    if stop.because is Because.UNIMPORTED:
        return _SHARDED
    names = list(dict.fromkeys((*answer.unlisted, *_named(stop))))
    pieces = [_OTHERS[stop.because]] if stop.because in _OTHERS else []
    pieces += _instead(names, modules)
    if answer.newest.obstacle is None:
        pieces.append(f"or ask readers for torch {answer.newest.first} or newer")
    advice = "; ".join(list(dict.fromkeys(pieces or [_ANEW]))[:_MOST_PIECES])
    return f"{advice}. {_for_readers(names)}" if _addable(names) else advice


def _named(obstacle: Obstacle) -> tuple[str, ...]:
    return (obstacle.subject,) if obstacle.because in (Because.NAME, Because.BLOCKED) else ()


def _instead(names: Iterable[str], modules: frozenset[str]) -> list[str]:
    """Return what to save in place of objects of these classes."""
    pieces = []
    unknown = []
    for name in names:
        known = next((text for start, text in _INSTEAD if f"{name}.".startswith(f"{start}.")), None)
        if name in modules:
            known = "save model.state_dict() instead of the module"
        if known is not None:
            pieces.append(known)
        elif not name.startswith(("torch.", "builtins.", "copyreg.")):
            unknown.append(name)
    if unknown:
        shown = ", ".join(f"{name!r:.80}" for name in unknown[:_MOST_SHOWN])
        rest = len(unknown) - _MOST_SHOWN
        more = f" and {rest:,} more" if rest > 0 else ""
        pieces.append(f"save plain values (numbers, text, lists, dicts) instead of {shown}{more}")
    return pieces


def _addable(names: Sequence[str]) -> bool:
    """Whether adding these names would do: classes, each spelled as Python spells one.

    Of numpy an array needs more than its pickle names; a function that is added is called with
    whatever the file says.
    """
    return 0 < len(names) <= _MOST_NAMES and all(_is_class(name) for name in names)


def _is_class(name: str) -> bool:
    module, _, last = name.rpartition(".")
    return (
        last.lstrip("_")[:1].isupper()
        and name.replace(".", "_").isidentifier()
        and len(name) <= _NAME_CHARACTERS
        and module.partition(".")[0] not in ("numpy", "os", "posix", "nt", "sys", "subprocess")
    )


def _for_readers(names: Sequence[str]) -> str:
    return (
        "A reader who has examined the classes and trusts the file can call "
        f"torch.serialization.add_safe_globals([{', '.join(names)}])"
    )
