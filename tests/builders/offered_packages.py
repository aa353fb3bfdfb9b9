"""Packages that offer a family, installed into a folder without an installer.

A folder on the path holds modules and the metadata of the package, as pip leaves them there.
"""

from pathlib import Path

#: A family that knows keys beginning with `dots`; each method can be replaced by a broken one.
DOTS = """
from ckptscope.facts.architecture import Architecture, Snippet
from ckptscope.facts.expected import Counts, ExpectedTensor
from ckptscope.families.base import NOTHING_GIVEN, Configuration, Family, Given, Match
from ckptscope.families.settings import read_settings


class DotsConfiguration(Configuration, frozen=True, kw_only=True):
    size: int = 3


class Dots(Family):
    name = "dots"
    title = "Dots"
    source = "a test"
    anchors = ("dots.weight",)
    dialects = ("plain",)

    def matches(self, view):
        return Match(explained=frozenset(key for key in view if key.startswith("dots.")))

    def infer(self, view, given=NOTHING_GIVEN):
        made = self.configure(given.stated)
        return Architecture(
            family="dots", title="Dots", state_dict=view.state_dict.path, prefix=view.prefix,
            reasons=("it has dots",), coverage=1.0, facts=(), settings=self.settings(made),
            dialect="plain", counts=None,
        )

    def configure(self, settings):
        return read_settings(DotsConfiguration, settings, family="dots")

    def keys(self, configuration, dialect=""):
        return (ExpectedTensor("dots.weight", (configuration.size,), (("size",),)),)

    def count(self, configuration):
        return Counts(parts=())

    def attributes(self, configuration):
        return {"size": configuration.size}

    def snippets(self, architecture):
        return (Snippet(title="dots", language="python", code="pass"),)
"""


def install(folder: Path, package: str, source: str, kind: str = "Dots") -> None:
    """Write a package of one module, whose entry point names a class of it."""
    (folder / f"{package}.py").write_text(source, encoding="utf-8")
    metadata = folder / f"{package}-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n", encoding="utf-8"
    )
    (metadata / "entry_points.txt").write_text(
        f"[ckptscope.families]\n{package} = {package}:{kind}\n", encoding="utf-8"
    )
