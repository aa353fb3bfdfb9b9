"""Members of a zip without a directory, one behind the other by their headers.

Enters: a source. Leaves: members whose ends are told by sizes that fit and confirmed by their
CRC-32, and apart from them those that are cut, changed or there twice. A header inside the data of
a member is passed over, because the walk steps from the end of one member to the next.

Source: PKWARE APPNOTE.TXT 6.3.10, section 4.3.6; `caffe2/serialize/inline_container.cc`: torch
leaves sizes to descriptors and pads the extra field, so that data start at multiples of 64.
"""

import zlib
from typing import Final

import msgspec

from ckptscope.containers.zip_archive import ZipArchive
from ckptscope.containers.zip_directory import FLAG_ENCRYPTED, STORED
from ckptscope.containers.zip_headers import ZipLayout
from ckptscope.containers.zip_locals import LOCAL_SIGNATURE, ZipMember
from ckptscope.containers.zip_scan import (
    DESCRIPTOR_SIGNATURE,
    Descriptor,
    LocalHeader,
    Scan,
    scan_members,
)
from ckptscope.errors import ArtifactError
from ckptscope.facts.limits import Limits
from ckptscope.sources import ByteSource

_ENTRY_SIGNATURE: Final = b"PK\x01\x02"
#: What may stand behind a member: the next, the directory, an end record.
_FOLLOWING: Final = (LOCAL_SIGNATURE, _ENTRY_SIGNATURE, b"PK\x05\x06", b"PK\x06\x06")
#: Bytes of a descriptor with and without its signature; the longer ones are those of zip64.
_SIGNED: Final = (16, 24)
_UNSIGNED: Final = (12, 20)
#: How often the bytes of a file are read at most to compare checksums.
_PASSES: Final = 3
_CHUNK_BYTES: Final = 1 << 20
_SPARE_BYTES: Final = 1 << 20


class Walk(msgspec.Struct, kw_only=True):
    """What a walk found.

    Attributes:
        members: By name, in the order of the file; the first of a name.
        cut: Names of those whose end is not told: they end with the file, or at damage.
        wrong: Names of those whose bytes do not have their CRC-32.
        twice: Names that come again with other bytes.
    """

    members: dict[str, ZipMember]
    cut: set[str]
    wrong: set[str]
    twice: set[str]


def walk_members(source: ByteSource, limits: Limits) -> Walk:
    """Walk from header to header.

    Raises:
        LimitError: There are more signatures than an archive may have members.
    """
    return _Walker(source, limits).run(scan_members(source, limits))


class _Ended(msgspec.Struct, frozen=True):
    """A member with its end."""

    member: ZipMember
    end: int
    is_cut: bool = False
    is_wrong: bool = False


class _Walker:
    """Follows headers; what stands between the members of a run is nothing else."""

    def __init__(self, source: ByteSource, limits: Limits) -> None:
        self._source = source
        self._archive = ZipArchive(source, {}, [], ZipLayout([], [], {}, [], source.size), limits)
        self._left_bytes = _PASSES * source.size + _SPARE_BYTES
        self._walk = Walk(members={}, cut=set(), wrong=set(), twice=set())
        #: Whether a directory stands behind the last member.
        self._is_closed = False

    def run(self, scan: Scan) -> Walk:
        """Follow the headers that are not inside a member."""
        run: list[_Ended] = []
        position = 0
        for index, header in enumerate(scan.headers):
            if header.place < position:
                continue
            if self._is_closed:
                # More members follow, so that the directory was that of an archive inside one.
                run, self._is_closed = [], False
            elif run and (header.place != position or run[-1].is_cut):
                self._take(run)
                run = []
            behind = scan.headers[index + 1].place if index + 1 < len(scan.headers) else None
            ended = self._end_of(header, scan.descriptors.get(header.data_offset, []), behind)
            run.append(ended)
            position = ended.end
            self._is_closed = not ended.is_cut and (
                self._source.peek(position, 4) == _ENTRY_SIGNATURE
            )
            if self._is_closed and run[0].member.header_offset == scan.headers[0].place:
                break
        self._take(run)
        return self._walk

    def _take(self, run: list[_Ended]) -> None:
        """Take up members that stand one behind the other."""
        known = self._walk.members
        pickles = [one.member.name for one in run if one.member.name.endswith("data.pkl")]
        if any(name in known for name in pickles):
            # An archive inside the data of a member whose own header is gone.
            return
        for one in run:
            name = one.member.name
            if name in known:
                if _identity(known[name]) != _identity(one.member):
                    self._walk.twice.add(name)
                continue
            known[name] = one.member
            if one.is_cut:
                self._walk.cut.add(name)
            if one.is_wrong:
                self._walk.wrong.add(name)

    def _end_of(
        self, header: LocalHeader, descriptors: list[Descriptor], behind: int | None
    ) -> _Ended:
        """Find where a member ends."""
        if not header.is_open:
            return self._end_by_header(header, behind)
        wrong: _Ended | None = None
        for found in sorted(descriptors, key=lambda one: not self._is_followed(one.end)):
            member = _member(header, found.crc, found.stored_bytes, found.size_bytes)
            fits = self._fits(member)
            if fits or (fits is None and self._is_followed(found.end)):
                return _Ended(member, found.end)
            if fits is False and wrong is None and self._is_followed(found.end):
                wrong = _Ended(member, found.end, is_wrong=True)
        return wrong or self._cut(header, behind)

    def _end_by_header(self, header: LocalHeader, behind: int | None) -> _Ended:
        """Find the end of a member whose header tells its size."""
        end = header.data_offset + header.stored_bytes
        if end > self._source.size:
            return self._cut(header, None)
        member = _member(header, header.crc, header.stored_bytes, header.size_bytes)
        fits = self._fits(member)
        following = self._behind_descriptor(end)
        if fits is False and not self._is_followed(following):
            return self._cut(header, behind)
        return _Ended(member, following, is_wrong=fits is False)

    def _behind_descriptor(self, end: int) -> int:
        """Step over a descriptor that repeats what the header says."""
        if self._is_followed(end):
            return end
        is_signed = self._source.peek(end, 4) == DESCRIPTOR_SIGNATURE
        for length in _SIGNED if is_signed else _UNSIGNED:
            if self._is_followed(end + length):
                return end + length
        return end

    def _cut(self, header: LocalHeader, behind: int | None) -> _Ended:
        """Take what is left of a member whose end is not told: up to the next header."""
        end = self._source.size if behind is None else behind
        left = max(end - header.data_offset, 0)
        member = _member(header, 0, left, left if header.method == STORED else header.size_bytes)
        return _Ended(member, header.data_offset + left, is_cut=True)

    def _is_followed(self, end: int) -> bool:
        """Whether what follows is what may follow a member; the end of the file may."""
        following = self._source.peek(end, 4)
        return following in _FOLLOWING or (
            end + len(following) == self._source.size
            and any(one.startswith(following) for one in _FOLLOWING)
        )

    def _fits(self, member: ZipMember) -> bool | None:
        """Whether the bytes have the CRC-32 that is recorded; None where that cannot be told.

        torch records 0 where it was told to compute none.
        """
        if member.flags & FLAG_ENCRYPTED or (not member.crc and member.size_bytes):
            return None
        if member.method != STORED:
            try:
                return self._archive.contents_crc(member, lambda _: None) == member.crc
            except ArtifactError:
                return False
        if member.stored_bytes > self._left_bytes:
            # Only members that overlap are read so often.
            return False
        self._left_bytes -= member.stored_bytes
        crc, position = 0, member.data_offset
        end = position + member.stored_bytes
        while position < end:
            chunk = self._source.read(position, min(_CHUNK_BYTES, end - position))
            crc = zlib.crc32(chunk, crc)
            position += len(chunk)
        return crc == member.crc


def _member(header: LocalHeader, crc: int, stored: int, size: int) -> ZipMember:
    return ZipMember(
        header.name,
        header.method,
        header.flags,
        crc,
        stored,
        size,
        header.place,
        header.data_offset,
    )


def _identity(member: ZipMember) -> tuple[int, int]:
    return member.size_bytes, member.crc
