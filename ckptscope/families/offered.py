"""A family of another package, kept from doing harm.

Enters: what an entry point names. Leaves: a `Family` that asks it and looks at its answers. What
such a family raises against the rules, or answers in another type, becomes a `BrokenFamilyError`
that names it; no traceback of ours.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, TypeVar

import msgspec

from ckptscope.errors import ArtifactError, CkptscopeError, UsageError
from ckptscope.facts.architecture import Architecture, Fact, FactValue, Snippet
from ckptscope.facts.expected import Counts, ExpectedTensor
from ckptscope.facts.tensors import TensorInfo
from ckptscope.families.base import (
    NOTHING_GIVEN,
    BrokenFamilyError,
    Configuration,
    Family,
    Given,
    Match,
)
from ckptscope.families.view import NetworkView

T = TypeVar("T")

#: Attributes of a family's class that are lists of texts.
_LISTS: Final = ("anchors", "dialects", "weightless", "blind_spots")
_TEXTS: Final = ("name", "title", "source")


def load_offer(load: Callable[[], object], place: str) -> Family[Any]:
    """Load what an entry point names, and make a family of it.

    Args:
        load: Imports it; it should be a subclass of `Family`.
        place: The entry point's value: `package.module:Class`.

    Raises:
        BrokenFamilyError: It cannot be loaded, is none, or does not fill in what a family must.
    """
    try:
        kind = load()
    except (Exception, SystemExit) as error:
        raise BrokenFamilyError(f"the family {place!r} cannot be loaded: {_told(error)}") from error
    if not (isinstance(kind, type) and issubclass(kind, Family)):
        raise BrokenFamilyError(f"expected a subclass of Family at {place!r}, found {kind!r}")
    try:
        family: Family[Any] = kind()
    except Exception as error:
        raise BrokenFamilyError(f"the family {place!r} cannot be made: {_told(error)}") from error
    _require_attributes(family, place)
    return _Offered(family, place)


def _require_attributes(family: Family[Any], place: str) -> None:
    for name in _TEXTS:
        text = getattr(family, name, None)
        if not isinstance(text, str) or not text:
            raise BrokenFamilyError(f"expected {name!r} of {place!r} to be a text, found {text!r}")
    for name in _LISTS:
        texts = getattr(family, name, None)
        if not isinstance(texts, tuple) or not all(isinstance(one, str) and one for one in texts):
            raise BrokenFamilyError(
                f"expected {name!r} of {place!r} to be a tuple of texts, found {texts!r}"
            )
    for name in ("anchors", "dialects"):
        if not getattr(family, name):
            raise BrokenFamilyError(f"expected {name!r} of {place!r} to hold a text, found none")


class _Offered(Family[Any]):
    """Asks another package's family, and looks at what it answers."""

    def __init__(self, family: Family[Any], place: str) -> None:
        self._family = family
        self._place = place
        for name in (*_TEXTS, *_LISTS, "usual", "spellings"):
            setattr(self, name, getattr(family, name))

    def matches(self, view: NetworkView) -> Match:
        with self._asked("matches"):
            match = self._checked(self._family.matches(view), Match)
            explained = frozenset(key for key in match.explained if key in view)
            return msgspec.structs.replace(match, explained=explained)

    def infer(self, view: NetworkView, given: Given = NOTHING_GIVEN) -> Architecture:
        # What is wrong without stated settings is not the user's fault.
        with self._asked("infer", *((UsageError,) if given.stated else ())):
            found = self._checked(self._family.infer(view, given), Architecture)
        for name, answer, right in (
            ("family", found.family, self.name),
            ("state_dict", found.state_dict, view.state_dict.path),
            ("prefix", found.prefix, view.prefix),
        ):
            if answer != right:
                raise self._broken("infer", f"expected {name} {right!r}, found {answer!r}")
        return found

    def configure(self, settings: Mapping[str, FactValue]) -> Configuration:
        with self._asked("configure", UsageError):
            configuration = self._family.configure(settings)
        if not isinstance(configuration, Configuration):
            raise self._broken("configure", f"expected a Configuration, found {configuration!r}")
        return configuration

    def keys(self, configuration: Any, dialect: str = "") -> tuple[ExpectedTensor, ...]:
        with self._asked("keys", UsageError):
            return self._checked(
                self._family.keys(configuration, dialect), tuple[ExpectedTensor, ...]
            )

    def count(self, configuration: Any) -> Counts:
        with self._asked("count"):
            return self._checked(self._family.count(configuration), Counts)

    def attributes(self, configuration: Any) -> dict[str, FactValue]:
        with self._asked("attributes"):
            return self._checked(self._family.attributes(configuration), dict[str, FactValue])

    def snippets(self, architecture: Architecture) -> tuple[Snippet, ...]:
        with self._asked("snippets"):
            return self._checked(self._family.snippets(architecture), tuple[Snippet, ...])

    def value_facts(
        self, view: NetworkView, architecture: Architecture, nonzero: Callable[[TensorInfo], int]
    ) -> tuple[Fact, ...]:
        with self._asked("value_facts", ArtifactError):
            return self._checked(
                self._family.value_facts(view, architecture, nonzero), tuple[Fact, ...]
            )

    def settings(self, configuration: Any) -> dict[str, FactValue]:
        with self._asked("settings"):
            return self._checked(self._family.settings(configuration), dict[str, FactValue])

    @contextmanager
    def _asked(self, method: str, *allowed: type[CkptscopeError]) -> Iterator[None]:
        """Let the errors through that the method may raise; all others are the family's own."""
        try:
            yield
        except allowed:
            raise
        except Exception as error:
            raise self._broken(method, _told(error)) from error

    def _checked(self, answer: object, kind: type[T]) -> T:
        """Return an answer in the types that it was promised in, down to its smallest part."""
        return msgspec.convert(msgspec.to_builtins(answer), kind)

    def _broken(self, method: str, what: str) -> BrokenFamilyError:
        return BrokenFamilyError(
            f"the family {self.name!r} ({self._place}) fails in {method}: {what}",
            family=self.name,
        )


def _told(error: BaseException) -> str:
    """Return an error on one line."""
    text = " ".join(str(error).split())
    kind = type(error).__name__
    return f"{kind}: {text}" if text else kind
