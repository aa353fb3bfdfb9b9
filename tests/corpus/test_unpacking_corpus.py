"""Real files of public projects, unpacked: torch takes the result with weights_only=True."""

from collections import OrderedDict

import pytest
from builders.unpacked_files import identity_of, unpacked
from corpus_files import benign_rows, require, short

from ckptscope.pipeline.opening import open_checkpoint

CORPUS = require()
KINDS = ("legacy-pickle", "zip-torch", "legacy-tar", "tar-wrapper", "safetensors", "plain-pickle")
ROWS = [
    row["local path"]
    for row in benign_rows()
    if row["local path"].startswith("benign/") and row["container kind"] in KINDS
]
TARS = [
    row["local path"]
    for row in benign_rows()
    if row["local path"].startswith("benign/") and row["container kind"] == "legacy-tar"
]

pytestmark = [pytest.mark.corpus, pytest.mark.torch]


def entries(path) -> list[str]:
    """Paths of the state_dicts, each once."""
    with open_checkpoint(path) as checkpoint:
        return list(dict.fromkeys(one.path for one in checkpoint.state_dicts))


@pytest.mark.parametrize("name", ROWS, ids=short)
def test_every_state_dict_of_a_benign_file_unpacks_to_what_torch_and_safetensors_load(
    name, tmp_path
):
    torch = pytest.importorskip("torch")
    load_file = pytest.importorskip("safetensors.torch").load_file
    for entry in entries(CORPUS / name):
        zipped, flat = tmp_path / "out.pth", tmp_path / "out.safetensors"
        for target in (zipped, flat):
            unpacked(CORPUS / name, target, entry=entry, skip_unsupported=True, force=True)
        found = torch.load(zipped, weights_only=True)
        assert type(found) is OrderedDict
        others = load_file(flat)
        assert found.keys() >= others.keys()
        for key, tensor in others.items():
            words = tensor.view(torch.uint8) if tensor.dim() else tensor[None].view(torch.uint8)
            same = found[key] if tensor.dim() else found[key][None]
            assert torch.equal(same.contiguous().view(torch.uint8), words), key


@pytest.mark.parametrize("name", TARS, ids=short)
def test_the_legacy_tar_that_torch_refuses_has_all_its_tensors_afterwards(name, tmp_path):
    torch = pytest.importorskip("torch")
    with pytest.raises(Exception, match=r"(?s)legacy \.tar|weights_only"):
        torch.load(CORPUS / name, weights_only=True)
    report = unpacked(CORPUS / name, tmp_path / "out.pth")
    entry = report.files[0].entry
    with open_checkpoint(CORPUS / name) as checkpoint:
        wanted = checkpoint.state_dict(entry)
    found = torch.load(tmp_path / "out.pth", weights_only=True)
    assert {key: tuple(one.shape) for key, one in found.items()} == {
        one.key: one.shape for one in wanted.tensors
    }
    assert identity_of(tmp_path / "out.pth").root == identity_of(CORPUS / name, entry).root


def test_the_corpus_has_such_a_tar():
    assert TARS
