"""Seconds from a path to the manifest, ckptscope being imported already."""

import sys
import time

import ckptscope

start = time.perf_counter()
value = ckptscope.open_checkpoint(sys.argv[1])
print(time.perf_counter() - start)
