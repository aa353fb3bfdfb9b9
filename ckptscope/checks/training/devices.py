"""Devices that tensors were saved from.

Enters: a manifest. Leaves: findings `TRN010`.

Source: `torch/serialization.py`, `_cuda_deserialize` and its like: without `map_location`, a
storage is put back on the device of its location tag, and that fails where there is none such.
"""

from collections import Counter
from collections.abc import Iterator

from ckptscope.facts.findings import Code, Finding, Severity
from ckptscope.facts.tensors import Manifest

_MOST_SHOWN = 8
#: Tags that every machine has.
_EVERYWHERE = frozenset({"cpu", "meta", ""})


def check_devices(manifest: Manifest) -> Iterator[Finding]:
    """Say from which devices the storages were saved, if not from the CPU."""
    devices: Counter[str] = Counter()
    elements: Counter[str] = Counter()
    for use in manifest.storage_uses.values():
        if use.device is not None and use.device not in _EVERYWHERE:
            devices[use.device] += 1
            elements[use.device] += use.elements
    if not devices:
        return
    shown = [name for name, _ in devices.most_common(_MOST_SHOWN)]
    more = f" and {len(devices) - _MOST_SHOWN:,} more" if len(devices) > _MOST_SHOWN else ""
    yield Finding(
        code=Code.DEVICE_RECORDED,
        severity=Severity.WARNING,
        message=f"{devices.total():,} of {len(manifest.storage_uses):,} storages were saved from "
        f"{', '.join(f'{name!r:.40}' for name in shown)}{more}: torch.load fails without "
        "map_location on a machine that has no such device",
        evidence=tuple(
            f"{name!r:.40}: {devices[name]:,} storages, {elements[name]:,} elements"
            for name in shown
        ),
        help="move the state_dict to the CPU before saving, or tell those who load it to pass "
        "map_location='cpu'",
    )
