"""What a family of networks is.

Enters: nothing. Leaves: `Family`, which every family fills in: how it knows its networks, how it
infers their settings from shapes, and what the settings add up to. A family is pure: it reads names
and shapes and no bytes.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar, Generic, TypeVar

import msgspec

from ckptscope.errors import UsageError
from ckptscope.facts.architecture import Architecture, Fact, FactValue, Snippet
from ckptscope.facts.claims import Claim
from ckptscope.facts.expected import Counts, ExpectedTensor
from ckptscope.facts.tensors import TensorInfo
from ckptscope.families.view import NetworkView


class Configuration(msgspec.Struct, frozen=True, kw_only=True):
    """What a network is built from; every family has a subclass.

    Fields are the settings' names. They are numbers, texts, truth values, and tuples of these.
    """


C = TypeVar("C", bound=Configuration)


class Match(msgspec.Struct, frozen=True, kw_only=True):
    """What a family recognises in a view.

    Attributes:
        explained: Keys of the view, without its prefix, that belong to a network of the family;
            empty if there is none.
        reasons: Why, in words, each one to be checked by hand.
    """

    explained: frozenset[str] = frozenset()
    reasons: tuple[str, ...] = ()


class Given(msgspec.Struct, frozen=True, kw_only=True):
    """What is known beside the file.

    Attributes:
        stated: Settings that the user states: they win over whatever is assumed, and a shape that
            contradicts one is said.
        claims: What names and tables say; they help to rank and decide nothing.
    """

    stated: dict[str, FactValue] = {}
    claims: tuple[Claim, ...] = ()


NOTHING_GIVEN = Given()


class BrokenFamilyError(UsageError):
    """A family of another package cannot be used, or breaks the rules.

    Attributes:
        family: Its name; empty if it has none that can be told.
    """

    def __init__(self, message: str, *, family: str = "") -> None:
        super().__init__(message)
        self.family = family


class Family(ABC, Generic[C]):
    """One family of networks.

    Attributes:
        name: Identifier, lower case: convnextpose.
        title: The same for people: ConvNeXtPose.
        source: Paper or code that defines it.
        anchors: Keys that give a network of the family away, as it names them; each alone is
            enough for a closer look. Something that stands before them is its prefix.
        dialects: Ways to name the same layers; the first is the original's.
        weightless: Settings that no tensor depends on: upsampling, input_size.
        blind_spots: What its weights cannot tell, in sentences.
        usual: Values that settings usually have, for those that shapes leave open, the commonest
            first; and the reason, in words.
        spellings: Names under which configurations of its code keep what the shapes show, and the
            facts that each may mean: first the setting that the code takes it for.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    source: ClassVar[str]
    anchors: ClassVar[tuple[str, ...]]
    dialects: ClassVar[tuple[str, ...]]
    weightless: ClassVar[tuple[str, ...]] = ()
    blind_spots: ClassVar[tuple[str, ...]] = ()
    usual: ClassVar[Mapping[str, tuple[tuple[FactValue, ...], str]]] = {}
    spellings: ClassVar[Mapping[str, tuple[str, ...]]] = {}

    @abstractmethod
    def matches(self, view: NetworkView) -> Match:
        """Say which tensors of a view are a network of this family.

        It is quick, and claims no network of which less than half is there.
        """

    @abstractmethod
    def infer(self, view: NetworkView, given: Given = NOTHING_GIVEN) -> Architecture:
        """Infer the architecture; what does not fit is named in it and never raised.

        Raises:
            UsageError: A stated setting is unknown, or has an impossible value.
        """

    @abstractmethod
    def configure(self, settings: Mapping[str, FactValue]) -> C:
        """Make a configuration of settings by their names, those of tables and users included.

        A family understands every field of its configuration, and shorter ways to say several at
        once (`backbone`, `head_width`).

        Raises:
            UsageError: A name is unknown, a value impossible, or a setting is missing; the message
                says which.
        """

    @abstractmethod
    def keys(self, configuration: C, dialect: str = "") -> tuple[ExpectedTensor, ...]:
        """List the state_dict without a prefix, in its order; in the first dialect unless named."""

    @abstractmethod
    def count(self, configuration: C) -> Counts:
        """Add a network up in closed form, without listing its keys."""

    @abstractmethod
    def attributes(self, configuration: C) -> dict[str, FactValue]:
        """Return everything that follows from a configuration by arithmetic, by the facts' names.

        Settings themselves, and what they give: parameters, state_elements, macs, ...
        """

    @abstractmethod
    def snippets(self, architecture: Architecture) -> tuple[Snippet, ...]:
        """Write the code that loads a file of this architecture."""

    def value_facts(
        self, view: NetworkView, architecture: Architecture, nonzero: Callable[[TensorInfo], int]
    ) -> tuple[Fact, ...]:
        """Return facts about weights' values, where the user asks for them; none by default.

        Args:
            view: The network.
            architecture: What was inferred of it.
            nonzero: Counts the elements of a tensor that are not zero; it reads the file.

        Raises:
            ArtifactError: A storage cannot be read.
        """
        return ()

    def settings(self, configuration: C) -> dict[str, FactValue]:
        """Return a configuration as settings by name; `configure` takes them back."""
        return {
            name: getattr(configuration, name) for name in type(configuration).__struct_fields__
        }


def misfit_text(count: int, what: str, examples: Sequence[str]) -> str:
    """Return a sentence about keys: how many, of what sort, and the first of them."""
    shown = ", ".join(repr(example) for example in examples[:3])
    more = ", ..." if count > 3 else ""
    return f"{count:,} {what}: {shown}{more}"
