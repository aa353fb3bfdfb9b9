"""Single opcodes of a pickle: frames, memo and the values that hold no others.

Enters: plain values and names, one by one. Leaves: bytes. Defined as `pickle_encoder`, which
builds the compound values on this.
"""

import struct
from collections.abc import Callable
from typing import Final

from ckptscope.writers.forms import Global, Unshared

#: Frames are closed at this size, and longer strings stand outside; `_FRAME_SIZE_TARGET` of
#: CPython's pickle.py.
FRAME_BYTES: Final = 64 * 1024
#: Shorter frames are not worth their header; `_FRAME_SIZE_MIN` there.
FRAME_LEAST_BYTES: Final = 4


class OpcodeWriter:
    """A pickle in the making.

    Attributes:
        protocol: 0 to 5.
        frame: What was written last; opcodes without an argument are added to it directly.
        atoms: Writers of the values that hold no others, by exact type.
    """

    def __init__(self, protocol: int) -> None:
        """Start with the PROTO opcode."""
        self.protocol = protocol
        self.frame = bytearray()
        self.atoms: dict[type, Callable[..., None]] = {
            type(None): self._none,
            bool: self._bool,
            int: self._int,
            float: self._float,
            str: self._text,
            Unshared: self._unshared,
            Global: self._global,
        }
        if protocol >= 3:
            self.atoms[bytes] = self._bytes
        self._closed: list[bytes] = []
        self._memo_size = 0
        self._globals: dict[Global, int] = {}
        #: Index of each text and byte string, by value.
        self.strings: dict[str | bytes, int] = {}
        if protocol >= 2:
            self._closed.append(bytes((0x80, protocol)))

    def finish(self) -> bytes:
        """Write STOP and return the pickle."""
        self.frame += b"."
        self._close_frame()
        return b"".join(self._closed)

    def boundary(self) -> None:
        """Close the frame if it is full; called before each value."""
        if self.protocol >= 4 and len(self.frame) >= FRAME_BYTES:
            self._close_frame()

    def _close_frame(self) -> None:
        if self.protocol >= 4 and len(self.frame) >= FRAME_LEAST_BYTES:
            self._closed.append(b"\x95" + struct.pack("<Q", len(self.frame)))
        self._closed.append(bytes(self.frame))
        self.frame.clear()

    def _string(self, header: bytes, payload: bytes) -> None:
        if self.protocol >= 4 and len(payload) >= FRAME_BYTES:
            self._close_frame()
            self._closed += (header, payload)
        else:
            self.frame += header
            self.frame += payload

    def put(self) -> int:
        """Memoise what was written last and return its index."""
        index = self._memo_size
        self._memo_size += 1
        if self.protocol >= 4:
            self.frame += b"\x94"
        elif self.protocol == 0:
            self.frame += b"p%d\n" % index
        else:
            short = index < 256
            self.frame += b"q%c" % index if short else b"r" + struct.pack("<I", index)
        return index

    def get(self, index: int) -> None:
        """Write a reference to the memo."""
        if self.protocol == 0:
            self.frame += b"g%d\n" % index
        else:
            short = index < 256
            self.frame += b"h%c" % index if short else b"j" + struct.pack("<I", index)

    def _none(self, _: None) -> None:
        self.frame += b"N"

    def _bool(self, value: bool) -> None:
        if self.protocol >= 2:
            self.frame += b"\x88" if value else b"\x89"
        else:
            self.frame += b"I01\n" if value else b"I00\n"

    def _int(self, value: int) -> None:
        if not -0x80000000 <= value <= 0x7FFFFFFF:
            self._long(value)
        elif self.protocol == 0:
            self.frame += b"I%d\n" % value
        elif 0 <= value <= 0xFF:
            self.frame += b"K%c" % value
        elif 0 <= value <= 0xFFFF:
            self.frame += b"M" + struct.pack("<H", value)
        else:
            self.frame += b"J" + struct.pack("<i", value)

    def _long(self, value: int) -> None:
        if self.protocol < 2:
            self.frame += b"L%dL\n" % value
            return
        payload = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
        # One byte of pure sign may be left over for negative powers of 256 halves.
        if value < 0 and payload[-1] == 0xFF and payload[-2] & 0x80:
            payload = payload[:-1]
        size = len(payload)
        self.frame += b"\x8a%c" % size if size < 256 else b"\x8b" + struct.pack("<i", size)
        self.frame += payload

    def _float(self, value: float) -> None:
        if self.protocol == 0:
            self.frame += b"F" + repr(value).encode("ascii") + b"\n"
        else:
            self.frame += b"G" + struct.pack(">d", value)

    def _text(self, value: str) -> None:
        known = self.strings.get(value)
        if known is not None:
            self.get(known)
        else:
            self._spell(value)
            self.strings[value] = self.put()

    def _unshared(self, value: Unshared) -> None:
        self._spell(value)
        self.put()

    def _spell(self, value: str) -> None:
        if self.protocol == 0:
            for bad, escape in ("\\", "005c"), ("\0", "0000"), ("\n", "000a"), ("\r", "000d"):
                value = value.replace(bad, "\\u" + escape)
            value = value.replace("\x1a", "\\u001a")
            self.frame += b"V" + value.encode("raw-unicode-escape") + b"\n"
            return
        payload = value.encode("utf-8", "surrogatepass")
        size = len(payload)
        if size < 256 and self.protocol >= 4:
            header = b"\x8c%c" % size
        elif size > 0xFFFFFFFF and self.protocol >= 4:
            header = b"\x8d" + struct.pack("<Q", size)
        else:
            header = b"X" + struct.pack("<I", size)
        self._string(header, payload)

    def _bytes(self, value: bytes) -> None:
        known = self.strings.get(value)
        if known is not None:
            self.get(known)
            return
        size = len(value)
        if size < 256:
            header = b"C%c" % size
        elif size > 0xFFFFFFFF and self.protocol >= 4:
            header = b"\x8e" + struct.pack("<Q", size)
        else:
            header = b"B" + struct.pack("<I", size)
        self._string(header, value)
        self.strings[value] = self.put()

    def _global(self, value: Global) -> None:
        known = self._globals.get(value)
        if known is not None:
            self.get(known)
            return
        if self.protocol >= 4:
            self._text(value.module)
            self.boundary()
            self._text(value.name)
            self.frame += b"\x93"
        else:
            if "\n" in value.module + value.name:
                raise ValueError(f"expected a name without line breaks, found {value}")
            self.frame += f"c{value.module}\n{value.name}\n".encode()
        self._globals[value] = self.put()
