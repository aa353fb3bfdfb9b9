"""Manifest → findings: pure functions, one module a concern."""

from ckptscope.checks.integrity import bound_findings, check_layout

__all__ = ["bound_findings", "check_layout"]
