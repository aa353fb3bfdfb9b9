"""What load_state_dict would say, before anybody has tried it, or after somebody has.

Enters: files and settings, or a pasted traceback. Leaves: a `LoadingReport`, a forecast for every
file; an `ExplainReport`, an explanation for every error in the paste.
"""

import enum

import msgspec

from ckptscope.facts.architecture import FactValue
from ckptscope.facts.differences import Diagnosis, KeyDifferences
from ckptscope.facts.report import Failure, Skipped


class LoadVerdict(enum.StrEnum):
    """What comes of loading a file into a network."""

    LOADS = "loads"
    #: The keys meet once a wrapper's prefix is cut off, or the network is wrapped likewise.
    LOADS_STRIPPED = "loads without the prefix"
    DOES_NOT_LOAD = "does not load"
    UNREAD = "not read"


class LoadStep(msgspec.Struct, frozen=True, kw_only=True):
    """One way to load the file, and what load_state_dict(strict=True) would report.

    Attributes:
        title: as saved; without the prefix 'module.'; with its keys renamed.
        changes: What is done to the state_dict before: nothing, prefix, names; each step does what
            those before it do.
        diagnosis: What would be reported, and why.
    """

    title: str
    changes: str
    diagnosis: Diagnosis


class LoadForecast(msgspec.Struct, frozen=True, kw_only=True):
    """One network of a file, held against one configuration.

    Attributes:
        path: As the user named the file.
        location: Members that lead through wrappers to the checkpoint.
        state_dict: Path of the state_dict in the checkpoint.
        family: Name of the family.
        title: The same for people.
        prefix: What stands before every key of the file's network.
        dialect: How the file names its layers.
        network_dialect: How the network would.
        target: The network, in words: `row M of convnextpose`.
        settings: What the network is built from.
        found_settings: What the file's own network is built from, as far as it is known.
        steps: As saved first.
        remarks: What else is to be known: what was assumed of the network, further networks.
        failure: Why nothing was compared; None if it was.
    """

    path: str
    location: tuple[str, ...] = ()
    state_dict: str = ""
    family: str = ""
    title: str = ""
    prefix: str = ""
    dialect: str = ""
    network_dialect: str = ""
    target: str = ""
    settings: dict[str, FactValue] = {}
    found_settings: dict[str, FactValue] = {}
    steps: tuple[LoadStep, ...] = ()
    remarks: tuple[str, ...] = ()
    failure: Failure | None = None

    @property
    def verdict(self) -> LoadVerdict:
        """What comes of it; a wrapper's prefix alone is no difference of configuration."""
        if self.failure is not None or not self.steps:
            return LoadVerdict.UNREAD
        if self.steps[0].diagnosis.differences.is_empty:
            return LoadVerdict.LOADS
        for step in self.steps:
            if step.changes == "prefix" and step.diagnosis.differences.is_empty:
                return LoadVerdict.LOADS_STRIPPED
        return LoadVerdict.DOES_NOT_LOAD


class LoadingReport(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of `diff FILE --variant` and `diff FILE --config`.

    Attributes:
        files: In the order of the request, and of the members of each wrapper.
        skipped: What was met in folders and is no checkpoint.
    """

    files: tuple[LoadForecast, ...]
    skipped: tuple[Skipped, ...] = ()


class LoadError(msgspec.Struct, frozen=True, kw_only=True):
    """One error of load_state_dict, as it was pasted.

    Attributes:
        network: Class of the module that was loaded; empty if the paste does not say.
        differences: What it lists.
        refused: Keys whose values torch could not copy for another reason than their shape.
        is_strict: False for a warning that names keys and raises nothing.
        cut_off: Entries that break off, or that an ellipsis stands for.
        times: How often the same error stands in the paste.
    """

    network: str
    differences: KeyDifferences
    refused: tuple[str, ...] = ()
    is_strict: bool = True
    cut_off: int = 0
    times: int = 1


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """One error, and what is behind it.

    Attributes:
        error: As it was pasted.
        family: Name of the family whose keys they are; empty if no family knows them.
        title: The same for people.
        dialect: How the layers are named, by the network.
        reasons: Why this family; what speaks for another.
        rivals: Families that know the keys as well.
        found_row: Row of a table that the file's side fits; empty for none.
        expected_row: Row of a table that the network's side fits; empty for none.
        table: Name of that table.
        diagnosis: The causes; its differences are those of the error.
        is_reproduced: Whether the two configurations give all of these lines; None if it was not
            tried.
        beyond: Lines that they give and that are not in the paste.
        undecided: What the paste does not decide, in sentences.
    """

    error: LoadError
    family: str = ""
    title: str = ""
    dialect: str = ""
    reasons: tuple[str, ...] = ()
    rivals: tuple[str, ...] = ()
    found_row: str = ""
    expected_row: str = ""
    table: str = ""
    diagnosis: Diagnosis
    is_reproduced: bool | None = None
    beyond: int = 0
    undecided: tuple[str, ...] = ()


class ExplainReport(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of `explain -`.

    Attributes:
        source: Name of the file that was read, or `-`.
        errors: In the order of the paste.
    """

    source: str
    errors: tuple[Explanation, ...]
