"""Cases of `TRN`: records that no training made, and what a release need not tell."""

from collections.abc import Callable

from builders.finding_cases.case import Case
from builders.finding_cases.files import Write, a_file
from builders.training_files import SMALL, Storages, checkpoint, cosine, namespace
from ckptscope.facts.findings import Code

SHAPES = list(SMALL.values())
#: Forms of keys, put together here so that no scanner takes this file for a leak.
HUB_TOKEN = "hf_" + "aB3dE6gH9jK2mN5pQ8sT1vW4yZ7bC0fG3h"


def saved(make: Callable[[Storages], object], location: str = "cpu") -> Write:
    storages = Storages(location)
    return a_file(checkpoint(make(storages), storages))


def with_args(**values: object) -> Write:
    return saved(lambda s: {"network": s.network(), "args": namespace(**values)})


SOUND = saved(lambda s: {"network": s.network(), "optimizer": s.adam()})
WEIGHTS = saved(lambda s: s.network())

CASES: dict[Code, Case] = {
    Code.OPTIMIZER_COUNT: Case(
        trips=saved(lambda s: {"network": s.network(), "optimizer": s.adam(listed=6)}),
        passes=SOUND,
    ),
    Code.OPTIMIZER_SHAPES: Case(
        trips=saved(
            lambda s: {"network": s.network(), "optimizer": s.adam([*SHAPES[:-1], (3, 4)])}
        ),
        passes=SOUND,
    ),
    Code.OPTIMIZER_INCLUDED: Case(trips=SOUND, passes=WEIGHTS),
    Code.EMA_INCLUDED: Case(
        trips=saved(lambda s: {"network": s.network(), "ema": s.network()}),
        passes=saved(lambda s: {"network": s.network(), "teacher": s.network()}),
    ),
    Code.COUNTERS_DISAGREE: Case(
        trips=saved(lambda s: s.network(counters={"norm": 100, "norm2": 130})),
        passes=saved(lambda s: s.network(counters={"norm": 100, "norm2": 100})),
    ),
    Code.EPOCH_DISAGREES: Case(
        trips=saved(lambda s: {"epoch": 68, "network": s.network(), "optimizer": s.adam(steps=7)}),
        passes=saved(
            lambda s: {"epoch": 68, "network": s.network(), "optimizer": s.adam(steps=690)}
        ),
    ),
    Code.RATE_DISAGREES: Case(
        trips=saved(
            lambda s: {
                "network": s.network(),
                "optimizer": s.adam(lr=1e-3),
                "scheduler": cosine(5, base=1e-3, period=10),
            }
        ),
        passes=saved(
            lambda s: {
                "network": s.network(),
                "optimizer": s.adam(lr=5e-4),
                "scheduler": cosine(5, base=1e-3, period=10),
            }
        ),
    ),
    Code.RECORD_OF_TRAINING: Case(
        trips=saved(lambda s: {"epoch": 68, "network": s.network()}), passes=WEIGHTS
    ),
    Code.DEVICE_RECORDED: Case(
        trips=saved(lambda s: s.network(), location="cuda:0"), passes=WEIGHTS
    ),
    Code.PATH_RECORDED: Case(
        trips=with_args(output_dir="/mnt/storage7/poses/run3"), passes=with_args(output_dir="run3")
    ),
    Code.USER_RECORDED: Case(
        trips=with_args(data="/home/jdoe/coco"), passes=with_args(data="/home/ubuntu/coco")
    ),
    Code.HOST_RECORDED: Case(
        trips=with_args(hostname="gpu-node-07"), passes=with_args(hostname="localhost")
    ),
    Code.CREDENTIAL_RECORDED: Case(
        trips=with_args(hub_token=HUB_TOKEN), passes=with_args(hub_token="<s>", unk_token="[UNK]")
    ),
}
