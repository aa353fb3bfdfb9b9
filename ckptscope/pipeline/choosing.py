"""Which network of a checkpoint is to be run, and what is known of it.

Enters: an open checkpoint, what the user knows. Leaves: a `Subject`: architecture, view,
configuration, the row of a table that it is held against.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from ckptscope.errors import TensorLayoutError, UsageError
from ckptscope.facts.architecture import Architecture, FactValue
from ckptscope.facts.claims import Claim, Verdict
from ckptscope.facts.tables import SpecTable
from ckptscope.facts.tensors import Origin, Role, StateDict
from ckptscope.pipeline.opening import Checkpoint
from ckptscope.pipeline.walking import PathLike

if TYPE_CHECKING:
    from ckptscope.families.view import NetworkView
    from ckptscope.forward.hypotheses import Question
    from ckptscope.forward.subject import Subject


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """Which network of a file is meant, and what is known of it.

    Attributes:
        member: Which checkpoint, where a wrapper holds several.
        state_dict: Path of the state_dict; None for the first network that a family knows.
        stated: Settings that the user states.
        variant: Row of a table that it is said to be; None to go by the file's name.
        specs: Tables of claims, as TOML, beside those that come along.
    """

    member: str | None = None
    state_dict: str | None = None
    stated: Mapping[str, FactValue] = {}
    variant: str | None = None
    specs: tuple[PathLike, ...] = ()


ANY_NETWORK = Choice()


def choose_network(path: str, checkpoint: Checkpoint, choice: Choice) -> "Subject":
    """Say what the network is and what it is held against; torch is not imported for it.

    Raises:
        UsageError: No family knows a network of the file; or a setting or a row is not known.
        SpecError: A table is wrong.
        TensorLayoutError: The tensors are too few to build a network from.
    """
    from ckptscope.families.base import Given
    from ckptscope.families.registry import find_family
    from ckptscope.families.view import NetworkView
    from ckptscope.forward.subject import Subject
    from ckptscope.specs.loading import load_tables, tables_for

    state_dict, found, notes = _find(checkpoint, choice)
    architecture, others = found[0], found[1:]
    family = find_family(architecture.family)
    tables = tables_for(family.name, load_tables(choice.specs))
    names = (Path(path).name, *checkpoint.manifest.location)
    claims, table = _claimed(choice.variant, names, tables)
    view = NetworkView(state_dict, architecture.prefix)
    if claims:
        # What the row says helps to rank what shapes leave open, as in `inspect`.
        given = Given(stated=dict(choice.stated), claims=claims)
        architecture = family.infer(view, given)
    prefix = architecture.prefix
    return Subject(
        path=path,
        architecture=architecture,
        family=family,
        configuration=family.configure(_settings(architecture)),
        view=view,
        build=checkpoint.build,
        foreign=tuple(
            one.prefix.removeprefix(prefix)
            for one in others
            if one.prefix.startswith(prefix) and one.prefix != prefix
        ),
        question=_question(architecture, claims, table),
        notes=(*notes, *_notes_about(view, others)),
    )


def _find(
    checkpoint: Checkpoint, choice: Choice
) -> tuple[StateDict, tuple[Architecture, ...], tuple[str, ...]]:
    """Return the first state_dict in which a family knows networks, these, and notes.

    Raises:
        UsageError: There is none.
    """
    from ckptscope.families.base import Given
    from ckptscope.families.probe import infer_architectures

    given = Given(stated=dict(choice.stated))
    if choice.state_dict is not None:
        asked = [checkpoint.state_dict(choice.state_dict)]
    else:
        asked = [one for one in checkpoint.state_dicts if one.role in (Role.NETWORK, Role.EMA)]
    for state_dict in asked:
        found = infer_architectures(state_dict, given)
        if found:
            further = [repr(one.path) for one in asked if one is not state_dict]
            note = f"the file also holds {', '.join(further[:3])}; --state-dict names one"
            return state_dict, found, (note,) if further else ()
    if not asked:
        raise UsageError("no network to run: the file holds no state_dict of one")
    looked = ", ".join(repr(one.path) for one in asked[:3])
    raise UsageError(f"no network to run: no known family explains the state_dict at {looked}")


def _settings(architecture: Architecture) -> Mapping[str, FactValue]:
    """Return what the network is built from.

    Raises:
        TensorLayoutError: A setting that the shapes must give is not to be had.
    """
    if architecture.settings is not None:
        return architecture.settings
    why = "; ".join(architecture.misfits[:2]) or "shapes leave a setting open"
    raise TensorLayoutError(
        f"the network cannot be built: {why}",
        advice="--assume NAME=VALUE states what the file does not hold",
    )


def _claimed(
    variant: str | None, names: Sequence[str], tables: Sequence[SpecTable]
) -> tuple[tuple[Claim, ...], SpecTable | None]:
    """Return the claims of the row that the user or a name means, and its table.

    Raises:
        UsageError: The user means a row that there is not.
    """
    from ckptscope.specs.labels import claims_named, row_claims, row_meant

    for table in tables:
        if variant is not None:
            row = row_meant(variant, table)
            if row is not None:
                return row_claims(table, row, "--variant"), table
            continue
        for name in names:
            claims = claims_named(name, (table,))
            if claims:
                return claims, table
    if variant is not None:
        rows = ", ".join(row.name for table in tables for row in table.rows) or "none"
        raise UsageError(f"no row {variant!r} in the tables of the family; there are: {rows}")
    return (), None


def _question(
    architecture: Architecture, claims: Sequence[Claim], table: SpecTable | None
) -> "Question":
    """Say what hypotheses are held against, and which claims the tensors contradict anyway."""
    from ckptscope.forward.hypotheses import SETTING, Question
    from ckptscope.specs.compare import judge_row

    settled = architecture.fact(SETTING)
    origin = Origin.UNDETERMINED if settled is None else settled.origin
    if table is None or not claims:
        return Question(origin=origin)
    row = claims[0].subject
    contradictions = [
        one.explanation
        or f"{one.attribute}: {one.claimed_text} claimed, {one.found_text} in the file"
        for one in judge_row(architecture, table, row)
        if one.verdict is Verdict.CONTRADICTS
    ]
    return Question(label=row, claims=claims, contradictions=contradictions, origin=origin)


def _notes_about(view: "NetworkView", others: Sequence[Architecture]) -> Iterator[str]:
    """Yield what is left out of the file's tensors."""
    for other in others:
        yield (
            f"a further network of the same state_dict is left out: {other.title} under "
            f"{other.prefix!r:.100}"
        )
    if view.outside and not others:
        yield f"{len(view.outside):,} tensors outside the network are left out: " + ", ".join(
            repr(key)[:100] for key in view.outside[:3]
        )
