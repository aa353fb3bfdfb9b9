"""What a file for others need not hold: the optimizer's state, an averaged copy.

Enters: a manifest. Leaves: findings `TRN003` and `TRN004`, with the bytes that each costs.
"""

from collections.abc import Iterator

from ckptscope.facts.findings import Code, Finding, Severity, Where
from ckptscope.facts.tensors import Manifest, Role

_MOST_LISTED = 8


def check_included(manifest: Manifest) -> Iterator[Finding]:
    """Say what optimizers and averaged copies cost."""
    yield from _optimizers(manifest)
    yield from _averages(manifest)


def _spent(manifest: Manifest, what: str) -> dict[str, int]:
    """Return bytes by path; a storage that a network uses too is the network's."""
    spent: dict[str, int] = {}
    for one in manifest.spending:
        if one.what == what and one.path is not None:
            spent[one.path] = spent.get(one.path, 0) + one.size_bytes
    return spent


def _optimizers(manifest: Manifest) -> Iterator[Finding]:
    if not manifest.optimizers or not any(_is_network(one.role) for one in manifest.state_dicts):
        return
    spent = _spent(manifest, "optimizer")
    total = sum(spent.values())
    paths = [one.path for one in manifest.optimizers]
    yield Finding(
        code=Code.OPTIMIZER_INCLUDED,
        severity=Severity.WARNING if total else Severity.INFO,
        message=f"the file holds the state of {_counted(paths, 'an optimizer', 'optimizers')}: "
        f"{_cost(manifest, total)}",
        where=Where(key=paths[0][:400] or None),
        evidence=tuple(
            f"{one.path!r:.200}: {one.kind}, {one.tensors:,} tensors, "
            f"{spent.get(one.path, 0):,} bytes"
            for one in manifest.optimizers[:_MOST_LISTED]
        ),
        help="to run the network nobody needs it: save the state_dict alone; to resume training "
        "it is needed, and then it is rightly here",
    )


def _averages(manifest: Manifest) -> Iterator[Finding]:
    copies = [one for one in manifest.state_dicts if one.role is Role.EMA]
    if not copies:
        return
    networks = [one for one in manifest.state_dicts if one.role is Role.NETWORK]
    spent = _spent(manifest, "ema")
    total = sum(spent.values())
    paths = [one.path for one in copies]
    if networks:
        beside = f"beside the network at {networks[0].path!r:.200}"
        advice = "say which of the two is to be loaded, or save that one alone"
    else:
        beside = "and no other network"
        advice = "say that the weights are the averaged ones"
    yield Finding(
        code=Code.EMA_INCLUDED,
        severity=Severity.WARNING if networks and total else Severity.INFO,
        message=f"the file holds {_counted(paths, 'an averaged copy', 'averaged copies')} of the "
        f"weights {beside}: {_cost(manifest, total)}",
        where=Where(key=paths[0][:400] or None),
        evidence=tuple(
            f"{one.path!r:.200}: {one.elements:,} elements, {spent.get(one.path, 0):,} bytes; "
            f"{one.role_evidence:.200}"
            for one in copies[:_MOST_LISTED]
        ),
        help=advice,
    )


def _cost(manifest: Manifest, size_bytes: int) -> str:
    if not size_bytes:
        return "no bytes of its own"
    share = size_bytes / manifest.size_bytes if manifest.size_bytes else 0.0
    rest = manifest.size_bytes - size_bytes
    return f"{size_bytes:,} bytes, {share:.1%} of the file; without it about {rest:,} are left"


def _counted(paths: list[str], one: str, many: str) -> str:
    return one if len(paths) == 1 else f"{len(paths):,} {many}"


def _is_network(role: Role) -> bool:
    return role in (Role.NETWORK, Role.EMA)
