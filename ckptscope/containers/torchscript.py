"""TorchScript code, read for what it declares: which attributes are parameters, which are buffers.

Enters: the `code/*.py` members of an archive. Leaves: `ScriptClass`es by the names that its pickle
uses. The code is text here; nothing compiles it.

Source: `torch/csrc/jit/serialization/python_print.cpp` (`__parameters__`, `__buffers__`).
"""

import re

from ckptscope.containers.contents import ScriptClass
from ckptscope.containers.members import MemberTable

#: Bytes of one code member that are searched; printed code of the largest models is a few MiB.
_MOST_CODE_BYTES = 16 << 20
_CLASS = re.compile(r"^class ([A-Za-z_]\w*)\(Module\):", re.MULTILINE)
_LIST = re.compile(r"^  __(parameters|buffers)__ = \[([^\]]*)\]", re.MULTILINE)
_NAME = re.compile(r"""["']([^"']+)["']""")


def read_script_classes(
    members: MemberTable, root: str, names: list[str]
) -> dict[str, ScriptClass]:
    """Return the declared attributes of every class below `root`code/."""
    classes: dict[str, ScriptClass] = {}
    folder = f"{root}code/"
    for name in names:
        if not name.endswith(".py") or members.entries[name].size_bytes > _MOST_CODE_BYTES:
            continue
        contents = members.open(name)
        text = contents.peek(0, contents.size).decode("utf-8", "replace")
        module = name.removeprefix(folder).removesuffix(".py").replace("/", ".")
        classes |= _classes(text, module)
    return classes


def _classes(text: str, module: str) -> dict[str, ScriptClass]:
    """Find the classes of one member; each one's text ends where the next begins."""
    starts = list(_CLASS.finditer(text))
    found = {}
    for index, start in enumerate(starts):
        end = starts[index + 1].start() if index + 1 < len(starts) else len(text)
        lists = {"parameters": frozenset[str](), "buffers": frozenset[str]()}
        for match in _LIST.finditer(text, start.end(), end):
            lists[match[1]] = frozenset(_NAME.findall(match[2]))
        found[f"{module}.{start[1]}"] = ScriptClass(lists["parameters"], lists["buffers"])
    return found
