"""A finding's fingerprint: the same as long as the finding is.

Enters: a finding and the file that it is of. Leaves: 32 hex digits, by which baselines and code
scanning (SARIF's `partialFingerprints`) know a finding again.

It is made of: the code; the file's own name, without its folder; the members that lead to the
checkpoint; the member and the tensor key that the finding speaks of; and the names that its message
quotes: an import, a storage, a family. So it outlasts a move to another folder, other findings,
another order, shifted byte offsets, sizes, and another wording. A finding about many things at once
begins with their count, which is part of it, so that one more is not taken for known; one that
names nothing at all is known by the words and numbers of its message, offsets left out. What may be
private (`TRN01x`) is not hashed: short texts can be guessed from their hash.
"""

import re
from collections.abc import Sequence
from pathlib import PurePath
from typing import Final

from ckptscope.facts.findings import Finding

#: Between a path and the members that lead to a checkpoint in it.
ARROW: Final = " > "
#: Codes whose messages are about people and machines.
PRIVATE: Final = "TRN01"
_DIGITS: Final = 32
#: What `{!r}` makes of a text, cut or not. An apostrophe within a word quotes nothing.
_QUOTED: Final = re.compile(r"""(?<!\w)(?:'(?:[^'\\]|\\.)*'?|"(?:[^"\\]|\\.)*"?)""", re.DOTALL)
#: `91 tensors are all zero`.
_COUNT: Final = re.compile(r"[0-9][0-9,]*(?= [a-z])")
#: Offsets, which shift when something else changes.
_OFFSET: Final = re.compile(r"\b(byte|bytes|offset|offsets|line|at) [0-9][0-9,]*\b")


def fingerprint(finding: Finding, path: str, location: Sequence[str] = ()) -> str:
    """Return 32 hex digits that stay the same while the finding does.

    Args:
        finding: The finding.
        path: Of its file.
        location: Members that lead through wrappers to the checkpoint; they may also stand in
            `path`, joined by ` > `.
    """
    # OpenSSL's bindings take a while to be imported, and files without findings need none.
    from hashlib import sha256

    where = finding.where
    parts = [finding.code.value, file_name(path, location), where.member, where.key]
    if not finding.code.startswith(PRIVATE):
        names = sorted(set(_QUOTED.findall(finding.message)))
        if not names and where.member is None and where.key is None:
            names = [_OFFSET.sub(r"\1", finding.message)]
        count = _COUNT.match(finding.message)
        parts += [*names, count[0] if count is not None else None]
    # Names of a file may hold anything, halves of surrogate pairs among it.
    return sha256(ascii(parts).encode("ascii")).hexdigest()[:_DIGITS]


def file_name(path: str, location: Sequence[str] = ()) -> str:
    """Return a file's own name and the members that lead to the checkpoint in it."""
    outer, *inner = path.split(ARROW)
    return ARROW.join((PurePath(outer).name, *inner, *location))
