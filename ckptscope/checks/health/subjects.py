"""Tensors beside their statistics, and remarks about many of them as one finding.

Enters: a manifest and the statistics of its tensors. Leaves: `Subject`s by state_dict; findings.
"""

from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from ckptscope.facts.findings import Code, Finding, Severity, Where
from ckptscope.facts.tensors import Kind, Manifest, Origin, StateDict, TensorInfo
from ckptscope.facts.values import TensorValues
from ckptscope.tensors.scan_plan import list_entries

#: Tensors of one state_dict that get a finding each; of more, one finding speaks.
_MOST_SINGLE: Final = 3
#: Tensors that such a finding names.
_MOST_NAMED: Final = 8
_KEY_CHARACTERS: Final = 400
#: From here on two digits stand before the point.
_WHOLE_PERCENT: Final = 9.95
_FLOATS: Final = ("float", "bfloat")


class Subject(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A tensor, or a part of one, and what its values told.

    Attributes:
        tensor: The tensor or the part.
        key: Name of the tensor in its state_dict.
        values: Its statistics.
        is_certain: Whether its name, its class or the optimizer says what it is. Tables of
            positions and other buffers of floating-point numbers in a plain state_dict are taken
            for parameters by their dtype alone.
    """

    tensor: TensorInfo
    key: str
    values: TensorValues
    is_certain: bool

    @property
    def name(self) -> str:
        """Path, key and part."""
        parts = (self.values.path, self.key, self.values.part)
        return "/".join(part for part in parts if part)

    @property
    def leaf(self) -> str:
        """Last segment of its key: weight, bias, running_var."""
        return self.key.rpartition(".")[2]

    @property
    def module(self) -> str:
        """What stands before the last segment."""
        return self.key.rpartition(".")[0]

    @property
    def is_float(self) -> bool:
        """Whether its elements are floating-point numbers."""
        return self.tensor.dtype.startswith(_FLOATS)

    @property
    def is_weight(self) -> bool:
        """Whether it is a matrix or a kernel: a floating-point parameter of several dimensions.

        Masks that attention and pruning keep are none, whatever their dtype.
        """
        tensor = self.tensor
        return (
            self.is_float
            and len(tensor.shape) > 1
            and tensor.kind is Kind.PARAMETER
            and "mask" not in self.leaf
            and not self.values.part
            and not self.values.unread
        )

    @property
    def row_elements(self) -> int:
        """Elements of one slice along the first dimension."""
        shape = self.tensor.shape
        return self.tensor.elements // shape[0] if shape and shape[0] else 0


class Remark(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be said of one tensor.

    Attributes:
        name: The tensor's.
        message: A sentence that stands alone.
        detail: The numbers, for a list of many.
    """

    name: str
    message: str
    detail: str


def subjects_of(
    manifest: Manifest, values: Sequence[TensorValues]
) -> Iterator[tuple[StateDict, list[Subject]]]:
    """Yield every state_dict with its tensors; names of a tensor after the first are left out."""
    found: dict[int, list[Subject]] = {}
    for entry, one in zip(list_entries(manifest), values, strict=True):
        subjects = found.setdefault(id(entry.state_dict), [])
        if entry.tensor.alias_of is None:
            subjects.append(
                Subject(
                    tensor=entry.tensor,
                    key=entry.key,
                    values=one,
                    is_certain=_is_certain(entry.state_dict, entry.tensor, entry.key),
                )
            )
    for state_dict in manifest.state_dicts:
        yield state_dict, found.get(id(state_dict), [])


def _is_certain(state_dict: StateDict, tensor: TensorInfo, key: str) -> bool:
    """Tell weights by name: `weight`, `weight_ih_l0`, `parametrizations.weight.original`."""
    if any("weight" in segment for segment in key.split(".")[-2:]) or key.endswith("gamma"):
        return True
    return tensor.kind_origin is Origin.OBSERVED or state_dict.kind_origin is not Origin.ASSUMED


def gather(
    state_dict: StateDict, code: Code, severity: Severity, remarks: Sequence[Remark], many: str
) -> Iterator[Finding]:
    """Yield a finding for each of a few tensors, and one for many.

    Args:
        state_dict: Where they stand.
        code: What kind of thing.
        severity: How much it matters.
        remarks: One for each tensor.
        many: What follows `5 tensors of the state_dict` where there are many.
    """
    if len(remarks) <= _MOST_SINGLE:
        for one in remarks:
            yield Finding(
                code=code,
                severity=severity,
                message=one.message,
                where=Where(key=one.name[:_KEY_CHARACTERS]),
                evidence=(one.detail,),
            )
        return
    rest = len(remarks) - _MOST_NAMED
    named = [f"{one.name!r:.200}: {one.detail}" for one in remarks[:_MOST_NAMED]]
    place = f" of {state_dict.path!r:.200}" if state_dict.path else ""
    yield Finding(
        code=code,
        severity=severity,
        message=f"{len(remarks):,} tensors{place} {many}",
        where=Where(key=state_dict.path[:_KEY_CHARACTERS] or None),
        evidence=(*named, f"and {rest:,} more") if rest > 0 else tuple(named),
    )


def counted(count: int, word: str) -> str:
    """Return `1 channel`, `2 channels`."""
    return f"1 {word}" if count == 1 else f"{count:,} {word}s"


def share_of(count: int, total: int) -> str:
    """Return `3 of 40 elements (7.5 %)`."""
    percent = 100 * count / max(total, 1)
    shown = f"{percent:.0f}" if percent >= _WHOLE_PERCENT else f"{percent:.2g}"
    return f"{count:,} of {counted(total, 'element')} ({shown} %)"


def indexes(first: Sequence[int], count: int) -> str:
    """Return `3, 5, 8` or, of many, `3, 5, 8, ... (40 in all)`."""
    most = 8
    shown = ", ".join(map(str, first[:most]))
    return shown if count <= most else f"{shown}, ... ({count:,} in all)"
