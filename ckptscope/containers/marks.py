"""By which members a layout is known, told from names and a few first bytes.

Enters: a table of members. Leaves: the folders at which each layout starts. The readers themselves
are loaded only when one of them is needed.
"""

from collections.abc import Collection

from ckptscope.containers.members import MemberTable

Names = Collection[str]
PICKLE_NAME = "data.pkl"
EXPORT_MEMBER = "archive_format"
EXPORT_FORMAT = b"pt2"
MODEL_JSON = "model.json"
METADATA_NAME = ".metadata"
PIECES_ENDING = ".distcp"
_PACKAGE_MARKS = (".data/extern_modules", ".data/python_version")


def find_roots(names: Names) -> list[str]:
    """Return every folder that holds a `data.pkl`, as a prefix: `archive/`, or empty."""
    return [
        name.removesuffix(PICKLE_NAME)
        for name in names
        if name == PICKLE_NAME or name.endswith("/" + PICKLE_NAME)
    ]


def is_headless(names: list[str]) -> bool:
    """Whether storages stand there as in a torch zip, but nothing names them."""
    return any(
        name.rpartition("/")[2].isdecimal() and name.rpartition("/")[0].endswith("data")
        for name in names
    )


def find_export_roots(members: MemberTable, names: Names) -> list[str]:
    """Return the folders that hold a torch.export archive."""
    return [
        name.removesuffix(EXPORT_MEMBER)
        for name in names
        if name.endswith(EXPORT_MEMBER) and members.head(name, len(EXPORT_FORMAT)) == EXPORT_FORMAT
    ]


def find_package_roots(names: Names) -> list[str]:
    """Return the folders that hold a torch.package archive."""
    return list(
        dict.fromkeys(
            name.removesuffix(mark)
            for name in names
            for mark in _PACKAGE_MARKS
            if name.endswith(mark)
        )
    )


def package_pickles(members: MemberTable, root: str) -> list[str]:
    """Return the members that are pickles of objects."""
    return [name for name in members.entries if name.startswith(root) and name.endswith(".pkl")]


def find_model_json_roots(names: Names) -> list[str]:
    """Return the folders with a `model.json` and code beside it."""
    return [
        root
        for root in (
            name.removesuffix(MODEL_JSON)
            for name in names
            if name == MODEL_JSON or name.endswith("/" + MODEL_JSON)
        )
        if any(name.startswith(f"{root}code/") for name in names)
    ]


def find_distributed_roots(members: MemberTable, names: Names) -> list[str]:
    """Return the folders with a `.metadata` that is a pickle."""
    return [
        name.removesuffix(METADATA_NAME)
        for name in names
        if (name == METADATA_NAME or name.endswith("/" + METADATA_NAME))
        and members.head(name, 1) == b"\x80"
    ]


def claimed_by(members: MemberTable, root: str) -> list[str]:
    """Return the members of a distributed checkpoint; what else lies beside it is read apart."""
    return [
        name
        for name in members.entries
        if name == root + METADATA_NAME
        or (name.startswith(root) and name.endswith(PIECES_ENDING) and "/" not in name[len(root) :])
    ]


def is_numpy_archive(members: MemberTable) -> bool:
    """Whether an archive holds nothing but .npy members."""
    return bool(members.entries) and all(name.endswith(".npy") for name in members.entries)


def named_members(members: MemberTable) -> list[str]:
    """Return the members whose names do not end in a digit: what is no storage of a torch zip.

    No layout starts at a number, and of 100,000 members all but a few are numbers.
    """
    return [name for name in members.entries if not name[-1:].isdigit()]
