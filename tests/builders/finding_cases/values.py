"""Cases of `VAL`: weights that are sick, and the same when they are well."""

from pathlib import Path

import numpy as np

from builders.finding_cases.case import Case, Subject
from builders.pickles import tensor
from builders.weights import Arrays, random_weights, spelled, training_zip, weights_zip
from builders.zips import torch_zip
from ckptscope.facts.findings import Code

#: Eight layers alike, so that a ninth can stand out.
SIBLINGS = {f"layers.{i}.weight": random_weights(8, 8, seed=i) for i in range(8)}
ROW = random_weights(16, 3, 3, 3)


class Scanned:
    """A file whose values are gone over."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def __call__(self, folder: Path) -> Subject:
        path = folder / "weights.pth"
        path.write_bytes(self._content)
        return Subject(path=path, values=True)


def weights(**arrays: np.ndarray) -> Scanned:
    return named({name.replace("__", "."): one for name, one in arrays.items()})


def named(arrays: Arrays) -> Scanned:
    return Scanned(weights_zip(arrays))


def changed(place: object, value: float) -> np.ndarray:
    """The same random weights, some of them set to a number."""
    array = ROW.copy()
    array[place] = value
    return array


def norm(mean: float, variance: float, batches: int = 100) -> Scanned:
    return weights(
        bn__weight=random_weights(4, seed=1),
        bn__bias=random_weights(4, seed=2),
        bn__running_mean=np.full(4, mean, np.float32),
        bn__running_var=np.full(4, variance, np.float32),
        bn__num_batches_tracked=np.array(batches),
    )


def shared(second_offset: int) -> Scanned:
    """Two tensors of sixteen elements in one storage."""
    storage = {"0": random_weights(32).tobytes()}
    views = {
        "a.weight": tensor("0", (4, 4), elements=32),
        "b.weight": tensor("0", (4, 4), elements=32, offset=second_offset),
    }
    return Scanned(torch_zip(views, storage))


def moments(least: float) -> Scanned:
    squares = np.array([1e-4, least], np.float32)
    arrays = {"w.weight": random_weights(1, 2)}
    state = {"exp_avg": random_weights(1, 2), "exp_avg_sq": squares.reshape(1, 2)}
    return Scanned(training_zip(arrays, state))


def cut(missing: str = "") -> Scanned:
    tensors, storages = spelled({"a.weight": ROW, "b.weight": ROW + 1})
    storages.pop(missing, None)
    return Scanned(torch_zip(tensors, storages))


SOUND = weights(conv__weight=ROW)

CASES: dict[Code, Case] = {
    Code.VALUES_NAN: Case(trips=weights(conv__weight=changed((1, 2, 0, 0), np.nan)), passes=SOUND),
    Code.VALUES_INFINITE: Case(
        trips=weights(conv__weight=changed((1, 2, 0, 0), np.inf)), passes=SOUND
    ),
    Code.VALUES_ZERO: Case(
        trips=weights(conv__weight=changed(..., 0)),
        # An ordinary start.
        passes=weights(conv__weight=ROW, conv__bias=np.zeros(16, np.float32)),
    ),
    Code.VALUES_CONSTANT: Case(trips=weights(conv__weight=changed(..., 0.5)), passes=SOUND),
    Code.VALUES_DENORMAL: Case(
        trips=weights(conv__weight=changed(3, 1e-40)),
        passes=weights(conv__weight=changed(3, 1e-37)),
    ),
    Code.CHANNELS_DEAD: Case(
        trips=weights(conv__weight=changed([2, 5], 0)),
        passes=weights(conv__weight=changed((2, slice(2)), 0)),
    ),
    Code.FILTERS_DUPLICATE: Case(
        trips=weights(conv__weight=np.concatenate((ROW, ROW[:4]))),
        passes=weights(conv__weight=np.concatenate((ROW, -ROW[:4]))),
    ),
    Code.VARIANCE_NOT_POSITIVE: Case(trips=norm(0.1, -0.5), passes=norm(0.1, 0.5)),
    Code.STATISTICS_UNTOUCHED: Case(trips=norm(0, 1, batches=0), passes=norm(0, 0.99)),
    Code.MAGNITUDE_OUTLIER: Case(
        trips=named(SIBLINGS | {"head.weight": random_weights(8, 8, seed=9, scale=500)}),
        passes=named(SIBLINGS | {"head.weight": random_weights(8, 8, seed=9, scale=2)}),
    ),
    Code.VALUES_SPARSE: Case(
        trips=weights(conv__weight=changed((slice(None), 0, 0), 0)), passes=SOUND
    ),
    Code.NEAR_OVERFLOW: Case(
        trips=weights(conv__weight=changed((0, 0, 0, 0), 40_000).astype(np.float16)),
        passes=weights(conv__weight=changed((0, 0, 0, 0), 30_000).astype(np.float16)),
    ),
    Code.STORAGE_SHARED: Case(trips=shared(8), passes=shared(16)),
    Code.MOMENT_NEGATIVE: Case(trips=moments(-1e-6), passes=moments(1e-6)),
    Code.VALUES_UNREAD: Case(trips=cut("b.weight"), passes=cut()),
}
