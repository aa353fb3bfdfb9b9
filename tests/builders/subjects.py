"""Networks of known families as subjects of a pass, without inference: settings → a subject.

Keys and values come from `fixtures`, which knows nothing of the package's own tables.
"""

from collections.abc import Mapping
from pathlib import Path

from ckptscope.facts.architecture import Architecture, FactValue
from ckptscope.families.registry import find_family
from ckptscope.families.view import NetworkView
from ckptscope.forward.hypotheses import Question
from ckptscope.forward.subject import Subject
from ckptscope.pipeline import Checkpoint
from fixtures.convnextpose import TINY, VARIANTS, Configuration

#: Settings of the narrow network of `fixtures`.
UPSAMPLING = {"XS": (True, True, False), "S": (True, True, False)}


def pose_settings(
    configuration: Configuration = TINY, upsampling: tuple[bool, ...] = (True, True, False)
) -> dict[str, FactValue]:
    """Give the settings of a ConvNeXtPose of `fixtures`."""
    return {
        "dims": configuration.dims,
        "depths": configuration.depths,
        "head_out_channels": configuration.head_channels,
        "joints": configuration.joints,
        "depth_bins": configuration.depth_bins,
        "upsampling": upsampling,
    }


def variant_settings(name: str) -> dict[str, FactValue]:
    """Give the settings of a row of the paper."""
    return pose_settings(VARIANTS[name].configuration, UPSAMPLING.get(name, (True, True, True)))


def subject_of(
    checkpoint: Checkpoint,
    settings: Mapping[str, FactValue],
    *,
    family: str = "convnextpose",
    dialect: str = "named",
    prefix: str = "module.",
    question: Question | None = None,
    foreign: tuple[str, ...] = (),
    path: str | Path = "tiny.pth",
) -> Subject:
    """Give the first network of a checkpoint as a subject, understood as the settings say."""
    known = find_family(family)
    configuration = known.configure(settings)
    state_dict = checkpoint.state_dicts[0]
    architecture = Architecture(
        family=known.name,
        title=known.title,
        state_dict=state_dict.path,
        prefix=prefix,
        reasons=(),
        coverage=1.0,
        facts=(),
        settings=dict(settings),
        dialect=dialect,
        counts=known.count(configuration),
    )
    return Subject(
        path=str(path),
        architecture=architecture,
        family=known,
        configuration=configuration,
        view=NetworkView(state_dict, prefix),
        build=checkpoint.build,
        foreign=foreign,
        question=question if question is not None else Question(),
    )
