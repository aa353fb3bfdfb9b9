"""The vectors of docs/identity.md: two implementations and the page say the same."""

import json
from pathlib import Path

import pytest
from builders.content_identity import prefix_of, roots_of_state_dict, tensor_digest

from ckptscope.pipeline.identity import identify_content
from ckptscope.tensors.grouping import find_prefix
from ckptscope.tensors.hashing import root_of, root_up_to_names
from ckptscope.writers.tensors import bytes_storage, tensor_over
from ckptscope.writers.torch_zip import write_torch_zip

ROOT = Path(__file__).parents[3]
VECTORS = json.loads((ROOT / "tests/vectors/identity.json").read_text(encoding="utf-8"))
TENSORS = {one["name"]: one for one in VECTORS["tensors"]}
DIGESTS = {name: bytes.fromhex(one["digest"]) for name, one in TENSORS.items()}

each_tensor = pytest.mark.parametrize("vector", VECTORS["tensors"], ids=lambda one: one["name"])
each_state_dict = pytest.mark.parametrize(
    "vector", VECTORS["state_dicts"], ids=lambda one: one["name"]
)


def outgoing(vector):
    content = bytes.fromhex(vector["bytes"])
    return tensor_over(bytes_storage(content, vector["dtype"]), tuple(vector["shape"]))


@each_tensor
def test_the_second_implementation_agrees_with_the_vector_of_a_tensor(vector):
    found = tensor_digest(
        vector["dtype"],
        vector["shape"],
        bytes.fromhex(vector["bytes"]),
        vector["layout"],
        [(name, bytes.fromhex(digest)) for name, digest in vector["parts"]],
    )
    assert found.hex() == vector["digest"]


@pytest.mark.parametrize(
    "vector",
    [one for one in VECTORS["tensors"] if one["layout"] == "strided"],
    ids=lambda one: one["name"],
)
def test_a_file_with_the_tensor_has_the_digest_of_the_vector(tmp_path, vector):
    write_torch_zip(tmp_path / "a.pt", {"w": outgoing(vector)})
    (file,) = identify_content(tmp_path / "a.pt").files
    (found,) = file.identity.state_dicts[0].tensors
    assert (found.digest, found.unread) == (vector["digest"], "")


@each_state_dict
def test_the_second_implementation_agrees_with_the_vector_of_a_state_dict(vector):
    tensors = {key: DIGESTS[name] for key, name in vector["tensors"].items()}
    assert prefix_of(list(tensors)) == vector["prefix"]
    assert roots_of_state_dict(tensors) == (vector["root"], vector["root_up_to_names"])


@each_state_dict
def test_names_and_digests_have_the_roots_of_the_vector(vector):
    cut = len(find_prefix(list(vector["tensors"])))
    pairs = [(key[cut:], DIGESTS[name].hex()) for key, name in vector["tensors"].items()]
    assert root_of(pairs) == vector["root"]
    assert root_up_to_names(digest for _, digest in pairs) == vector["root_up_to_names"]


@pytest.mark.parametrize(
    "vector",
    [one for one in VECTORS["state_dicts"] if one["tensors"]],
    ids=lambda one: one["name"],
)
def test_a_file_with_the_state_dict_has_the_prefix_and_roots_of_the_vector(tmp_path, vector):
    state = {key: outgoing(TENSORS[name]) for key, name in vector["tensors"].items()}
    write_torch_zip(tmp_path / "a.pt", {"network": state})
    (file,) = identify_content(tmp_path / "a.pt").files
    (found,) = file.identity.state_dicts
    assert found.prefix == vector["prefix"]
    assert (found.root, found.root_up_to_names) == (vector["root"], vector["root_up_to_names"])


def test_vectors_that_should_be_the_same_are_and_others_are_not():
    roots = {one["name"]: one["root"] for one in VECTORS["state_dicts"]}
    aside = {one["name"]: one["root_up_to_names"] for one in VECTORS["state_dicts"]}
    wrapped = [name for name in roots if name.startswith("behind ") and name.endswith(".")]
    assert len(wrapped) == 5
    assert {roots[name] for name in ("in another order", *wrapped)} == {roots["plain"]}
    others = ("some behind module.", "behind names that are no wrapper", "other names")
    swapped = "the tensors under each other's names"
    assert {aside[name] for name in (*others, swapped)} == {aside["plain"]}
    assert roots["plain"] not in {roots[name] for name in (*others, swapped)}
    assert aside["a tensor once"] != aside["a tensor twice"]
    assert len(set(DIGESTS.values())) == len(DIGESTS)


def test_the_page_shows_a_vector_and_names_their_place():
    page = (ROOT / "docs/identity.md").read_text(encoding="utf-8")
    assert TENSORS["six floats"]["digest"] in page
    assert "tests/vectors/identity.json" in page
