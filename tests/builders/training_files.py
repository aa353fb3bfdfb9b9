"""Training checkpoints in a few kilobytes: networks, optimizers, schedules, whatever is beside them.

Every tensor gets a storage of its own; what is returned is a tree for `builders.pickles.value`, and
`Storages` holds the bytes.
"""

import struct
from collections.abc import Mapping, Sequence

from builders.pickles import Raw, build, call, ordered_dict, product, tensor
from builders.reading import outcomes
from builders.zips import torch_zip
from ckptscope.checks.training import check_training, read_code, read_record
from ckptscope.containers import Contents
from ckptscope.facts.findings import Code, Finding
from ckptscope.facts.limits import DEFAULT_LIMITS
from ckptscope.tensors import build_manifest
from ckptscope.tensors.counters import read_counters

Shape = tuple[int, ...]

#: A convolution and a BatchNorm, as keys and shapes of its parameters.
SMALL: dict[str, Shape] = {
    "conv.weight": (4, 3, 3, 3),
    "conv.bias": (4,),
    "norm.weight": (4,),
    "norm.bias": (4,),
    "fc.weight": (2, 4),
}


class Storages:
    """Tensors, each over a storage of its own; `held` are the bytes by key."""

    def __init__(self, location: str = "cpu") -> None:
        self.held: dict[str, bytes] = {}
        self._location = location

    def floats(self, shape: Shape) -> Raw:
        key = self._add(struct.pack(f"<{product(shape)}f", *[0.5] * product(shape)))
        return tensor(key, shape, location=self._location)

    def step(self, value: float) -> Raw:
        """A step counter, which torch keeps on the CPU."""
        return tensor(self._add(struct.pack("<f", value)), ())

    def counter(self, value: int) -> Raw:
        key = self._add(struct.pack("<q", value))
        return tensor(key, (), "LongStorage", location=self._location)

    def _add(self, content: bytes) -> str:
        key = str(len(self.held))
        self.held[key] = content
        return key

    def network(
        self, shapes: Mapping[str, Shape] = SMALL, counters: Mapping[str, int] | None = None
    ) -> Raw:
        """A state_dict; counters are of BatchNorms, by the name of their module."""
        pairs: list[tuple[object, object]] = [
            (key, self.floats(shape)) for key, shape in shapes.items()
        ]
        for name, value in (counters or {}).items():
            pairs += [
                (f"{name}.running_mean", self.floats((4,))),
                (f"{name}.running_var", self.floats((4,))),
                (f"{name}.num_batches_tracked", self.counter(value)),
            ]
        return ordered_dict(pairs)

    def adam(
        self,
        shapes: Sequence[Shape] = tuple(SMALL.values()),
        *,
        steps: float | Sequence[float] = 100,
        groups: Sequence[int] = (),
        listed: int | None = None,
        lr: object = 1e-3,
        ids: Sequence[int] | None = None,
    ) -> dict[object, object]:
        """The state of Adam for parameters of these shapes.

        Args:
            shapes: Of the parameters that have a state, in order.
            steps: Of each of them, or of all.
            groups: How many parameters each group lists; one of all if empty.
            listed: How many the last group lists beyond.
            lr: Of all groups.
            ids: Keys of the parameters; their index unless given.
        """
        counts = [steps] * len(shapes) if isinstance(steps, int | float) else list(steps)
        keys = list(ids or range(len(shapes)))
        state = {
            key: {
                "step": self.step(count),
                "exp_avg": self.floats(shape),
                "exp_avg_sq": self.floats(shape),
            }
            for key, shape, count in zip(keys, shapes, counts, strict=True)
        }
        rest = [*keys, *range(len(keys), listed or 0)]
        made: list[object] = []
        for size in groups or (len(rest),):
            params, rest = rest[:size], rest[size:]
            settings = {"lr": lr, "betas": (0.9, 0.999), "eps": 1e-8, "amsgrad": False}
            made.append({**settings, "params": params})
        return {"state": state, "param_groups": made}


def cosine(step: int, *, base: float = 1e-3, period: int = 10) -> dict[object, object]:
    """The state of `CosineAnnealingLR`."""
    return {
        "T_max": period,
        "eta_min": 0,
        "base_lrs": [base],
        "last_epoch": step,
        "_step_count": step + 1,
        "_last_lr": [base],
    }


def multi_step(step: int, milestones: Mapping[int, int], gamma: float) -> dict[object, object]:
    """The state of `MultiStepLR`, whose milestones are a Counter."""
    return {
        "milestones": call("collections", "Counter", dict(milestones)),
        "gamma": gamma,
        "base_lrs": [1e-3],
        "last_epoch": step,
        "_step_count": step + 1,
        "_last_lr": [1e-3],
    }


def namespace(**values: object) -> Raw:
    """An `argparse.Namespace`."""
    return build(call("argparse", "Namespace"), values)


def checkpoint(tree: object, storages: Storages) -> bytes:
    return torch_zip(tree, storages.held)


def found_in(content: bytes) -> tuple[Finding, ...]:
    """What the check of the training record finds in a file that holds one checkpoint."""
    (only,) = (one for one in outcomes(content) if isinstance(one, Contents))
    build = build_manifest(only, DEFAULT_LIMITS)
    record = read_record(
        build.graphs,
        values=only.values,
        metadata=only.metadata,
        names=only.unclaimed_members,
        code=read_code(only),
    )
    return check_training(build.manifest, record, read_counters(build))


def of_code(content: bytes, code: Code) -> list[Finding]:
    return [one for one in found_in(content) if one.code is code]
