"""Seconds that one thread takes to go over all values; imports and the manifest do not count."""

import sys
import time

from ckptscope.containers import Contents
from ckptscope.facts.limits import DEFAULT_LIMITS
from ckptscope.pipeline.reading import manifest_of
from ckptscope.pipeline.visiting import visit
from ckptscope.tensors.scanning import scan_values


def scan(name: str, contents: Contents) -> float:
    """Return the seconds of one pass."""
    build = manifest_of(contents, DEFAULT_LIMITS)
    start = time.perf_counter()
    values = scan_values(build, jobs=1)
    seconds = time.perf_counter() - start
    if not values or any(one.unread for one in values):
        raise SystemExit(f"{name}: not all values were read")
    return seconds


for found in visit([sys.argv[1]], DEFAULT_LIMITS, scan):
    print(found)
