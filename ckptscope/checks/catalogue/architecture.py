"""Codes about the architecture (`ARC`)."""

from ckptscope.checks.catalogue.entry import Entry

ENTRIES: tuple[Entry, ...] = ()
