"""The released XS by numbers and sizes alone; and the sizes of real networks that no family knows."""

import os
from pathlib import Path
from zipfile import ZipFile, is_zipfile

import pytest
from corpus_files import require

from ckptscope.carving.carve import carve
from ckptscope.facts.carving import Carving, Found, Slot, Survivor
from ckptscope.facts.tensors import Origin

CORPUS = require()

pytestmark = pytest.mark.corpus

FOLDER = CORPUS / "benign/ConvNeXtPose_XS_released/snapshot_68.pth/data"


@pytest.fixture(scope="module")
def carving() -> Carving:
    survivors = [
        Survivor(key=one.name, number=int(one.name), size_bytes=one.stat().st_size)
        for one in os.scandir(FOLDER)
    ]
    return carve(
        survivors,
        damage="no data.pkl",
        name=FOLDER.parent.name,
        read=lambda key: (FOLDER / key).read_bytes(),
    )


def test_the_released_xs_is_named_with_certainty(carving: Carving) -> None:
    best = carving.best
    assert best is not None
    assert (best.family, best.variant, best.dtype) == ("convnextpose", "XS", "float32")
    assert best.settings["dims"] == (40, 80, 160, 320)
    assert best.settings["head_out_channels"] == (128, 128, 128)
    assert best.settings["final_channels"] == 576
    assert carving.is_certain
    assert carving.alike == 0


def test_every_storage_that_is_left_is_explained(carving: Carving) -> None:
    best = carving.best
    assert best is not None
    assert (best.network, best.network_tensors) == (183, 194)
    assert (best.optimizer_explained, best.optimizer_tensors) == (402, 402)
    assert (best.contradicted, best.unexplained, best.missing) == (0, 0, 11)
    assert (best.optimizer, best.step) == ("AdamW or Adam", "tensor")


def test_the_missing_ones_are_the_first(carving: Carving) -> None:
    missing = [one for one in carving.tensors if one.found is Found.MISSING]
    assert [one.number for one in missing] == list(range(11))
    assert missing[0].key == "backbone.downsample_layers.0.0.weight"
    assert missing[10].key == "backbone.downsample_layers.1.0.running_var"
    assert {one.slot for one in missing} == {Slot.NETWORK}


def test_its_values_are_where_the_table_says(carving: Carving) -> None:
    assert len(carving.checks) == 6
    assert {one.holds for one in carving.checks} == {True}


def test_its_training_is_told_by_counters_and_name(carving: Carving) -> None:
    found = {one.name: (one.value, one.origin) for one in carving.training}
    assert found["steps"] == (1_346_328, Origin.DERIVED)
    assert found["epochs"] == (69, Origin.ASSUMED)
    assert found["iterations_per_epoch"] == (19_512, Origin.ASSUMED)
    assert found["batch_size"] == (None, Origin.UNDETERMINED)


def test_without_its_optimizer_the_stem_stays_open(carving: Carving) -> None:
    left = [one for one in carving.survivors if one.number is not None and one.number < 194]
    alone = carve(left, damage="no data.pkl", name="snapshot_68.pth")
    assert alone.best is not None
    assert alone.best.variant == "XS"
    assert "stem_kernel" in alone.best.open_settings
    assert not alone.is_certain


def test_no_table_fits_any_other_benign_archive() -> None:
    seen = 0
    for path in sorted((CORPUS / "benign").rglob("*")):
        survivors = _survivors(path) if path.is_file() and is_zipfile(path) else []
        if survivors:
            seen += 1
            carving = carve(survivors, damage="no data.pkl", name=path.name)
            assert carving.best is None, (path, carving.verdict)
    assert seen > 20


def _survivors(path: Path) -> list[Survivor]:
    with ZipFile(path) as archive:
        names = [(one, one.filename.rpartition("/")[2]) for one in archive.infolist()]
    return [
        Survivor(key=member.filename, number=int(name), size_bytes=member.file_size)
        for member, name in names
        if "/data/" in member.filename and name.isdecimal()
    ]
