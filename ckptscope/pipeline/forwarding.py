"""`forward`: run the network of a file, and watch every layer.

Enters: a path and a request. Leaves: a `ForwardReport`; the output in a file, if wanted. The room
that imports torch is entered here alone, and only once there is a network to run.
"""

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import msgspec

from ckptscope.errors import UsageError
from ckptscope.facts.limits import DEFAULT_LIMITS, Limits
from ckptscope.facts.trace import ForwardReport, PassRequest
from ckptscope.pipeline.choosing import ANY_NETWORK, Choice, choose_network
from ckptscope.pipeline.opening import open_checkpoint
from ckptscope.pipeline.walking import PathLike

#: Called with the row that is done, its number from 1, and how many there are.
Progress = Callable[[str, int, int], None]
MISSING_EXTRA = "forward needs torch, which is not installed: pip install 'ckptscope[forward]'"
USUAL_PASS = PassRequest()


def forward(
    path: PathLike,
    *,
    request: PassRequest = USUAL_PASS,
    choice: Choice = ANY_NETWORK,
    save: PathLike | None = None,
    limits: Limits = DEFAULT_LIMITS,
    progress: Progress | None = None,
) -> ForwardReport:
    """Run the network of a file and report on every layer.

    Args:
        path: The checkpoint.
        request: How to run it.
        choice: Which network, and what is known of it.
        save: Where to write the output, as .npy in float32; it appears whole or not at all.
        limits: Bounds of the reading.
        progress: Told of every row that is done.

    Raises:
        UsageError: torch is not installed; no family knows the network; the request does not fit.
        SpecError: A table is wrong.
        ArtifactError: The file is no checkpoint, is damaged, or its weights do not fit the network.
        OSError: The output cannot be written.
    """
    _require_torch()
    if save is not None:
        _require_place(Path(save), (Path(path), Path(request.input or path)), request.device)
    with open_checkpoint(path, member=choice.member, limits=limits) as checkpoint:
        subject = choose_network(str(path), checkpoint, choice)
        try:
            from ckptscope.forward.run import float32_bytes, run_network
        except (ImportError, OSError) as error:
            raise _broken(error) from error
        report, output = run_network(subject, request, progress)
    if save is not None:
        from ckptscope.writers.numpy_file import write_float32

        write_float32(save, report.output_shape, (float32_bytes(output),))
        report = msgspec.structs.replace(report, saved_to=str(save))
    return report


def _require_torch() -> None:
    """Refuse to go on without the extra, before a file is opened.

    Raises:
        UsageError: torch is not installed.
    """
    if find_spec("torch") is None:
        raise UsageError(MISSING_EXTRA)


def _broken(error: ImportError | OSError) -> Exception:
    """Say that torch is there and cannot be imported; a defect of our own stays what it is."""
    if isinstance(error, ImportError) and not (error.name or "").startswith("torch"):
        return error
    return UsageError(f"torch is installed and cannot be imported: {error}")


def _require_place(save: Path, inputs: tuple[Path, ...], device: str) -> None:
    """Refuse to save where that cannot be, before a long pass.

    Raises:
        UsageError: There is no folder; it is one of the inputs; there will be no values.
    """
    if device == "meta":
        raise UsageError("expected a device with values to save the output of, found meta")
    if not save.absolute().parent.is_dir():
        raise UsageError(f"expected a folder to write into, found no {str(save.parent)!r}")
    for given in inputs:
        if save.exists() and given.exists() and save.samefile(given):
            raise UsageError(f"expected another file to save to, found the input {str(given)!r}")
