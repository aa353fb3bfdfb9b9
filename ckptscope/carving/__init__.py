"""Storages without names → what they were: see `carving.carve`.

Enters: numbers and sizes of storages. Leaves: a `Carving`. No byte of a tensor is read but through
what the caller passes.
"""
