"""What several rooms' cases are written with: a file, a folder, an archive."""

from collections.abc import Callable, Sequence
from pathlib import Path

from builders.finding_cases.case import Subject
from builders.zips import Member, torch_zip, zip_bytes

Write = Callable[[Path], Subject]


def a_file(content: bytes, name: str = "model.pt", *, deep: bool = False) -> Write:
    """Write one file."""

    def write(folder: Path) -> Subject:
        path = folder / name
        path.write_bytes(content)
        return Subject(path=path, deep=deep)

    return write


def a_folder(files: dict[str, bytes]) -> Write:
    """Write a folder."""

    def write(folder: Path) -> Subject:
        for name, content in files.items():
            path = folder / "model" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        return Subject(path=folder / "model")

    return write


def zipped(members: Sequence[Member], *, deep: bool = False, **options: object) -> Write:
    """Write an archive of these members."""
    return a_file(zip_bytes(members, **options), deep=deep)  # type: ignore[arg-type]


def saved(tree: object, storages: dict[str, bytes], **options: object) -> Write:
    """Write a torch zip."""
    return a_file(torch_zip(tree, storages, **options))
