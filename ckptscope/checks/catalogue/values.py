"""Codes about values (`VAL`)."""

from ckptscope.checks.catalogue.entry import Entry

ENTRIES: tuple[Entry, ...] = ()
