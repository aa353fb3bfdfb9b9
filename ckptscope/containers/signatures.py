"""By which first bytes a format is known.

Enters: the first bytes of a source. Leaves: yes or no.
"""

#: Torch's `MAGIC_NUMBER`.
MAGIC = 0x1950A86A20F9469CFC6C
#: LONG1 of ten bytes, the number, STOP: what every binary protocol writes behind its PROTO.
_MAGIC_BINARY = b"\x8a\x0a" + MAGIC.to_bytes(10, "little") + b"."
_MAGIC_TEXT = b"L%dL\n." % MAGIC
TAR_BLOCK = 512
#: A safetensors file starts with the length of its header.
_HEADER_LENGTH_BYTES = 8


def is_legacy_stream(head: bytes) -> bool:
    """Whether the first bytes are the magic number's pickle."""
    return head.startswith(_MAGIC_TEXT) or (
        # From protocol 4 on a frame of 9 bytes may come first.
        head[:1] == b"\x80"
        and (head[2:].startswith(_MAGIC_BINARY) or head[11:].startswith(_MAGIC_BINARY))
    )


def is_tar(head: bytes) -> bool:
    """Whether the first 512 bytes are a tar header: the checksum says so."""
    return len(head) >= TAR_BLOCK and tar_checksum_fits(head[:TAR_BLOCK])


def tar_checksum_fits(block: bytes) -> bool:
    """Whether a block is a tar header, by its checksum."""
    digits = block[148:156].strip(b" \0")
    if not digits or not digits.isdigit() or digits.strip(b"01234567"):
        return False
    total = sum(block) - sum(block[148:156]) + 8 * ord(" ")
    return int(digits, 8) == total


def is_safetensors(head: bytes) -> bool:
    """Whether the first bytes are a plausible header length and an opening brace."""
    return len(head) > _HEADER_LENGTH_BYTES and head[8:9] == b"{" and not any(head[5:8])
