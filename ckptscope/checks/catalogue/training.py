"""Codes about the training record (`TRN`)."""

from ckptscope.checks.catalogue.entry import Entry

ENTRIES: tuple[Entry, ...] = ()
