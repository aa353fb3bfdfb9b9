"""ConvNeXtPose: 3D human pose from a ConvNeXt backbone and a head of depthwise-separable layers.

`configuration` says what the network is built from and lists its keys, `inference` reads a file's
shapes, `snippets` writes the code that loads it.
"""

from ckptscope.families.known.convnextpose.family import ConvNeXtPose

__all__ = ["ConvNeXtPose"]
