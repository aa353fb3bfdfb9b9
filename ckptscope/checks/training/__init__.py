"""Does the training record fit the network, and itself; and what does it tell of its authors?

Enters: a manifest, the texts and plain values of a checkpoint, what its BatchNorms have counted.
Leaves: findings `TRN...`.
"""

from collections.abc import Sequence

from ckptscope.checks.integrity import bound_findings
from ckptscope.checks.training.belonging import check_belonging
from ckptscope.checks.training.code_texts import read_code
from ckptscope.checks.training.counting import check_counters, read_counted
from ckptscope.checks.training.devices import check_devices
from ckptscope.checks.training.included import check_included
from ckptscope.checks.training.record import read_record
from ckptscope.checks.training.schedules import check_rates
from ckptscope.checks.training.texts import check_texts
from ckptscope.facts.findings import Finding
from ckptscope.facts.tensors import Manifest
from ckptscope.facts.training import BatchCounters, Record

__all__ = ["check_training", "read_code", "read_record"]


def check_training(
    manifest: Manifest, record: Record, batches: Sequence[BatchCounters] = ()
) -> tuple[Finding, ...]:
    """Hold optimizer, averaged copies, counters and texts of a checkpoint against each other.

    Args:
        manifest: What it holds.
        record: Its texts and plain values, of `read_record`.
        batches: What its BatchNorms have counted.
    """
    return bound_findings(
        (
            *check_belonging(manifest),
            *check_included(manifest),
            *check_counters(read_counted(manifest, record, batches)),
            *check_rates(manifest, record),
            *check_devices(manifest),
            *check_texts(record.texts),
        )
    )
