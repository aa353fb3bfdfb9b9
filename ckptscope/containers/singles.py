"""Formats that hold exactly one checkpoint: streams, pickles, safetensors, numpy arrays.

Enters: a source whose format is known. Leaves: its `Contents`. Readers are loaded when a file needs
them.
"""

from ckptscope.containers import triage
from ckptscope.containers.contents import Contents
from ckptscope.containers.nested import attach_nested
from ckptscope.containers.pickle_starts import could_call
from ckptscope.containers.sniff import Format
from ckptscope.errors import PickleFormatError
from ckptscope.facts.containers import ContainerKind
from ckptscope.facts.findings import Code
from ckptscope.facts.limits import Limits
from ckptscope.facts.pickled import Import
from ckptscope.sources import ByteSource

_Chain = tuple[ContainerKind, ...]


def read_single(source: ByteSource, found: Format, containers: _Chain, limits: Limits) -> Contents:
    """Read a format that holds exactly one checkpoint.

    Raises:
        ArtifactError: It is none, or it is damaged.
    """
    if found is not Format.UNKNOWN:
        limits.count_checkpoint()
    if found is Format.LEGACY_STREAM:
        from ckptscope.containers.legacy_stream import read_legacy_stream

        chain = (*containers, ContainerKind.LEGACY_STREAM)
        contents = read_legacy_stream(source, limits, containers=chain)
    elif found is Format.SAFETENSORS:
        from ckptscope.containers.safetensors import read_safetensors

        chain = (*containers, ContainerKind.SAFETENSORS)
        contents = read_safetensors(source, limits, containers=chain)
    elif found is Format.NUMPY:
        from ckptscope.containers.numpy_files import read_numpy_file

        chain = (*containers, ContainerKind.NUMPY)
        contents = read_numpy_file(source, limits, containers=chain)
    elif found in (Format.PICKLE, Format.MAYBE_PICKLE):
        contents = _read_pickle(source, found, containers, limits)
    else:
        raise triage.describe(source)
    attach_nested(contents, limits)
    return contents


def _read_pickle(source: ByteSource, found: Format, containers: _Chain, limits: Limits) -> Contents:
    from ckptscope.containers.plain_pickle import read_plain_pickle

    chain = (*containers, ContainerKind.PICKLE)
    try:
        contents = read_plain_pickle(source, limits, containers=chain)
    except PickleFormatError as error:
        # Text pickles have no magic number: what breaks off at once is most likely plain text,
        # and so is what names a module by accident and does nothing with it.
        if found is not Format.MAYBE_PICKLE:
            raise
        named = tuple(one for one in error.reached if isinstance(one, Import))
        at_once = (error.offset_bytes or 0) < 2 * len(b"cos\n")
        if could_call(source, named, error.offset_bytes) or not (at_once or named):
            raise
        raise triage.describe(source) from error
    if found is Format.MAYBE_PICKLE and _is_text(source, contents):
        raise triage.describe(source)
    return contents


def _is_text(source: ByteSource, contents: Contents) -> bool:
    """Whether the first bytes of a text read as a value by accident: it names nothing, and goes on.

    `Git v2.16.4` is a number of eight bytes and a full stop.
    """
    graph = contents.graph
    names = contents.further_graphs or contents.reached or (graph is not None and graph.imports)
    if names or any(one.code is Code.NOT_READ for one in contents.findings):
        return False
    return contents.end_bytes is not None and contents.end_bytes < source.size
