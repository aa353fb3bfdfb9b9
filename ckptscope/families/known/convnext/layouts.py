"""How each code base names the classifier around a ConvNeXt trunk.

Enters: a dialect. Leaves: a `Dialect`: the trunk's layout, the classifier's name, what the code
base cannot build. Read off: facebookresearch/ConvNeXt and ConvNeXt-V2 (`models/convnext.py`,
`models/convnextv2.py`), timm 1.0 (`timm/models/convnext.py`, `timm/layers/classifier.py`),
torchvision 0.29 (`torchvision/models/convnext.py`), transformers 5.23 (`modeling_convnext.py`,
`modeling_convnextv2.py`).

| | original | timm | torchvision | hugging face |
|---|---|---|---|---|
| last norm | `norm` | `head.norm` or `norm_pre` | `classifier.0` | `layernorm` |
| hidden layer | | `head.pre_logits.fc` | | |
| classes | `head` | `head.fc` | `classifier.2` | `classifier` |
| trunk below | | | | `convnext.`, `convnextv2.` |
"""

from typing import Final

import msgspec

from ckptscope.families.trunks.convnext import (
    HUGGING_FACE,
    ORIGINAL,
    TIMM,
    TORCHVISION,
    Layout,
)


class Dialect(msgspec.Struct, frozen=True, kw_only=True):
    """The names of one code base.

    Attributes:
        layout: Names of the trunk.
        classifier: Name of the linear layer that gives the classes.
        hidden: Name of a linear layer before it; None where the code has none.
        norm_first: Name of the last norm where it comes before pooling; None where the code has no
            such choice.
        wrappers: What stands before the trunk's keys in a classifier, in version 1 and in version
            2; a trunk alone goes without.
    """

    layout: Layout
    classifier: str
    hidden: str | None = None
    norm_first: str | None = None
    wrappers: tuple[str, str] = ("", "")

    @property
    def norm_first_layout(self) -> Layout:
        """The trunk's layout with its last norm before pooling."""
        return msgspec.structs.replace(self.layout, norm=self.norm_first or self.layout.norm)


DIALECTS: Final = {
    ORIGINAL.name: Dialect(layout=ORIGINAL, classifier="head"),
    TIMM.name: Dialect(
        layout=TIMM,
        classifier="head.fc",
        hidden="head.pre_logits.fc",
        norm_first="norm_pre",
    ),
    TORCHVISION.name: Dialect(layout=TORCHVISION, classifier="classifier.2"),
    HUGGING_FACE.name: Dialect(
        layout=HUGGING_FACE,
        classifier="classifier",
        wrappers=("convnext.", "convnextv2."),
    ),
}
