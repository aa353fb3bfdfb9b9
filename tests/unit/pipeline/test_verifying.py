"""Files held against manifests: what is not as recorded is named, and no manifest is believed."""

import json

import pytest
from builders.identities import (
    floats,
    manifest_of,
    network,
    optimizer,
    write,
    write_manifest,
)
from builders.pickles import tensor
from builders.zips import torch_zip

from ckptscope.errors import UsageError
from ckptscope.facts.identity import Sameness
from ckptscope.pipeline.identity import identify_content
from ckptscope.pipeline.verifying import read_manifest, verify_content
from ckptscope.reports.identity_json import render_identity_json
from ckptscope.writers.safetensors import write_safetensors


def verify(manifest, *paths):
    return verify_content(manifest, identify_content(paths).files, name="a.json")


def verify_one(folder, before, after):
    """What comes out for the only state_dict."""
    manifest = manifest_of(write(folder / "a.pt", before))
    (file,) = verify(manifest, write(folder / "b.pt", after)).files
    (check,) = file.checks
    return check


def changes(check):
    return [(one.what, one.key) for one in check.changes]


def test_the_same_content_in_another_container_is_the_same(tmp_path):
    manifest = manifest_of(write(tmp_path / "a.pt", {"network": network()}))
    write_safetensors(tmp_path / "b.safetensors", tuple(network().items()))
    report = verify(manifest, tmp_path / "b.safetensors")
    assert report.outcome is Sameness.SAME
    (check,) = report.files[0].checks
    assert (check.recorded, check.found, check.tensors) == ("network", "", 10)


def test_a_changed_tensor_is_named_and_the_others_are_counted(tmp_path):
    check = verify_one(tmp_path, network(), network(last=-0.0))
    assert check.outcome is Sameness.CHANGED
    assert changes(check) == [("changed", "head.bias")]
    assert check.tensors == 9


def test_another_shape_of_the_same_bytes_is_a_change(tmp_path):
    check = verify_one(tmp_path, {"w": floats(1, 2)}, {"w": floats(1, 2, shape=(2, 1))})
    assert changes(check) == [("changed", "w")]
    assert check.changes[0].recorded.shape == (2,)
    assert check.changes[0].found.shape == (2, 1)


def test_missing_and_added_tensors_are_named(tmp_path):
    check = verify_one(
        tmp_path,
        {"a.weight": floats(1), "b.weight": floats(2)},
        {"a.weight": floats(1), "c.weight": floats(3)},
    )
    assert check.outcome is Sameness.CHANGED
    assert changes(check) == [("missing", "b.weight"), ("added", "c.weight")]


def test_a_tensor_with_another_name_is_renamed_and_neither_missing_nor_added(tmp_path):
    check = verify_one(
        tmp_path,
        {"a.weight": floats(1), "b.weight": floats(2)},
        {"a.weight": floats(9), "c.weight": floats(2)},
    )
    assert changes(check) == [("changed", "a.weight"), ("renamed", "b.weight")]
    assert check.changes[1].found.key == "c.weight"


def test_all_tensors_under_other_names_are_no_change_of_them(tmp_path):
    renamed = {f"body.{key}": value for key, value in network().items()}
    check = verify_one(tmp_path, network(), renamed)
    assert check.outcome is Sameness.RENAMED
    assert {one.what for one in check.changes} == {Sameness.RENAMED}
    assert all(one.found.key == f"body.{one.key}" for one in check.changes)


def test_tensors_that_changed_places_are_changed(tmp_path):
    check = verify_one(
        tmp_path,
        {"a.weight": floats(1), "b.weight": floats(2)},
        {"a.weight": floats(2), "b.weight": floats(1)},
    )
    # The same tensors, under each other's names.
    assert check.outcome is Sameness.RENAMED
    assert changes(check) == [("changed", "a.weight"), ("changed", "b.weight")]


def test_of_several_equal_tensors_as_many_are_renamed_as_there_are_on_both_sides(tmp_path):
    before = {"a.weight": floats(0), "b.weight": floats(0), "c.weight": floats(0)}
    check = verify_one(tmp_path, before, {"x.weight": floats(0), "y.weight": floats(0)})
    assert changes(check) == [
        ("renamed", "a.weight"),
        ("renamed", "b.weight"),
        ("missing", "c.weight"),
    ]
    assert [one.found.key for one in check.changes[:2]] == ["x.weight", "y.weight"]


def test_an_optimizer_that_is_gone_is_missing_and_the_network_the_same(tmp_path):
    manifest = manifest_of(
        write(tmp_path / "a.pt", {"network": network(), "optimizer": optimizer()})
    )
    report = verify(manifest, write(tmp_path / "b.pt", {"network": network()}))
    assert report.outcome is Sameness.CHANGED
    assert [(one.role, one.outcome) for one in report.files[0].checks] == [
        ("network", Sameness.SAME),
        ("optimizer", Sameness.MISSING),
    ]


def test_what_could_not_be_read_is_never_the_same(tmp_path):
    manifest = manifest_of(write(tmp_path / "a.pt", network()))
    (tmp_path / "b.pt").write_bytes(b"PK\x03\x04")
    report = verify(manifest, tmp_path / "b.pt")
    assert report.outcome is Sameness.UNDECIDED
    assert report.files[0].failure is not None


def test_a_tensor_that_was_not_read_when_it_was_recorded_is_not_decided(tmp_path):
    written = write_manifest(tmp_path / "a.json", write(tmp_path / "a.pt", network()))
    plain = json.loads(written.read_bytes())
    state_dict = plain["files"][0]["identity"]["state_dicts"][0]
    state_dict["root"] = state_dict["root_up_to_names"] = ""
    state_dict["tensors"][0] |= {"digest": "", "unread": "the disk was broken"}
    written.write_text(json.dumps(plain), encoding="utf-8")
    report = verify(read_manifest(written), tmp_path / "a.pt")
    assert report.outcome is Sameness.UNDECIDED
    assert changes(report.files[0].checks[0]) == [("not decided", "head.bias")]


class TestSeveralCheckpoints:
    def folder(self, place, **values):
        place.mkdir()
        return [write(place / f"{name}.pt", {"w": floats(one)}) for name, one in values.items()]

    def outcomes(self, report):
        return [(one.recorded and one.recorded[-4:], one.outcome.value) for one in report.files]

    def test_they_are_told_by_their_names(self, tmp_path):
        manifest = manifest_of(*self.folder(tmp_path / "before", a=1, b=2))
        report = verify(manifest, *reversed(self.folder(tmp_path / "after", a=1, b=3)))
        assert self.outcomes(report) == [("a.pt", "same"), ("b.pt", "changed")]

    def test_two_that_were_swapped_are_both_changed(self, tmp_path):
        manifest = manifest_of(*self.folder(tmp_path / "before", a=1, b=2))
        report = verify(manifest, *self.folder(tmp_path / "after", a=2, b=1))
        assert self.outcomes(report) == [("a.pt", "changed"), ("b.pt", "changed")]

    def test_without_a_name_in_common_they_are_told_by_their_roots(self, tmp_path):
        manifest = manifest_of(*self.folder(tmp_path / "before", a=1, b=2))
        report = verify(manifest, *self.folder(tmp_path / "after", x=2, y=1))
        assert self.outcomes(report) == [("a.pt", "same"), ("b.pt", "same")]
        assert [one.path[-4:] for one in report.files] == ["y.pt", "x.pt"]

    def test_one_that_is_not_there_is_missing_and_one_that_was_not_recorded_added(self, tmp_path):
        manifest = manifest_of(*self.folder(tmp_path / "before", a=1, b=2))
        report = verify(manifest, *self.folder(tmp_path / "after", a=1, c=3))
        assert self.outcomes(report) == [("a.pt", "same"), ("b.pt", "missing"), (None, "added")]
        assert report.outcome is Sameness.CHANGED


class TestManifest:
    @pytest.fixture
    def written(self, tmp_path):
        path = write(tmp_path / "a.pt", {"network": network(), "optimizer": optimizer()})
        return write_manifest(tmp_path / "a.json", path)

    def changed(self, written, change):
        """Write the manifest anew, changed as a parsed one, and return why it is refused."""
        plain = json.loads(written.read_bytes())
        change(plain)
        return self.refused(written, json.dumps(plain).encode())

    def refused(self, written, content):
        written.write_bytes(content)
        with pytest.raises(UsageError) as caught:
            read_manifest(written)
        assert "\n" not in str(caught.value)
        assert str(caught.value).startswith(str(written))
        return str(caught.value).removeprefix(f"{written}: ")

    def first(self, plain):
        return plain["files"][0]["identity"]["state_dicts"][0]

    def test_it_is_read_as_it_was_written(self, tmp_path, written):
        assert read_manifest(written) == manifest_of(tmp_path / "a.pt")

    def test_the_same_content_gives_the_same_bytes(self, tmp_path, written):
        before = written.read_bytes()
        assert write_manifest(tmp_path / "b.json", tmp_path / "a.pt").read_bytes() == before

    def test_a_name_that_utf_8_cannot_hold_comes_back(self, tmp_path):
        path = tmp_path / "a.pt"
        path.write_bytes(torch_zip({"a\ud800.weight": tensor("0")}, {"0": b"\0\0\x80\x3f"}))
        manifest = read_manifest(write_manifest(tmp_path / "a.json", path))
        assert manifest.files[0].identity.state_dicts[0].tensors[0].key == "a\ud800.weight"
        assert verify(manifest, path).outcome is Sameness.SAME

    @pytest.mark.parametrize(
        "change",
        [
            lambda one: one.update(root="0" * 64),
            lambda one: one.update(root_up_to_names="0" * 64),
            lambda one: one.update(root="", root_up_to_names=""),
            lambda one: one["tensors"][0].update(digest="0" * 64),
            lambda one: one["tensors"][0].update(key="another.name"),
            lambda one: one["tensors"][0].update(digest=""),
            lambda one: one["tensors"].pop(),
            lambda one: one["tensors"].append(one["tensors"][0]),
        ],
        ids=["root", "up to names", "no roots", "digest", "key", "no digest", "less", "more"],
    )
    def test_roots_that_are_not_those_of_the_tensors_are_refused(self, written, change):
        said = self.changed(written, lambda plain: change(self.first(plain)))
        assert said.startswith("files[0].identity.state_dicts[0]: the roots recorded of 'network'")
        assert "the manifest was changed" in said

    def test_a_dtype_that_is_not_that_of_its_digest_is_refused(self, tmp_path, written):
        plain = json.loads(written.read_bytes())
        self.first(plain)["tensors"][0]["dtype"] = "int32"
        written.write_text(json.dumps(plain), encoding="utf-8")
        with pytest.raises(UsageError, match=r"the dtype or shape recorded of 'head\.bias'"):
            verify(read_manifest(written), tmp_path / "a.pt")

    @pytest.mark.parametrize("schema", ["ckptscope/identity/2", "ckptscope/inspect/1", None, 1])
    def test_another_schema_is_refused(self, written, schema):
        said = self.changed(written, lambda plain: plain.update(schema=schema))
        assert said == f"schema: expected 'ckptscope/identity/1', found {schema!r}"

    @pytest.mark.parametrize(
        ("change", "said"),
        [
            (lambda plain: plain.update(files=3), "files: expected a manifest: "),
            (lambda plain: plain.update(files=[]), "expected at least one checkpoint, found none"),
            (lambda plain: plain.pop("files"), "expected a manifest: object missing required"),
            (lambda plain: plain.update(more=1), "expected a manifest: object contains unknown"),
            (
                lambda plain: plain["files"][0]["identity"]["state_dicts"][0].update(root="XYZ"),
                "files[0].identity.state_dicts[0].root: expected a manifest: ",
            ),
            (
                lambda plain: plain["files"][0]["identity"]["state_dicts"][0]["tensors"][1].update(
                    shape=[-1]
                ),
                "files[0].identity.state_dicts[0].tensors[1].shape[0]: expected a manifest: ",
            ),
        ],
        ids=["type", "empty", "incomplete", "unknown key", "no digest", "no shape"],
    )
    def test_wrong_contents_are_refused_with_their_place(self, written, change, said):
        assert self.changed(written, change).startswith(said)

    @pytest.mark.parametrize(
        ("content", "said"),
        [
            (b"", "expected JSON, found: "),
            (b"\x80\x02}q\x00.", "expected JSON, found: "),
            (b"[1]", "expected a manifest, found no JSON object"),
            (b"[" * 100_000, "expected JSON, found: "),
            (
                b'{"schema": "ckptscope/identity/1", "files": [], "files": []}',
                "expected every key once, found 'files' twice",
            ),
            (
                b'{"schema": "ckptscope/identity/1", "files": ' + b"1" * 5000 + b"}",
                "expected JSON, found: ",
            ),
        ],
        ids=["empty", "pickle", "list", "deep", "twice", "long number"],
    )
    def test_what_is_no_manifest_is_refused_in_one_line(self, written, content, said):
        assert self.refused(written, content).startswith(said)

    def test_a_file_too_large_is_refused_without_reading_it_all(self, written, monkeypatch):
        monkeypatch.setattr("ckptscope.pipeline.verifying._MOST_BYTES", 100)
        said = self.refused(written, written.read_bytes())
        assert said == "expected a manifest of at most 100 bytes"

    def test_one_that_is_not_there_is_a_wrong_request(self, tmp_path):
        with pytest.raises(UsageError, match="cannot be read: No such file"):
            read_manifest(tmp_path / "a.json")

    def test_a_file_that_could_not_be_read_stays_in_it(self, tmp_path):
        (tmp_path / "cut.pt").write_bytes(b"PK\x03\x04")
        report = identify_content([tmp_path / "cut.pt"])
        (tmp_path / "a.json").write_bytes(render_identity_json(report))
        manifest = read_manifest(tmp_path / "a.json")
        assert manifest.files[0].failure is not None
        write(tmp_path / "cut.pt", network())
        assert verify(manifest, tmp_path / "cut.pt").outcome is Sameness.UNDECIDED
