"""What a checkpoint records of its training, beside the tensors.

Enters: the graph of a checkpoint, its storages. Leaves: `Record`: every text that somebody may
read in the file, and every mapping of plain values; `BatchCounters`: what BatchNorms have counted.
"""

from collections.abc import Mapping

import msgspec

from ckptscope.facts.architecture import FactValue


class Text(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A text of the file, wherever it stands.

    Attributes:
        text: It.
        name: Key or attribute that it is the value of; empty for none, and for a key itself.
        path: Way to it from the top, joined by `/`; cut where it is long.
        member: Member of the archive; None for the file itself.
    """

    text: str
    name: str
    path: str
    member: str | None = None


class PlainMapping(msgspec.Struct, frozen=True, kw_only=True):
    """A mapping, a Namespace or any other object that holds plain values.

    Attributes:
        path: Way to it from the top, joined by `/`; empty for the top itself.
        values: Numbers, truth values, texts, and short lists of them, by name.
        others: Names of what is none of these, the first of them.
    """

    path: str
    values: Mapping[str, FactValue]
    others: tuple[str, ...] = ()


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """What a checkpoint says in plain words and numbers.

    Attributes:
        texts: Every text, in the order of the walk.
        mappings: Mappings with plain values, likewise.
        milestones: How often each step counts, for the milestones of schedules, by path.
        searched: Characters of the texts.
        left_out: Characters beyond the bound, which are not among the texts.
        unread_code: Members of code that are not among the texts.
    """

    texts: tuple[Text, ...] = ()
    mappings: tuple[PlainMapping, ...] = ()
    milestones: Mapping[str, Mapping[int, int]] = {}
    searched: int = 0
    left_out: int = 0
    unread_code: int = 0


class BatchCounters(msgspec.Struct, frozen=True, kw_only=True):
    """The batches that the BatchNorms of one network have counted.

    Attributes:
        path: Path of its state_dict.
        values: `num_batches_tracked` of each, by key.
        unread: How many could not be read, or were not.
    """

    path: str
    values: tuple[tuple[str, int], ...]
    unread: int = 0
