"""Comparisons with a paper made by hand: two swapped files, one that is right, and odd ones."""

import msgspec

from ckptscope.facts.claims import ClaimSource, Verdict
from ckptscope.facts.paper import (
    Assignment,
    Label,
    Mislabelled,
    PaperFile,
    PaperMatrix,
    PaperReport,
    SameWeights,
)
from ckptscope.facts.report import Failure, Skipped
from ckptscope.facts.standing import Judgement, RowFit, Standing
from ckptscope.facts.tensors import Origin

SOURCE = "A. Nobody et al., Journal 1 (2023)"


def judgement(attribute: str, claimed: str, found: str, **changes: object) -> Judgement:
    made = Judgement(
        attribute=attribute,
        fact=attribute,
        claimed=claimed,
        claimed_text=claimed,
        found=found,
        found_text=found,
        origin=Origin.DERIVED,
        verdict=Verdict.MATCHES if claimed == found else Verdict.CONTRADICTS,
        source="table 1",
    )
    return msgspec.structs.replace(made, **changes)


def fit(row: str, matches: int, contradicts: int) -> RowFit:
    reasons = tuple(f"params: {index} too many" for index in range(contradicts))
    return RowFit(
        row=row, matches=matches, contradicts=contradicts, undecided=1, contradictions=reasons
    )


def standing(variant: str | None, *fits: RowFit, **changes: object) -> Standing:
    made = Standing(
        spec="nobody",
        source=SOURCE,
        variant=variant,
        runner_up=fits[1].row,
        ranking=fits,
        separating=("head.weight: [576, 256, 1, 1] in S, [1152, 256, 1, 1] in M",),
    )
    return msgspec.structs.replace(made, **changes)


def paper_file(path: str, label: str | None = None, **changes: object) -> PaperFile:
    said = Label(
        table="nobody", row=label or "", made_by=ClaimSource.FILE_NAME, source=f"the name {path!r}"
    )
    made = PaperFile(
        path=path,
        label=said if label else None,
        family="nobodynet",
        title="NobodyNet",
        state_dict="network",
        table="nobody",
        row=label or "S",
        judgements=(
            judgement("dims", "48, 96, 192, 384", "48, 96, 192, 384"),
            judgement(
                "params",
                "7.44 M",
                "7,438,976",
                verdict=Verdict.MATCHES,
                explanation="7.45 M elements = 7,438,976 parameters (paper: 7.44 M) + 9,978",
            ),
            judgement(
                "upsamplings",
                "2",
                "2",
                origin=Origin.ASSUMED,
                verdict=Verdict.NOT_DECIDABLE,
                agrees=True,
                assumptions=("the cube rule",),
                explanation="assumed: 2, fits",
            ),
            judgement(
                "mpjpe", "51.80 mm", "", verdict=Verdict.NOT_DECIDABLE, explanation="not a weight"
            ),
            judgement("pa_mpjpe", "", "", verdict=Verdict.NOT_CLAIMED),
        ),
        standing=standing("S", fit("S", 3, 0), fit("M", 1, 2)),
    )
    return msgspec.structs.replace(made, **changes)


def wrong_file(path: str, label: str) -> PaperFile:
    return paper_file(
        path,
        label,
        judgements=(judgement("params", "7.59 M", "7,438,976", explanation="7.44 M, not 7.59 M"),),
    )


def one_file() -> PaperReport:
    """A file that is right, and all that may be said beside it."""
    file = paper_file(
        "NobodyNet_S.tar",
        "S",
        label_remark="--variant M is for files whose names say nothing",
        misfits=("3 keys of another network: 'a', 'b', 'c'",),
        further=("'ema': NobodyNet S",),
    )
    return PaperReport(files=(file,))


def several_files(**changes: object) -> PaperReport:
    """Two swapped files, one without a label that is the same as another, and two that fail."""
    small, medium = fit("S", 3, 0), fit("M", 1, 2)
    is_m = standing("M", msgspec.structs.replace(medium, contradicts=0), fit("S", 1, 2))
    files = (
        msgspec.structs.replace(
            wrong_file("NobodyNet_M.tar", "M"), standing=standing("S", small, medium)
        ),
        msgspec.structs.replace(wrong_file("NobodyNet_S.tar", "S"), standing=is_m),
        paper_file("snapshot_67.pth"),
        PaperFile(path="resnet.pth", remark="no family knows its network"),
        PaperFile(path="cut.pth", failure=Failure(kind="ArtifactError", message="it is cut off")),
    )
    matrix = PaperMatrix(
        table="nobody",
        title="NobodyNet",
        source=SOURCE,
        rows=("S", "M", "L"),
        files=(0, 1, 2),
        standings=tuple(
            msgspec.structs.replace(one.standing, ranking=(*one.standing.ranking, fit("L", 0, 0)))
            for one in files[:3]
        ),
        assignment=(Assignment(row="S", file=0), Assignment(row="M", file=1), Assignment(row="L")),
        mislabelled=(
            Mislabelled(file=0, label="M", holds="S"),
            Mislabelled(file=1, label="S", holds="M"),
        ),
        swapped=((0, 1),),
        missing=("L",),
        spare=(2,),
    )
    made = PaperReport(
        files=files,
        matrices=(matrix,),
        same_weights=(
            SameWeights(files=(0, 2), same_names=False, evidence="SHA-256 of 2 tensors"),
        ),
        remarks=("'x': weights not compared: it is cut off",),
        skipped=(Skipped(path="a.txt", reason="text"), Skipped(path="b.txt", reason="text")),
    )
    return msgspec.structs.replace(made, **changes)
