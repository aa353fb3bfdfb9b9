"""The identity of content, written a second time, from docs/identity.md alone.

Nothing of `ckptscope` is used, and no more than the page says is known here: that it agrees with
the vectors and with the package shows that the page suffices.
"""

import hashlib
from collections.abc import Iterable, Sequence

WRAPPERS = ("module", "_orig_mod")


def u64(number: int) -> bytes:
    return number.to_bytes(8, "little")


def name_bytes(name: str) -> bytes:
    return name.encode("utf-8", "surrogatepass")


def tensor_digest(
    dtype: str,
    shape: Sequence[int],
    canonical: bytes,
    layout: str = "strided",
    parts: Sequence[tuple[str, bytes]] = (),
) -> bytes:
    hashed = b"ckptscope/tensor/1\n"
    hashed += dtype.encode() + b"\n"
    hashed += ",".join(str(size) for size in shape).encode() + b"\n"
    hashed += layout.encode() + b"\n"
    hashed += str(len(parts)).encode() + b"\n"
    hashed += canonical
    for name, digest in parts:
        hashed += u64(len(name_bytes(name))) + name_bytes(name) + digest
    return hashlib.sha256(hashed).digest()


def root(pairs: Iterable[tuple[str, bytes]]) -> str:
    hashed = b"ckptscope/state_dict/1\n"
    for name, digest in sorted((name_bytes(name), digest) for name, digest in pairs):
        hashed += u64(len(name)) + name + digest
    return hashlib.sha256(hashed).hexdigest()


def root_up_to_names(digests: Iterable[bytes]) -> str:
    return hashlib.sha256(b"ckptscope/tensors/1\n" + b"".join(sorted(digests))).hexdigest()


def prefix_of(keys: Sequence[str]) -> str:
    """What is left out of every key."""
    if not keys:
        return ""
    segments = [key.split(".")[:-1] for key in keys]
    common: list[str] = []
    for column in zip(*segments, strict=False):
        if len(set(column)) > 1:
            break
        common.append(column[0])
    start = 0 if common and common[0] in WRAPPERS else 1
    end = start
    while end < len(common) and common[end] in WRAPPERS:
        end += 1
    return "".join(f"{one}." for one in common[:end]) if end > start else ""


def roots_of_state_dict(tensors: dict[str, bytes]) -> tuple[str, str]:
    """Both roots of digests by key."""
    cut = len(prefix_of(list(tensors)))
    named = [(key[cut:], digest) for key, digest in tensors.items()]
    return root(named), root_up_to_names(tensors.values())
