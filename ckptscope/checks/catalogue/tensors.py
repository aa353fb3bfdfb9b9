"""Codes about tensors and storages (`TEN`).

Where a sentence says what torch.load does, it was seen with torch 2.13.
"""

from ckptscope.checks.catalogue.entry import Entry
from ckptscope.facts.findings import Code, Severity

ENTRIES: tuple[Entry, ...] = (
    Entry(
        code=Code.VIEW_OUTSIDE_STORAGE,
        title="tensor reaches beyond the end of its storage",
        severity=Severity.ERROR,
        evidence="Shape, stride, offset and dtype, the byte where the view ends, and the bytes of "
        "the storage.",
        why="Reading it would read memory that does not belong to it. torch.load refuses it, and "
        "other readers may not. The file is damaged or was made by hand.",
        remedy="Get the file again, or save the checkpoint anew from the tensors in memory.",
    ),
    Entry(
        code=Code.STORAGE_MISSING,
        title="tensor's storage is not in the file",
        severity=Severity.ERROR,
        evidence="The tensor, and the key of the storage.",
        why="The tensor has a shape but no values; torch.load fails on the file.",
        remedy="Get the file again: a member was lost, perhaps when the archive was repacked.",
    ),
    Entry(
        code=Code.STORAGE_SHORT,
        title="storage holds fewer bytes than it declares",
        severity=Severity.ERROR,
        evidence="The storage or array, its declared and its held bytes.",
        why="A part of the values is missing; torch.load fails on the file. Damage, or another "
        "dtype than the one that was saved.",
        remedy="Get the file again, or save the checkpoint anew.",
    ),
    Entry(
        code=Code.STORAGE_LONG,
        title="storage holds more bytes than it declares",
        severity=Severity.WARNING,
        evidence="The storage, its declared and its held bytes.",
        why="No tensor uses the bytes beyond. Versions of torch that compare the sizes refuse the "
        "file, others ignore the rest.",
        remedy="Load the checkpoint and save it anew.",
    ),
    Entry(
        code=Code.STORAGE_UNUSED,
        title="bytes of storages belong to no tensor",
        severity=Severity.WARNING,
        evidence="How many bytes and which share of the storages, or the storages that nothing "
        "names.",
        why="They are published and downloaded for nothing. torch.save keeps the whole storage of "
        "a view, so a slice of a large tensor brings all of it along, data that was not meant "
        "to be published among it.",
        remedy="Save a copy of each view: tensor.clone() before torch.save. Storages that nothing "
        "names go when the checkpoint is loaded and saved anew.",
    ),
    Entry(
        code=Code.DTYPE_UNKNOWN,
        title="tensor has a dtype that torch does not have",
        severity=Severity.ERROR,
        evidence="The tensor, and the name of the dtype.",
        why="The size of its elements is not known, so its values cannot be read or checked.",
        remedy="Save the tensor in a dtype of a released torch. If torch has it by now, a newer "
        "ckptscope may know it.",
    ),
    Entry(
        code=Code.SHAPE_IMPOSSIBLE,
        title="tensor has a shape that no tensor can have",
        severity=Severity.ERROR,
        evidence="The shape, stride or offset, and where the call stands in the pickle.",
        why="A negative or absurdly large number there is damage, or an attempt to make a reader "
        "reserve all memory or read outside its own. torch.load refuses it. The tensor is left "
        "out of everything that is said about the file.",
        remedy="Get the file again, or save the checkpoint anew.",
    ),
    Entry(
        code=Code.KEY_DUPLICATE,
        title="one mapping has two tensors under the same key",
        severity=Severity.WARNING,
        evidence="How many tensors, and the mapping that holds them.",
        why="A dict keeps one value for a key, so the earlier tensor is loaded and thrown away. No "
        "ordinary program writes that: the file was edited, or two were joined.",
        remedy="Load the checkpoint, see whether the tensors that are left are the right ones, and "
        "save it anew.",
    ),
)
