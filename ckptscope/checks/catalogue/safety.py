"""Codes about what loading would run (`SAF`)."""

from ckptscope.checks.catalogue.entry import Entry

ENTRIES: tuple[Entry, ...] = ()
