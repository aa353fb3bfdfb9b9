"""Tables of keys as sequences of sizes, in the order in which torch.save meets the storages.

Enters: a configuration of a family. Leaves: `Table`s, and the `Block`s that they are laid out in:
the network in the order of its state_dict, and an optimizer's state by parameter.

Source: `torch/serialization.py` (storages are numbered where pickling first meets them),
`torch/optim/adam.py`, `adamw.py`, `sgd.py` (the entries of a state, in their order; the counter is
a tensor of the default type since torch 1.12, a number before).
"""

import functools
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from ckptscope.errors import UsageError
from ckptscope.facts.architecture import FactValue
from ckptscope.facts.carving import Slot
from ckptscope.facts.dtypes import ITEM_BYTES
from ckptscope.facts.expected import ExpectedTensor
from ckptscope.facts.tensors import Kind
from ckptscope.families.base import Configuration
from ckptscope.families.registry import AnyFamily, known_families, offered_families
from ckptscope.specs.loading import tables_for

#: Types that people train in, by the bytes of an element. Sizes do not tell the two of 2 bytes
#: apart; values may.
DTYPES: Final = {4: "float32", 2: "float16 or bfloat16", 8: "float64"}
#: BatchNorm's counter is an int64.
COUNTER_BYTES: Final = ITEM_BYTES["int64"]


class Layout(msgspec.Struct, frozen=True, kw_only=True):
    """How an optimizer's state is saved.

    Attributes:
        title: Names of the algorithms that leave such a state.
        step: `tensor`, `number` or empty: what the counter is.
        slots: Entries of a parameter's state that have a storage, in their order.
        step_bytes: Of a counter that is a tensor.
        order: Order of the parameters: `listed` as in the network, or with tensors of one axis
            `vectors first` or `vectors last`, as groups with and without weight decay put them.
    """

    title: str
    step: str
    slots: tuple[Slot, ...]
    step_bytes: int = ITEM_BYTES["float32"]
    order: str = "listed"


_ADAM: Final = "AdamW or Adam"
_AMSGRAD: Final = "AdamW or Adam, amsgrad"
_SGD: Final = "SGD with momentum"
_MOMENTS: Final = (Slot.EXP_AVG, Slot.EXP_AVG_SQ)
_LAYOUTS: Final = (
    Layout(title=_ADAM, step="tensor", slots=(Slot.STEP, *_MOMENTS)),
    Layout(title=_ADAM, step="number", slots=_MOMENTS),
    Layout(title=_SGD, step="", slots=(Slot.MOMENTUM,)),
    Layout(title=_AMSGRAD, step="tensor", slots=(Slot.STEP, *_MOMENTS, Slot.MAX_EXP_AVG_SQ)),
    Layout(title=_AMSGRAD, step="number", slots=(*_MOMENTS, Slot.MAX_EXP_AVG_SQ)),
)
_ORDERS: Final = ("listed", "vectors first", "vectors last")


@functools.cache
def layouts_for(item: int) -> tuple[Layout, ...]:
    """Return the layouts of optimizers for elements of so many bytes, the commonest first."""
    layouts = [msgspec.structs.replace(one, order=order) for order in _ORDERS for one in _LAYOUTS]
    if item == ITEM_BYTES["float64"]:
        # The counter is of torch's default type, which may be what the network is of.
        layouts += [
            msgspec.structs.replace(one, step_bytes=item) for one in layouts if one.step == "tensor"
        ]
    return tuple(layouts)


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """The tensors of one configuration, in the order of its state_dict.

    Attributes:
        family: That lists them.
        configuration: What they are built from.
        dialect: In whose order; names are the dialect's, too.
        variants: Rows of papers with these settings; empty for none.
        tensors: In order.
        elements: Of each.
    """

    family: AnyFamily
    configuration: Configuration
    dialect: str
    variants: tuple[str, ...]
    tensors: tuple[ExpectedTensor, ...]
    elements: tuple[int, ...]

    @property
    def parameters(self) -> tuple[int, ...]:
        """Indices of the tensors that an optimizer steps."""
        return tuple(i for i, one in enumerate(self.tensors) if one.kind is Kind.PARAMETER)

    def size(self, index: int, item: int) -> int:
        """Bytes of a tensor, with so many for an element."""
        return COUNTER_BYTES if self.tensors[index].is_counter else self.elements[index] * item

    def sizes(self, item: int) -> frozenset[int]:
        """Return the sizes that occur in it."""
        return frozenset(self.size(i, item) for i in range(len(self.tensors)))

    def settings(self) -> dict[str, FactValue]:
        """Return what it would be built from, without what no size depends on."""
        found = self.family.settings(self.configuration)
        if "undivided" in found:
            found = {k: v for k, v in found.items() if k not in _DIVISION}
            found["final_channels"] = getattr(self.configuration, "final_channels", None)
        return {
            name: value
            for name, value in found.items()
            if name not in self.family.weightless and name not in _SILENT
        }


_DIVISION: Final = ("joints", "depth_bins", "undivided")
#: Settings of some family that change names or axes, and no size.
_SILENT: Final = ("upsampling", "stem_activation", "head_norm_first", "pointwise_convolutions")


class Block(msgspec.Struct, frozen=True, kw_only=True):
    """A run of storages that are saved one after the other.

    Attributes:
        sizes: In bytes, in order.
        entries: Index of the tensor in its table, and what of it the storage holds.
        layout: Of the optimizer whose state it is; None for a network.
    """

    sizes: tuple[int, ...]
    entries: tuple[tuple[int, Slot], ...]
    layout: Layout | None = None


def network_block(table: Table, item: int, slot: Slot = Slot.NETWORK) -> Block:
    """Lay out a network, or an averaged copy of it."""
    count = range(len(table.tensors))
    return Block(
        sizes=tuple([table.size(i, item) for i in count]),
        entries=tuple([(i, slot) for i in count]),
    )


def optimizer_block(table: Table, item: int, layout: Layout) -> Block:
    """Lay out the state of an optimizer that has stepped every parameter."""
    sizes: list[int] = []
    entries: list[tuple[int, Slot]] = []
    for index in _ordered(table, layout.order):
        for slot in layout.slots:
            sizes.append(layout.step_bytes if slot is Slot.STEP else table.elements[index] * item)
            entries.append((index, slot))
    return Block(sizes=tuple(sizes), entries=tuple(entries), layout=layout)


def _ordered(table: Table, order: str) -> list[int]:
    indices = list(table.parameters)
    if order == "listed":
        return indices
    is_first = order == "vectors first"
    return sorted(indices, key=lambda i: (len(table.tensors[i].shape) > 1) is is_first)


def make_table(
    family: AnyFamily,
    configuration: Configuration,
    dialect: str = "",
    variants: tuple[str, ...] = (),
) -> Table:
    """List a configuration, its final channels undivided: no size tells joints from depth bins.

    Raises:
        UsageError: The dialect's code cannot build it.
    """
    final = getattr(configuration, "final_channels", None)
    if final is not None:
        undivided: Any = {"joints": None, "depth_bins": None, "undivided": final}
        configuration = msgspec.structs.replace(configuration, **undivided)
    if getattr(configuration, "head_kernels", None) == ():
        # The usual ones, which none given stand for.
        kernels: Any = {"head_kernels": getattr(configuration, "kernels", ())}
        configuration = msgspec.structs.replace(configuration, **kernels)
    tensors = tuple(family.keys(configuration, dialect))
    return Table(
        family=family,
        configuration=configuration,
        dialect=dialect or family.dialects[0],
        variants=variants,
        tensors=tensors,
        elements=tuple([one.elements for one in tensors]),
    )


def all_families() -> tuple[AnyFamily, ...]:
    """Return every family, those of other packages included."""
    return (*known_families(), *offered_families().families)


@functools.cache
def named_tables() -> tuple[Table, ...]:
    """Return the tables of every variant that papers name, in the family's first dialect."""
    tables: list[Table] = []
    for family in all_families():
        for spec in tables_for(family.name):
            for row in spec.rows:
                if not row.settings:
                    continue
                try:
                    configuration: Any = family.configure(row.settings)
                    tables.append(make_table(family, configuration, "", (row.name,)))
                except UsageError:
                    # A table of another package may name what its family does not build.
                    continue
    return tuple(tables)


def in_other_orders(table: Table) -> Iterator[Table]:
    """Yield the same network in the order of each dialect that saves it in another one."""
    seen = {table.elements}
    for dialect in table.family.dialects:
        try:
            other = make_table(table.family, table.configuration, dialect, table.variants)
        except UsageError:
            # Not every code base can build every configuration.
            continue
        if other.elements not in seen:
            seen.add(other.elements)
            yield other
