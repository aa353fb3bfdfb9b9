"""Bytes of a pickle → an inert graph, and the tensors that torch's rebuild rules see in it.

Nothing is imported, called or constructed: `machine` interprets opcodes symbolically, `views` reads
the graph under bounds, `torch_rules` knows the functions that torch pickles tensors with.
"""

from ckptscope.pickles.machine import trace_pickle

__all__ = ["trace_pickle"]
