"""Codes about containers (`CON`): archives, streams, headers, folders of shards.

Where a sentence says what torch.load does, it was seen with torch 2.13.
"""

from typing import Final

from ckptscope.checks.catalogue.entry import Entry
from ckptscope.facts.findings import Code, Severity

_MEMBERS: Final = (
    Entry(
        code=Code.MEMBER_CRC,
        title="bytes of a member are not those that the archive recorded",
        severity=Severity.ERROR,
        evidence="The member, the CRC-32 in the directory of the archive and that of its bytes.",
        why="The bytes were changed after the archive was written, by damage or on purpose. "
        "torch.load does not compare them and loads what is there; unpackers refuse it.",
        remedy="Get the file again from where it was first published. If it was edited on purpose, "
        "save it anew with torch.save, so that archive and contents agree.",
    ),
    Entry(
        code=Code.MEMBER_HEADER_DIFFERS,
        title="member's own header disagrees with the directory of the archive",
        severity=Severity.ERROR,
        evidence="The member, the offset of its header, and the fields on which the two disagree.",
        why="A zip says everything about a member twice. Readers that trust the directory and "
        "readers that trust the header see two different files, so what one of them has checked "
        "another may not load.",
        remedy="Save the checkpoint anew with torch.save, or repack the archive with a common zip "
        "tool. No ordinary writer makes such a file: ask where it is from.",
    ),
    Entry(
        code=Code.MEMBER_DUPLICATE,
        title="two members of an archive have the same name",
        severity=Severity.ERROR,
        evidence="The name.",
        why="Readers disagree on which of the two counts: torch.load and Python's zipfile may take "
        "different ones. Somebody who checks the file may thus see other contents than somebody "
        "who loads it. ckptscope examines the pickles of both.",
        remedy="Write the archive anew with each name once. Archives that were appended "
        "to, instead of being replaced, get such members.",
    ),
    Entry(
        code=Code.MEMBER_PATH_UNSAFE,
        title="member's path leads out of the folder it would be unpacked into",
        severity=Severity.ERROR,
        evidence="The path.",
        why="An absolute path, a drive letter or '..' makes a careless unpacker write anywhere on "
        "the disk. Checkpoints have no need of such names.",
        remedy="Write the archive anew from inside the folder, with relative names.",
    ),
    Entry(
        code=Code.MEMBER_LINK,
        title="member is a link",
        severity=Severity.ERROR,
        evidence="The member, and in an archive what it points to.",
        why="A link can point outside the archive or the folder, and what it stands for differs "
        "from machine to machine. ckptscope does not follow it, so what is behind it was not read.",
        remedy="Put the file itself in the place of the link; tar does so with --dereference.",
    ),
    Entry(
        code=Code.MEMBER_SIZE_FALSE,
        title="member has another size than it declares",
        severity=Severity.ERROR,
        evidence="The member, the bytes it takes up, the bytes it declares, and those it gives.",
        why="Readers reserve memory by the declared size, and some read that many bytes and others "
        "as many as there are. Damage does that, and so do archives made to exhaust memory.",
        remedy="Get the file again, or save it anew with torch.save.",
    ),
    Entry(
        code=Code.MEMBER_UNREADABLE,
        title="part of a checkpoint cannot be read",
        severity=Severity.ERROR,
        evidence="The file, the offset where reading stopped, and why.",
        why="The checkpoint consists of several files, and one of them is damaged or is no "
        "checkpoint. The tensors in it are missing; nothing is said about them.",
        remedy="Get that file again, and compare its size or hash with the published one.",
    ),
    Entry(
        code=Code.MEMBERS_OVERLAP,
        title="two members, tensors or pieces share bytes of the file",
        severity=Severity.ERROR,
        evidence="The member, tensor or piece, and the offset where it starts.",
        why="In a sound archive every byte belongs to one member, and in a safetensors file to one "
        "tensor. Overlaps hide data from readers that go through the file in order, and let a "
        "small archive unpack to a huge one. The safetensors library refuses such files.",
        remedy="Save the checkpoint anew with the library that made it.",
    ),
)

_ARCHIVES: Final = (
    Entry(
        code=Code.ARCHIVE_PREFIXED,
        title="bytes stand before the archive",
        severity=Severity.ERROR,
        evidence="How many bytes.",
        why="A reader that looks from the start of the file sees something else than one that "
        "looks for the zip directory at its end. torch.load refuses such a file; zip tools open "
        "it without a word.",
        remedy="Cut the bytes off, or save the checkpoint anew. Find out what they are: a web "
        "page or a script before an archive does not get there by chance.",
    ),
    Entry(
        code=Code.ARCHIVE_TRAILING,
        title="bytes follow the end of the archive, file or array",
        severity=Severity.ERROR,
        evidence="How many bytes, and where they start.",
        why="Nothing that reads the checkpoint uses them, but they are published with it, and a "
        "reader that starts from the end may see something else in them. The safetensors library "
        "refuses such a file.",
        remedy="Cut the bytes off, or save the checkpoint anew.",
    ),
    Entry(
        code=Code.ARCHIVE_ROOTS,
        title="one archive holds several checkpoints side by side",
        severity=Severity.ERROR,
        evidence="The folders that hold a data.pkl.",
        why="torch.save writes one folder. Of several, a reader picks one by its own rule, and "
        "torch.load refuses the file; ckptscope reads each.",
        remedy="Save each checkpoint as a file of its own.",
    ),
    Entry(
        code=Code.ARCHIVE_COUNT,
        title="archive miscounts its members",
        severity=Severity.ERROR,
        evidence="The count at the end of the archive, and the entries of its directory.",
        why="Readers that trust the count see fewer members, or fail; others see all. torch.load "
        "cannot read such a file.",
        remedy="Get the file again, or repack the archive with a common zip tool.",
    ),
    Entry(
        code=Code.ARCHIVE_TRUNCATED,
        title="file breaks off",
        severity=Severity.ERROR,
        evidence="The offset, what was expected there, and where known the size of the whole file.",
        why="Tensors behind the break are missing. A tar without its closing zeros may also lack "
        "members that nobody will notice.",
        remedy="Get the file again and compare its size with the published one. If it was cut when "
        "it was saved (a full disk, a job that was killed), take the checkpoint before it.",
    ),
    Entry(
        code=Code.ARCHIVES_IN_A_ROW,
        title="several whole archives stand one after the other in one file",
        severity=Severity.ERROR,
        evidence="How many archives.",
        why="A reader that looks from the end sees the last one only, one that looks from the "
        "start sees another. In a .distcp file of a distributed checkpoint this is the format; in "
        "a checkpoint of its own two files were joined. ckptscope reads each.",
        remedy="Publish each archive as a file of its own. A distributed checkpoint is read as a "
        "whole: name its folder, not one of its files.",
    ),
    Entry(
        code=Code.CRC_UNRECORDED,
        title="archive records no checksums",
        severity=Severity.INFO,
        evidence="How many members have a CRC-32 of zero.",
        why="Every CRC-32 is zero, which means that none was computed, not that the file is "
        "damaged; torch does so when it is told to skip them. Damage in transit cannot be "
        "noticed from the archive itself.",
        remedy="Nothing has to be done. Publish a hash beside the file, so that those who download "
        "it can compare.",
    ),
    Entry(
        code=Code.READINGS_DIFFER,
        title="two readers would see different contents in the same file",
        severity=Severity.ERROR,
        evidence="What the file is at once; or the directories that its end records name; or the "
        "first members that no directory lists, and the offset where they stand.",
        why="Some readers go by the first bytes of a file and some by the last, some by the "
        "directory of an archive and some by the headers of its members. Here they do not meet: a "
        "scanner may see harmless weights where torch.load, or a tool that recovers archives, "
        "finds something else. ckptscope examines every one of these views.",
        remedy="Save the checkpoint anew with torch.save, or unpack it and pack it again, and "
        "compare the result with what you meant to publish. No ordinary writer makes such a file: "
        "ask where it is from.",
    ),
    Entry(
        code=Code.STREAM_TRAILING,
        title="bytes follow the last storage",
        severity=Severity.WARNING,
        evidence="How many bytes, and where they start.",
        why="torch.load stops after the last storage and never sees them. Often a second object "
        "was saved into the same open file; they may as well be another file that was put behind.",
        remedy="Save each object into a file of its own, in the zip format of torch 1.6 and later.",
    ),
    Entry(
        code=Code.STREAM_KEYS_DIFFER,
        title="object and the list of storages disagree",
        severity=Severity.ERROR,
        evidence="How many storages are in one and not in the other, and the first of them.",
        why="torch.load reads the storages by this list. It stops at one that the object does not "
        "name; one that is missing in the list leaves its tensor with whatever the memory held, "
        "without an error.",
        remedy="Get the file again, or save the checkpoint anew from the object in memory.",
    ),
    Entry(
        code=Code.HEADER_DUPLICATE_KEY,
        title="name stands twice in the header",
        severity=Severity.ERROR,
        evidence="The name.",
        why="JSON does not say which of two entries of one name counts: some readers take the "
        "first, some the last, some refuse the file. They would load different tensors.",
        remedy="Write the file anew with each name once.",
    ),
    Entry(
        code=Code.BYTEORDER_UNKNOWN,
        title="byte order is neither little nor big",
        severity=Severity.ERROR,
        evidence="The member, and what it says.",
        why="Without a known byte order the numbers cannot be read for certain. ckptscope reads "
        "them as little; torch.load refuses the file.",
        remedy="Save the checkpoint anew with torch.save, which writes little or big.",
    ),
    Entry(
        code=Code.NOT_READ,
        title="part of the file was not read",
        severity=Severity.ERROR,
        evidence="Which part: bytes between the members, a member that is no file, pickles that "
        "were left out after one broke a limit, objects nested too deep.",
        why="What was not read was not checked either, so nothing can be said of it: neither that "
        "it is safe nor that it is not.",
        remedy="If the part belongs to nothing, save the checkpoint anew, which leaves it out. If "
        "the file is sound and only large or deep, split it.",
        silence="Bytes between the members of an archive, by which a writer has aligned them, are "
        "harmless where the archive is read by its directory; a waiver for these files is right.",
        undecided=True,
    ),
)

_SHARDS: Final = (
    Entry(
        code=Code.SHARD_MISSING,
        title="file of the checkpoint is missing",
        severity=Severity.ERROR,
        evidence="The name, and the index or entry that names it.",
        why="The checkpoint cannot be loaded without it. The tensors in it were not checked.",
        remedy="Put the missing file beside the others, or remove its entries from the index.",
    ),
    Entry(
        code=Code.SHARD_PATH_UNSAFE,
        title="index names a file outside its folder",
        severity=Severity.ERROR,
        evidence="The index, and the path that it names.",
        why="Whoever loads the checkpoint would read a file of the user's own machine in the place "
        "of a shard. ckptscope does not follow it.",
        remedy="Put all shards into the folder of the index, and name them without a folder.",
    ),
    Entry(
        code=Code.SHARD_DISAGREES,
        title="index and shards tell different stories",
        severity=Severity.ERROR,
        evidence="The first names that are in the index alone, in a shard alone, or in two shards.",
        why="A tensor that the index promises and the shard lacks fails on loading; one in two "
        "shards depends on the reader; one that the index does not name is loaded by some readers "
        "and not by others.",
        remedy="Save the sharded checkpoint anew in one go: files of two runs were mixed, or the "
        "index was edited by hand.",
    ),
    Entry(
        code=Code.CHUNK_DISAGREES,
        title="piece of a distributed tensor is not what .metadata says",
        severity=Severity.ERROR,
        evidence="The piece, its file and offset, its declared and its found dtype and shape.",
        why="The files belong to another run than the description, or one of them was changed; "
        "loading fails or fills the tensor with wrong numbers.",
        remedy="Get all files of one run, .metadata among them.",
    ),
    Entry(
        code=Code.CHUNKS_INCOMPLETE,
        title="pieces of a distributed tensor do not add up to it",
        severity=Severity.ERROR,
        evidence="The tensor, its elements, and those of its pieces.",
        why="Elements that no piece holds stay at whatever the network was initialised with, "
        "without an error; pieces that overlap depend on the order of loading.",
        remedy="Save the distributed checkpoint anew with every rank taking part.",
    ),
    Entry(
        code=Code.DESCRIPTION_ODD,
        title="tensor is described in a way that cannot be followed",
        severity=Severity.ERROR,
        evidence="The entry, and what was expected of it.",
        why="The tensor is left out, or only its shape is known: its values were not checked.",
        remedy="Save the checkpoint anew. If the library that wrote it describes tensors like "
        "that, report the file as one that ckptscope should learn to read.",
    ),
)

ENTRIES: tuple[Entry, ...] = (*_MEMBERS, *_ARCHIVES, *_SHARDS)
