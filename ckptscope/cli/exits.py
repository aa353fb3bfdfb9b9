"""What the exit code of a command says; of several files the worst counts."""

import enum


class Exit(enum.IntEnum):
    """The codes, in order of weight."""

    #: As asked: read, the same, matches, passes.
    FINE = 0
    #: A finding that the command exists for: different, contradicts, refused.
    FOUND = 1
    #: The request is wrong: usage, no such file, a missing extra.
    USAGE = 2
    #: A file is unreadable, or the reading is unfinished.
    UNREADABLE = 3
