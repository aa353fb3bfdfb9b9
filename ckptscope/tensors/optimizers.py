"""Training state: the state_dict of an optimizer.

Enters: a mapping with `state` and `param_groups`. Leaves: its tensors under names below it, and
what can be said of the algorithm without reading a value.

Source: `torch/optim/*.py`: names of the state entries and of the settings of each algorithm.
"""

from typing import TYPE_CHECKING

import msgspec

from ckptscope.facts.tensors import Optimizer, ParameterGroup, TensorInfo
from ckptscope.pickles.numpy_rules import read_scalar
from ckptscope.pickles.views import Pairs, key_text, mapping_pairs, plain_text, sequence_items

if TYPE_CHECKING:
    from ckptscope.tensors.walk import Walker

#: Depth below the optimizer to which tensors are looked for (`state/0/exp_avg`, sharded lists).
_DEPTH = 6
#: Distinct step counters that are kept.
MOST_STEPS = 8
_MOST_SETTINGS = 40
#: A counter beyond any training.
MOST_COUNT = 1 << 62
#: Digits of a parameter's number.
_MOST_DIGITS = 20

#: State entries and settings that tell an algorithm; the first rule that fits counts.
_KINDS: tuple[tuple[frozenset[str], frozenset[str], str], ...] = (
    (frozenset({"exp_avg", "exp_avg_sq"}), frozenset({"momentum_decay"}), "NAdam"),
    (frozenset({"exp_avg", "exp_inf"}), frozenset(), "Adamax"),
    (frozenset({"exp_avg", "exp_avg_sq"}), frozenset({"amsgrad"}), "Adam or AdamW"),
    (frozenset({"exp_avg", "exp_avg_sq"}), frozenset({"decoupled_weight_decay"}), "RAdam"),
    (frozenset({"exp_avg", "exp_avg_sq"}), frozenset({"betas"}), "Adam family"),
    (frozenset({"step", "variance"}), frozenset({"beta2_decay"}), "Adafactor"),
    (frozenset({"step", "row_var", "col_var"}), frozenset(), "Adafactor"),
    (frozenset({"square_avg", "acc_delta"}), frozenset(), "Adadelta"),
    (frozenset({"square_avg"}), frozenset(), "RMSprop"),
    (frozenset({"prev", "step_size"}), frozenset(), "Rprop"),
    (frozenset({"eta", "mu", "ax"}), frozenset(), "ASGD"),
    (frozenset({"d", "t", "old_dirs"}), frozenset(), "LBFGS"),
    (frozenset({"sum"}), frozenset(), "Adagrad"),
    (frozenset({"momentum_buffer"}), frozenset({"ns_steps"}), "Muon"),
    (frozenset({"momentum_buffer"}), frozenset(), "SGD with momentum"),
    (frozenset(), frozenset({"lr", "momentum", "nesterov"}), "SGD"),
    (frozenset(), frozenset({"betas", "amsgrad"}), "Adam or AdamW"),
)


class OptimizerDraft(msgspec.Struct):
    """What was read; `finish` adds what needs the storages."""

    path: str
    tensors: list[TensorInfo]
    state_names: list[str]
    groups: tuple[ParameterGroup, ...]
    states: int
    steps: tuple[float, ...]
    shapes: tuple[tuple[int, ...] | None, ...]
    settings: dict[str, object]

    def finish(self, size_bytes: int, counters: set[float]) -> Optimizer:
        """Return the optimizer with the bytes of its tensors and the counters that they hold."""
        kind, evidence = self._kind()
        return Optimizer(
            path=self.path,
            kind=kind,
            kind_evidence=evidence,
            groups=self.groups,
            states=self.states,
            steps=tuple(sorted({*self.steps, *counters})[:MOST_STEPS]),
            tensors=len(self.tensors),
            elements=sum(tensor.elements for tensor in self.tensors),
            size_bytes=size_bytes,
            parameter_shapes=self.shapes,
        )

    def counters(self) -> list[TensorInfo]:
        """Return the tensors that count steps, one a parameter."""
        return [tensor for tensor in self.tensors if tensor.key.endswith("/step")]

    def _kind(self) -> tuple[str, str]:
        names, settings = set(self.state_names), set(self.settings)
        shown = ", ".join(sorted(names)) or "none"
        evidence = f"state entries: {shown}; settings: {', '.join(sorted(settings)[:12]) or 'none'}"
        kind = next((k for e, w, k in _KINDS if e <= names and w <= settings), "unknown")
        decoupled = self.settings.get("decoupled_weight_decay")
        if kind == "Adam or AdamW" and isinstance(decoupled, bool):
            # torch 2.7 and later say which of the two it is.
            kind = "AdamW" if decoupled else "Adam"
            evidence = f"decoupled_weight_decay is {decoupled}; {evidence}"
        return kind, evidence


def read_optimizer(walker: "Walker", pairs: Pairs, path: str) -> OptimizerDraft | None:
    """Read an optimizer's state_dict; None if the mapping is none."""
    held = {key: value for key, value in pairs if key in ("state", "param_groups")}
    if len(held) < 2:
        return None
    states = mapping_pairs(held["state"])
    groups = sequence_items(held["param_groups"])
    if states is None or groups is None:
        return None
    group_maps = [mapping_pairs(group) for group in groups[1]]
    if not group_maps or any(group is None for group in group_maps):
        return None
    tensors: list[TensorInfo] = []
    for key, value in pairs:
        _collect(walker, value, key_text(key), path, tensors, 0)
    names, steps = _state_entries(states)
    settings = {
        key: value for key, value in group_maps[0] or [] if type(key) is str and key != "params"
    }
    return OptimizerDraft(
        path=path,
        tensors=tensors,
        state_names=names,
        groups=tuple(_group(group or []) for group in group_maps),
        states=len(states),
        steps=steps,
        shapes=_parameter_shapes(states, tensors, _positions(group_maps)),
        settings=settings,
    )


def _collect(
    walker: "Walker", node: object, name: str, path: str, tensors: list[TensorInfo], depth: int
) -> None:
    """Collect all tensors below a node under names joined by `/`."""
    walker.step()
    tensor = walker.tensor(node, name, path)
    if tensor is not None:
        tensors.append(tensor)
        return
    if depth >= _DEPTH:
        return
    pairs = mapping_pairs(node)
    if pairs is None:
        found = sequence_items(node)
        pairs = [(str(i), item) for i, item in enumerate(found[1])] if found is not None else []
    for index, (key, value) in enumerate(pairs):
        # An optimizer that was pickled as an object is keyed by the parameters themselves.
        text = key_text(key) if key is None or isinstance(key, str | int) else str(index)
        _collect(walker, value, f"{name}/{text}", path, tensors, depth + 1)


def _state_entries(states: Pairs) -> tuple[list[str], tuple[float, ...]]:
    """Return the names of state entries, and the step counters that are plain numbers."""
    names: dict[str, None] = {}
    steps: set[float] = set()
    for _, state in states:
        for key, value in mapping_pairs(state) or []:
            if type(key) is not str:
                continue
            names[key] = None
            number = value if type(value) in (int, float) else read_scalar(value)
            if key != "step" or len(steps) >= MOST_STEPS:
                continue
            if isinstance(number, int | float) and abs(number) < MOST_COUNT:
                steps.add(number)
    return list(names), tuple(sorted(steps))


def _group(pairs: Pairs) -> ParameterGroup:
    settings: list[tuple[str, str]] = []
    count = 0
    for key, value in pairs:
        if key == "params":
            found = sequence_items(value)
            count = len(found[1]) if found is not None else 0
        elif len(settings) < _MOST_SETTINGS:
            settings.append((key_text(key), _setting_text(value)))
    return ParameterGroup(parameters=count, settings=tuple(settings))


def _setting_text(value: object) -> str:
    if value is None or isinstance(value, bool | int | float | str):
        return plain_text(value)
    scalar = read_scalar(value)
    if scalar is not None:
        return plain_text(scalar)
    found = sequence_items(value)
    if found is not None and not any(sequence_items(item) for item in found[1][:8]):
        return f"({', '.join(_setting_text(item) for item in found[1][:8])})"
    return f"<{type(value).__name__}>"


def _positions(group_maps: list[Pairs | None]) -> dict[str, int]:
    """Return the place of each parameter among those that the groups list, by its key.

    Old versions of torch key a state by the address of its parameter, so that the list alone tells
    the order.
    """
    listed: dict[str, int] = {}
    for pairs in group_maps:
        for key, value in pairs or []:
            found = sequence_items(value) if key == "params" else None
            for one in found[1] if found is not None else []:
                if isinstance(one, int | str):
                    listed.setdefault(key_text(one), len(listed))
    return listed


def _parameter_shapes(
    states: Pairs, tensors: list[TensorInfo], positions: dict[str, int]
) -> tuple[tuple[int, ...] | None, ...]:
    """Shapes of the parameters in order: those of the largest tensor of each state.

    A parameter without state (it was frozen, or never stepped) is None.
    """
    largest: dict[str, TensorInfo] = {}
    for tensor in tensors:
        parts = tensor.key.split("/")
        if parts[0] == "state" and len(parts) > 2:
            known = largest.get(parts[1])
            if known is None or tensor.elements > known.elements or not known.shape:
                largest[parts[1]] = tensor
    keys = [key_text(key) for key, _ in states]
    if all(key in positions for key in keys):
        keys.sort(key=positions.__getitem__)
    elif all(key.isdecimal() and len(key) < _MOST_DIGITS for key in keys):
        keys.sort(key=int)
    return tuple(largest[key].shape if key in largest else None for key in keys)
