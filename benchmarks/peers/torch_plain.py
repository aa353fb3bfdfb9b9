"""torch.load as most people call it; `--unrestricted` for what weights_only refuses to read.

Run on files that `fixtures` made, and on no others: the unrestricted form executes the file.
"""

import sys

import torch

value = torch.load(sys.argv[1], map_location="cpu", weights_only="--unrestricted" not in sys.argv)
print(len(value))
