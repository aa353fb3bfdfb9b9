"""Files against the rows of a paper's table.

Enters: tables, the names of files, what the files hold. Leaves: a `PaperReport`: each file against
the row that its name claims, all files against all rows, which row each of them holds, and which
files hold the same weights.
"""

import enum

import msgspec

from ckptscope.facts.claims import ClaimSource, Verdict
from ckptscope.facts.report import Failure, Skipped
from ckptscope.facts.standing import Judgement, Standing


class Label(msgspec.Struct, frozen=True, kw_only=True):
    """A row that somebody says a file is.

    Attributes:
        table: Name of the table.
        row: Name of the row.
        made_by: The file's name, or the command line.
        source: The words that say it: `the name 'ConvNeXtPose_L (1).tar'`, `--variant`.
    """

    table: str
    row: str
    made_by: ClaimSource
    source: str


class PaperOutcome(enum.StrEnum):
    """What came out for one file."""

    MATCHES = "matches"
    CONTRADICTS = "contradicts"
    #: It has a label, and nothing in the file decides.
    UNDECIDED = "not decidable from the file"
    UNLABELLED = "not labelled"
    NOT_COMPARED = "not compared"
    UNREAD = "not read"


class PaperFile(msgspec.Struct, frozen=True, kw_only=True):
    """One checkpoint and the row of its label.

    Attributes:
        path: As the user named it, or as it was found.
        location: Members that lead through the wrappers to it.
        label: The row that its name, or the user, says it is; None for none.
        label_remark: Why there is none, or what is peculiar about it.
        family: Family of its network; empty if no family knows it.
        title: The same for people.
        state_dict: Path of the network in the checkpoint.
        prefix: What stands before every key of it.
        table: Name of the table it is held against; empty if there is none.
        row: Row that the judgements are about: the label's, or the one that fits best.
        judgements: That row's claims, each against its fact, in the order of the table.
        standing: Where it stands among the rows of the table.
        told_from_label: Tensors that tell the row that fits best from that of the label, where the
            label's is neither it nor the second.
        misfits: What does not fit the family, the gravest first.
        further: Paths of further networks of the file, which are not compared.
        remark: Why nothing was compared; empty if something was.
        failure: Why it could not be read; None if it could.
    """

    path: str
    location: tuple[str, ...] = ()
    label: Label | None = None
    label_remark: str = ""
    family: str = ""
    title: str = ""
    state_dict: str = ""
    prefix: str = ""
    table: str = ""
    row: str = ""
    judgements: tuple[Judgement, ...] = ()
    standing: Standing | None = None
    told_from_label: tuple[str, ...] = ()
    misfits: tuple[str, ...] = ()
    further: tuple[str, ...] = ()
    remark: str = ""
    failure: Failure | None = None

    @property
    def outcome(self) -> PaperOutcome:
        """What came out; it says *contradicts* on observed and derived facts alone."""
        if self.failure is not None:
            return PaperOutcome.UNREAD
        if self.label is None:
            return PaperOutcome.UNLABELLED if self.judgements else PaperOutcome.NOT_COMPARED
        verdicts = {judgement.verdict for judgement in self.judgements}
        for verdict, outcome in (
            (Verdict.CONTRADICTS, PaperOutcome.CONTRADICTS),
            (Verdict.MATCHES, PaperOutcome.MATCHES),
        ):
            if verdict in verdicts:
                return outcome
        return PaperOutcome.UNDECIDED if self.judgements else PaperOutcome.NOT_COMPARED

    @property
    def name(self) -> str:
        """Path, and the members that lead to the checkpoint."""
        return " > ".join((self.path, *self.location))


class Assignment(msgspec.Struct, frozen=True, kw_only=True):
    """A row and the file that it is given to.

    Attributes:
        row: Name of the row.
        file: Index among the report's files; None for a row that no file is left for.
    """

    row: str
    file: int | None = None


class Mislabelled(msgspec.Struct, frozen=True, kw_only=True):
    """A file whose content contradicts its label and is another row.

    Attributes:
        file: Index among the report's files.
        label: Row that its label says.
        holds: Row that its content is.
    """

    file: int
    label: str
    holds: str


class PaperMatrix(msgspec.Struct, frozen=True, kw_only=True):
    """All files of a family against all rows of a table.

    Attributes:
        table: Name of the table.
        title: The same for people.
        source: Paper or page.
        rows: Names of the rows.
        files: Indices of the files among the report's.
        standings: Of these files, in the same order: the cells.
        assignment: For each row the file that it goes to, so that as many as possible have one.
        mislabelled: Files that hold another row than their label says.
        swapped: Circles among these: each file of one holds the row that the next is labelled.
        missing: Rows that no file holds.
        spare: Files that are left without a row of their own.
    """

    table: str
    title: str
    source: str
    rows: tuple[str, ...]
    files: tuple[int, ...]
    standings: tuple[Standing, ...]
    assignment: tuple[Assignment, ...]
    mislabelled: tuple[Mislabelled, ...] = ()
    swapped: tuple[tuple[int, ...], ...] = ()
    missing: tuple[str, ...] = ()
    spare: tuple[int, ...] = ()


class SameWeights(msgspec.Struct, frozen=True, kw_only=True):
    """Files whose networks hold the same tensors.

    Attributes:
        files: Indices among the report's files.
        same_names: Whether the tensors bear the same names, prefixes of wrappers left out.
        evidence: What was compared: `SHA-256 of the values of 260 tensors`.
    """

    files: tuple[int, ...]
    same_names: bool
    evidence: str


class PaperReport(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of `diff --paper`.

    Attributes:
        is_walk: Whether no file was named, and everything below the current folder was looked at.
        files: In the order of the request, and of the members of each wrapper.
        matrices: One for each table that a file is held against, where there is more than one file.
        same_weights: Groups of files with the same weights.
        remarks: What was not done, and why.
        skipped: What was met in folders and is no checkpoint.
    """

    is_walk: bool = False
    files: tuple[PaperFile, ...]
    matrices: tuple[PaperMatrix, ...] = ()
    same_weights: tuple[SameWeights, ...] = ()
    remarks: tuple[str, ...] = ()
    skipped: tuple[Skipped, ...] = ()
