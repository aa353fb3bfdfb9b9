"""What is to be run. This module needs no torch: a file is understood before torch is imported.

Enters: what other rooms found out about a file. Leaves: a `Subject`.
"""

from dataclasses import dataclass, field

from ckptscope.facts.architecture import Architecture
from ckptscope.families.base import Configuration
from ckptscope.families.registry import AnyFamily
from ckptscope.families.view import NetworkView
from ckptscope.forward.hypotheses import Question
from ckptscope.tensors.manifest import ManifestBuild


@dataclass(frozen=True, kw_only=True)
class Subject:
    """The network of a file.

    Attributes:
        path: The file.
        architecture: What it is.
        family: Its family.
        configuration: What it is built from.
        view: Its tensors.
        build: The way to their elements.
        foreign: Prefixes, within the view, of other networks.
        question: What its hypotheses are held against.
        notes: What was decided about it before.
    """

    path: str
    architecture: Architecture
    family: AnyFamily
    configuration: Configuration
    view: NetworkView
    build: ManifestBuild
    foreign: tuple[str, ...] = ()
    question: Question = field(default_factory=Question)
    notes: tuple[str, ...] = ()

    @property
    def lacks_joints(self) -> bool:
        """Whether it is not known how a volume divides into joints and depth bins."""
        settings = self.family.settings(self.configuration)
        return settings.get("joints") is None or settings.get("depth_bins") is None
