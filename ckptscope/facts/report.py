"""Everything that is said about the files of one run.

Enters: manifests and errors. Leaves: `InspectReport`, which every renderer in `reports` turns into
text; nothing is judged there any more.
"""

from typing import TYPE_CHECKING

import msgspec

from ckptscope.facts.modules import ModuleNode
from ckptscope.facts.pickled import Import
from ckptscope.facts.standing import Identified
from ckptscope.facts.tensors import Manifest
from ckptscope.facts.values import TensorValues
from ckptscope.facts.weights_only import WeightsOnly

if TYPE_CHECKING:
    # Both are seldom met; the second names failures itself, too.
    from ckptscope.facts.carving import Carving
    from ckptscope.facts.identity import Identity


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """Why a file, or one checkpoint inside it, could not be read.

    Attributes:
        kind: Class of the error: UnknownContainerError, LimitError, ...
        message: One line for the user: what, where, what to do.
        member: Member of the archive that is meant, or None.
        offset_bytes: Byte offset within it, or None.
        imports: What a damaged pickle had named before the damage: an unpickler would have
            imported it by then.
    """

    kind: str
    message: str
    member: str | None = None
    offset_bytes: int | None = None
    imports: tuple[Import, ...] = ()


class FileReport(msgspec.Struct, frozen=True, kw_only=True):
    """One checkpoint, or one file that holds none.

    A wrapper that holds several checkpoints gives several of these with the same `path`.

    Attributes:
        path: As the user named it, or as it was found in a folder.
        manifest: What it holds; None if it could not be read.
        modules: Trees of modules, one for each of the manifest's state_dicts, or None for those of
            which none is made: optimizers, and those beyond a number.
        identified: Networks that a family knows, in the order of the state_dicts.
        weights_only: Which versions of torch load it with weights_only; None where torch.load is
            not meant to read it, or where it could not be told.
        values: Statistics of its tensors, where they were asked for; what they say of the health
            of the weights is among the manifest's findings.
        identity: Hashes of its content, where they were asked for.
        failure: Why not; None if it could.
        carved: What its storages can be taken for, where it could not be read; None where none
            are left.
    """

    path: str
    manifest: Manifest | None = None
    modules: tuple[ModuleNode | None, ...] = ()
    identified: tuple[Identified, ...] = ()
    weights_only: WeightsOnly | None = None
    values: tuple[TensorValues, ...] = ()
    identity: "Identity | None" = None
    failure: Failure | None = None
    carved: "Carving | None" = None


class Skipped(msgspec.Struct, frozen=True, kw_only=True):
    """A file met while walking a folder that is no checkpoint, and what it is."""

    path: str
    reason: str


class InspectReport(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of `inspect`.

    Attributes:
        files: In the order of the request, and of the members of each wrapper.
        skipped: What was met in folders and is no checkpoint.
    """

    files: tuple[FileReport, ...]
    skipped: tuple[Skipped, ...] = ()
