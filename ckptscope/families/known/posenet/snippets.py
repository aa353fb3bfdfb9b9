"""Code that loads a PoseNet with its authors' code.

Enters: an `Architecture`. Leaves: `Snippet`s.
"""

from ckptscope.facts.architecture import Architecture, Snippet
from ckptscope.facts.tensors import Origin
from ckptscope.families.known.posenet.configuration import configure
from ckptscope.families.loading_code import loading_cautions, loading_lines
from ckptscope.families.trunks.deconvolution_settings import head_cautions, resnet_type
from ckptscope.families.trunks.resnet import STRIDES


def write_snippets(architecture: Architecture) -> tuple[Snippet, ...]:
    """Write code for the authors' repository; nothing if it cannot build the trunk."""
    if architecture.settings is None:
        return ()
    configuration = configure(architecture.settings)
    number = resnet_type(configuration)
    if number is None or configuration.joints is None:
        return ()
    lines = [
        "# in the folder main of mks0601/3DMPPE_POSENET_RELEASE",
        "import torch",
        "from config import cfg",
        "from model import get_pose_net",
        "",
        f"cfg.resnet_type = {number}",
        f"cfg.input_shape = {configuration.input_size}",
        f"cfg.output_shape = {configuration.heatmap}",
        f"cfg.depth_dim = {configuration.depth_bins}",
        f"model = get_pose_net(cfg, False, {configuration.joints})",
        "",
        *loading_lines(architecture),
        "model.load_state_dict(state_dict)",
        "model.eval()",
    ]
    joints = architecture.fact("joints")
    cautions: list[str] = []
    if joints is not None and joints.origin is Origin.ASSUMED:
        cautions.append(
            f"{configuration.joints} joints × {configuration.depth_bins} depth bins are an "
            f"assumption: {'; '.join(joints.assumptions)}"
        )
    cautions += loading_cautions(architecture, ("upsampling", "input_size"))
    cautions += head_cautions(configuration, "HeadNet")
    return (
        Snippet(
            title="the authors' code (3DMPPE_POSENET_RELEASE)",
            language="python",
            code="\n".join(lines),
            cautions=(*cautions, STRIDES),
        ),
    )
