"""Storages that are members of an archive or files of a folder, opened on request."""

from ckptscope.containers.members import MemberTable
from ckptscope.errors import ContainerFormatError
from ckptscope.facts.containers import Storage
from ckptscope.sources import ByteSource, Window


class MemberStorages:
    """Reads storages by the member that holds them."""

    def __init__(self, members: MemberTable) -> None:
        self._members = members

    def __call__(self, storage: Storage) -> ByteSource:
        """Return the elements of a storage.

        Raises:
            ContainerFormatError: The member is damaged or encrypted.
        """
        if storage.member is None:
            raise ContainerFormatError(f"storage {storage.key!r} has no member")
        if storage.offset_bytes is not None:
            return Window(
                self._members.source, storage.offset_bytes, storage.size_bytes, storage.member
            )
        return self._members.open(storage.member)
