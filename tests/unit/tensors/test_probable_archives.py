"""Two torch zips by what their directories record: likely, and silent where that says nothing."""

import struct

import pytest
from builders.identities import floats, network, optimizer, write
from builders.pickles import tensor
from builders.zips import changed, torch_members, zip_bytes

from ckptscope.errors import ArtifactError, UsageError
from ckptscope.facts.identity import Likeness
from ckptscope.pipeline.identity import identify_content, same_archives
from ckptscope.writers.legacy_stream import write_legacy_stream
from ckptscope.writers.tensors import OutgoingTensor, bytes_storage, tensor_over
from ckptscope.writers.torch_zip import TorchZipOptions
from ckptscope.writers.wrapping import wrap_tar

NUMBERS = struct.pack("<6f", 0, 1, 2, 3, 4, 5)


def compare(folder, first, second, **options):
    """Write two torch zips, the second with options, and compare them."""
    return same_archives(write(folder / "a.pt", first), write(folder / "b.pt", second, **options))


def differences(comparison):
    (check,) = comparison.checks
    return [(one.key, one.outcome.value, one.why) for one in check.differences]


def test_the_same_tensors_in_any_order_prefix_path_and_pickle_are_probably_the_same(tmp_path):
    other = {f"module.{key}": value for key, value in reversed(network().items())}
    found = compare(
        tmp_path, {"network": network()}, {"epoch": 3, "model": other}, root="somewhere"
    )
    assert (found.outcome, found.up_to_names) == (Likeness.SAME, Likeness.SAME)
    assert [(one.first, one.second, one.tensors) for one in found.checks] == [
        ("network", "model", 10)
    ]


def test_no_storage_is_read(tmp_path):
    first = write(tmp_path / "a.pt", network(last=1.0))
    second = tmp_path / "b.pt"
    content = bytearray(first.read_bytes())
    place = content.index(struct.pack("<3f", 1.0, 1.0, 2.0))
    content[place] ^= 1
    second.write_bytes(content)
    # The directory still says what it did: probable is no more than that.
    assert same_archives(first, second).outcome is Likeness.SAME
    ours, theirs = (one.identity.state_dicts[0] for one in identify_content([first, second]).files)
    assert ours.root != theirs.root


def test_one_changed_element_is_different(tmp_path):
    found = compare(tmp_path, network(), network(last=-0.0))
    assert (found.outcome, found.up_to_names) == (Likeness.DIFFERENT, Likeness.DIFFERENT)
    ((key, outcome, why),) = differences(found)
    assert (key, outcome) == ("head.bias", "different")
    assert why.startswith("CRC-32 ")
    assert found.checks[0].tensors == 9


def test_other_names_are_different_and_probably_the_same_without_them(tmp_path):
    found = compare(tmp_path, {"a.weight": floats(1)}, {"b.weight": floats(1)})
    assert (found.outcome, found.up_to_names) == (Likeness.DIFFERENT, Likeness.SAME)
    assert differences(found) == [
        ("a.weight", "different", "only in the first"),
        ("b.weight", "different", "only in the second"),
    ]


def test_another_shape_or_dtype_is_different(tmp_path):
    second = {
        "a.weight": floats(1, 2, shape=(2, 1)),
        "b.weight": tensor_over(bytes_storage(bytes(8), "int32"), (2,)),
    }
    found = compare(tmp_path, {"a.weight": floats(1, 2), "b.weight": floats(0, 0)}, second)
    assert [one[1:] for one in differences(found)] == [("different", "another dtype or shape")] * 2


def test_an_optimizer_on_one_side_only_is_different(tmp_path):
    found = compare(
        tmp_path, {"network": network(), "optimizer": optimizer()}, {"network": network()}
    )
    assert found.outcome is Likeness.DIFFERENT
    assert [(one.role, one.outcome) for one in found.checks] == [
        ("network", Likeness.SAME),
        ("optimizer", Likeness.DIFFERENT),
    ]


@pytest.mark.parametrize(
    ("view", "why"),
    [
        (
            OutgoingTensor(storage=bytes_storage(NUMBERS, "float32"), shape=(2, 3), stride=(1, 2)),
            "its elements lie in another way in its storage",
        ),
        (
            tensor_over(bytes_storage(bytes(4) + NUMBERS, "float32"), (2, 3), offset=1),
            "its elements lie in another way in its storage",
        ),
    ],
    ids=["transposed", "part of a storage"],
)
def test_elements_that_lie_in_another_way_cannot_be_told(tmp_path, view, why):
    plain = tensor_over(bytes_storage(NUMBERS, "float32"), (2, 3))
    found = compare(tmp_path, {"w.weight": plain}, {"w.weight": view})
    assert (found.outcome, found.up_to_names) == (Likeness.UNTOLD, Likeness.UNTOLD)
    assert differences(found) == [("w.weight", "cannot tell", why)]


def test_a_storage_that_differs_beside_its_tensor_cannot_be_told(tmp_path):
    first, second = (
        tensor_over(bytes_storage(NUMBERS + bytes([last] * 4), "float32"), (2, 3))
        for last in (0, 1)
    )
    found = compare(tmp_path, {"w.weight": first}, {"w.weight": second})
    assert differences(found) == [
        ("w.weight", "cannot tell", "its storage differs, which holds more than its elements")
    ]


def test_the_stride_of_a_dimension_of_one_element_does_not_matter(tmp_path):
    views = [
        OutgoingTensor(storage=bytes_storage(NUMBERS, "float32"), shape=(6, 1, 1, 1), stride=stride)
        for stride in ((1, 1, 1, 1), (1, 6, 6, 6))
    ]
    found = compare(tmp_path, {"w.weight": views[0]}, {"w.weight": views[1]})
    assert found.outcome is Likeness.SAME


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (TorchZipOptions(crc=False), "the archive records no CRC-32 of its members"),
        (TorchZipOptions(deflate=True), "its storage is missing, is compressed, or has no CRC-32"),
        (TorchZipOptions(byteorder="big"), "its elements lie in another way in its storage"),
    ],
    ids=["no CRC", "deflated", "big-endian"],
)
def test_archives_whose_checksums_say_nothing_cannot_be_told(tmp_path, options, said):
    found = compare(tmp_path, network(), network(), options=options)
    assert (found.outcome, found.up_to_names) == (Likeness.UNTOLD, Likeness.UNTOLD)
    assert said in (found.why or found.checks[0].differences[0].why)


def test_one_storage_without_a_checksum_cannot_be_told_and_the_others_can(tmp_path):
    state = {"a.weight": tensor("0", (2, 3)), "b.weight": tensor("1", (2, 3))}
    members = torch_members(state, {"0": NUMBERS, "1": NUMBERS})
    for name, content in (
        ("a.pt", members),
        ("b.pt", changed(members, "data/1", crc=0, local_crc=0)),
    ):
        (tmp_path / name).write_bytes(zip_bytes(content))
    found = same_archives(tmp_path / "a.pt", tmp_path / "b.pt")
    assert found.outcome is Likeness.UNTOLD
    assert [one[0] for one in differences(found)] == ["b.weight"]


def test_an_archive_that_contradicts_itself_cannot_be_told(tmp_path):
    members = torch_members({"a.weight": tensor("0", (2, 3))}, {"0": NUMBERS})
    twice = [*members, next(one for one in members if str(one.name).endswith("data/0"))]
    (tmp_path / "a.pt").write_bytes(zip_bytes(members))
    (tmp_path / "b.pt").write_bytes(zip_bytes(twice))
    found = same_archives(tmp_path / "a.pt", tmp_path / "b.pt")
    assert found.outcome is Likeness.UNTOLD
    assert "b.pt': the archive contradicts itself: CON" in found.why


def test_another_container_cannot_be_told(tmp_path):
    write_legacy_stream(tmp_path / "b.pt", network())
    found = same_archives(write(tmp_path / "a.pt", network()), tmp_path / "b.pt")
    assert found.outcome is Likeness.UNTOLD
    assert "expected a torch zip, found legacy stream" in found.why


def test_a_torch_zip_in_a_tar_is_compared_as_any(tmp_path):
    path = write(tmp_path / "a.pt", network())
    wrap_tar(tmp_path / "b.tar", [("inside/a.pt", path)])
    assert same_archives(path, tmp_path / "b.tar").outcome is Likeness.SAME


def test_tensors_without_elements_are_the_same(tmp_path):
    empty = {"w.weight": tensor_over(bytes_storage(b"", "float32"), (0, 3)), "b.weight": floats(1)}
    assert compare(tmp_path, empty, empty).outcome is Likeness.SAME


def test_what_cannot_be_read_is_an_error_and_no_difference(tmp_path):
    good = write(tmp_path / "a.pt", network())
    (tmp_path / "b.pt").write_bytes(b"PK\x03\x04")
    with pytest.raises(ArtifactError, match=r"b\.pt"):
        same_archives(good, tmp_path / "b.pt")
    with pytest.raises(UsageError, match="no such file"):
        same_archives(good, tmp_path / "c.pt")
    wrap_tar(tmp_path / "two.tar", [("a.pt", good), ("b/a.pt", good)])
    with pytest.raises(UsageError, match="expected one checkpoint, found 2"):
        same_archives(good, tmp_path / "two.tar")
