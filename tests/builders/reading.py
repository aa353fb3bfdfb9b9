"""Read what a builder wrote."""

from ckptscope.containers import Contents
from ckptscope.containers.reading import Outcome, Unread, read_file
from ckptscope.facts.limits import DEFAULT_LIMITS, Limits
from ckptscope.facts.pickled import PickleGraph
from ckptscope.facts.tensors import Manifest, StateDict, TensorInfo
from ckptscope.pickles import trace_pickle
from ckptscope.sources import MemorySource
from ckptscope.tensors import ManifestBuild, build_manifest


def trace(data: bytes, limits: Limits = DEFAULT_LIMITS, **options: object) -> PickleGraph:
    return trace_pickle(MemorySource(data), limits=limits, **options)  # type: ignore[arg-type]


def root_of(data: bytes, limits: Limits = DEFAULT_LIMITS) -> object:
    return trace(data, limits).root


def outcomes(data: bytes, limits: Limits = DEFAULT_LIMITS) -> list[Outcome]:
    return list(read_file(MemorySource(data), limits))


def builds(data: bytes, limits: Limits = DEFAULT_LIMITS) -> list[ManifestBuild]:
    return [build_manifest(one, limits) for one in outcomes(data, limits) if _is_contents(one)]


def build_one(data: bytes, limits: Limits = DEFAULT_LIMITS) -> ManifestBuild:
    """Read a file that must hold one checkpoint."""
    found = outcomes(data, limits)
    assert len(found) == 1, found
    only = found[0]
    if isinstance(only, Unread):
        raise only.error
    return build_manifest(only, limits)


def manifest(data: bytes, limits: Limits = DEFAULT_LIMITS) -> Manifest:
    return build_one(data, limits).manifest


def refusal(data: bytes, limits: Limits = DEFAULT_LIMITS) -> Exception:
    """Return the error of a file that must give no checkpoint."""
    found = outcomes(data, limits)
    assert found
    assert all(isinstance(one, Unread) for one in found), found
    return found[0].error  # type: ignore[union-attr]


def codes(made: Manifest) -> list[str]:
    return [found.code.value for found in made.findings]


def tensors(made: Manifest) -> dict[str, TensorInfo]:
    """Every tensor by path and key."""
    return {join(group.path, one.key): one for group in made.state_dicts for one in group.tensors}


def group(made: Manifest, path: str = "") -> StateDict:
    return next(one for one in made.state_dicts if one.path == path)


def join(path: str, key: str) -> str:
    return f"{path}/{key}" if path and key else path or key


def _is_contents(one: Outcome) -> bool:
    return isinstance(one, Contents)
