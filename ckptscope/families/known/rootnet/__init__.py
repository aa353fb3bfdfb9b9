"""3DMPPE RootNet: the depth of a person's root from a ResNet trunk and the camera's parameters.

`configuration` says what the network is built from and lists its keys, `inference` reads a file's
shapes, `snippets` writes the code that loads it.
"""

from ckptscope.families.known.rootnet.family import RootNet

__all__ = ["RootNet"]
