"""Bounds on what a file may make ckptscope do.

Enters: nothing, or a user's options. Leaves: one frozen `Limits` that every reader takes.
"""

import msgspec


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds of one run; a file that asks for more gets a `LimitError` that names the field."""

    #: Members of one archive or files of one folder: ten times the largest checkpoint seen.
    members: int = 1_000_000
    #: Archives inside archives. A released file sits in two or three.
    container_depth: int = 8
    #: Checkpoints reported out of one file.
    checkpoints: int = 10_000
    #: Bytes of a safetensors header; the format's own limit.
    header_bytes: int = 100_000_000
    #: Bytes of one pickle, large byte strings (which are skipped) not counted.
    pickle_bytes: int = 1 << 30
    #: Objects that a pickle may create at least; a long pickle may create one for each
    #: `pickle_bytes_per_node` bytes.
    pickle_nodes: int = 1_000_000
    #: A checkpoint of many tensors needs about 12 bytes of pickle an object.
    pickle_bytes_per_node: int = 8
    #: Open MARKs of a pickle; one for each level of nesting while it is built.
    nesting: int = 1_000
    #: Bytes of one text line of a pickle, and digits of one number.
    pickle_line_bytes: int = 64 << 20
    #: Bytes of one integer (LONG1, LONG4, LONG): a quarter of a million bits; time to print is
    #: quadratic in it.
    integer_bytes: int = 32 << 10
    #: Levels of the tree that are followed; a network nests two for each level of modules.
    tree_depth: int = 150
    #: Steps of one walk over a graph; shared parts count each time they are met.
    walk_steps: int = 5_000_000
    #: Containers that one walk may meet again under another path: parts that are shared and share
    #: parts in turn multiply.
    walk_revisits: int = 100_000
    #: Elements that one tensor may declare; more than any address space holds.
    tensor_elements: int = 1 << 48
    #: Dimensions of one tensor; torch itself stops at 64.
    tensor_dims: int = 64
    #: Bytes of one compressed member that is read into memory.
    inflated_member_bytes: int = 256 << 20
    #: Bytes inflated in one run to check declared sizes that look too good.
    inflated_check_bytes: int = 256 << 20
    #: Declared size over compressed size above which a member is checked by inflating it.
    inflation_ratio: int = 100
    #: Bytes that compressed wrappers may be spooled to a temporary file.
    spool_bytes: int = 2 << 30


DEFAULT_LIMITS = Limits()
