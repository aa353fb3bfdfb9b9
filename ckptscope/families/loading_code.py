"""Code that gets a network's state_dict out of a checkpoint, and what to say beside it.

Enters: an `Architecture`. Leaves: lines of Python, in which names of the file stand as literals;
cautions.
"""

from ckptscope.facts.architecture import Architecture
from ckptscope.facts.tensors import Origin

#: Stands for the path of the file, which an architecture does not know.
FILE = "CHECKPOINT"


def loading_lines(architecture: Architecture) -> list[str]:
    """Return lines that leave the network's tensors, without its prefix, in `state_dict`."""
    lines = [
        f'checkpoint = torch.load("{FILE}", map_location="cpu", weights_only=True)',
        f"state_dict = checkpoint{path_lookups(architecture.state_dict)}",
    ]
    prefix = architecture.prefix
    if prefix:
        lines += [
            "state_dict = {",
            f"    key[{len(prefix)}:]: tensor",
            "    for key, tensor in state_dict.items()",
            f"    if key.startswith({literal(prefix)})",
            "}",
        ]
    return lines


def path_lookups(path: str) -> str:
    """Return the subscripts that lead from the top of the tree to a state_dict."""
    return "".join(f"[{literal(name)}]" for name in path.split("/")) if path else ""


def literal(text: str) -> str:
    """Return text as a Python literal of ASCII, in double quotes where that needs no escape."""
    plain = ascii(text)
    return plain if '"' in text or "'" in text or "\\" in plain else f'"{text}"'


def loading_cautions(architecture: Architecture, weightless: tuple[str, ...]) -> tuple[str, ...]:
    """Return what a reader of the code must check.

    Args:
        architecture: What the code is for.
        weightless: Settings that no tensor depends on.
    """
    cautions = [
        f"{fact.name} is {_shown(fact.value)} by assumption: no tensor depends on it"
        for fact in architecture.facts
        if fact.name in weightless and fact.origin is Origin.ASSUMED
    ]
    count = architecture.differences.count
    if count:
        cautions.append(
            f"load_state_dict will complain of {count:,} keys: the file is not whole, or not only "
            f"this network"
        )
    if "/" in architecture.state_dict:
        cautions.append(
            f"the path {architecture.state_dict!r} is taken apart at each slash; a name that holds "
            f"one, or an index, must be put right"
        )
    return tuple(cautions)


def _shown(value: object) -> str:
    return str(list(value)) if isinstance(value, tuple) else str(value)
