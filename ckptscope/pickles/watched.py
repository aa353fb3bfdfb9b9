"""Functions that fetch what the pickle does not name itself, and how the machine watches them.

Enters: a name, as it is spelled. Leaves: whether it is watched. A watched name gets a `WatchedRef`,
which is no plain `GlobalRef`: a call of it falls out of the machine's fast path. It counts how
often the unpickler would push it and how many of these were calls that could be followed to what
they fetch; if they are as many, nothing of it is left to judge but what was fetched.
"""

from ckptscope.facts.pickled import GlobalRef

#: (module, name) → what a call of it is followed as.
WATCHED: dict[tuple[str, str], str] = {
    ("builtins", "getattr"): "getattr",
    ("__builtin__", "getattr"): "getattr",
    # `type(None)` is how a pickle spells the class of None.
    ("builtins", "type"): "type",
    ("__builtin__", "type"): "type",
    ("functools", "reduce"): "reduce",
    ("_functools", "reduce"): "reduce",
    ("__builtin__", "reduce"): "reduce",
    # `List[int]` is pickled as an item of `typing.List`.
    ("operator", "getitem"): "item",
    ("_operator", "getitem"): "item",
    # Storages that were pickled by themselves: the bytes are a checkpoint in their turn.
    ("torch.storage", "_load_from_bytes"): "storage",
    # They call what they are given, and set attributes on what that gives.
    ("torch._tensor", "_rebuild_from_type"): "rebuild",
    ("torch._tensor", "_rebuild_from_type_v2"): "rebuild",
    ("torch.tensor", "_rebuild_from_type"): "rebuild",
    # How numpy spells a ufunc: a module and a name in it.
    ("numpy.core", "_ufunc_reconstruct"): "named",
    ("numpy._core", "_ufunc_reconstruct"): "named",
    # Dangerous by themselves; what is in their bytes is worth a look all the same.
    ("pickle", "loads"): "pickle",
    ("_pickle", "loads"): "pickle",
    ("cPickle", "loads"): "pickle",
    ("dill", "loads"): "pickle",
    ("dill._dill", "loads"): "pickle",
    ("cloudpickle", "loads"): "pickle",
}


class WatchedRef(GlobalRef, eq=False, gc=False):
    """A watched name.

    Attributes:
        pushes: How often it came onto the stack.
        followed: How many of these were calls that were followed.
    """

    pushes: int = 0
    followed: int = 0

    @property
    def plain(self) -> GlobalRef:
        """The name alone, for the graph."""
        return GlobalRef(self.module, self.name)

    @property
    def is_settled(self) -> bool:
        """Whether every use of it was followed."""
        return self.pushes == self.followed


class WatchingMemo(dict[int, object]):
    """A memo that counts how often a watched name is fetched from it.

    It takes the place of the plain one when the first watched name turns up, which in a checkpoint
    of tensors never happens.
    """

    def __getitem__(self, index: int) -> object:
        """Return the entry."""
        node = super().__getitem__(index)
        if type(node) is WatchedRef:
            node.pushes += 1
        return node
