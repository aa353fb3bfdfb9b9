"""The torch zip: what `torch.save` writes since 1.6.

Enters: a value with tensors. Leaves: an archive of one root folder with `data.pkl`, one member a
storage and the side members. Defined by `_save` of `torch/serialization.py` and by
`caffe2/serialize/inline_container.cc`.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from ckptscope.errors import UsageError
from ckptscope.writers.atomic import Target, opened
from ckptscope.writers.byte_order import swap_words
from ckptscope.writers.pickle_encoder import DEFAULT_PROTOCOL, encode_pickle
from ckptscope.writers.rebuild import TorchForms
from ckptscope.writers.tensors import Chunk, OutgoingStorage, word_size
from ckptscope.writers.zip_archive import ZipWriter


@dataclass(frozen=True, slots=True, kw_only=True)
class TorchZipOptions:
    """What varies among torch zips; the defaults are those of torch 2.7 and later.

    Attributes:
        protocol: Of `data.pkl`.
        format_version: Content of `.format_version`, or None for no such member.
        alignment: Data of members start at multiples of it, in bytes.
        alignment_member: Whether `.storage_alignment` says so.
        byteorder: Order of the storages' bytes.
        byteorder_member: Whether `byteorder` says so; without it, little is understood.
        version: Content of `version`, without the line break.
        serialization_id: Whether `.data/serialization_id` is there.
        deflate: Compress members. torch.save does not; people do.
        zip64: Use 64-bit fields even where they are not needed.
        crc: Record CRCs (`torch.serialization.set_crc32_options`).
    """

    protocol: int = DEFAULT_PROTOCOL
    format_version: str | None = "1"
    alignment: int = 64
    alignment_member: bool = True
    byteorder: Literal["little", "big"] = "little"
    byteorder_member: bool = True
    version: str = "3"
    serialization_id: bool = True
    deflate: bool = False
    zip64: bool = False
    crc: bool = True

    def __post_init__(self) -> None:
        if self.byteorder == "big" and not self.byteorder_member:
            raise UsageError("expected a byteorder member for big-endian storages")


CURRENT = TorchZipOptions()
#: torch 1.6 to 2.0: `data.pkl`, storages, `version`, and no more.
BEFORE_2_1 = TorchZipOptions(
    format_version=None, alignment_member=False, byteorder_member=False, serialization_id=False
)


@dataclass(frozen=True, slots=True)
class Member:
    """One file below the root folder.

    Attributes:
        name: Path relative to the root folder.
        size_bytes: Declared size.
        read: Yields the content.
    """

    name: str
    size_bytes: int
    read: Callable[[], Iterable[Chunk]]


def write_torch_zip(
    target: Target, value: object, *, root: str = "archive", options: TorchZipOptions = CURRENT
) -> None:
    """Write a value as torch.save would.

    Args:
        target: Path, or open binary file.
        value: Plain values, forms, and `OutgoingTensor`, `OutgoingStorage`, `OutgoingModule`.
        root: Name of the root folder; torch takes the file's name less its last suffix.
        options: What varies.

    Raises:
        TensorLayoutError: A storage gives another number of bytes than it declares.
        UsageError: The value cannot be written, or not there.
    """
    with opened(target) as file:
        archive = ZipWriter(
            file,
            alignment=options.alignment,
            deflate=options.deflate,
            zip64=options.zip64,
            crc=options.crc,
        )
        for member in torch_members(value, options):
            archive.add(f"{root}/{member.name}", member.size_bytes, member.read())
        archive.finish()


def torch_members(value: object, options: TorchZipOptions = CURRENT) -> Iterator[Member]:
    """Yield the members in torch's order; the folder form consists of the same."""
    forms = TorchForms()
    pickled = encode_pickle(value, protocol=options.protocol, rebuild=forms)
    sides = [("data.pkl", pickled)]
    if options.format_version is not None:
        sides.append((".format_version", options.format_version.encode()))
    if options.alignment_member:
        sides.append((".storage_alignment", str(options.alignment).encode()))
    if options.byteorder_member:
        sides.append(("byteorder", options.byteorder.encode()))
    for name, content in sides:
        yield _side(name, content)
    for key, storage in forms.keys.storages.items():
        yield _storage_member(f"data/{key}", storage, options.byteorder)
    yield _side("version", f"{options.version}\n".encode())
    if options.serialization_id:
        names = "\n".join((*(name for name, _ in sides), *forms.keys.storages))
        yield _side(".data/serialization_id", _digits(names.encode()) + _digits(pickled))


def _side(name: str, content: bytes) -> Member:
    return Member(name, len(content), lambda: (content,))


def _storage_member(
    name: str, storage: OutgoingStorage, byteorder: Literal["little", "big"]
) -> Member:
    if byteorder == "little":
        return Member(name, storage.size_bytes, storage.read)
    width = word_size(storage.dtype)
    return Member(name, storage.size_bytes, lambda: swap_words(storage.read(), width))


def _digits(content: bytes) -> bytes:
    """Hash to twenty decimal digits.

    torch's identifier is two such numbers, of the members' names and of their CRCs, which are not
    known before all is written; here the second is of the pickle. Nothing reads it as more than
    an identifier.
    """
    digest = hashlib.blake2b(content, digest_size=8).digest()
    return b"%020d" % int.from_bytes(digest, "little")
