"""What a checkpoint's bytes are spent on, and what it holds beside tensors → blocks.

Enters: a manifest. Leaves: blocks on bytes, numpy arrays, imports, unclaimed members, metadata.
"""

from collections.abc import Iterator, Sequence

from ckptscope.facts.containers import ContainerKind
from ckptscope.facts.pickled import Import
from ckptscope.facts.tensors import Manifest, Spending
from ckptscope.reports.blocks import Block, Words, section
from ckptscope.reports.numerals import KIB, MIB, shape_text, share_text, size_text
from ckptscope.reports.state_dicts import TOP_LEVEL
from ckptscope.reports.tables import Column, Table, name, number

_BAR_COLUMNS = 20
_MOST_SPENDINGS = 16
_MOST_ARRAYS = 12
_MOST_IMPORTS = 24
#: Distinct imports up to which each is shown with its place.
_FEW_IMPORTS = 12
_MOST_MEMBERS = 8
_MOST_METADATA = 24


def describe_bytes(manifest: Manifest) -> Iterator[Block]:
    """Show what the bytes are spent on; the rows add up to the size."""
    if not manifest.size_bytes:
        return
    title, unit = ("MiB", MIB) if manifest.size_bytes >= MIB else ("KiB", KIB)
    kept, others = _largest(manifest.spending)
    paths = {one.path for one in manifest.spending if one.path is not None}
    named = len(paths) > 1 and any(one.path not in (None, one.what) for one in manifest.spending)
    closing = []
    if others:
        rest = sum(one.size_bytes for one in others)
        closing.append(
            (
                f"{len(others):,} more groups",
                "",
                f"{rest:,}",
                f"{rest / unit:,.2f}",
                share_text(rest / manifest.size_bytes),
                "",
            )
        )
    total = sum(one.size_bytes for one in manifest.spending)
    closing.append(
        (
            "total",
            "",
            f"{total:,}",
            f"{total / unit:,.2f}",
            share_text(total / manifest.size_bytes),
            "",
        )
    )
    yield section("bytes")
    yield Table(
        columns=(
            Column(title="spent on"),
            name("at", drop=2),
            number("bytes"),
            number(title),
            number("share"),
            Column(pictorial=True, drop=1),
        ),
        rows=[
            (
                _spent_on(manifest, one),
                (one.path or f"({TOP_LEVEL})") if named and one.path is not None else "",
                f"{one.size_bytes:,}",
                f"{one.size_bytes / unit:,.2f}",
                share_text(one.share),
                _bar(one.share),
            )
            for one in kept
        ],
        closing=tuple(closing),
    )


#: Containers whose tensors or arrays a header describes, and no pickle.
_HEADED = (ContainerKind.SAFETENSORS, ContainerKind.NUMPY, ContainerKind.NUMPY_ARCHIVE)


def _largest(spending: Sequence[Spending]) -> tuple[list[Spending], list[Spending]]:
    """Part the rows that are shown, in their order, from the others."""
    order = sorted(
        range(len(spending)), key=lambda i: (spending[i].path is not None, -spending[i].size_bytes)
    )
    kept = set(order[:_MOST_SPENDINGS])
    return (
        [one for index, one in enumerate(spending) if index in kept],
        [one for index, one in enumerate(spending) if index not in kept],
    )


def _spent_on(manifest: Manifest, one: Spending) -> str:
    """Name a part; what stands for the pickle in safetensors is a header of JSON."""
    is_header = one.what == "pickle" and manifest.containers[-1] in _HEADED
    return "header" if is_header else one.what


def _bar(share: float) -> str:
    return "━" * min(round(share * _BAR_COLUMNS), _BAR_COLUMNS)


def describe_arrays(manifest: Manifest) -> Iterator[Block]:
    """List numpy arrays inside the pickle."""
    if not manifest.arrays:
        return
    rest = manifest.arrays[_MOST_ARRAYS:]
    left_out = sum(one.size_bytes or 0 for one in rest)
    yield section("numpy arrays")
    yield Table(
        columns=(name("path"), Column(title="dtype"), Column(title="shape"), number("bytes")),
        rows=[
            (
                one.path or f"({TOP_LEVEL})",
                one.dtype,
                shape_text(one.shape),
                f"{one.size_bytes:,}" if one.size_bytes is not None else "pickled",
            )
            for one in manifest.arrays[:_MOST_ARRAYS]
        ],
        closing=((f"{len(rest):,} more", "", "", f"{left_out:,}"),) if rest else (),
    )


def describe_imports(manifest: Manifest, *, everything: bool) -> Iterator[Block]:
    """List each global that a pickle names once, those that are not torch's first."""
    if not manifest.imports:
        return
    found: dict[tuple[str, str], list[Import]] = {}
    for one in manifest.imports:
        found.setdefault((one.module, one.name), []).append(one)
    ordered = sorted(found.values(), key=lambda uses: _is_torch(uses[0]))
    shown = ordered if everything else ordered[:_MOST_IMPORTS]
    rest = ordered[len(shown) :]
    placed = everything or len(ordered) <= _FEW_IMPORTS
    yield section(
        "imports",
        Words(" that the pickles name; none was made; strange ones are findings"),
    )
    yield Table(
        columns=(
            name("global"),
            number("times"),
            name("first in", drop=3),
            number("at byte", drop=2),
        ),
        rows=[_import_row(uses, placed=placed) for uses in shown],
        closing=(((f"{len(rest):,} more", f"{sum(map(len, rest)):,}", "", ""),) if rest else ()),
    )


def _is_torch(one: Import) -> bool:
    return one.module == "torch" or one.module.startswith("torch.")


def _import_row(uses: Sequence[Import], *, placed: bool) -> tuple[str, ...]:
    first = uses[0]
    shown = placed or not _is_torch(first)
    return (
        f"{first.module}.{first.name}",
        f"{len(uses):,}",
        (first.member or "") if shown else "",
        f"{first.offset_bytes:,}" if shown else "",
    )


def describe_unclaimed(manifest: Manifest) -> Iterator[Block]:
    """List members that belong to nothing that was understood."""
    members = manifest.unclaimed_members
    if not members:
        return
    yield section(
        f"{len(members):,} unclaimed members" if len(members) > 1 else "1 unclaimed member"
    )
    rest = len(members) - _MOST_MEMBERS
    yield Table(
        columns=(name("member"),),
        rows=[(member,) for member in members[:_MOST_MEMBERS]],
        closing=((f"{rest:,} more",),) if rest > 0 else (),
    )


def describe_metadata(manifest: Manifest) -> Iterator[Block]:
    """Show the free text of a safetensors header."""
    if not manifest.metadata:
        return
    shown = manifest.metadata[:_MOST_METADATA]
    rest = len(manifest.metadata) - len(shown)
    yield section("metadata")
    yield Table(
        columns=(name("key", least=16), name("value")),
        rows=list(shown),
        closing=((f"{rest:,} more", ""),) if rest else (),
    )


def size_of_pickles(manifest: Manifest) -> str:
    """Return protocols and bytes of the pickles in a few words."""
    protocols = sorted({one.protocol for one in manifest.pickles})
    shown = ", ".join(str(protocol) for protocol in protocols)
    total = size_text(sum(one.size_bytes for one in manifest.pickles))
    word = "pickle" if len(manifest.pickles) == 1 else f"{len(manifest.pickles):,} pickles"
    return f"{word} of protocol {shown}, {total}"
