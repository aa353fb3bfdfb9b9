"""ConvNeXt classifiers of both papers, in the key layouts of four code bases.

`configuration` says what a network is built from and lists its keys, `layouts` names the layers
around the trunk, `inference` reads a file's shapes, `snippets` writes the code that loads it.
"""

from ckptscope.families.known.convnext.family import ConvNeXt

__all__ = ["ConvNeXt"]
