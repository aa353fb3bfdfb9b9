"""How two tables of keys differ, and the few settings behind it.

Enters: expected tensors and a state_dict, or a pasted traceback. Leaves: `KeyDifferences` as
load_state_dict(strict=True) reports them, and `Cause`s.
"""
