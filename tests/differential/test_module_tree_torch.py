"""Networks built by torch: no layer is taken for what it is not, and the totals are torch's."""

import warnings
from collections.abc import Iterator

import pytest
import torch
from torch import nn

import ckptscope
from ckptscope.facts.modules import ModuleNode
from ckptscope.facts.tensors import Origin
from ckptscope.tensors.modules import build_module_tree

pytestmark = pytest.mark.torch


def conv_norm(entering: int, leaving: int, kernel: int = 3, groups: int = 1) -> list[nn.Module]:
    convolution = nn.Conv2d(entering, leaving, kernel, groups=groups, bias=False)
    return [convolution, nn.BatchNorm2d(leaving), nn.ReLU()]


class Bottleneck(nn.Module):
    def __init__(self, entering, width, groups=1):
        super().__init__()
        self.conv1 = nn.Conv2d(entering, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, groups=groups, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, 4 * width, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * width)
        self.relu = nn.ReLU()
        self.downsample = None
        if entering != 4 * width:
            self.downsample = nn.Sequential(*conv_norm(entering, 4 * width, 1)[:2])


class ResNet(nn.Module):
    def __init__(self, groups=1):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 7, stride=2, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.layer1 = nn.Sequential(Bottleneck(16, 16, groups), Bottleneck(64, 16, groups))
        self.layer2 = nn.Sequential(*(Bottleneck(w, 32, groups) for w in (64, 128, 128)))
        self.fc = nn.Linear(128, 10)


class MobileNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            *conv_norm(3, 16),
            *conv_norm(16, 16, 3, groups=16),
            *conv_norm(16, 24, 1),
            *conv_norm(24, 24, 5, groups=24),
        )
        self.classifier = nn.Sequential(nn.Dropout(), nn.Linear(24, 7))


class VisionTransformer(nn.Module):
    def __init__(self):
        super().__init__()
        self.cls_token = nn.Parameter(torch.zeros(1, 1, 32))
        self.pos_embed = nn.Parameter(torch.zeros(1, 17, 32))
        self.patch_embed = nn.Conv2d(3, 32, 16, stride=16)
        layer = nn.TransformerEncoderLayer(32, 4, 64)
        self.encoder = nn.TransformerEncoder(layer, 2, nn.LayerNorm(32), enable_nested_tensor=False)
        self.head = nn.Linear(32, 10)


class Tagger(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(100, 16)
        self.lstm = nn.LSTM(16, 32, 2, bidirectional=True)
        self.fc = nn.Linear(64, 5)


class Generator(nn.Module):
    def __init__(self):
        super().__init__()
        layers: list[nn.Module] = []
        for entering, leaving in ((100, 64), (64, 32), (32, 16)):
            layers += [nn.ConvTranspose2d(entering, leaving, 4, bias=False)]
            layers += [nn.BatchNorm2d(leaving), nn.ReLU()]
        self.main = nn.Sequential(*layers, nn.ConvTranspose2d(16, 3, 4, bias=False), nn.Tanh())


class Discriminator(nn.Module):
    def __init__(self):
        super().__init__()
        self.main = nn.Sequential(
            nn.Conv2d(3, 16, 4, bias=False),
            nn.LeakyReLU(),
            nn.Conv2d(16, 32, 4, bias=False),
            nn.BatchNorm2d(32),
            nn.LeakyReLU(),
            nn.Conv2d(32, 1, 4, bias=False),
        )


class Detector(nn.Module):
    def __init__(self):
        super().__init__()
        self.stages = nn.ModuleList(
            nn.Sequential(*conv_norm(i, o)) for i, o in ((3, 16), (16, 32), (32, 64))
        )
        self.inner = nn.ModuleList(nn.Conv2d(width, 24, 1) for width in (16, 32, 64))
        self.layers = nn.ModuleList(nn.Conv2d(24, 24, 3) for _ in range(3))
        self.tower = nn.Sequential(nn.Conv2d(24, 24, 3), nn.GroupNorm(4, 24), nn.ReLU())
        self.cls_logits = nn.Conv2d(24, 80, 3)
        self.bbox_pred = nn.Conv2d(24, 4, 3)
        self.scales = nn.Parameter(torch.ones(3))
        self.mask_up = nn.ConvTranspose2d(24, 24, 2)


class Zoo(nn.Module):
    """A layer of each other kind, under a name that says nothing."""

    def __init__(self):
        super().__init__()
        norms = nn.utils.parametrizations
        layers: list[nn.Module] = [
            nn.Conv1d(3, 8, 5),
            nn.Conv3d(4, 8, (1, 3, 5), groups=2),
            nn.ConvTranspose1d(8, 4, 4),
            nn.ConvTranspose2d(6, 6, 3, groups=6),
            nn.ConvTranspose3d(6, 4, 2, bias=False),
            nn.Bilinear(4, 5, 6),
            nn.BatchNorm1d(7),
            nn.BatchNorm3d(8, affine=False),
            nn.SyncBatchNorm(9),
            nn.InstanceNorm2d(8, affine=True),
            nn.InstanceNorm1d(8, affine=True, track_running_stats=True),
            nn.LayerNorm((3, 4)),
            nn.LayerNorm(5, bias=False),
            nn.RMSNorm(5),
            nn.GroupNorm(2, 8),
            nn.PReLU(),
            nn.PReLU(5),
            nn.EmbeddingBag(9, 3),
            nn.Linear(9, 3, bias=False),
            nn.GRU(3, 4, 2),
            nn.RNN(3, 4, bias=False),
            nn.LSTM(3, 4, 2, bidirectional=True, proj_size=2),
            nn.LSTMCell(3, 4),
            nn.GRUCell(3, 4),
            nn.RNNCell(3, 4),
            nn.MultiheadAttention(8, 2, kdim=4, vdim=5, add_bias_kv=True),
            nn.MultiheadAttention(8, 2, bias=False),
            norms.weight_norm(nn.Conv2d(3, 4, 5)),
            norms.spectral_norm(nn.Linear(3, 4)),
            norms.orthogonal(nn.Linear(3, 4)),
            norms.weight_norm(nn.LSTM(3, 4), "weight_hh_l0"),
            nn.utils.spectral_norm(nn.Conv2d(3, 4, 5)),
            nn.Transformer(16, 2, 1, 1, 32),
        ]
        for index, layer in enumerate(layers):
            self.add_module(f"x{chr(97 + index // 26)}{chr(97 + index % 26)}", layer)


NETWORKS = [
    ResNet,
    lambda: ResNet(groups=4),
    MobileNet,
    VisionTransformer,
    Tagger,
    Generator,
    Discriminator,
    Detector,
    Zoo,
]
#: Networks in which names, shapes and neighbours tell every layer.
TOLD = [ResNet, MobileNet, VisionTransformer, Tagger, Generator, Discriminator]


def made(network) -> nn.Module:
    torch.manual_seed(0)
    with warnings.catch_warnings():
        # Old ways of torch are what old checkpoints were made by.
        warnings.simplefilter("ignore")
        return network()


def tree_of(path) -> ModuleNode:
    with ckptscope.open_checkpoint(path) as checkpoint:
        # Tensors that a module holds as plain attributes make small groups of their own.
        found = max(checkpoint.state_dicts, key=lambda one: len(one.tensors))
        return build_module_tree(found, checkpoint.manifest.tree)


def walk(node: ModuleNode) -> Iterator[ModuleNode]:
    yield node
    for child in node.children:
        yield from walk(child)


def layers_of(network: nn.Module) -> dict[str, nn.Module]:
    """Modules of torch that hold tensors themselves, by path; parametrizations belong to theirs."""
    found = {}
    for path, module in network.named_modules():
        holds = any(True for _ in module.named_parameters(recurse=False))
        holds = holds or any(True for _ in module.named_buffers(recurse=False))
        holds = holds or hasattr(module, "parametrizations")
        is_torch = type(module).__module__.startswith("torch.nn") or hasattr(
            module, "parametrizations"
        )
        if holds and is_torch and "parametrizations" not in path:
            found[path] = module
    return found


def classes(module: nn.Module) -> set[str]:
    return {one.__name__ for one in type(module).__mro__}


def saved_state(network: nn.Module, tmp_path) -> ModuleNode:
    torch.save(network.state_dict(), tmp_path / "x.pth")
    return tree_of(tmp_path / "x.pth")


@pytest.mark.parametrize("network", NETWORKS)
def test_the_true_class_is_the_kind_or_an_alternative(network, tmp_path):
    model = made(network)
    nodes = {node.path: node for node in walk(saved_state(model, tmp_path))}
    for path, module in layers_of(model).items():
        node = nodes[path]
        told = {node.kind, *(other.kind for other in node.alternatives)}
        assert told & classes(module), f"{path}: {module} is taken for {node}"
        if node.origin in (Origin.OBSERVED, Origin.DERIVED):
            assert node.kind in classes(module), f"{path}: {module} is taken for {node}"


@pytest.mark.parametrize("network", TOLD)
def test_every_layer_of_a_usual_network_is_named_right(network, tmp_path):
    model = made(network)
    nodes = {node.path: node for node in walk(saved_state(model, tmp_path))}
    for path, module in layers_of(model).items():
        assert nodes[path].kind in classes(module)
        assert nodes[path].origin is not Origin.UNDETERMINED


@pytest.mark.parametrize("network", NETWORKS)
def test_totals_are_those_of_torch(network, tmp_path):
    model = made(network)
    tree = saved_state(model, tmp_path)
    state = model.state_dict()
    assert tree.tensor_count == len(state)
    assert tree.elements == sum(tensor.numel() for tensor in state.values())
    assert tree.size_bytes == sum(tensor.nbytes for tensor in state.values())
    for node in walk(tree):
        below = [
            t for key, t in state.items() if key.startswith(f"{node.path}.") or key == node.path
        ]
        if node.path:
            assert node.elements == sum(tensor.numel() for tensor in below)
        assert node.tensor_count == len(node.tensors) + sum(c.tensor_count for c in node.children)


@pytest.mark.parametrize("network", NETWORKS)
def test_a_whole_pickled_module_names_every_class(network, tmp_path):
    model = made(network)
    if network is Zoo:
        # Parametrizations make classes that cannot be pickled.
        for name in [
            name for name, one in model.named_children() if hasattr(one, "parametrizations")
        ]:
            delattr(model, name)
    torch.save(model, tmp_path / "x.pth")
    tree = tree_of(tmp_path / "x.pth")
    nodes = {node.path: node for node in walk(tree) if node.kind not in ("parameter", "buffer")}
    modules = dict(model.named_modules(remove_duplicate=False))
    assert nodes.keys() == modules.keys()
    for path, module in modules.items():
        assert nodes[path].kind == type(module).__name__
        assert nodes[path].origin is Origin.OBSERVED
    assert tree.parameters == sum(one.numel() for one in model.parameters())


def test_a_scripted_module_names_its_classes(tmp_path):
    model = nn.Sequential(nn.Conv1d(3, 8, 5), nn.ReLU(), nn.Conv1d(8, 4, 3), nn.BatchNorm1d(4))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.script(model), tmp_path / "x.pt")
    tree = tree_of(tmp_path / "x.pt")
    kinds = [(node.path, node.kind, node.origin) for node in tree.children]
    assert kinds == [
        (str(index), type(module).__name__, Origin.OBSERVED) for index, module in enumerate(model)
    ]
    assert [node.detail for node in tree.children] == ["3→8 k5", "", "8→4 k3", "4"]


def test_a_network_behind_wrappers_is_the_same_tree(tmp_path):
    model = made(ResNet)
    plain = saved_state(model, tmp_path)
    torch.save({"net": nn.DataParallel(model).state_dict(), "epoch": 3}, tmp_path / "y.pth")
    wrapped = tree_of(tmp_path / "y.pth")
    told = [(node.path, node.kind, node.detail, node.origin) for node in walk(wrapped)]
    assert told == [(node.path, node.kind, node.detail, node.origin) for node in walk(plain)]


@pytest.mark.parametrize(
    ("layer", "detail"),
    [
        (nn.Conv2d(3, 48, 4), "3→48 4x4"),
        (nn.ConvTranspose2d(100, 512, (4, 2)), "100→512 4x2"),
        (nn.Linear(128, 10), "128→10"),
        (nn.LSTM(16, 32, 3, bidirectional=True), "16→32, 3 layers, bidirectional"),
        (nn.MultiheadAttention(16, 4), "16, 4 heads"),
        (nn.Conv2d(64, 64, 3, groups=16), "64→64 3x3, 16 groups"),
        (nn.ConvTranspose2d(8, 16, 2, groups=4, bias=False), "8→16 2x2, 4 groups"),
        (nn.Embedding(100, 16), "100x16"),
    ],
)
def test_sizes_of_a_pickled_layer(layer, detail, tmp_path):
    torch.save(nn.ModuleDict({"m": layer}), tmp_path / "x.pth")
    node = tree_of(tmp_path / "x.pth").children[0]
    assert node.detail.replace("\N{MULTIPLICATION SIGN}", "x") == detail
