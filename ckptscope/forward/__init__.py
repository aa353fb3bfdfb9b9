"""The network itself: built, filled with the file's weights, run, and watched. Torch lives here.

Enters: a configuration of a family, the tensors of a checkpoint, an input. Leaves: the parts of a
`ForwardReport`, and the output. No other room imports torch, and no room imports this one before a
forward pass is asked for. Nothing of a file is executed: the modules are this room's own.
"""
