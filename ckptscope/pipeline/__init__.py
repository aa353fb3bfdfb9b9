"""The way through: path → source → container → graph → manifest → architecture → report.

Enters: what a user names. Leaves: reports, or one open `Checkpoint`. The only room that wires the
others together.
"""

from ckptscope.pipeline.inspecting import inspect
from ckptscope.pipeline.opening import Checkpoint, open_checkpoint
from ckptscope.pipeline.reading import manifest_of

__all__ = ["Checkpoint", "inspect", "manifest_of", "open_checkpoint"]
