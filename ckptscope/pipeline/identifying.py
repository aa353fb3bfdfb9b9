"""Which networks a checkpoint holds, and which rows of the tables they are.

Enters: a manifest, and what the user knows beside the file. Leaves: an `Identified` for each
network that a family knows. The families and the tables are imported only where there is a network
to ask about.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

import msgspec

from ckptscope.errors import ArtifactError
from ckptscope.facts.architecture import Architecture, FactValue
from ckptscope.facts.standing import Identified
from ckptscope.facts.tables import SpecTable
from ckptscope.facts.tensors import Manifest, Role, StateDict, TensorInfo

if TYPE_CHECKING:
    from ckptscope.facts.claims import Claim

#: State_dicts of one checkpoint that the families are asked about; there are more only where
#: somebody put them there to be found.
_MOST_ASKED = 64
#: Counts the elements of a tensor that are not zero.
CountNonzero = Callable[[TensorInfo], int]


class Knowledge(msgspec.Struct, frozen=True, kw_only=True):
    """What is known beside the file, and what is asked.

    Attributes:
        stated: Settings that the user states.
        tables: Tables of the user; those that come along are found by the family.
        snippets: Whether code that loads the file is wanted.
    """

    stated: Mapping[str, FactValue] = {}
    tables: tuple[SpecTable, ...] = ()
    snippets: bool = False


NOTHING_KNOWN = Knowledge()


def identify(
    manifest: Manifest,
    knowledge: Knowledge = NOTHING_KNOWN,
    *,
    names: tuple[str, ...] = (),
    nonzero: CountNonzero | None = None,
) -> tuple[Identified, ...]:
    """Say which networks a checkpoint holds; none is an answer.

    Args:
        manifest: What the checkpoint holds.
        knowledge: What the user knows and wants.
        names: What the file and the members that lead to the checkpoint are called, in order of
            weight. A row that one of them means helps to rank what shapes leave open, and decides
            nothing.
        nonzero: Reads weights, where facts about their values are wanted; None where not.

    Raises:
        UsageError: A stated setting is unknown to a family, or impossible.
    """
    groups = list(_distinct(manifest.state_dicts))
    if not groups:
        return ()
    from ckptscope.families.base import BrokenFamilyError

    found: list[Identified] = []
    broken: dict[str, BrokenFamilyError] = {}
    for state_dict, copies in groups:
        try:
            found += _identify_one(state_dict, copies, knowledge, names, nonzero)
        except BrokenFamilyError as error:
            # It may have been the one to know this network; those that are known still count.
            broken.setdefault(str(error), error)
    if broken and not found:
        raise next(iter(broken.values()))
    return tuple(_tell(found, tuple(broken)))


def _tell(found: list[Identified], problems: tuple[str, ...]) -> Iterator[Identified]:
    """Yield what was found; the first says which families could not be asked about the others."""
    for index, one in enumerate(found):
        architecture = one.architecture
        untold = tuple(text for text in problems if text not in architecture.misfits)
        if index or not untold:
            yield one
            continue
        architecture = msgspec.structs.replace(
            architecture, misfits=(*architecture.misfits, *untold)
        )
        yield msgspec.structs.replace(one, architecture=architecture)


def _distinct(state_dicts: Iterable[StateDict]) -> Iterator[tuple[StateDict, tuple[str, ...]]]:
    """Yield networks and averaged copies, each with the paths of those that are structured alike.

    What stands first in the manifest is asked about: networks before copies.
    """
    asked = [one for one in state_dicts if one.role in (Role.NETWORK, Role.EMA)][:_MOST_ASKED]
    if len(asked) == 1:
        yield asked[0], ()
        return
    alike: dict[object, list[StateDict]] = {}
    for one in asked:
        cut = len(one.prefix)
        structure = frozenset((tensor.key[cut:], tensor.shape) for tensor in one.tensors)
        alike.setdefault(structure, []).append(one)
    for first, *others in alike.values():
        yield first, tuple(one.path for one in others)


def _identify_one(
    state_dict: StateDict,
    copies: tuple[str, ...],
    knowledge: Knowledge,
    names: tuple[str, ...],
    nonzero: CountNonzero | None,
) -> Iterator[Identified]:
    from ckptscope.families.base import Given
    from ckptscope.families.probe import infer_architectures
    from ckptscope.specs.loading import tables_for

    def given(family: str) -> Given:
        tables = tables_for(family, knowledge.tables)
        return Given(stated=dict(knowledge.stated), claims=_claims(names, tables))

    for architecture in infer_architectures(state_dict, given):
        yield _complete(state_dict, architecture, copies, knowledge, nonzero)


def _complete(
    state_dict: StateDict,
    architecture: Architecture,
    copies: tuple[str, ...],
    knowledge: Knowledge,
    nonzero: CountNonzero | None,
) -> Identified:
    """Add to an architecture what needs more than its tensors' names and shapes."""
    from ckptscope.families.registry import find_family
    from ckptscope.families.view import NetworkView
    from ckptscope.specs.compare import identify_standing
    from ckptscope.specs.loading import tables_for

    standing = identify_standing(architecture, tables_for(architecture.family, knowledge.tables))
    unread = ""
    if nonzero is not None:
        view = NetworkView(state_dict, architecture.prefix)
        try:
            more = find_family(architecture.family).value_facts(view, architecture, nonzero)
        except ArtifactError as error:
            unread = str(error)
        else:
            architecture = msgspec.structs.replace(architecture, facts=(*architecture.facts, *more))
    if knowledge.snippets:
        snippets = find_family(architecture.family).snippets(architecture)
        architecture = msgspec.structs.replace(architecture, snippets=snippets)
    return Identified(architecture=architecture, standing=standing, copies=copies, unread=unread)


def _claims(names: Iterable[str], tables: tuple[SpecTable, ...]) -> "tuple[Claim, ...]":
    """Return what the row claims that the first telling name means."""
    from ckptscope.specs.labels import claims_named

    return next(filter(None, (claims_named(name, tables) for name in names)), ())
