"""Small checkpoints and the manifests of them."""

import struct

from ckptscope.facts.identity import IdentityManifest
from ckptscope.pipeline.identity import identify_content
from ckptscope.reports.identity_json import render_identity_json
from ckptscope.writers.tensors import bytes_storage, tensor_over
from ckptscope.writers.torch_zip import write_torch_zip


def floats(*values, shape=None):
    """A tensor of float32."""
    raw = struct.pack(f"<{len(values)}f", *values)
    return tensor_over(bytes_storage(raw, "float32"), shape or (len(values),))


def network(blocks=9, last=0.0):
    """Names as those of a network, each tensor with values of its own; `last` is in one of them."""
    state = {f"stages.{index}.conv.weight": floats(index, index + 0.5) for index in range(blocks)}
    return {**state, "head.bias": floats(last, 1.0, 2.0)}


def optimizer(moment=0.1):
    """An optimizer as AdamW saves it."""
    return {
        "state": {0: {"exp_avg": floats(moment, moment)}},
        "param_groups": [{"lr": 0.1, "params": [0]}],
    }


def write(path, value, **options):
    """Write a torch zip, and return where it is."""
    write_torch_zip(path, value, **options)
    return path


def manifest_of(*paths):
    """The manifest of some files."""
    report = identify_content(paths)
    return IdentityManifest(files=report.files, skipped=report.skipped)


def write_manifest(path, *files):
    """Write the manifest of some files, as `identity -o` does."""
    path.write_bytes(render_identity_json(identify_content(files)))
    return path
