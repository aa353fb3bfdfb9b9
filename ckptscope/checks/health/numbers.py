"""What the numbers of a single tensor say: NaN, infinite, zero, constant, too small, too large.

Enters: the tensors of one state_dict. Leaves: findings `VAL001` to `VAL005`, `VAL011`, `VAL012`,
`VAL014` and `VAL020`.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from ckptscope.checks.health.subjects import Remark, Subject, gather, share_of
from ckptscope.facts.findings import Code, Finding, Severity
from ckptscope.facts.tensors import Kind, Role, StateDict

#: Scalars that begin at infinity: ranges of torch.ao.quantization's observers that have seen
#: nothing yet (`torch/ao/quantization/observer.py`), best losses so far.
_BEGINS_INFINITE: Final = ("min_val", "max_val", "best")
#: One in a hundred: of weights whose deviation is 0.02 not one in 10^36 falls below the normal
#: numbers of float32 by chance, so a hundredth of a tensor has decayed on its way to zero.
_DENORMAL_SHARE: Final = 0.01
#: Types whose exponent has eight bits and more. Those of float16 and float8 have so few that
#: ordinary small weights are denormal (below 6e-5 and 0.016), and are none the slower for it.
_WIDE_EXPONENTS: Final = frozenset(("float32", "float64", "bfloat16"))
#: A tenth: dropout and rounding leave no exact zeros, so a tenth of them was put there. Less may be
#: a few dead rows, which have a finding of their own.
_SPARSE_SHARE: Final = 0.1
#: Small tensors have a tenth of zeros by accident or design.
_SPARSE_ELEMENTS: Final = 256
#: Keys of moments that are sums or averages of squares, in torch.optim: Adam and its like, RMSprop,
#: Adadelta, Adagrad.
_SQUARES: Final = frozenset(("exp_avg_sq", "max_exp_avg_sq", "square_avg", "acc_delta", "sum"))


def check_numbers(state_dict: StateDict, subjects: Sequence[Subject]) -> Iterator[Finding]:
    """Find what is no number, and what could not be read: whatever the tensors are for."""
    is_other = state_dict.role is Role.OTHER
    severity = Severity.WARNING if is_other else Severity.ERROR
    nan = [_nan(one) for one in subjects if one.values.nan]
    yield from gather(state_dict, Code.VALUES_NAN, severity, nan, "hold NaN")
    infinite = [_infinite(one) for one in subjects if _is_unexpectedly_infinite(one)]
    yield from gather(state_dict, Code.VALUES_INFINITE, severity, infinite, "hold infinite numbers")
    unread = [
        Remark(name=one.name, message="its values could not be read", detail=one.values.unread)
        for one in subjects
        if one.values.unread
    ]
    many = "could not be read, so nothing is said of their values"
    yield from gather(state_dict, Code.VALUES_UNREAD, Severity.WARNING, unread, many)


def check_moments(state_dict: StateDict, subjects: Sequence[Subject]) -> Iterator[Finding]:
    """Find sums of squares that are negative."""
    remarks = [
        Remark(
            name=one.name,
            message="an optimizer's average of squares holds negative numbers",
            detail=f"least {one.values.least:.4g}",
        )
        for one in subjects
        if one.key.rpartition("/")[2] in _SQUARES
        and one.values.least is not None
        and one.values.least < 0
    ]
    many = "are averages of squares and hold negative numbers"
    yield from gather(state_dict, Code.MOMENT_NEGATIVE, Severity.ERROR, remarks, many)


def check_weights(state_dict: StateDict, subjects: Sequence[Subject]) -> Iterator[Finding]:
    """Find values that are numbers, and odd ones for a network."""
    zeros = [one for one in subjects if _is_oddly_zero(one)]
    constants = [one for one in subjects if _is_oddly_constant(one)]
    # What may be a buffer is told for information: tables that are filled later, averages.
    for severity, is_certain in ((Severity.WARNING, True), (Severity.INFO, False)):
        zero = [_zero(one) for one in zeros if one.is_certain is is_certain]
        yield from gather(state_dict, Code.VALUES_ZERO, severity, zero, "are all zero")
        constant = [_constant(one) for one in constants if one.is_certain is is_certain]
        many = "are constant: each holds one number throughout"
        yield from gather(state_dict, Code.VALUES_CONSTANT, severity, constant, many)
    denormal = [_denormal(one) for one in subjects if _is_denormal(one)]
    many = "hold numbers too small to be normal (denormal)"
    yield from gather(state_dict, Code.VALUES_DENORMAL, Severity.INFO, denormal, many)
    sparse = [_sparse(one) for one in subjects if _is_sparse(one)]
    many = "hold many exact zeros: pruned, masked or triangular"
    yield from gather(state_dict, Code.VALUES_SPARSE, Severity.INFO, sparse, many)
    near = [_near_overflow(one) for one in subjects if _is_near_overflow(one)]
    many = "hold numbers of more than half of what float16 can"
    yield from gather(state_dict, Code.NEAR_OVERFLOW, Severity.WARNING, near, many)


def _nan(one: Subject) -> Remark:
    return Remark(
        name=one.name, message="holds NaN", detail=share_of(one.values.nan, one.values.elements)
    )


def _is_unexpectedly_infinite(one: Subject) -> bool:
    """Tell a weight that ran away from what is infinite by design."""
    values = one.values
    if not values.infinite:
        return False
    if values.elements == 1 and one.leaf.startswith(_BEGINS_INFINITE):
        return False
    # A mask that is added before a softmax holds minus infinity where nothing may be looked at, and
    # zero elsewhere; masks are told by that and not by their names.
    is_mask = not values.positive_infinite and not values.nan and not (values.least or 0)
    is_mask = is_mask and values.least == values.greatest
    # The number alone that such masks are filled with, -1e9, is infinite in float16.
    is_filler = values.elements == 1 and "mask" in one.leaf
    return not (is_mask and (values.zeros or is_filler))


def _infinite(one: Subject) -> Remark:
    return Remark(
        name=one.name,
        message="holds infinite numbers",
        detail=share_of(one.values.infinite, one.values.elements),
    )


def _is_oddly_zero(one: Subject) -> bool:
    """Tell a weight that is zero from what may well be.

    Biases start at zero in many recipes, and stay there where a norm follows. Single numbers are
    gates, which start at zero to let a block begin as nothing. Buffers are counters and masks.
    """
    values = one.values
    if one.tensor.kind is not Kind.PARAMETER or not one.is_float or values.part:
        return False
    if not values.elements or values.zeros != values.elements or values.elements == 1:
        return False
    return one.is_weight or one.leaf in ("weight", "gamma")


def _zero(one: Subject) -> Remark:
    shape = "×".join(map(str, one.tensor.shape))
    return Remark(
        name=one.name,
        message="a weight is all zero: its layer passes nothing on"
        if one.is_certain
        else "a tensor is all zero; its name does not tell whether it is a weight",
        detail=f"shape {shape}, {one.values.elements:,} zeros",
    )


def _is_oddly_constant(one: Subject) -> bool:
    return one.is_weight and one.values.is_constant and one.values.least != 0


def _constant(one: Subject) -> Remark:
    shape = "×".join(map(str, one.tensor.shape))
    return Remark(
        name=one.name,
        message="a weight holds one number throughout"
        if one.is_certain
        else "a tensor holds one number throughout; its name does not tell whether it is a weight",
        detail=f"shape {shape}, every element {one.values.least:.6g}",
    )


def _is_denormal(one: Subject) -> bool:
    values = one.values
    share = values.denormals / values.elements if values.elements else 0
    return one.tensor.dtype in _WIDE_EXPONENTS and share >= _DENORMAL_SHARE


def _denormal(one: Subject) -> Remark:
    return Remark(
        name=one.name,
        message="holds numbers too small to be normal (denormal)",
        detail=share_of(one.values.denormals, one.values.elements),
    )


def _is_sparse(one: Subject) -> bool:
    """Tell many zeros, beyond those of channels that are nothing else."""
    values = one.values
    if not one.is_weight or values.elements < _SPARSE_ELEMENTS or values.zeros == values.elements:
        return False
    dead = values.channels.zero if values.channels is not None else 0
    return values.zeros - dead * one.row_elements >= _SPARSE_SHARE * values.elements


def _sparse(one: Subject) -> Remark:
    return Remark(
        name=one.name,
        message=f"a {'weight' if one.is_certain else 'tensor'} holds many exact zeros: pruned, "
        "masked or triangular",
        detail=share_of(one.values.zeros, one.values.elements),
    )


def _is_near_overflow(one: Subject) -> bool:
    """Tell large weights from masks, which hold zeros and the most negative number."""
    values = one.values
    is_mask = values.greatest == 0 and values.zeros + values.near_largest == values.elements
    return one.tensor.dtype == "float16" and values.near_largest > 0 and not is_mask


def _near_overflow(one: Subject) -> Remark:
    values = one.values
    return Remark(
        name=one.name,
        message="holds numbers of more than half of what float16 can (65,504)",
        detail=f"{share_of(values.near_largest, values.elements)}, from {values.least:.6g} to "
        f"{values.greatest:.6g}",
    )
