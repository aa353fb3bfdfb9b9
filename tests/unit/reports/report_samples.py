"""Small reports made by hand: a network with its optimizer, and parts to vary them."""

import math

import msgspec

from ckptscope.facts.containers import ContainerKind
from ckptscope.facts.findings import Code, Finding, Severity, Where
from ckptscope.facts.pickled import Import
from ckptscope.facts.report import FileReport, InspectReport
from ckptscope.facts.tensors import (
    Kind,
    Manifest,
    Optimizer,
    Origin,
    ParameterGroup,
    PickleInfo,
    Role,
    Scalar,
    Spending,
    StateDict,
    TensorInfo,
    TreeNode,
)

BUFFERS = ("running_mean", "running_var", "num_batches_tracked")


def tensor(key: str, *shape: int, **changes: object) -> TensorInfo:
    """A contiguous float32 tensor, or an int64 scalar if its name counts batches."""
    stride = [math.prod(shape[axis + 1 :]) for axis in range(len(shape))]
    last = key.rpartition(".")[2]
    made = TensorInfo(
        key=key,
        shape=shape,
        dtype="int64" if last == "num_batches_tracked" else "float32",
        stride=tuple(stride),
        storage="0",
        device="cuda:0",
        kind=Kind.BUFFER if last in BUFFERS else Kind.PARAMETER,
    )
    return msgspec.structs.replace(made, **changes)


def state_dict(*tensors: TensorInfo, **changes: object) -> StateDict:
    """A network at `network`, its sums added up."""
    made = StateDict(
        path="network",
        prefix="",
        role=Role.NETWORK,
        role_evidence="a mapping of names to tensors",
        tensors=tensors,
        parameters=sum(one.elements for one in tensors if one.kind is Kind.PARAMETER),
        buffers=sum(one.elements for one in tensors if one.kind is Kind.BUFFER),
        kind_evidence="the optimizer at 'optimizer' lists the same shapes in the same order",
        kind_origin=Origin.DERIVED,
    )
    return msgspec.structs.replace(made, **changes)


def norm(name: str, width: int) -> list[TensorInfo]:
    return [
        tensor(f"{name}.weight", width),
        tensor(f"{name}.bias", width),
        tensor(f"{name}.running_mean", width),
        tensor(f"{name}.running_var", width),
        tensor(f"{name}.num_batches_tracked"),
    ]


def network() -> StateDict:
    """Two stages of equal blocks and a head, behind the prefix of DataParallel."""
    tensors: list[TensorInfo] = []
    for stage, (blocks, width) in enumerate([(3, 48), (9, 96)]):
        for block in range(blocks):
            name = f"module.backbone.stages.{stage}.{block}"
            tensors.append(tensor(f"{name}.dwconv.weight", width, 1, 7, 7))
            tensors += norm(f"{name}.norm", width)
            tensors.append(tensor(f"{name}.pwconv1.weight", 4 * width, width, 1, 1))
    tensors.append(tensor("module.head.final_layer.weight", 576, 96, 1, 1))
    return state_dict(*tensors, prefix="module.")


def finding(**changes: object) -> Finding:
    made = Finding(
        code=Code.STORAGE_SHORT,
        severity=Severity.ERROR,
        message="storage '7' is shorter than its tensors need",
        where=Where(member="archive/data/7", key="network/head.weight", offset_bytes=1234567),
        evidence=("declared 100 elements", "found 12 bytes"),
        help="the download is incomplete: get the file again",
    )
    return msgspec.structs.replace(made, **changes)


def optimizer() -> Optimizer:
    return Optimizer(
        path="optimizer",
        kind="Adam or AdamW",
        kind_evidence="state entries: exp_avg, exp_avg_sq, step; settings: betas, lr",
        groups=(
            ParameterGroup(
                parameters=37,
                settings=(
                    ("eps", "1e-08"),
                    ("foreach", "None"),
                    ("weight_decay", "0.1"),
                    ("betas", "(0.9, 0.999)"),
                    ("lr", "0.001"),
                ),
            ),
        ),
        states=37,
        steps=(1326816,),
        tensors=111,
        elements=400,
        size_bytes=1600,
    )


def manifest(**changes: object) -> Manifest:
    """A whole small training checkpoint."""
    size = 2_000_000
    made = Manifest(
        containers=(ContainerKind.TAR, ContainerKind.TORCH_ZIP),
        location=("snapshot_67.pth",),
        size_bytes=size,
        byteorder="little",
        format_facts=(("version", "3"), ("byteorder", "little")),
        pickles=(PickleInfo(member="archive/data.pkl", protocol=2, size_bytes=90_000),),
        state_dicts=(network(),),
        optimizers=(optimizer(),),
        arrays=(),
        scalars=(Scalar(path="epoch", value=67), Scalar(path="args/lr", value=0.001)),
        tree=TreeNode(
            name="",
            kind="dict",
            length=4,
            children=(
                TreeNode(name="epoch", kind="value", value="67"),
                TreeNode(
                    name="network",
                    kind="state_dict",
                    class_name="collections.OrderedDict",
                    length=85,
                ),
                TreeNode(name="optimizer", kind="optimizer", length=2),
                TreeNode(
                    name="args",
                    kind="instance",
                    class_name="argparse.Namespace",
                    length=2,
                    children=(
                        TreeNode(name="lr", kind="value", value="0.001"),
                        TreeNode(name="name", kind="value", value="'S'"),
                    ),
                ),
            ),
        ),
        storages={},
        storage_uses={},
        storages_complete=True,
        spending=(
            Spending(what="network", path="network", size_bytes=700_000, share=0.35),
            Spending(what="optimizer", path="optimizer", size_bytes=1_200_000, share=0.6),
            Spending(what="pickle", path=None, size_bytes=90_000, share=0.045),
            Spending(what="container", path=None, size_bytes=10_000, share=0.005),
        ),
        imports=(
            imported("torch._utils", "_rebuild_tensor_v2", 117),
            imported("torch", "FloatStorage", 168),
            imported("collections", "OrderedDict", 34),
        ),
        unclaimed_members=(),
        metadata=(),
        findings=(),
    )
    return msgspec.structs.replace(made, **changes)


def imported(module: str, name: str, offset_bytes: int) -> Import:
    return Import(
        module=module,
        name=name,
        opcode="GLOBAL",
        member="archive/data.pkl",
        offset_bytes=offset_bytes,
    )


def report(*manifests: Manifest, path: str = "weights/snapshot_67.pth.tar") -> InspectReport:
    return InspectReport(files=tuple(FileReport(path=path, manifest=one) for one in manifests))
