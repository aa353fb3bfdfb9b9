"""Which first bytes, and which names, are those of a program.

Enters: the start of a member, or its name. Leaves: what it is, in words, or nothing. Numbers that
look like a mark by accident are as good as excluded: each mark is checked by 4 bytes at least.

Source: System V ABI ("ELF Identification"), Microsoft's PE format ("MS-DOS Stub"), Apple's
`mach-o/loader.h` and `mach-o/fat.h`, execve(2) on `#!`.
"""

import re

#: Where a PE file says where its header starts, and how far that may be: stubs are short.
_PE_PLACE = 0x3C
_PE_NEAREST, _PE_FARTHEST = 0x40, 0x1000
_SCRIPT = re.compile(rb"#! ?/[\w./+-]+[ \n\r]")
_MAGICS = (
    (b"\x7fELF", "an ELF program or library"),
    (b"\xfe\xed\xfa\xce", "a Mach-O program or library"),
    (b"\xfe\xed\xfa\xcf", "a Mach-O program or library"),
    (b"\xce\xfa\xed\xfe", "a Mach-O program or library"),
    (b"\xcf\xfa\xed\xfe", "a Mach-O program or library"),
    (b"\xca\xfe\xba\xbe", "a Mach-O program for several processors, or a Java class"),
)
_ENDINGS = {
    ".so": "a library",
    ".dll": "a library",
    ".dylib": "a library",
    ".pyd": "a library",
    ".exe": "a program",
    ".com": "a program",
    ".sh": "a shell script",
    ".bash": "a shell script",
    ".bat": "a batch file",
    ".cmd": "a batch file",
    ".ps1": "a PowerShell script",
    ".vbs": "a script",
    ".py": "Python code",
    ".pyc": "compiled Python code",
    ".pyo": "compiled Python code",
    ".jar": "a Java archive",
    ".class": "a Java class",
}
_NUMBERED_LIBRARY = re.compile(r"\.so(\.\d+)+$")


def program_by_bytes(start: bytes) -> str:
    """Say what program starts with these bytes; empty for none."""
    for magic, what in _MAGICS:
        if start.startswith(magic):
            return what
    if start.startswith(b"MZ"):
        place = int.from_bytes(start[_PE_PLACE : _PE_PLACE + 4], "little")
        return "a Windows program or library" if _PE_NEAREST <= place <= _PE_FARTHEST else ""
    return "a script" if _SCRIPT.match(start) else ""


def program_by_name(name: str) -> str:
    """Say what a member is by the ending of its name; empty for no program."""
    ending = name[name.rfind(".") :].lower() if "." in name.rpartition("/")[2] else ""
    return _ENDINGS.get(ending, "") or (
        "a library" if _NUMBERED_LIBRARY.search(name.lower()) else ""
    )
