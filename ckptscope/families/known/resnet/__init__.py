"""ResNet classifiers of 18 to 152 layers, wide and grouped ones, and their trunks alone.

`configuration` says what a network is built from and lists its keys, `inference` reads a file's
shapes, `snippets` writes the code that loads it.
"""

from ckptscope.families.known.resnet.family import ResNet

__all__ = ["ResNet"]
