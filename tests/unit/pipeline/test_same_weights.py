"""Networks with the same values, told by reading them: as little as settles it, and never for ever."""

import pytest

from ckptscope.facts.paper import SameWeights
from ckptscope.pipeline import inspect
from ckptscope.pipeline.identity import identify_content
from ckptscope.pipeline.same_weights import Network, find_same_weights
from ckptscope.tensors.canonical import canonical_pieces
from ckptscope.writers.legacy_stream import write_legacy_stream
from ckptscope.writers.safetensors import write_safetensors
from ckptscope.writers.tensors import OutgoingTensor, bytes_storage, tensor_over
from ckptscope.writers.torch_zip import TorchZipOptions, write_torch_zip

SMALL, LARGE = (4,), (100, 100)


def tensor(shape, fill, *, dtype="float32"):
    count = 1
    for size in shape:
        count *= size
    return tensor_over(bytes_storage(fill.to_bytes(4, "little") * count, dtype), shape)


def network_of(folder, name, tensors, write=write_torch_zip, index=0, prefix="", **options):
    """Write tensors to a file, and find them again as `inspect` does."""
    path = folder / name
    if write is write_safetensors:
        write(path, tuple(tensors.items()))
    else:
        write(path, {"network": tensors}, **options)
    (report,) = inspect([path]).files
    manifest = report.manifest
    return Network(
        file=index,
        path=str(path),
        location=manifest.location,
        state_dict=manifest.state_dicts[0],
        prefix=prefix,
    )


@pytest.fixture
def weights():
    return {"a.bias": tensor(SMALL, 1), "a.weight": tensor(LARGE, 2)}


def test_the_container_the_byte_order_and_a_prefix_do_not_matter(tmp_path, weights):
    prefixed = {f"module.{key}": value for key, value in weights.items()}
    big = TorchZipOptions(byteorder="big")
    networks = [
        network_of(tmp_path, "zip", weights, index=0),
        network_of(tmp_path, "big", weights, index=1, options=big),
        network_of(tmp_path, "stream", weights, write_legacy_stream, index=2),
        network_of(tmp_path, "safe", weights, write_safetensors, index=3),
        network_of(tmp_path, "prefix", prefixed, index=4, prefix="module."),
    ]
    evidence = "SHA-256 of the values of 2 tensors"
    assert find_same_weights(networks) == (
        (SameWeights(files=(0, 1, 2, 3, 4), same_names=True, evidence=evidence),),
        (),
    )


def test_other_names_are_said(tmp_path, weights):
    renamed = dict(zip(("b.bias", "b.weight"), weights.values(), strict=True))
    (same,), _ = find_same_weights(
        [network_of(tmp_path, "a", weights), network_of(tmp_path, "b", renamed, index=1)]
    )
    assert (same.files, same.same_names) == ((0, 1), False)


def test_the_same_tensors_under_each_others_names_are_not_under_the_same_names(tmp_path):
    one = {"a": tensor(SMALL, 1), "b": tensor(SMALL, 2)}
    other = {"a": tensor(SMALL, 2), "b": tensor(SMALL, 1)}
    (same,), _ = find_same_weights(
        [network_of(tmp_path, "a", one), network_of(tmp_path, "b", other, index=1)]
    )
    assert not same.same_names


@pytest.mark.parametrize(
    "other",
    [
        {"a.bias": tensor(SMALL, 9), "a.weight": tensor(LARGE, 2)},
        {"a.bias": tensor(SMALL, 1), "a.weight": tensor(LARGE, 9)},
        {"a.bias": tensor(SMALL, 1), "a.weight": tensor((10, 1000), 2)},
        {"a.bias": tensor(SMALL, 1), "a.weight": tensor(LARGE, 2, dtype="int32")},
        {"a.bias": tensor(SMALL, 1)},
    ],
    ids=["small value", "large value", "shape", "dtype", "missing"],
)
def test_networks_that_differ_in_anything_are_not_the_same(tmp_path, weights, other):
    networks = [network_of(tmp_path, "a", weights), network_of(tmp_path, "b", other, index=1)]
    assert find_same_weights(networks) == ((), ())


def test_large_tensors_are_read_only_where_the_small_ones_are_the_same(
    tmp_path, weights, monkeypatch
):
    read = []

    def spy(build, found, source=None):
        read.append(found.shape)
        return canonical_pieces(build, found, source)

    monkeypatch.setattr("ckptscope.tensors.hashing.canonical_pieces", spy)
    other = {"a.bias": tensor(SMALL, 9), "a.weight": tensor(LARGE, 2)}
    alone = {"c": tensor((7,), 1)}
    find_same_weights(
        [
            network_of(tmp_path, "a", weights),
            network_of(tmp_path, "b", other, index=1),
            network_of(tmp_path, "c", alone, index=2),
        ]
    )
    assert read == [SMALL, SMALL]


def test_tensors_that_repeat_few_elements_are_not_read_for_ever(tmp_path):
    storage = bytes_storage(b"\0" * 64, "float32")
    endless = {"w": OutgoingTensor(storage=storage, shape=(1 << 20, 1 << 20), stride=(0, 0))}
    networks = [network_of(tmp_path, name, endless, index=i) for i, name in enumerate("ab")]
    same, remarks = find_same_weights(networks)
    assert same == ()
    assert len(remarks) == 2
    said = "weights not compared: 'w': the tensors together declare more than"
    assert all(said in remark for remark in remarks)


def test_names_of_one_tensor_are_hashed_as_one(tmp_path, monkeypatch):
    storage = bytes_storage(b"\0" * 64, "float32")
    views = {f"w{index}": tensor_over(storage, (16,)) for index in range(1000)}
    networks = [network_of(tmp_path, name, views, index=i) for i, name in enumerate("ab")]
    read = []

    def spy(build, found, source=None):
        read.append(found.key)
        return canonical_pieces(build, found, source)

    monkeypatch.setattr("ckptscope.tensors.hashing.canonical_pieces", spy)
    (same,), _ = find_same_weights(networks)
    assert same.files == (0, 1)
    # Small ones first, then all of them; each file is opened anew for that.
    assert read == ["w0"] * 4


def test_the_same_weights_are_those_that_identity_has_the_same_root_for(tmp_path, weights):
    renamed = dict(zip(("b.bias", "b.weight"), weights.values(), strict=True))
    files = {"a": weights, "b": renamed, "c": {**weights, "a.bias": tensor(SMALL, 9)}}
    networks = [network_of(tmp_path, name, files[name], index=i) for i, name in enumerate(files)]
    (same,), _ = find_same_weights(networks)
    roots = [
        one.identity.state_dicts[0].root_up_to_names
        for one in identify_content([tmp_path / name for name in files]).files
    ]
    assert same.files == (0, 1)
    assert roots[0] == roots[1] != roots[2]


def test_a_file_that_went_away_is_said_and_the_others_are_compared(tmp_path, weights):
    networks = [network_of(tmp_path, name, weights, index=i) for i, name in enumerate("abc")]
    (tmp_path / "b").unlink()
    (same,), remarks = find_same_weights(networks)
    assert same.files == (0, 2)
    assert len(remarks) == 1
    assert "no such file" in remarks[0]
