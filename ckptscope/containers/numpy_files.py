"""numpy's own files: one array (.npy), or a zip of them (.npz).

Enters: a source, or the members of an archive. Leaves: `Contents` with arrays and no tensors; the
pickle of an object array is traced for its imports.

Source: numpy/lib/format.py, "Format Version 1.0" to "3.0".
"""

import re
from functools import partial

from ckptscope.containers.contents import Contents, finding, no_storage
from ckptscope.containers.further_pickles import FurtherPickles, keep_reached
from ckptscope.containers.members import MemberTable
from ckptscope.errors import ContainerFormatError
from ckptscope.facts.containers import ContainerKind
from ckptscope.facts.findings import Code, Finding
from ckptscope.facts.limits import Limits
from ckptscope.facts.tensors import ArrayInfo
from ckptscope.pickles.numpy_rules import code_name
from ckptscope.sources import ByteSource, Window

MAGIC = b"\x93NUMPY"
#: Length fields of the header, by major version.
_LENGTH_BYTES = {1: 2, 2: 4, 3: 4}
#: numpy itself refuses longer headers unless told otherwise.
_MOST_HEADER_BYTES = 64 << 10
#: Digits of the largest 64-bit size.
_MOST_DIGITS = 19
_DESCR = re.compile(r"'descr': ('([^']{1,40})'|\[)")
_OBJECT_FIELD = re.compile(r"'\|?O'")
#: A header as numpy writes it, of elements that are no objects. Whatever else `ast.literal_eval`
#: takes for a header (keys twice, escapes, other names of a type) may be objects all the same.
_PLAIN = re.compile(
    r"\{'descr': '[<>|=]?[a-zA-NP-Z?][0-9]*(\[\w+\])?', 'fortran_order': (True|False), "
    r"'shape': \([0-9, L]*\), \}\s*"
)
#: Type codes whose number is the size of an element.
_SIZED = re.compile(r"[<>|=]?([cfgmMSUVa])([0-9]{1,9})(\[\w+\])?")
_ORDER = re.compile(r"'fortran_order': (True|False)")
_SHAPE = re.compile(r"'shape': \(([0-9, L]*)\)")


def read_numpy_file(
    source: ByteSource, limits: Limits, *, containers: tuple[ContainerKind, ...]
) -> Contents:
    """Read the header of a .npy file.

    Raises:
        ContainerFormatError: The header breaks the format.
    """
    findings: list[Finding] = []
    further = FurtherPickles(limits, findings, containers=containers)
    array, header_bytes, end = _array(source, "", further, findings)
    return Contents(
        source=source,
        containers=containers,
        arrays=(array,),
        further_graphs=further.finish(),
        reached=tuple(further.reached),
        pickle_bytes=header_bytes + (array.size_bytes or 0),
        end_bytes=end,
        findings=findings,
        read_storage=no_storage,
    )


def read_numpy_archive(
    members: MemberTable, limits: Limits, *, containers: tuple[ContainerKind, ...]
) -> Contents:
    """Read the headers of all arrays of a .npz file.

    Raises:
        ArtifactError: A member breaks the format.
    """
    findings: list[Finding] = []
    further = FurtherPickles(limits, findings, containers=containers)
    arrays = []
    stored = 0
    for name, entry in members.entries.items():
        array, _, _ = _array(members.open(name), name, further, findings)
        arrays.append(array)
        stored += entry.stored_bytes
    return Contents(
        source=members.source,
        containers=containers,
        arrays=tuple(arrays),
        further_graphs=further.finish(),
        reached=tuple(further.reached),
        pickle_bytes=stored,
        findings=findings,
        read_storage=no_storage,
    )


def _array(
    source: ByteSource,
    name: str,
    further: FurtherPickles,
    findings: list[Finding],
) -> tuple[ArrayInfo, int, int | None]:
    """Return the array of one file, the bytes of its header, and where its elements end."""
    start, header = _header(source)
    descr, order, shape = _DESCR.search(header), _ORDER.search(header), _SHAPE.search(header)
    held = Window(source, start, max(source.size - start, 0), source.name)
    if descr is None or order is None or shape is None:
        broken = ContainerFormatError(
            f"expected descr, fortran_order and shape, found {header[:80]!r}", member=source.name
        )
        further.look_at(partial(_same, held), source.name or "")
        keep_reached(broken, further.imports)
        raise broken
    sizes = _sizes(shape[1], source)
    code = descr[2] or "structured"
    # Of an array of records that hold objects numpy pickles the whole.
    objects = code.endswith("O") or (descr[2] is None and _OBJECT_FIELD.search(header) is not None)
    if objects:
        further.read_source(partial(_same, held), source.name or "")
    elif not _PLAIN.fullmatch(header):
        further.look_at(partial(_same, held), source.name or "")
    dtype, item = code_name(code)
    item = item or _item_bytes(code)
    held_bytes = source.size - start
    wanted = item
    for size in sizes:
        wanted *= size
    if item and not objects and wanted != held_bytes:
        findings.append(
            finding(
                Code.STORAGE_SHORT if wanted > held_bytes else Code.ARCHIVE_TRAILING,
                f"expected {wanted:,} bytes of elements, found {held_bytes:,}",
                member=name or None,
            )
        )
    array = ArrayInfo(
        path=name.removesuffix(".npy"),
        shape=sizes,
        dtype=dtype,
        fortran_order=order[1] == "True",
        size_bytes=None if objects else held_bytes,
    )
    return array, start, start + wanted if item and not objects else None


def _item_bytes(code: str) -> int:
    """Return the bytes of an element by the number in its code; 0 where that does not say it."""
    sized = _SIZED.fullmatch(code)
    if sized is None:
        return 0
    # Text counts characters of four bytes.
    return int(sized[2]) * (4 if sized[1] == "U" else 1)


def _same(source: ByteSource) -> ByteSource:
    return source


def _sizes(text: str, source: ByteSource) -> tuple[int, ...]:
    """Read `2, 3` or, by Python 2, `2L, 3L`."""
    sizes = []
    for part in text.split(","):
        digits = part.strip(" L")
        if not digits:
            continue
        if not digits.isdecimal() or len(digits) > _MOST_DIGITS:
            raise ContainerFormatError(
                f"expected sizes in shape, found {part[:40]!r}", member=source.name
            )
        sizes.append(int(digits))
    return tuple(sizes)


def _header(source: ByteSource) -> tuple[int, str]:
    head = source.peek(0, len(MAGIC) + 6)
    width = _LENGTH_BYTES.get(head[6]) if len(head) > 8 and head.startswith(MAGIC) else None
    if width is None:
        raise ContainerFormatError(
            f"expected a numpy header, found {head[:8]!r}", member=source.name
        )
    length = int.from_bytes(head[8 : 8 + width], "little")
    if length > _MOST_HEADER_BYTES:
        raise ContainerFormatError(
            f"expected a header of at most {_MOST_HEADER_BYTES:,} bytes, found {length:,}",
            member=source.name,
        )
    start = 8 + width
    return start + length, source.read(start, length).decode("utf-8", "replace")
