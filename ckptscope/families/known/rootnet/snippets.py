"""Code that loads a RootNet with its authors' code.

Enters: an `Architecture`. Leaves: `Snippet`s.
"""

from ckptscope.facts.architecture import Architecture, Snippet
from ckptscope.families.known.rootnet.configuration import configure
from ckptscope.families.loading_code import loading_cautions, loading_lines
from ckptscope.families.trunks.deconvolution_settings import head_cautions, resnet_type
from ckptscope.families.trunks.resnet import STRIDES


def write_snippets(architecture: Architecture) -> tuple[Snippet, ...]:
    """Write code for the authors' repository; nothing if it cannot build the trunk."""
    if architecture.settings is None:
        return ()
    configuration = configure(architecture.settings)
    number = resnet_type(configuration)
    if number is None:
        return ()
    lines = [
        "# in the folder main of mks0601/3DMPPE_ROOTNET_RELEASE",
        "import torch",
        "from config import cfg",
        "from model import get_pose_net",
        "",
        f"cfg.resnet_type = {number}",
        f"cfg.input_shape = {configuration.input_size}",
        f"cfg.output_shape = {configuration.heatmap}",
        "model = get_pose_net(cfg, False)",
        "",
        *loading_lines(architecture),
        "model.load_state_dict(state_dict)",
        "model.eval()",
    ]
    cautions = (
        *loading_cautions(architecture, ("upsampling", "input_size")),
        *head_cautions(configuration, "RootNet"),
        STRIDES,
        "a second input, k, is needed: it comes from the box, its size in millimetres (bbox_real) "
        "and the focal lengths",
    )
    return (
        Snippet(
            title="the authors' code (3DMPPE_ROOTNET_RELEASE)",
            language="python",
            code="\n".join(lines),
            cautions=cautions,
        ),
    )
