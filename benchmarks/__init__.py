"""Measures ckptscope beside torch.load, in one run: `python -m benchmarks --help`.

Only ratios are judged. Every case runs its programs in turn (A B C A B C ...), so that whatever
else the machine does meets all of them alike. Nothing here is part of the package.
"""
