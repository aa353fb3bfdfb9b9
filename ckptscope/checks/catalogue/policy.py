"""Codes about what a policy asks for (`POL`)."""

from ckptscope.checks.catalogue.entry import Entry

ENTRIES: tuple[Entry, ...] = ()
