"""State_dicts → blocks: counts, what they rest on, the module summary, the list of tensors.

Enters: the `StateDict`s of a manifest; those of optimizers stand in the training record instead.
Leaves: blocks.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import zip_longest

from ckptscope.facts.modules import ModuleNode
from ckptscope.facts.tensors import Kind, Origin, Role, StateDict, TensorInfo
from ckptscope.reports.blocks import Block, Name, Part, Tone, Words, field, line, section
from ckptscope.reports.folding import FoldedModule, Remainder, fold_modules
from ckptscope.reports.modules import describe_kinds, module_table
from ckptscope.reports.numerals import count_text, rounded_count, shape_text, share_text
from ckptscope.reports.tables import Column, Table, name, number

#: State_dicts that are described in full; the others stand in a table, then in a count.
_MOST_DESCRIBED = 8
_MOST_LISTED = 20
#: Tensors up to which they are listed one by one instead of by module.
_FEW_TENSORS = 8
_MOST_DEVICES = 6
#: Columns of a key that are worth more than storage, device and kind beside it.
_LEAST_KEY = 44
TOP_LEVEL = "top level"


def describe_state_dicts(
    state_dicts: Sequence[StateDict],
    modules: Sequence[ModuleNode | None] = (),
    *,
    tensors: bool,
    depth: int | None = None,
) -> Iterator[Block]:
    """Describe every state_dict but those of optimizers, modules down to a depth."""
    models = [
        (one, node)
        for one, node in zip_longest(state_dicts, modules)
        if one.role is not Role.OPTIMIZER
    ]
    described: dict[object, StateDict] = {}
    for one, node in models[:_MOST_DESCRIBED]:
        yield from _describe(one, described, tensors=tensors)
        if len(one.tensors) > _FEW_TENSORS and described[_structure(one)] is one:
            yield from _describe_modules(one, node, depth)
    yield from _list_others([one for one, _ in models[_MOST_DESCRIBED:]])


def _describe_modules(
    one: StateDict, node: ModuleNode | None, depth: int | None
) -> Iterator[Block]:
    if node is None:
        yield _module_table(one)
        return
    yield from describe_kinds(node)
    yield module_table(node, depth=depth)


def list_tensors(state_dicts: Sequence[StateDict]) -> Iterator[Block]:
    """List every tensor of every state_dict, those of optimizers included."""
    for one in state_dicts:
        yield section(
            f"{count_text(len(one.tensors), 'tensors', rounded=False)} of ", place(one.path)
        )
        yield _tensor_table(one)


def place(path: str) -> Part:
    """Return a path of the tree; the top itself has no name."""
    return Name(path, Tone.STRONG) if path else Words(f"({TOP_LEVEL})", Tone.STRONG)


def _describe(
    one: StateDict, described: dict[object, StateDict], *, tensors: bool
) -> Iterator[Block]:
    yield section("state_dict ", place(one.path))
    yield line(_counts(one))
    yield field("tensors", _makeup(one), *_devices(one.tensors))
    if one.prefix:
        yield field("prefix", Name(one.prefix))
    if one.class_name and not one.class_name.startswith("collections."):
        yield field("class", Name(one.class_name))
    if one.shared_elements:
        yield field("shared", _shared(one))
    if one.role is not Role.OTHER:
        yield field("split", f"{one.kind_origin}: {one.kind_evidence}")
    yield field("role", f"{one.role}: {one.role_evidence}")
    structure = _structure(one)
    twin = described.setdefault(structure, one)
    if len(one.tensors) <= _FEW_TENSORS:
        if not tensors:
            yield _tensor_table(one)
    elif twin is not one:
        yield line("its names, shapes and dtypes are those of state_dict ", place(twin.path))


def _counts(one: StateDict) -> str:
    """Return `7,438,976 parameters (7.44 M) + 9,978 buffers = 7,448,954 elements (7.45 M)`."""
    if one.role is Role.OTHER:
        return count_text(one.elements, "elements")
    if not one.buffers:
        return f"{count_text(one.parameters, 'parameters')}, no buffers"
    parts = f"{count_text(one.parameters, 'parameters')} + {count_text(one.buffers, 'buffers')}"
    return f"{parts} = {count_text(one.elements, 'elements')}"


def _makeup(one: StateDict) -> str:
    dtypes = Counter(tensor.dtype for tensor in one.tensors)
    if len(dtypes) == 1:
        return f"{len(one.tensors):,}, all {next(iter(dtypes))}"
    shown = ", ".join(f"{count:,} {dtype}" for dtype, count in dtypes.most_common())
    return f"{len(one.tensors):,}: {shown}"


def _devices(tensors: Sequence[TensorInfo]) -> list[Part]:
    devices = Counter(tensor.device for tensor in tensors if tensor.device is not None)
    if not devices:
        return []
    parts: list[Part] = [Words("; saved from ")]
    for index, (device, count) in enumerate(devices.most_common(_MOST_DEVICES)):
        parts += [Words(", ")] if index else []
        parts.append(Name(device))
        parts += [Words(f" ({count:,})")] if len(devices) > 1 else []
    if len(devices) > _MOST_DEVICES:
        parts.append(Words(f" and {len(devices) - _MOST_DEVICES:,} more"))
    return parts


def _shared(one: StateDict) -> str:
    """Say what the sum over all names counts twice."""
    once = one.elements - one.shared_elements
    short = rounded_count(once)
    return (
        f"{one.shared_elements:,} of these elements are counted again under a second name of "
        f"their tensor; {once:,}{f' ({short})' if short else ''} without"
    )


def _structure(one: StateDict) -> object:
    """What is equal for a network and its copy."""
    cut = len(one.prefix)
    return tuple((tensor.key[cut:], tensor.shape, tensor.dtype) for tensor in one.tensors)


def _module_table(one: StateDict) -> Table:
    summary = fold_modules(one)
    rest = summary.remainder
    total = sum(module.size_bytes for module in summary.modules)
    total += rest.size_bytes if rest is not None else 0
    rows = [_module_row(module, total) for module in summary.modules]
    closing = [] if rest is None else [_remainder_row(rest, total)]
    if len(summary.modules) > 1:
        sums = (f"{len(one.tensors):,}", f"{one.parameters:,}", _some(one.buffers))
        closing.append(("total", *sums, "", "", share_text(1.0 if total else 0.0)))
    return Table(
        columns=(
            name("module"),
            number("tensors", drop=4),
            number("parameters"),
            number("buffers", drop=5),
            Column(title="largest", drop=3),
            name("its name", drop=1),
            number("bytes", drop=2),
        ),
        rows=rows,
        closing=tuple(closing),
        may_tighten=True,
    )


def _module_row(module: FoldedModule, total: int) -> tuple[str, ...]:
    key, largest = module.main or ("", None)
    return (
        module.path or f"({TOP_LEVEL})",
        f"{module.tensors:,}",
        f"{module.parameters:,}",
        _some(module.buffers),
        shape_text(largest.shape) if largest is not None else "",
        key,
        share_text(module.size_bytes / total if total else 0.0),
    )


def _remainder_row(rest: Remainder, total: int) -> tuple[str, ...]:
    return (
        f"{rest.rows:,} more, smaller",
        f"{rest.tensors:,}",
        f"{rest.parameters:,}",
        _some(rest.buffers),
        "",
        "",
        share_text(rest.size_bytes / total if total else 0.0),
    )


def _some(count: int) -> str:
    """Return a count, and nothing for none."""
    return f"{count:,}" if count else ""


def _tensor_table(one: StateDict) -> Table:
    tensors = one.tensors
    one_device = len({tensor.device for tensor in tensors}) == 1
    # What no network names is neither parameter nor buffer, unless the file says so.
    kinds = one.role in (Role.NETWORK, Role.EMA)
    return Table(
        columns=(
            name("tensor", least=_LEAST_KEY),
            Column(title="dtype"),
            Column(title="shape"),
            Column(title="kind", drop=3),
            name("storage", drop=2 if one_device else 1),
            name("device", drop=1 if one_device else 2),
            Column(title="", from_file=True, flexible=True),
        ),
        rows=[_tensor_row(tensor, kinds=kinds) for tensor in tensors],
    )


def _tensor_row(tensor: TensorInfo, *, kinds: bool) -> tuple[str, ...]:
    kind = "buffer" if tensor.kind is Kind.BUFFER else "parameter"
    return (
        tensor.key or f"({TOP_LEVEL})",
        tensor.dtype,
        shape_text(tensor.shape),
        kind if kinds or tensor.kind_origin is Origin.OBSERVED else "",
        tensor.storage if tensor.storage is not None else "",
        tensor.device if tensor.device is not None else "",
        _peculiarities(tensor),
    )


def _peculiarities(tensor: TensorInfo) -> str:
    """Return what is unusual about a tensor: another name, its layout, its class, its stride."""
    found = []
    if tensor.alias_of is not None:
        found.append(f"same as {tensor.alias_of}")
    if tensor.layout != "strided":
        found.append(tensor.layout)
    if tensor.class_name is not None:
        found.append(tensor.class_name)
    if not is_contiguous(tensor):
        found.append(f"stride {', '.join(map(str, tensor.stride or ()))}")
    return "; ".join(found)


def is_contiguous(tensor: TensorInfo) -> bool:
    """Whether elements lie in the order of the indices; a tensor without strides counts as such."""
    if tensor.stride is None or not tensor.elements:
        return True
    expected = 1
    for size, step in zip(reversed(tensor.shape), reversed(tensor.stride), strict=False):
        if size != 1 and step != expected:
            return False
        expected *= size
    return True


def _list_others(others: Sequence[StateDict]) -> Iterator[Block]:
    """List what found no room above: a line each, then their number."""
    if not others:
        return
    listed, rest = others[:_MOST_LISTED], others[_MOST_LISTED:]
    tensors = sum(len(one.tensors) for one in rest)
    elements = sum(one.elements for one in rest)
    left_out = (f"{len(rest):,} more", "", f"{tensors:,}", f"{elements:,}")
    yield section(f"{len(others):,} more groups of tensors")
    yield Table(
        columns=(name("path"), Column(title="role"), number("tensors"), number("elements")),
        rows=[
            (
                one.path or f"({TOP_LEVEL})",
                str(one.role),
                f"{len(one.tensors):,}",
                f"{one.elements:,}",
            )
            for one in listed
        ],
        closing=(left_out,) if rest else (),
    )
