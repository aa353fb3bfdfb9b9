"""One file or folder → manifests.

Enters: a path. Leaves: the outcome of every checkpoint in it, and manifests with the findings of
the checks of names and layout.
"""

import gc
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec

from ckptscope.checks import bound_findings, check_layout
from ckptscope.checks.safety import check_imports
from ckptscope.containers import (
    Contents,
    Outcome,
    is_index,
    read_file,
    read_folder,
    read_index_file,
)
from ckptscope.errors import ArtifactError
from ckptscope.facts.limits import Limits
from ckptscope.facts.pickled import Import
from ckptscope.facts.report import Failure
from ckptscope.sources import open_local
from ckptscope.tensors import ManifestBuild, build_manifest


@contextmanager
def paused_gc() -> Iterator[None]:
    """Pause the cycle collector: a graph of a million nodes that all live is scanned in vain."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def read_outcomes(path: Path, limits: Limits, stack: ExitStack) -> Iterator[Outcome]:
    """Read every checkpoint of a file or folder; files stay open as long as the stack.

    Raises:
        ArtifactError: It is none.
    """
    if path.is_dir():
        return read_folder(path, limits)
    source = stack.enter_context(open_local(path))
    if is_index(source):
        return read_index_file(path, limits)
    return read_file(source, limits, path.name)


def manifest_of(
    contents: Contents, limits: Limits, allowed_imports: Iterable[str] = ()
) -> ManifestBuild:
    """Build the manifest of a checkpoint and add what the checks of names and layout find.

    Args:
        contents: The checkpoint.
        limits: Bounds of the reading.
        allowed_imports: Unknown classes that the user trusts.

    Raises:
        LimitError: The graph unfolds to more than may be walked.
    """
    build = build_manifest(contents, limits)
    findings = (
        *check_imports(build.manifest.imports, allowed=allowed_imports),
        *bound_findings(build.manifest.findings),
        *check_layout(build.manifest),
    )
    manifest = msgspec.structs.replace(build.manifest, findings=findings)
    return ManifestBuild(manifest, build.access)


def failure_of(error: ArtifactError, location: tuple[str, ...]) -> Failure:
    """Turn an error into a failure of a report; `location` leads to the checkpoint."""
    message = str(error)
    # The error names the innermost member itself; the way to it is told apart.
    outer = location[:-1] if error.member == (location[-1] if location else None) else location
    if outer:
        message = f"{message} (inside {' > '.join(repr(part[:100]) for part in outer)})"
    return Failure(
        kind=type(error).__name__,
        message=message,
        member=error.member,
        offset_bytes=error.offset_bytes,
        imports=tuple(one for one in error.reached if isinstance(one, Import)),
    )
