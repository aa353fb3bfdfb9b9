"""Real files of public projects: all are read, and as torch and safetensors read them."""

import contextlib
import json
import warnings

import pytest
from corpus_files import benign_rows, errors, read, require, short, table, tensors

from ckptscope.errors import CkptscopeError
from ckptscope.facts.dtypes import SAFETENSORS_DTYPES
from ckptscope.pipeline import inspect

CORPUS = require()
#: The scanners' own controls are named so; their attacks are read by another module.
ROWS = [
    row
    for row in benign_rows()
    if row["local path"].startswith("benign/")
    or any(word in row["local path"].rpartition("/")[2] for word in ("benign", "safe_"))
]
#: Kinds that are read now; the others may be refused, but by name.
READ = {"legacy-pickle", "zip-torch", "legacy-tar", "tar-wrapper", "safetensors", "plain-pickle"}

pytestmark = pytest.mark.corpus


def rows(*kinds: str):
    chosen = [row for row in ROWS if row["container kind"] in kinds]
    return pytest.mark.parametrize(
        "name", [row["local path"] for row in chosen], ids=[short(r["local path"]) for r in chosen]
    )


@rows(*READ)
def test_a_benign_file_reads_without_failure_and_without_error_finding(name):
    reports = read(CORPUS / name)
    assert reports
    # Files of other scanners' tests read as well as any, and what they import is an error.
    is_benign = not name.startswith("malicious/")
    assert [one for one in errors(reports) if is_benign or not one.startswith("SAF")] == []
    for report in reports:
        assert sum(s.size_bytes for s in report.manifest.spending) == report.manifest.size_bytes


@rows(*({row["container kind"] for row in ROWS} - READ))
def test_a_file_of_a_later_kind_never_leaves_the_error_tree(name):
    path = CORPUS / name
    with contextlib.suppress(CkptscopeError):
        assert inspect(path)


@rows("legacy-pickle", "zip-torch", "plain-pickle")
def test_a_benign_file_has_the_tensors_that_torch_reads(name):
    torch = pytest.importorskip("torch")
    from builders.torch_objects import described  # noqa: PLC0415  # torch may be absent

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            loaded = torch.load(CORPUS / name, weights_only=True, map_location="cpu")
        except Exception:
            # Foreign classes, and plain pickles that torch never wrote.
            pytest.skip("torch.load(weights_only=True) does not read this file")
    assert tensors(read(CORPUS / name)) == described(loaded)


@rows("safetensors")
def test_a_safetensors_file_has_what_its_own_library_reads(name):
    safetensors = pytest.importorskip("safetensors")
    (report,) = read(CORPUS / name)
    with safetensors.safe_open(CORPUS / name, framework="numpy") as opened:
        expected = {}
        for key in opened.keys():  # noqa: SIM118
            held = opened.get_slice(key)
            expected[key] = (SAFETENSORS_DTYPES[held.get_dtype()], tuple(held.get_shape()))
        metadata = opened.metadata() or {}
    assert tensors([report]) == expected
    assert dict(report.manifest.metadata) == metadata


LATER = {"exported.pt2", "package.pt", "dcp/"}
MADE = [entry for entry in table("torch-made/benign.json") if entry["name"] not in LATER]


@pytest.mark.parametrize("entry", MADE, ids=[entry["name"] for entry in MADE])
def test_an_unusual_file_of_torch_has_the_tensors_that_torch_reported(entry):
    reports = read(CORPUS / "torch-made" / entry["name"])
    found = tensors(reports)
    assert errors(reports) == []
    assert found == {
        name: (dtype, tuple(shape)) for name, (dtype, shape, _) in entry["tensors"].items()
    }


def test_every_kind_of_the_manifest_is_met_by_some_test():
    kinds = {row["container kind"] for row in ROWS}
    assert kinds >= READ
    assert json.dumps(sorted(kinds))
