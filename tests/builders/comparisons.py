"""Comparisons made by hand: the same weights, a fine-tuned network, a renaming, hostile names."""

import msgspec
from hypothesis import strategies as st

from ckptscope.facts.comparison import (
    Block,
    ComparedTensor,
    Comparison,
    Conclusion,
    Difference,
    DiffReport,
    Line,
    MetadataRow,
    Pairing,
    Rearrangement,
    Relation,
    RenamingRule,
    Side,
    Structure,
    TensorPair,
    Way,
)
from ckptscope.facts.containers import ContainerKind
from ckptscope.facts.report import Failure

#: What would act on a terminal, on a page, in a table.
HOSTILE = (
    "a|b\n\x1b[2J\x00\u202e</details><script>alert(1)</script>&amp;[l](http://e.org)@all `z` ```\n"
    "# h\n- [ ] ~x~ \ud800"
)


def tensor(key: str, *shape: int, dtype: str = "float32", **changes: object) -> ComparedTensor:
    return ComparedTensor(key=key, dtype=dtype, shape=shape, **changes)


def difference(elements: int, changed: int = 0, apart: float = 0.0, **changes: object):
    """Sides of norm 1 whose difference has the norm `apart`."""
    found = Difference(
        elements=elements,
        equal_bits=elements - changed,
        equal_numbers=elements - changed,
        equal_cast=elements - changed,
        within=elements - changed,
        squares_left=1.0,
        squares_right=1.0,
        products=1.0 - apart**2 / 2,
        squares_apart=apart**2,
        largest=apart,
    )
    return msgspec.structs.replace(found, **changes)


def pair(
    key: str,
    *shape: int,
    to: str = "",
    changed: int = 0,
    apart: float = 0.0,
    pairing: Pairing = Pairing.NAME,
    **changes: object,
) -> TensorPair:
    """A tensor and its counterpart, of the same shape and of the same name but for `to`."""
    left = tensor(key, *shape)
    made = TensorPair(
        left=left,
        right=tensor(to or key, *shape),
        pairing=pairing,
        difference=difference(left.elements, changed, apart),
    )
    return msgspec.structs.replace(made, **changes)


def conclusion(relation: Relation, sentence: str = "", *evidence: str) -> Conclusion:
    return Conclusion(
        relation=relation, sentence=sentence or f"it is {relation}", evidence=evidence
    )


def side(path: str = "a.pth", **changes: object) -> Side:
    made = Side(
        path=path,
        containers=(ContainerKind.TORCH_ZIP,),
        size_bytes=89_560_373,
        state_dict="network",
        role="network",
        prefix="module.",
        tensors=260,
        elements=7_448_954,
        family="convnextpose",
        dialect="named",
    )
    return msgspec.structs.replace(made, **changes)


def unread(path: str = "cut.pth") -> Side:
    failure = Failure(kind="ContainerFormatError", message="it is cut off; download it again")
    return Side(path=path, failure=failure)


def comparison(*conclusions: Conclusion, **changes: object) -> Comparison:
    made = Comparison(left=0, right=1, values_compared=True, conclusions=conclusions)
    return msgspec.structs.replace(made, **changes)


def report(one: Comparison, left: Side | None = None, right: Side | None = None) -> DiffReport:
    return DiffReport(sides=(left or side(), right or side("b.pth")), comparisons=(one,))


def same_weights() -> DiffReport:
    """The same in another container and dialect."""
    keys = [f"stages.{i}.{j}.weight" for i in range(4) for j in range(3)]
    pairs = tuple(
        pair(key, 4, 2, to=key.replace("stages.", "layer"), pairing=Pairing.DIALECT) for key in keys
    )
    one = comparison(
        conclusion(
            Relation.SAME_WEIGHTS,
            "the same weights, bit for bit, in another container and in another dialect",
            "12 tensors, 96 elements compared",
        ),
        ways=(Way.DIALECT, Way.CONTAINER),
        structure=Structure(rules=(RenamingRule(left="stages.{k}", right="layer{k}"),)),
        pairs=pairs,
        blocks=(Block(name="stages", tensors=12, elements=96, changed=0, relative_l2=0, cosine=1),),
        metadata=(MetadataRow(name="epoch", left=3, right=3),),
        relative_l2=0.0,
        cosine=1.0,
    )
    right = side("b.safetensors", containers=(ContainerKind.SAFETENSORS,), dialect="indexed")
    return report(one, side(others=("optimizer", "")), right)


def fine_tuned() -> DiffReport:
    """A backbone that was trained on, a head begun anew; some tensors in one file alone."""
    pairs = (
        pair("backbone.stem.weight", 48, 3, 4, 4),
        *(
            pair(f"backbone.stages.2.{i}.weight", 100, 10, changed=i, apart=0.01 * i)
            for i in range(6)
        ),
        pair("head.final.weight", 64, 8, changed=512, apart=1.4),
        pair("head.odd", 4, changed=4, difference=None, unread="the storage is cut off"),
        TensorPair(left=tensor("head.bias", 576), right=tensor("head.bias", 1152)),
        TensorPair(
            left=tensor("head.scale", 3),
            right=tensor("head.scale", 3, dtype="float16"),
            difference=difference(3, 3, 0.001),
        ),
    )
    one = comparison(
        conclusion(Relation.HEAD_RESET, "begun anew: 'head.final'", "there the cosine is 0.02"),
        conclusion(Relation.FINE_TUNED, "trained on: 0.2% of the elements differ", "e 1", "e 2"),
        structure=Structure(
            only_left=tuple(
                tensor(f"backbone.stages.2.{i}.{name}", 96, 7)
                for i in range(6, 9)
                for name in ("norm.weight", "norm.bias", "conv.weight")
            ),
            only_right=(tensor("head.extra.weight", 2),),
            reshaped=(pairs[-2],),
            retyped=(pairs[-1],),
            ignored=7,
            is_reordered=True,
        ),
        pairs=pairs,
        blocks=(
            Block(
                name="backbone.stem", tensors=1, elements=2304, changed=0, relative_l2=0, cosine=1
            ),
            Block(
                name="backbone.stages.2",
                tensors=6,
                elements=6000,
                changed=15,
                relative_l2=0.0123,
                cosine=0.9999999,
            ),
            Block(
                name="head",
                tensors=4,
                elements=1095,
                changed=519,
                relative_l2=1.4,
                cosine=0.02,
                unread=1,
            ),
        ),
        metadata=(
            MetadataRow(name="epoch", left=3, right=70),
            MetadataRow(name="optimizer: group 0: lr", left="0.1"),
            MetadataRow(name="seed", left=1, right=1),
        ),
        relative_l2=0.31,
        cosine=0.95,
    )
    return report(one)


def structure_only() -> DiffReport:
    pairs = (pair("a.weight", 2, difference=None), pair("a.bias", 2, difference=None))
    one = comparison(
        conclusion(Relation.SAME_STRUCTURE, "the same names, shapes and dtypes"),
        values_compared=False,
        pairs=pairs,
    )
    return report(one)


def rearranged() -> DiffReport:
    moved = pair(
        "fc.weight",
        8,
        4,
        changed=30,
        apart=0.7,
        rearrangement=Rearrangement(channels=((0, 6),), permutation=((0, "ab12"),)),
    )
    turned = TensorPair(
        left=tensor("out.weight", 8, 4),
        right=tensor("out.weight", 4, 8),
        rearrangement=Rearrangement(axes=(1, 0)),
    )
    one = comparison(
        conclusion(Relation.PERMUTED),
        conclusion(Relation.TRANSPOSED),
        structure=Structure(reshaped=(turned,)),
        pairs=(moved, turned),
    )
    return report(one)


def several(count: int = 4, *, failed: bool = False) -> DiffReport:
    """Snapshots in a line; the last is a copy of the first, or could not be read."""
    sides = [side(f"run/snapshot_{index}.pth") for index in range(count)]
    if failed:
        sides[-1] = unread(f"run/snapshot_{count - 1}.pth")
    last = count - 1
    comparisons = []
    for left in range(count):
        for right in range(left + 1, count - failed):
            is_copy = (left, right) == (0, last)
            relation = Relation.IDENTICAL if is_copy else Relation.FINE_TUNED
            apart = 0.01 * abs(right % last - left)
            comparisons.append(
                comparison(
                    conclusion(relation, f"sentence of {left} and {right}"),
                    left=left,
                    right=right,
                    relative_l2=apart,
                )
            )
    line = Line(
        order=tuple(range(last)),
        distances=(0.01,) * (last - 1),
        is_line=True,
        groups=((0, last),),
        sentence=f"{last} different sets of weights; each file lies between its neighbours",
    )
    return DiffReport(
        sides=tuple(sides), comparisons=tuple(comparisons), line=None if failed else line
    )


def hostile() -> DiffReport:
    """Every text of a file is one that would act."""
    odd = HOSTILE
    named = pair(odd, 3, to=odd + "2", changed=3, apart=1.0, unread=f"{odd!r:.200}")
    one = comparison(
        conclusion(Relation.FINE_TUNED, f"trained on {odd!r}", f"{odd!r:.200}"),
        structure=Structure(
            only_left=(tensor(odd + ".1", 2),),
            only_right=(tensor(odd + ".2", 2),),
            reshaped=(msgspec.structs.replace(named, right=tensor(odd, 4)),),
            retyped=(msgspec.structs.replace(named, right=tensor(odd, 3, dtype=odd)),),
            rules=(RenamingRule(left=odd, right=odd),),
        ),
        pairs=(named,),
        blocks=(Block(name=odd, tensors=1, elements=3, changed=3, relative_l2=1.0, cosine=None),),
        metadata=(MetadataRow(name=odd, left=odd, right=(odd, 1, (2, 3))),),
    )
    left = side(odd, location=(odd,), state_dict=odd, prefix=odd, others=(odd,))
    return report(one, left, side(odd + "b"))


_floats = st.floats(allow_nan=True, allow_infinity=True)
_counts = st.integers(0, 2**70)
_texts = st.text(max_size=12) | st.just(HOSTILE)
_shapes = st.lists(st.integers(0, 2**40), max_size=3).map(tuple)
_tensors = st.builds(ComparedTensor, key=_texts, dtype=_texts, shape=_shapes)
_differences = st.builds(
    Difference,
    **{
        name: _counts
        for name in (
            "elements",
            "equal_bits",
            "equal_numbers",
            "equal_cast",
            "within",
            "not_finite",
        )
    },
    **{
        name: st.floats(0, allow_infinity=True)
        for name in ("squares_left", "squares_right", "squares_apart", "largest")
    },
    products=_floats,
    row_cosine=st.none() | _floats,
)
_pairs = st.builds(
    TensorPair,
    left=_tensors,
    right=_tensors,
    pairing=st.sampled_from(Pairing),
    difference=st.none() | _differences,
    rearrangement=st.none() | st.just(Rearrangement(axes=(1, 0), channels=((0, 3),))),
    unread=st.just("") | _texts,
)
_items = st.booleans() | st.integers() | _floats | _texts
_values = st.none() | _items | st.lists(_items, max_size=3).map(tuple)
_comparisons = st.builds(
    Comparison,
    left=st.just(0),
    right=st.just(1),
    values_compared=st.booleans(),
    conclusions=st.lists(
        st.builds(
            Conclusion,
            relation=st.sampled_from(Relation),
            sentence=_texts.map(repr),
            evidence=st.lists(_texts.map(repr), max_size=2).map(tuple),
        ),
        min_size=1,
        max_size=3,
    ).map(tuple),
    ways=st.sets(st.sampled_from(Way)).map(tuple),
    structure=st.builds(
        Structure,
        only_left=st.lists(_tensors, max_size=3).map(tuple),
        only_right=st.lists(_tensors, max_size=3).map(tuple),
        reshaped=st.lists(_pairs, max_size=2).map(tuple),
        retyped=st.lists(_pairs, max_size=2).map(tuple),
        rules=st.lists(st.builds(RenamingRule, left=_texts, right=_texts), max_size=2).map(tuple),
        ignored=st.integers(0, 9),
        is_reordered=st.booleans(),
    ),
    pairs=st.lists(_pairs, max_size=4).map(tuple),
    blocks=st.lists(
        st.builds(
            Block,
            name=_texts,
            tensors=_counts,
            elements=_counts,
            changed=_counts,
            relative_l2=st.none() | _floats,
            cosine=st.none() | _floats,
            unread=st.integers(0, 2),
        ),
        max_size=3,
    ).map(tuple),
    metadata=st.lists(
        st.builds(MetadataRow, name=_texts, left=_values, right=_values), max_size=3
    ).map(tuple),
    relative_l2=st.none() | _floats,
    cosine=st.none() | _floats,
)
_sides = st.builds(
    side,
    path=_texts,
    location=st.lists(_texts, max_size=1).map(tuple),
    state_dict=_texts,
    prefix=_texts,
    family=_texts,
    others=st.lists(_texts, max_size=2).map(tuple),
)
#: Two files of any kind.
reports = st.builds(
    lambda left, right, one: DiffReport(sides=(left, right), comparisons=(one,)),
    _sides,
    _sides,
    _comparisons,
)
