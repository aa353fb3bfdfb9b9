"""Checkpoints that lost their pickle: files of the fixtures, damaged; and results made by hand."""

from collections.abc import Iterable
from pathlib import Path

import msgspec

from ckptscope.facts.architecture import Evidence, Fact
from ckptscope.facts.carving import (
    CarvedTensor,
    Carving,
    Check,
    Found,
    Slot,
    Survivor,
    TableFit,
)
from ckptscope.facts.report import Failure, FileReport, InspectReport
from ckptscope.facts.tensors import Origin
from ckptscope.writers.directory import write_directory
from fixtures import containers
from fixtures.build import tiny

FAILURE = Failure(kind="ContainerFormatError", message="expected data.pkl, found none")


def without_pickle(place: Path, *, lost: Iterable[int] = range(11)) -> Path:
    """A narrow ConvNeXtPose with its optimizer, as a folder without data.pkl and these storages."""
    containers.directory(tiny(), place)
    (place / "data.pkl").unlink()
    for number in lost:
        (place / "data" / str(number)).unlink()
    return place


def broken_pickle(place: Path, *, share: float) -> Path:
    """The same folder with all storages, its pickle cut off behind a share of its bytes."""
    containers.directory(tiny(), place)
    pickle = place / "data.pkl"
    content = pickle.read_bytes()
    pickle.write_bytes(content[: int(len(content) * share)])
    return place


def unknown_without_pickle(place: Path, value: object) -> Path:
    """A checkpoint of no known family, as a folder without its pickle."""
    write_directory(place, value)
    (place / "data.pkl").unlink()
    return place


def survivor(place: int, size_bytes: int, **changes: object) -> Survivor:
    made = Survivor(key=str(place), number=place, size_bytes=size_bytes)
    return msgspec.structs.replace(made, **changes)


def tensor(
    number: int, key: str, *shape: int, slot: Slot = Slot.NETWORK, found: Found = Found.CARVED
) -> CarvedTensor:
    """A float32 tensor, its storage named by its number unless it is missing."""
    return CarvedTensor(
        key=key,
        slot=slot,
        shape=shape,
        dtype="float32",
        number=number,
        storage=None if found is Found.MISSING else str(number),
        found=found,
    )


def fit(**changes: object) -> TableFit:
    made = TableFit(
        family="convnextpose",
        title="ConvNeXtPose",
        variant="S",
        settings={"dims": (48, 96), "kernel_size": 7},
        dtype="float32",
        optimizer="SGD with momentum",
        explained=4,
        network=3,
        network_tensors=5,
        optimizer_explained=1,
        optimizer_tensors=1,
        missing=2,
        dialect="named",
        bits=80.0,
    )
    return msgspec.structs.replace(made, **changes)


TENSORS = (
    tensor(0, "stem.weight", 4, 3, found=Found.MISSING),
    tensor(1, "stem.bias", 4, found=Found.MISSING),
    tensor(2, "norm.weight", 4),
    tensor(3, "norm.running_mean", 4),
    tensor(4, "head.weight", 5, 4),
    tensor(5, "head.weight", 5, 4, slot=Slot.MOMENTUM),
)


def carving(**changes: object) -> Carving:
    """Five storages of six tensors, one storage that is none, and a training record."""
    made = Carving(
        damage="data.pkl is missing",
        survivors=(
            survivor(2, 16),
            survivor(3, 16),
            survivor(4, 80),
            survivor(5, 80),
            survivor(9, 7),
        ),
        best=fit(),
        runner_up=fit(variant="M", settings={"dims": (48, 99), "kernel_size": 7}, explained=2),
        tried=12,
        verdict="ConvNeXtPose S: 4 of 5 storages have its sizes.",
        is_certain=True,
        tensors=TENSORS,
        checks=(
            Check(what="counters agree", holds=True, evidence="1,000 × 3"),
            Check(what="every running variance is non-negative", holds=False, evidence="2 of 3"),
            Check(what="second moments", holds=None),
        ),
        training=(
            Fact(
                name="steps",
                value=1_346_328,
                origin=Origin.DERIVED,
                evidence=(Evidence(text="134 of 134 agree"),),
            ),
            Fact(
                name="epochs",
                value=None,
                origin=Origin.UNDETERMINED,
                decided_by="the epoch, which the pickle would have held",
            ),
        ),
    )
    return msgspec.structs.replace(made, **changes)


def nothing_fits(**changes: object) -> Carving:
    """What no table fits."""
    made = carving(
        best=None,
        runner_up=None,
        tensors=(),
        checks=(),
        training=(),
        is_certain=False,
        verdict="no table fits: none of 12 tables explains 5 storages.",
    )
    return msgspec.structs.replace(made, **changes)


def report_of(*carvings: Carving, path: str = "snapshot.pth") -> InspectReport:
    """A report on files that could not be read."""
    files = (FileReport(path=path, failure=FAILURE, carved=one) for one in carvings)
    return InspectReport(files=tuple(files))
