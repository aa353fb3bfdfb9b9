"""Does `torch.load(weights_only=True)` accept it?

Enters: the pickles of a checkpoint. Leaves: a forecast for every known version of torch, and
findings `SAF010` and `SAF011`. `data/torch.json` says what each version accepts; a release that
comes later is added there, and nowhere else.
"""

from ckptscope.checks.weights_only.findings import findings_of
from ckptscope.checks.weights_only.forecast import forecast_weights_only

__all__ = ["findings_of", "forecast_weights_only"]
