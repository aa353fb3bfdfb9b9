"""Source → members, storages, graph: every kind of packing, recognised by its bytes.

`sniff` tells what the first bytes are; one module a format reads it; `reading` follows wrappers to
the checkpoints inside and hands each out as a `Contents`.
"""

from ckptscope.containers.contents import Contents
from ckptscope.containers.folder_members import FolderMembers
from ckptscope.containers.members import MemberTable
from ckptscope.containers.nested import load_unvisited
from ckptscope.containers.program_starts import program_by_bytes, program_by_name
from ckptscope.containers.reading import Outcome, Unread, read_file, read_folder, read_index_file
from ckptscope.containers.sharded import is_index

__all__ = [
    "Contents",
    "FolderMembers",
    "MemberTable",
    "Outcome",
    "Unread",
    "is_index",
    "load_unvisited",
    "program_by_bytes",
    "program_by_name",
    "read_file",
    "read_folder",
    "read_index_file",
]
