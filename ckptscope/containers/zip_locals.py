"""Members of a zip by their local headers alone, as a reader without a directory sees them.

Enters: a source and where to look. Leaves: `ZipMember`s with the places of their data.

Source: PKWARE APPNOTE.TXT 6.3.10, section 4.3.7.
"""

import struct

import msgspec

from ckptscope.containers.zip_directory import STORED, member_name
from ckptscope.sources import ByteSource

LOCAL_SIGNATURE = b"PK\x03\x04"
LOCAL = struct.Struct("<4s5H3L2H")
FLAG_DESCRIPTOR = 0x8
#: Bytes that are searched for headers, and headers that are followed.
SEARCHED_BYTES = 16 << 20
_MOST_FOUND = 64
#: Bytes read at a time in the search.
_PIECE_BYTES = 1 << 20
#: Size of a deflated member whose header leaves it open; the deflate stream ends by itself.
UNKNOWN_BYTES = 1 << 62
#: Names of other systems are no longer.
_LONGEST_NAME = 4096


class ZipMember(msgspec.Struct, frozen=True, gc=False):
    """One member, by the directory or by its own header.

    Attributes:
        name: As it is spelled there.
        method: 0 stored, 8 deflated.
        flags: General purpose bits.
        crc: CRC-32 of the contents; 0 may mean that it was not recorded.
        stored_bytes: Bytes in the archive.
        size_bytes: Bytes of the contents.
        header_offset: Local header, in the source.
        data_offset: First byte of the data, in the source.
    """

    name: str
    method: int
    flags: int
    crc: int
    stored_bytes: int
    size_bytes: int
    header_offset: int
    data_offset: int


def local_member(source: ByteSource, offset: int, end: int) -> ZipMember | None:
    """Return the member that the local header at `offset` describes; None if there is none.

    Args:
        source: The archive.
        offset: Where the header should be.
        end: Where the data ends at the latest; the header itself may leave their size open.
    """
    head = source.peek(offset, LOCAL.size)
    if len(head) < LOCAL.size or not head.startswith(LOCAL_SIGNATURE):
        return None
    _, _, flags, method, _, _, crc, stored, size, name_size, extra_size = LOCAL.unpack(head)
    data_offset = offset + LOCAL.size + name_size + extra_size
    if not 0 < name_size <= _LONGEST_NAME or data_offset > min(end, source.size):
        return None
    left = min(end, source.size) - data_offset
    if flags & FLAG_DESCRIPTOR or not 0 < stored <= left:
        stored, size = left, left if method == STORED else UNKNOWN_BYTES
    name = member_name(source.peek(offset + LOCAL.size, name_size), flags)
    return ZipMember(name, method, flags, crc, stored, size, offset, data_offset)


def find_local_members(source: ByteSource, start: int, end: int) -> list[ZipMember]:
    """Find members by their local headers alone, as a reader without a directory does."""
    found: list[ZipMember] = []
    end = min(end, start + SEARCHED_BYTES)
    places = _signature_places(source, start, end)
    for place, behind in zip(places, [*places, source.size][1:], strict=True):
        member = local_member(source, place, behind)
        if member is not None:
            found.append(member)
    return found


def _signature_places(source: ByteSource, start: int, end: int) -> list[int]:
    places: list[int] = []
    position = start
    while position < end and len(places) < _MOST_FOUND:
        # Pieces overlap, so that no signature is cut in two.
        piece = source.peek(position, min(_PIECE_BYTES, end - position) + len(LOCAL_SIGNATURE) - 1)
        place = piece.find(LOCAL_SIGNATURE)
        while place >= 0 and len(places) < _MOST_FOUND:
            places.append(position + place)
            place = piece.find(LOCAL_SIGNATURE, place + 1)
        position += _PIECE_BYTES
    return places
