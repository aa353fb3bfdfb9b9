"""Would loading it run code? Names that pickles import, judged as the unpickler resolves them.

Enters: imports. Leaves: findings `SAF...`.
"""

from ckptscope.checks.safety.imports import check_imports

__all__ = ["check_imports"]
