"""Damaged checkpoint files, at random: what they held, and what was done to them.

Enters: the number of a case, a seed and a folder. Leaves: a file or folder of one of the kinds that
`torch.save` wrote or people unpack, damaged, and the `Truth`: what every storage was.
"""

import random
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, NamedTuple

from ckptscope.writers.legacy_stream import write_legacy_stream
from ckptscope.writers.legacy_tar import write_legacy_tar
from ckptscope.writers.torch_zip import BEFORE_2_1, TorchZipOptions, torch_members
from ckptscope.writers.zip_archive import ZipWriter
from tests.fuzz.saved_checkpoints import Saving, Written, draw_plan


class Truth(NamedTuple):
    """What a file held before it was damaged.

    Attributes:
        path: Of the damaged one.
        kind: What was done to it.
        family: Empty for a network that no family knows.
        shapes: Of the network, without axes of 1.
        tensors: By the key of the storage.
        is_flipped: Whether a byte of a pickle or header says something else than it did.
    """

    path: Path
    kind: str
    family: str
    dtype: str
    shapes: tuple[tuple[int, ...], ...]
    steps: int
    tensors: dict[str, Written]
    is_flipped: bool


def make_damaged(number: int, folder: Path, seed: int = 0) -> Truth:
    """Write a damaged checkpoint; the same on every machine."""
    rng = random.Random(f"damaged {seed} {number}")
    plan = draw_plan(rng)
    container = rng.choice(("folder", "folder", "zip", "zip", "zip", "stream", "tar"))
    saving = Saving(rng, plan, container)
    value = saving.value()
    path = folder / "snapshot_3.pth"
    damage = {"folder": _folder, "zip": _zip, "stream": _stream, "tar": _tar}[container]
    kind, is_flipped = damage(rng, path, value)
    return Truth(
        path=path,
        kind=f"{container}: {kind}" if plan.family else "unrelated",
        family=plan.family,
        dtype=plan.dtype,
        shapes=tuple(tuple(size for size in one.shape if size != 1) for one in plan.tensors),
        steps=saving.steps,
        tensors=saving.tensors,
        is_flipped=is_flipped,
    )


def _flipped(rng: random.Random, content: bytes) -> bytes:
    place = rng.randrange(len(content))
    return content[:place] + bytes((content[place] ^ 1 << rng.randrange(8),)) + content[place + 1 :]


def _damaged_pickle(rng: random.Random, content: bytes, *kinds: str) -> tuple[str, bytes | None]:
    kind = rng.choice(kinds)
    if kind == "removed":
        return "data.pkl removed", None
    if kind == "cut":
        return "data.pkl cut", content[: rng.randrange(len(content))]
    if kind == "flipped":
        return "a byte of data.pkl flipped", _flipped(rng, content)
    return "", content


def _lost(rng: random.Random, count: int) -> frozenset[str]:
    """Return the members of storages that are removed: a prefix, and a tenth of the rest."""
    first = 0 if rng.random() < 0.3 else rng.randrange(max(1, count // 2))
    share = rng.choice((0.0, 0.1, 0.1, 0.1))
    return frozenset(f"data/{i}" for i in range(count) if i < first or rng.random() < share)


def _options(rng: random.Random) -> TorchZipOptions:
    if rng.random() < 0.3:
        return BEFORE_2_1
    return TorchZipOptions(
        byteorder="big" if rng.random() < 0.05 else "little",
        deflate=rng.random() < 0.1,
        zip64=rng.random() < 0.1,
        crc=rng.random() < 0.9,
    )


def _members(
    rng: random.Random, value: object, options: TorchZipOptions, *kinds: str
) -> tuple[str, list[tuple[str, int, Callable[[], object]]]]:
    """Return what was done to the pickle, and the members that are left."""
    members = list(torch_members(value, options))
    said = ""
    lost = _lost(rng, sum(one.name.startswith("data/") for one in members))
    left: list[tuple[str, int, Callable[[], object]]] = []
    for one in members:
        if one.name == "data.pkl":
            content = b"".join(map(bytes, one.read()))
            said, damaged = _damaged_pickle(rng, content, *kinds)
            if damaged is not None:
                left.append((one.name, len(damaged), lambda found=damaged: (found,)))
        elif one.name not in lost:
            left.append((one.name, one.size_bytes, one.read))
    return said, left


def _folder(rng: random.Random, path: Path, value: object) -> tuple[str, bool]:
    said, members = _members(
        rng, value, _options(rng), "removed", "removed", "cut", "cut", "flipped"
    )
    for name, _, read in members:
        place = path / name
        place.parent.mkdir(parents=True, exist_ok=True)
        with place.open("wb") as file:
            file.writelines(read())
    return said, "flipped" in said


def _zip(rng: random.Random, path: Path, value: object) -> tuple[str, bool]:
    packing = rng.choice(
        ("sound", "sound", "directory cut off", "directory zeroed", "file cut", "byte flipped")
    )
    # A damaged pickle in a sound archive, or any in a damaged one.
    kinds = ("removed", "cut", "flipped") + (() if packing == "sound" else ("whole",) * 3)
    options = _options(rng)
    said, members = _members(rng, value, options, *kinds)
    with path.open("wb") as file:
        archive = ZipWriter(
            file,
            alignment=options.alignment,
            deflate=options.deflate,
            zip64=options.zip64,
            crc=options.crc,
        )
        for name, size, read in members:
            archive.add(f"snapshot_3/{name}", size, read())
        start = file.tell()
        archive.finish()
        end = file.tell()
    with path.open("r+b") as file:
        if packing == "directory cut off":
            file.truncate(rng.randrange(start, end))
        elif packing == "directory zeroed":
            file.seek(start)
            file.write(bytes(end - start))
        elif packing == "file cut":
            file.truncate(rng.randrange(1, start))
        elif packing == "byte flipped":
            file.truncate(start)
            _flip(rng, file, start)
    if packing == "byte flipped":
        packing = "a byte flipped, no directory"
    words = [one for one in (packing if packing != "sound" else "", said) if one]
    return ", ".join(words), "flipped" in f"{packing} {said}"


def _flip(rng: random.Random, file: BinaryIO, end: int) -> None:
    """Flip a bit of an open file before a place."""
    place = rng.randrange(end)
    file.seek(place)
    byte = file.read(1)
    file.seek(place)
    file.write(bytes((byte[0] ^ 1 << rng.randrange(8),)))


def _stream(rng: random.Random, path: Path, value: object) -> tuple[str, bool]:
    write_legacy_stream(path, value)
    return _cut_or_flip(rng, path)


def _tar(rng: random.Random, path: Path, value: object) -> tuple[str, bool]:
    write_legacy_tar(path, value)
    return _cut_or_flip(rng, path)


def _cut_or_flip(rng: random.Random, path: Path) -> tuple[str, bool]:
    """Damage a file whose object stands at its front, which is small."""
    size = path.stat().st_size
    is_front = rng.random() < 0.25
    end = min(size, 200_000) if is_front else size
    with path.open("r+b") as file:
        if rng.random() < 0.8:
            file.truncate(rng.randrange(1, end))
            return f"cut{' near its front' if is_front else ''}", False
        _flip(rng, file, min(size, 200_000))
        return "a byte flipped near its front", True
