"""Seconds of torch.load alone, torch being imported already."""

import sys
import time

import torch

start = time.perf_counter()
value = torch.load(sys.argv[1], map_location="cpu", mmap=True, weights_only=True)
print(time.perf_counter() - start)
