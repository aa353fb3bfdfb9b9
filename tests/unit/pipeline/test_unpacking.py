"""What `unpack` keeps, how it names it, and what it refuses."""

import json

import pytest
from builders.unpacked_files import (
    contents_of,
    identity_of,
    network,
    numbered,
    training,
    unpacked,
    write_tensors,
    write_zip,
)

from ckptscope.errors import ArtifactError, UsageError
from ckptscope.pipeline import unpack_copy
from ckptscope.pipeline.opening import open_checkpoint
from ckptscope.writers.forms import Global, Reduce, ordered_dict
from ckptscope.writers.safetensors import write_safetensors
from ckptscope.writers.tensors import OutgoingTensor, bytes_storage, tensor_over
from fixtures.build import tiny
from fixtures.containers import directory, torch_zip
from fixtures.convnextpose import Dialect


@pytest.fixture
def source(tmp_path):
    return write_zip(tmp_path / "snapshot.pth", training())


def test_the_network_is_chosen_before_the_optimizer_and_that_is_said(source, tmp_path):
    report = unpacked(source, tmp_path / "out.safetensors")
    assert [(one.entry, len(one.tensors)) for one in report.files] == [("network", 3)]
    assert report.notes[0].startswith("unpacking 'network' (network) of 'network' (network), ")
    assert [(one.entry, one.tensors) for one in report.dropped] == [("optimizer", 2)]


def test_the_file_has_the_content_of_the_source_and_its_root(source, tmp_path):
    for name in ("out.safetensors", "out.pth"):
        report = unpacked(source, tmp_path / name)
        found = identity_of(tmp_path / name)
        assert found.root == identity_of(source, "network").root == report.files[0].root
        assert list(contents_of(tmp_path / name)) != []
        assert report.files[0].size_bytes == (tmp_path / name).stat().st_size


def test_an_entry_is_chosen_by_its_path_or_by_the_end_of_it(tmp_path):
    nested = {"a": {"student": network()}, "b": {"teacher": network(start=5)}}
    source = write_zip(tmp_path / "two.pth", nested)
    for entry in ("b/teacher", "teacher"):
        report = unpacked(source, tmp_path / "out.pth", entry=entry, force=True)
        assert report.files[0].entry == "b/teacher"
        assert report.files[0].root == identity_of(source, "b/teacher").root


def test_equal_candidates_are_refused_with_their_names(tmp_path):
    source = write_zip(tmp_path / "gan.pth", {"netG": network(), "netD": network()})
    with pytest.raises(UsageError, match=r"'netG' \(network\), 'netD' \(network\).*--entry"):
        unpacked(source, tmp_path / "out.pth")
    assert not (tmp_path / "out.pth").exists()


def test_a_network_comes_before_its_averaged_copy(tmp_path):
    source = write_zip(tmp_path / "ema.pth", {"model_ema": network(start=3), "model": network()})
    assert unpacked(source, tmp_path / "out.pth").files[0].entry == "model"
    without = unpacked(source, tmp_path / "ema.safetensors", drop=("network",))
    assert without.files[0].entry == "model_ema"


def test_an_entry_that_is_not_there_is_refused_with_those_that_are(source, tmp_path):
    with pytest.raises(UsageError, match="no state_dict at 'net'; there are: 'network'"):
        unpacked(source, tmp_path / "out.pth", entry="net")


def test_dropping_a_path_that_is_not_there_is_refused_and_a_role_is_not(source, tmp_path):
    with pytest.raises(UsageError, match="--drop 'optimiser'"):
        unpacked(source, tmp_path / "out.pth", drop=("optimiser",))
    report = unpacked(source, tmp_path / "out.pth", drop=("ema", "optimizer"))
    assert [one.why for one in report.dropped] == ["--drop"]


def test_a_prefix_is_taken_off_names_and_module_versions(source, tmp_path):
    report = unpacked(source, tmp_path / "out.pth", strip_prefix=True)
    assert report.files[0].prefix == "module."
    with open_checkpoint(tmp_path / "out.pth") as checkpoint:
        found = checkpoint.state_dict()
    assert [one.key for one in found.tensors] == [
        "conv.weight",
        "conv.bias",
        "norm.num_batches_tracked",
    ]
    assert found.versions == {"": 1, "norm": 2}


def test_another_prefix_is_taken_off_where_it_stands(tmp_path):
    tensors = {"model.a.weight": numbered((2,)), "loss.weight": numbered((1,))}
    source = write_tensors(tmp_path / "in.safetensors", tensors)
    report = unpacked(source, tmp_path / "out.safetensors", prefix="model.")
    assert {one.key for one in report.files[0].tensors} == {"a.weight", "loss.weight"}
    assert any("'loss.weight'" in note for note in report.notes)
    with pytest.raises(UsageError, match=r"no key begins with the prefix 'net\.'"):
        unpacked(source, tmp_path / "other.safetensors", prefix="net.")


def test_two_tensors_that_would_have_one_name_are_refused(tmp_path):
    tensors = {"model.a": numbered((2,)), "a": numbered((1,))}
    source = write_tensors(tmp_path / "in.safetensors", tensors)
    with pytest.raises(UsageError, match="would both be called 'a'"):
        unpacked(source, tmp_path / "out.safetensors", prefix="model.")


def test_patterns_fit_names_with_and_without_the_wrappers_prefix(source, tmp_path):
    for pattern in ("conv.*", "module.conv.*", "*.bias"):
        report = unpacked(source, tmp_path / "out.pth", only=(pattern,), force=True)
        kept = {one.source_key for one in report.files[0].tensors}
        assert "module.conv.bias" in kept
        assert "module.norm.num_batches_tracked" not in kept
        gone = report.dropped[-1]
        assert set(gone.keys).isdisjoint(kept)
        assert len(gone.keys) + len(kept) == 3
    with pytest.raises(UsageError, match="no tensor is left"):
        unpacked(source, tmp_path / "none.pth", only=("head.*",))


@pytest.mark.parametrize("target", list(Dialect))
@pytest.mark.parametrize("dialect", list(Dialect))
def test_keys_go_from_each_dialect_of_the_family_to_each_and_back(dialect, target, tmp_path):
    source, there, back = (tmp_path / name for name in ("in.pth", "a.safetensors", "b.pth"))
    torch_zip()(tiny(dialect), source)
    torch_zip()(tiny(target), tmp_path / "wanted.pth")
    report = unpacked(source, there, keys=str(target))
    assert report.files[0].root == identity_of(tmp_path / "wanted.pth", "network").root
    assert (report.files[0].source_dialect, report.files[0].dialect) == (dialect, target)
    assert (
        unpacked(there, back, keys=str(dialect)).files[0].root
        == identity_of(source, "network").root
    )


def test_keys_of_an_unknown_network_or_dialect_are_refused(source, tmp_path):
    with pytest.raises(UsageError, match="--keys list: no known family"):
        unpacked(source, tmp_path / "out.pth", keys="list")
    torch_zip()(tiny(Dialect.NAMED), tmp_path / "tiny.pth")
    with pytest.raises(UsageError, match="has no such dialect; it has: named, indexed, list"):
        unpacked(tmp_path / "tiny.pth", tmp_path / "out.pth", keys="timm")


def test_a_cast_goes_over_floating_tensors_alone(source, tmp_path):
    report = unpacked(source, tmp_path / "out.safetensors", dtype="float16")
    assert {(one.source_dtype, one.dtype) for one in report.files[0].tensors} == {
        ("float32", "float16"),
        ("int64", "int64"),
    }
    before, after = contents_of(source, "network"), contents_of(tmp_path / "out.safetensors")
    key = "module.norm.num_batches_tracked"
    assert before[key][1] == after[key][1]
    with pytest.raises(UsageError, match="expected one of float64, float32, float16, bfloat16"):
        unpacked(source, tmp_path / "other.pth", dtype="int8")


def tied():
    shared = bytes_storage(bytes(range(48)), "float32")
    return {
        "embed.weight": tensor_over(shared, (3, 4)),
        "head.weight": tensor_over(shared, (3, 4)),
        "row.weight": tensor_over(shared, (4,), offset=4),
        "column.weight": OutgoingTensor(storage=shared, shape=(3,), stride=(4,), offset=1),
        "alone.weight": numbered((2, 2)),
    }


def test_a_torch_zip_keeps_ties_and_writes_their_bytes_once(tmp_path):
    source = write_zip(tmp_path / "tied.pth", ordered_dict(tied()))
    report = unpacked(source, tmp_path / "out.pth")
    tie = ("embed.weight", "head.weight", "row.weight", "column.weight")
    assert [(one.keys, one.is_kept) for one in report.files[0].ties] == [(tie, True)]
    found = {key: one for key, (one, _) in contents_of(tmp_path / "out.pth").items()}
    assert len({found[key].storage for key in tie}) == 1
    assert (found["row.weight"].offset, found["column.weight"].stride) == (4, (4,))
    assert found["head.weight"].alias_of == "embed.weight"
    with open_checkpoint(tmp_path / "out.pth") as checkpoint:
        assert sum(one.size_bytes for one in checkpoint.manifest.storages.values()) == 48 + 16


def test_ties_survive_a_cast(tmp_path):
    source = write_zip(tmp_path / "tied.pth", ordered_dict(tied()))
    report = unpacked(source, tmp_path / "out.pth", dtype="float64")
    assert [one.is_kept for one in report.files[0].ties] == [True]
    found = contents_of(tmp_path / "out.pth")
    row, whole = found["row.weight"][1], found["head.weight"][1]
    assert row == whole[4 * 8 : 8 * 8]


def test_safetensors_writes_every_name_of_a_tie_with_bytes_of_its_own_and_says_so(tmp_path):
    source = write_zip(tmp_path / "tied.pth", ordered_dict(tied()))
    report = unpacked(source, tmp_path / "out.safetensors")
    assert [one.is_kept for one in report.files[0].ties] == [False]
    found = contents_of(tmp_path / "out.safetensors")
    assert found["embed.weight"][1] == found["head.weight"][1] == bytes(range(48))
    assert report.files[0].root == identity_of(source).root


def test_slices_of_one_buffer_that_do_not_meet_are_no_tie(tmp_path):
    buffer = bytes_storage(bytes(4096), "float32")
    parts = {"a.weight": tensor_over(buffer, (8,)), "b.weight": tensor_over(buffer, (8,), offset=8)}
    source = write_zip(tmp_path / "flat.pth", ordered_dict(parts))
    report = unpacked(source, tmp_path / "out.pth")
    assert report.files[0].ties == ()
    with open_checkpoint(tmp_path / "out.pth") as checkpoint:
        assert sum(one.size_bytes for one in checkpoint.manifest.storages.values()) == 64


def sparse():
    indices, values = numbered((1, 2), "int64"), numbered((2,))
    layout = Reduce(Global("torch.serialization", "_get_layout"), ("torch.sparse_coo",))
    function = Global("torch._utils", "_rebuild_sparse_tensor")
    return Reduce(function, (layout, (indices, values, (9,))))


def test_what_a_target_cannot_hold_is_named_and_left_out_on_request_alone(tmp_path):
    tensors = {
        "a.weight": numbered((2,)),
        "sparse.weight": sparse(),
        "wide.weight": numbered((2,), "complex128"),
    }
    source = write_zip(tmp_path / "odd.pth", ordered_dict(tensors))
    with pytest.raises(UsageError, match=r"2 tensors.*sparse_coo.*complex128.*--skip-unsupported"):
        unpacked(source, tmp_path / "out.safetensors")
    assert list(tmp_path.iterdir()) == [source]
    report = unpacked(source, tmp_path / "out.safetensors", skip_unsupported=True)
    assert [one.keys for one in report.dropped] == [("sparse.weight", "wide.weight")]
    kept = unpacked(source, tmp_path / "out.pth", skip_unsupported=True)
    assert {one.key for one in kept.files[0].tensors} == {"a.weight", "wide.weight"}


def test_a_tensor_that_is_saved_alone_gets_a_name(tmp_path):
    source = write_zip(tmp_path / "one.pth", numbered((2, 3)))
    report = unpacked(source, tmp_path / "out.safetensors")
    assert [one.key for one in report.files[0].tensors] == ["tensor"]
    assert any("'tensor'" in note for note in report.notes)


def test_a_key_that_utf8_cannot_hold_has_no_place_in_safetensors_alone(tmp_path):
    source = write_zip(tmp_path / "in.pth", ordered_dict({"a\ud800.weight": numbered((2,))}))
    with pytest.raises(UsageError, match="safetensors has no such name"):
        unpacked(source, tmp_path / "out.safetensors")
    assert [one.key for one in unpacked(source, tmp_path / "out.pth").files[0].tensors] == [
        "a\ud800.weight"
    ]


def test_what_is_no_tensor_is_listed_and_written_where_it_is_asked_for(source, tmp_path):
    report = unpacked(source, tmp_path / "out.safetensors", metadata=str(tmp_path / "rest.json"))
    assert {one.path: one.text for one in report.values} == {
        "epoch": "12",
        "note": "'first try'",
        "optimizer/param_groups/0": "Adam family: lr 0.001, betas (0.9, 0.999)",
        "network/_metadata": "versions of 3 modules",
    }
    found = json.loads((tmp_path / "rest.json").read_bytes())
    assert (found["schema"], found["source"]) == ("ckptscope/metadata/1", "snapshot.pth")
    assert found["values"]["epoch"] == 12
    assert found["values"]["optimizer"] == {
        "state": {"0": {"$tensors": 2, "step": 7}},
        "param_groups": [{"lr": 0.001, "betas": [0.9, 0.999], "params": [0]}],
    }
    assert found["module_versions"] == {"network": {"": 1, "module": 1, "module.norm": 2}}


def test_the_text_of_a_header_stays_in_safetensors_and_is_listed_for_a_torch_zip(tmp_path):
    source = tmp_path / "in.safetensors"
    write_safetensors(source, [("a.weight", numbered((2,)))], metadata={"license": "MIT"})
    unpacked(source, tmp_path / "out.safetensors")
    with open_checkpoint(tmp_path / "out.safetensors") as checkpoint:
        assert dict(checkpoint.manifest.metadata) == {"format": "pt", "license": "MIT"}
    report = unpacked(source, tmp_path / "out.pth")
    assert [(one.path, one.text) for one in report.values] == [("__metadata__/license", "'MIT'")]


def test_a_folder_gets_a_file_for_each_state_dict_and_the_rest(source, tmp_path):
    report = unpacked(source, f"{tmp_path / 'out'}/", dtype="bfloat16", strip_prefix=True)
    names = sorted(one.name for one in (tmp_path / "out").iterdir())
    assert names == ["metadata.json", "network.safetensors", "optimizer.safetensors"]
    assert [one.path for one in report.files] == [
        str(tmp_path / "out" / name) for name in ("network.safetensors", "optimizer.safetensors")
    ]
    assert {one.dtype for one in report.files[1].tensors} == {"float32"}
    assert {one.key for one in report.files[1].tensors} == {
        "state/0/exp_avg",
        "state/0/exp_avg_sq",
    }
    assert "conv.bias" in {one.key for one in report.files[0].tensors}
    assert json.loads((tmp_path / "out" / "metadata.json").read_bytes())["values"]["epoch"] == 12


def test_a_folder_may_be_empty_and_holds_nothing_else(source, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    unpacked(source, out, drop=("optimizer",))
    assert (out / "network.safetensors").exists()
    assert not (out / "optimizer.safetensors").exists()
    with pytest.raises(UsageError, match="expected nothing"):
        unpacked(source, out, force=True)


def test_paths_of_state_dicts_become_names_that_any_file_system_holds(tmp_path):
    entries = {"../../a b": network(), "A B": network(), "a b": network()}
    source = write_zip(tmp_path / "odd.pth", entries)
    unpacked(source, f"{tmp_path / 'out'}/")
    assert sorted(one.name for one in (tmp_path / "out").iterdir()) == [
        "A_B-2.safetensors",
        "a_b-3.safetensors",
        "a_b.safetensors",
        "metadata.json",
    ]
    assert sorted(one.name for one in tmp_path.iterdir()) == ["odd.pth", "out"]


def test_a_file_that_exists_is_replaced_by_force_alone(source, tmp_path):
    place = tmp_path / "out.pth"
    place.write_bytes(b"precious")
    with pytest.raises(UsageError, match="expected nothing"):
        unpacked(source, place)
    assert place.read_bytes() == b"precious"
    unpacked(source, place, force=True)
    assert identity_of(place).root == identity_of(source, "network").root


def test_the_input_is_never_the_target_under_any_name(source, tmp_path):
    content = source.read_bytes()
    (tmp_path / "link.pth").symlink_to(source)
    (tmp_path / "hard.pth").hardlink_to(source)
    for name in ("snapshot.pth", "link.pth", "hard.pth"):
        with pytest.raises(UsageError, match="expected a target outside the input"):
            unpacked(source, tmp_path / name, force=True)
        with pytest.raises(UsageError, match="expected a target outside the input"):
            unpacked(source, tmp_path / "out.pth", metadata=str(tmp_path / name), force=True)
    assert source.read_bytes() == content
    assert not (tmp_path / "out.pth").exists()


def test_the_file_of_metadata_is_not_the_target(source, tmp_path):
    target = tmp_path / "out.pth"
    with pytest.raises(UsageError, match="expected another file for --metadata"):
        unpacked(source, target, metadata=str(target), force=True)
    assert not target.exists()


def test_a_folder_as_the_input_is_no_place_for_the_target(tmp_path):
    directory(tiny(Dialect.NAMED), tmp_path / "in.pth")
    with pytest.raises(UsageError, match="expected a target outside the input"):
        unpacked(tmp_path / "in.pth", tmp_path / "in.pth" / "out.safetensors")


def test_a_shard_of_the_input_is_never_the_target(tmp_path):
    write_tensors(tmp_path / "model-1.safetensors", {"a.weight": numbered((2,))})
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a.weight": "model-1.safetensors"}}))
    with pytest.raises(UsageError, match="expected a target outside the input"):
        unpacked(index, tmp_path / "model-1.safetensors", force=True)
    report = unpacked(index, tmp_path / "whole.safetensors")
    assert report.files[0].root == identity_of(tmp_path / "model-1.safetensors").root


def test_a_name_that_says_not_what_to_write_is_refused(source, tmp_path):
    with pytest.raises(UsageError, match="expected a name that says what to write"):
        unpacked(source, tmp_path / "out.tar")


def test_a_file_that_was_not_written_as_it_should_be_is_removed(source, tmp_path, monkeypatch):
    def write_wrong(file, tensors, **options):
        write_safetensors(file, tensors, **options)
        file.seek(-1, 2)
        file.write(b"\xff")

    monkeypatch.setattr(unpack_copy, "write_safetensors", write_wrong)
    with pytest.raises(ArtifactError, match="the written file is not what it should be"):
        unpacked(source, tmp_path / "out.safetensors")
    assert list(tmp_path.iterdir()) == [source]


def test_a_source_that_changes_meanwhile_leaves_nothing_behind(source, tmp_path, monkeypatch):
    def write_slowly(file, tensors, **options):
        write_safetensors(file, tensors, **options)
        with source.open("ab") as changed:
            changed.write(b"x")

    monkeypatch.setattr(unpack_copy, "write_safetensors", write_slowly)
    with pytest.raises(ArtifactError, match="found it changed"):
        unpacked(source, tmp_path / "out.safetensors")
    assert list(tmp_path.iterdir()) == [source]


def flip(path, entry, key):
    """Change one byte of a tensor, and no checksum."""
    with open_checkpoint(path) as checkpoint:
        tensor = next(one for one in checkpoint.state_dict(entry).tensors if one.key == key)
        offset = checkpoint.manifest.storages[tensor.storage].offset_bytes
    content = bytearray(path.read_bytes())
    content[offset] ^= 1
    path.write_bytes(content)


def test_damage_is_not_given_a_fresh_checksum(source, tmp_path):
    flip(source, "network", "module.conv.bias")
    with pytest.raises(ArtifactError, match=r"the source is damaged: .*CRC-32"):
        unpacked(source, tmp_path / "out.pth")
    assert list(tmp_path.iterdir()) == [source]
    assert unpacked(source, tmp_path / "out.pth", only=("*.weight",)).files


def test_damage_of_what_is_not_copied_is_told(source, tmp_path):
    flip(source, "optimizer", "state/0/exp_avg")
    report = unpacked(source, tmp_path / "out.pth")
    assert any(note.startswith("damaged, but not copied") for note in report.notes)
    assert report.files[0].root == identity_of(source, "network").root


def test_what_the_file_would_run_is_told_and_not_copied(tmp_path):
    attack = Reduce(Global("os", "system"), ("true",))
    source = write_zip(tmp_path / "in.pth", {"net": network(), "attack": attack})
    report = unpacked(source, tmp_path / "out.pth")
    assert any("os.system" in note for note in report.notes)
    with open_checkpoint(tmp_path / "out.pth") as checkpoint:
        assert {one.module for one in checkpoint.manifest.imports} <= {
            "collections",
            "torch",
            "torch._utils",
        }


def test_names_that_repeat_a_storage_without_end_are_refused(tmp_path):
    shared = bytes_storage(bytes(1 << 20), "float32")
    many = {f"layer{index}.weight": tensor_over(shared, (1 << 18,)) for index in range(300)}
    source = write_zip(tmp_path / "many.pth", ordered_dict(many))
    with pytest.raises(ArtifactError, match="more than 8 times the source"):
        unpacked(source, tmp_path / "out.safetensors")
    assert unpacked(source, tmp_path / "out.pth").files[0].size_bytes < 2 << 20


def test_a_file_without_tensors_is_a_wrong_request(tmp_path):
    source = write_zip(tmp_path / "plain.pth", {"epoch": 3})
    with pytest.raises(UsageError, match="holds no state_dict"):
        unpacked(source, tmp_path / "out.pth")


def test_two_ways_to_cut_a_prefix_are_one_too_many(source, tmp_path):
    with pytest.raises(UsageError, match="found both"):
        unpacked(source, tmp_path / "out.pth", prefix="module", strip_prefix=True)
