"""3DMPPE PoseNet: 3D human pose from a ResNet trunk and transposed convolutions.

`configuration` says what the network is built from and lists its keys, `inference` reads a file's
shapes, `division` ranks how its outputs divide into joints and depth bins, `snippets` writes the
code that loads it.
"""

from ckptscope.families.known.posenet.family import PoseNet

__all__ = ["PoseNet"]
