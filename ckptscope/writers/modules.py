"""Whole modules: what `torch.save(model)` pickles.

Enters: a module's class, tensors and submodules. Leaves: the NEWOBJ and BUILD that stand for it.
The names in its state are those of `torch/nn/modules/module.py` that every version since 2016
has; later versions fill in the others when they load it.
"""

from dataclasses import dataclass

from ckptscope.writers.forms import Global, NewObject, ordered_dict
from ckptscope.writers.tensors import OutgoingTensor

NamedTensors = tuple[tuple[str, OutgoingTensor | None], ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OutgoingModule:
    """An nn.Module.

    Attributes:
        cls: Its class.
        parameters: By name; None for a registered parameter that is absent (`bias=False`).
        buffers: By name.
        modules: Submodules by name.
        attributes: Other attributes, in order: `in_features`, ...
        training: Its mode.
        source_file: File that defined the class, for containers that record it.
        source: Its source text; likewise.
    """

    cls: Global
    parameters: NamedTensors = ()
    buffers: NamedTensors = ()
    modules: "tuple[tuple[str, OutgoingModule], ...]" = ()
    attributes: tuple[tuple[str, object], ...] = ()
    training: bool = True
    source_file: str | None = None
    source: str | None = None


def module_form(module: OutgoingModule, cls: object) -> NewObject:
    """Spell a module.

    Args:
        module: What is spelled.
        cls: Its class as the container names it: a `Global`, or a persistent id with the source.
    """
    state = {
        "training": module.training,
        "_parameters": ordered_dict(module.parameters),
        "_buffers": ordered_dict(module.buffers),
        "_backward_hooks": ordered_dict(),
        "_forward_hooks": ordered_dict(),
        "_modules": ordered_dict(module.modules),
        **dict(module.attributes),
    }
    return NewObject(cls, (), state=state)
