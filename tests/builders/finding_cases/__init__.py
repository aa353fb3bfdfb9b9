"""For every code a checkpoint that trips it and one that does not.

`CASES` is put together from the modules of this package: each holds a dict `CASES` of its room's
codes.
"""

import pkgutil
from collections.abc import Mapping
from importlib import import_module

from builders.finding_cases.case import Case, Subject
from ckptscope.facts.findings import Code


def _collect() -> dict[Code, Case]:
    cases: dict[Code, Case] = {}
    for module in sorted(info.name for info in pkgutil.iter_modules(__path__)):
        found: Mapping[Code, Case] = getattr(import_module(f"{__name__}.{module}"), "CASES", {})
        twice = sorted(cases.keys() & found.keys())
        if twice:
            raise ValueError(f"{module} has cases that another module has already: {twice}")
        cases |= found
    return cases


CASES = _collect()

__all__ = ["CASES", "Case", "Subject"]
