"""Manifest → findings: pure functions, one module a concern."""

from ckptscope.checks.integrity import check_layout

__all__ = ["check_layout"]
