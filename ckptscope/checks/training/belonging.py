"""Does the optimizer belong to the network beside it?

Enters: a manifest. Leaves: findings `TRN001` and `TRN002`. An optimizer of torch lists its
parameters in the order of `parameters()`, group by group, and most keep for each a tensor of its
shape. A list that is shorter than the network's is no contradiction: layers may be frozen. One that
is longer than all networks of the file together is, and so is a state of a shape that no parameter
has; but only of algorithms of which it is known that their state has the parameter's shape.

Source: `torch/optim/optimizer.py`, `Optimizer.state_dict`.
"""

from collections import Counter
from collections.abc import Iterator, Sequence

from ckptscope.facts.findings import Code, Finding, Severity, Where
from ckptscope.facts.tensors import Kind, Manifest, Optimizer, Role, StateDict
from ckptscope.tensors.groups import join

Shape = tuple[int, ...]

#: torch's own algorithms whose state holds a tensor of the parameter's shape.
_SHAPED = frozenset(
    {
        "Adam or AdamW",
        "Adam",
        "AdamW",
        "NAdam",
        "Adamax",
        "RAdam",
        "Adadelta",
        "RMSprop",
        "Rprop",
        "ASGD",
        "Adagrad",
        "SGD with momentum",
        "Muon",
    }
)
_MOST_SHOWN = 3
_ADVICE = (
    "save the optimizer that trained this network, or none: training cannot be resumed from this "
    "pair"
)


def check_belonging(manifest: Manifest) -> Iterator[Finding]:
    """Hold every optimizer against the networks of the file."""
    roles = {one.role for one in manifest.state_dicts}
    role = Role.NETWORK if Role.NETWORK in roles else Role.EMA
    networks = [one for one in manifest.state_dicts if one.role is role]
    if not networks:
        return
    # What else the file holds may have been trained too: a loss with weights of its own.
    others = [one for one in manifest.state_dicts if one.role not in (role, Role.OPTIMIZER)]
    for optimizer in manifest.optimizers:
        yield from _check(optimizer, networks, others)


def _check(
    optimizer: Optimizer, networks: Sequence[StateDict], others: Sequence[StateDict]
) -> Iterator[Finding]:
    listed = sum(group.parameters for group in optimizer.groups)
    trained = _shapes(networks)
    held = [*trained, *_shapes(others)]
    known = _known_shapes(optimizer)
    strangers = list((Counter(known) - Counter(held)).elements())
    if listed > len(trained) and not (known and not strangers and listed <= len(held)):
        yield _longer(optimizer, networks, listed, len(trained), strangers)
    elif strangers:
        yield _strange(optimizer, networks, known, strangers)
    elif known and not Counter(known) - Counter(trained):
        yield from _order(optimizer, networks, known)


def _known_shapes(optimizer: Optimizer) -> list[Shape]:
    """Return the shapes of parameters as far as the state tells them; none if it may mislead.

    A state of a counter alone says nothing. Where every state is flat, parameters may have been
    flattened and sharded before they were given to the optimizer.
    """
    if optimizer.kind not in _SHAPED:
        return []
    known = [shape for shape in optimizer.parameter_shapes if shape]
    return known if any(len(shape) > 1 for shape in known) else []


def _shapes(groups: Sequence[StateDict]) -> list[Shape]:
    """Return what an optimizer would list: parameters, tied ones once."""
    names = {
        join(group.path, one.key)
        for group in groups
        if any(one.alias_of is not None for one in group.tensors)
        for one in group.tensors
    }
    return [
        one.shape
        for group in groups
        for one in group.tensors
        if one.kind is Kind.PARAMETER and (one.alias_of is None or one.alias_of not in names)
    ]


def _longer(
    optimizer: Optimizer,
    networks: Sequence[StateDict],
    listed: int,
    trained: int,
    strangers: Sequence[Shape],
) -> Finding:
    return Finding(
        code=Code.OPTIMIZER_COUNT,
        severity=Severity.ERROR,
        message=f"the optimizer at {optimizer.path!r:.200} lists {listed:,} parameters, and "
        f"{_named(networks)} {trained:,}: it is not, or not only, the optimizer of what the file "
        "holds",
        where=Where(key=optimizer.path[:400] or None),
        evidence=(
            f"groups of {_joined([group.parameters for group in optimizer.groups])} parameters",
            *_strangers(strangers),
        ),
        help=_ADVICE,
    )


def _strange(
    optimizer: Optimizer,
    networks: Sequence[StateDict],
    known: Sequence[Shape],
    strangers: Sequence[Shape],
) -> Finding:
    return Finding(
        code=Code.OPTIMIZER_SHAPES,
        severity=Severity.ERROR,
        message=f"the optimizer at {optimizer.path!r:.200} keeps states for {len(known):,} "
        f"parameters; no parameter of the file is left for the shape of {len(strangers):,} of "
        "them",
        where=Where(key=optimizer.path[:400] or None),
        evidence=(f"{_named(networks)} {len(_shapes(networks)):,}", *_strangers(strangers)),
        help=_ADVICE,
    )


def _order(
    optimizer: Optimizer, networks: Sequence[StateDict], known: Sequence[Shape]
) -> Iterator[Finding]:
    """Say where shapes fit and their order does not; groups may be in any order of their own."""
    parts = _by_group(optimizer, known)
    every = [_shapes([one]) for one in networks]
    if parts is None or any(
        all(_is_subsequence(part, shapes) for part in parts)
        for shapes in (*every, _shapes(networks))
    ):
        return
    alone = len(parts) == 1
    yield Finding(
        code=Code.OPTIMIZER_SHAPES,
        severity=Severity.WARNING if alone else Severity.INFO,
        message=f"the states of the optimizer at {optimizer.path!r:.200} have the shapes of the "
        "network's parameters in another order than the network has them: one of the two has been "
        "reordered, or the optimizer was given them so; which, is not decidable from the file",
        where=Where(key=optimizer.path[:400] or None),
        evidence=_first_difference(parts[0], every[0]) if alone and len(every) == 1 else (),
        help="load the optimizer only into one that is given the parameters in the same order: "
        "load_state_dict of an optimizer does not compare shapes",
    )


def _by_group(optimizer: Optimizer, known: Sequence[Shape]) -> list[list[Shape]] | None:
    """Divide the states among the groups; None where some are missing, so that it is not known."""
    sizes = [group.parameters for group in optimizer.groups]
    if len(sizes) == 1:
        return [list(known)]
    if len(optimizer.parameter_shapes) != sum(sizes):
        return None
    shapes = iter(optimizer.parameter_shapes)
    return [
        [shape for _, shape in zip(range(size), shapes, strict=False) if shape] for size in sizes
    ]


def _is_subsequence(part: Sequence[Shape], whole: Sequence[Shape]) -> bool:
    rest = iter(whole)
    return all(any(shape == one for one in rest) for shape in part)


def _first_difference(part: Sequence[Shape], whole: Sequence[Shape]) -> tuple[str, ...]:
    """Say where the two orders part, if they are of the same length."""
    for index, (state, shape) in enumerate(zip(part, whole, strict=False)):
        if state != shape:
            return (f"state {index:,}: {list(state)}; parameter {index:,}: {list(shape)}",)
    return ()


def _strangers(shapes: Sequence[Shape]) -> tuple[str, ...]:
    if not shapes:
        return ()
    shown = ", ".join(str(list(shape)) for shape in dict.fromkeys(shapes[:_MOST_SHOWN]))
    more = ", ..." if len(shapes) > _MOST_SHOWN else ""
    return (f"states of a shape that no parameter is left for: {shown}{more}",)


def _named(networks: Sequence[StateDict]) -> str:
    if len(networks) == 1:
        where = f" at {networks[0].path!r:.200}" if networks[0].path else ""
        return f"the network{where} has"
    return f"the {len(networks):,} networks of the file together have"


def _joined(sizes: Sequence[int]) -> str:
    shown = ", ".join(f"{size:,}" for size in sizes[:8])
    return f"{shown}, ..." if len(sizes) > 8 else shown
