"""Graph and members → `Manifest`: every tensor under its name, and the tree of all the rest.

`walk` finds the tensors, `grouping` judges the mappings that hold them, `optimizers` reads training
state, `spending` adds up bytes, `manifest` puts it together; `values` reads elements on request.
"""

from ckptscope.tensors.manifest import ManifestBuild, build_manifest

__all__ = ["ManifestBuild", "build_manifest"]
