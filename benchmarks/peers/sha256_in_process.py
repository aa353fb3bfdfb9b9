"""Seconds that SHA-256 takes over the bytes of a file, read a mebibyte at a time."""

import hashlib
import sys
import time
from pathlib import Path

start = time.perf_counter()
digest = hashlib.sha256()
with Path(sys.argv[1]).open("rb", buffering=0) as file:
    while piece := file.read(1 << 20):
        digest.update(piece)
digest.digest()
print(time.perf_counter() - start)
