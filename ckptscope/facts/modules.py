"""The modules of a network as its names and shapes tell them.

Enters: a `StateDict`. Leaves: a `ModuleNode` with its sub-modules. Every kind says what it rests
on, and what else the same tensors could be.
"""

import msgspec

from ckptscope.facts.tensors import Origin


class Reading(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One thing that a module could be.

    Attributes:
        kind: Class, by torch's name where torch has it: Conv2d.
        detail: Its sizes: `3→48` and the kernel; empty where they are those of the first reading.
    """

    kind: str
    detail: str = ""


class ModuleNode(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A module, or a parameter or buffer that its module holds beside or without a layer.

    Attributes:
        name: Last segment of its path.
        path: Names that lead to it, below the prefix, joined by dots; empty for the network.
        kind: Class, by torch's name where torch has it; `parameter` or `buffer` for a tensor that
            belongs to no layer; empty for a module without tensors of its own whose class the file
            does not name.
        detail: Sizes as far as shapes tell: `3→48` and the kernel; what rewrites its weights.
        origin: What the kind rests on. Observed: the file names the class, or only this layer has
            tensors of these names and shapes. Derived: by arithmetic on shapes. Assumed: on a
            name, a neighbour or a convention. Undetermined: `alternatives` are as likely.
        reason: Why, in a few words.
        alternatives: What else the same tensors could be, the likeliest first.
        tensors: Keys that make up the layer, as saved; those of sub-modules stand there.
        tensor_count: How many tensors it and its sub-modules hold.
        parameters: Elements of their parameters.
        buffers: Elements of their buffers.
        size_bytes: Bytes of their elements; another name of a tensor takes none.
        children: Sub-modules, behind the tensors that belong to no layer.
    """

    name: str
    path: str
    kind: str = ""
    detail: str = ""
    origin: Origin = Origin.UNDETERMINED
    reason: str = ""
    alternatives: tuple[Reading, ...] = ()
    tensors: tuple[str, ...] = ()
    tensor_count: int = 0
    parameters: int = 0
    buffers: int = 0
    size_bytes: int = 0
    children: "tuple[ModuleNode, ...]" = ()

    @property
    def elements(self) -> int:
        """Parameters and buffers together."""
        return self.parameters + self.buffers
