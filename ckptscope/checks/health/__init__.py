"""Are the weights sound?

Enters: a manifest and the statistics of its tensors. Leaves: findings `VAL...`. Networks and their
averaged copies are judged by everything; optimizers and other tensors by whether they are numbers
at all.
"""

from collections.abc import Sequence

from ckptscope.checks.health.channels import check_channels
from ckptscope.checks.health.norms import check_norms
from ckptscope.checks.health.numbers import check_moments, check_numbers, check_weights
from ckptscope.checks.health.outliers import check_magnitudes
from ckptscope.checks.health.sharing import check_sharing
from ckptscope.checks.health.subjects import subjects_of
from ckptscope.facts.findings import Finding
from ckptscope.facts.tensors import Manifest, Role
from ckptscope.facts.values import TensorValues

__all__ = ["check_values"]


def check_values(manifest: Manifest, values: Sequence[TensorValues]) -> tuple[Finding, ...]:
    """Judge the values of every tensor, alone and beside its siblings.

    Args:
        manifest: What the checkpoint holds.
        values: What `scan_values` said of it.
    """
    findings: list[Finding] = []
    for state_dict, subjects in subjects_of(manifest, values):
        findings += check_numbers(state_dict, subjects)
        if state_dict.role is Role.OPTIMIZER:
            findings += check_moments(state_dict, subjects)
        if state_dict.role in (Role.NETWORK, Role.EMA):
            findings += check_weights(state_dict, subjects)
            findings += check_channels(state_dict, subjects)
            findings += check_norms(state_dict, subjects)
            findings += check_magnitudes(state_dict, subjects)
    findings += check_sharing(manifest)
    return tuple(findings)
