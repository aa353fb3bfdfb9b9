"""What `ckptscope inspect` says of the network in a file, as people run it."""

import json
import math
import os
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
from builders.pickles import ordered_dict, tensor
from builders.zips import torch_zip

import ckptscope
from ckptscope.facts.tensors import Origin
from fixtures.build import build, tiny_set
from fixtures.convnextpose import TINY as TINY_CONFIGURATION
from fixtures.convnextpose import Dialect, state_dict_entries

TINY = next(one for one in tiny_set() if one.name == "tiny_named_zip.pth")
STREAM = next(one for one in tiny_set() if one.name == "tiny_list_legacy_stream.pth")


def run(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", "ckptscope", "inspect", *map(str, arguments)],
        capture_output=True,
        check=False,
        encoding="utf-8",
        env={**os.environ, "COLUMNS": "100", "PYTHONIOENCODING": "utf-8", **environment},
    )


def as_json(*arguments):
    done = run("--format", "json", *arguments)
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)["files"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("tiny")
    for fixture in (TINY, STREAM):
        build(fixture, folder)
    return folder


@pytest.fixture(scope="module")
def tiny(folder) -> Path:
    """A narrow ConvNeXtPose in a torch zip."""
    return folder / TINY.name


@pytest.fixture
def stranger(tmp_path) -> Path:
    """A network of no known family."""
    path = tmp_path / "stranger.pth"
    tree = ordered_dict([("gate.weight", tensor("0", (2, 3))), ("gate.bias", tensor("1", (2,)))])
    path.write_bytes(torch_zip(tree, {"0": bytes(24), "1": bytes(8)}))
    return path


def copy_of_tiny(
    path: Path, *, twice: bool = False, zeros: tuple[str, ...] = (), lost: str = ""
) -> Path:
    """Write names and shapes of the narrow network anew: tensors of ones, or of zeros.

    The storage of `lost` is left out.
    """
    ones, pairs, copies = {}, [], []
    for index, entry in enumerate(state_dict_entries(TINY_CONFIGURATION, Dialect.NAMED)):
        elements = math.prod(entry.shape)
        number = 0.0 if entry.key in zeros else 1.0
        if entry.key != lost:
            ones[str(index)] = struct.pack("<f", number) * elements
        one = tensor(str(index), entry.shape)
        pairs.append((entry.key, one))
        copies.append((f"module.{entry.key}", one))
    tree = {"network": ordered_dict(pairs)}
    if twice:
        tree["ema"] = ordered_dict(copies)
    path.write_bytes(torch_zip(tree, ones))
    return path


def test_the_text_names_the_family_and_each_part_with_its_origin(tiny):
    done = run(tiny)
    assert (done.returncode, done.stderr) == (0, "")
    assert "architecture of network: ConvNeXtPose" in done.stdout.splitlines()
    assert "dims 4, 6, 8, 12; depths 1, 1, 2, 1 (observed)" in done.stdout
    assert "6,586 parameters + 221 buffers = 6,807 elements (derived)" in done.stdout


def test_the_json_has_the_facts_of_the_configuration_and_keeps_to_the_schema(folder, tiny):
    schema = json.loads(ckptscope_schema())
    for path, dialect in ((tiny, "named"), (folder / STREAM.name, "list")):
        done = run("--format", "json", path)
        whole = json.loads(done.stdout)
        jsonschema.validate(whole, schema)
        found = whole["files"][0]["architecture"]
        facts = {name: fact["value"] for name, fact in found["facts"].items()}
        assert (found["family"], found["dialect"]) == ("convnextpose", dialect)
        assert tuple(facts["dims"]) == TINY_CONFIGURATION.dims
        assert tuple(facts["depths"]) == TINY_CONFIGURATION.depths
        assert tuple(facts["head_out_channels"]) == TINY_CONFIGURATION.head_channels
        assert tuple(facts["head_in_channels"]) == (12, 10, 10)
        assert facts["final_channels"] == 12
        assert (facts["parameters"], facts["state_elements"]) == (6_586, 6_807)


def test_a_network_of_no_known_family_is_no_error(stranger):
    done = run(stranger)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines().count("architecture: no known family") == 1
    (one,) = as_json(stranger)
    assert one["architecture"] is None
    assert one["state_dicts"][0]["modules"] is not None


def test_a_setting_that_the_user_knows_is_stated_and_decides_the_rest(tiny):
    (one,) = as_json(tiny, "--assume", "joints=3")
    facts = one["architecture"]["facts"]
    assert (facts["joints"]["value"], facts["joints"]["origin"]) == (3, "stated")
    assert facts["depth_bins"]["value"] == 4


def test_several_settings_may_be_stated(tiny):
    (one,) = as_json(tiny, "--assume", "joints=3", "--assume", "upsampling=yes,no,no")
    facts = one["architecture"]["facts"]
    assert facts["upsampling"]["value"] == [True, False, False]
    assert facts["upsampling"]["origin"] == "stated"


@pytest.mark.parametrize("setting", ["bones=3", "joints", "joints=many", "joints=0"])
def test_a_setting_that_there_is_not_or_cannot_be_is_exit_2_in_one_line(tiny, setting):
    done = run(tiny, "--assume", setting)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("ckptscope: ")
    assert done.stderr.count("\n") == 1


def test_a_wrong_setting_is_not_hidden_by_a_walk_over_a_folder(folder):
    done = run(folder, "--assume", "bones=3")
    assert (done.returncode, done.stdout) == (2, "")
    assert "bones" in done.stderr


def test_a_setting_that_no_network_takes_is_said_after_the_report(stranger):
    done = run(stranger, "--assume", "joints=17")
    assert done.returncode == 2
    assert "no known family" in done.stdout
    assert done.stderr == "ckptscope: no network of a known family to assume joints of\n"


def test_weights_are_read_only_where_they_are_asked_for(tmp_path):
    zeros = ("head.deconv_layers_2.dwconv.weight", "head.deconv_layers_2.dwconv.bias")
    path = copy_of_tiny(tmp_path / "half.pth", zeros=zeros)
    (without,) = as_json(path)
    assert "head_nonzero" not in without["architecture"]["facts"]
    (one,) = as_json(path, "--values")
    fact = one["architecture"]["facts"]["head_nonzero"]
    assert fact["origin"] == "observed"
    assert (fact["value"][0], fact["value"][2]) == (1.0, 1.0)
    assert 0 < fact["value"][1] < 1
    assert "non-zero   100 %, " in run(path, "--values").stdout


def test_weights_that_cannot_be_read_leave_the_rest_of_the_report(tmp_path):
    damaged = copy_of_tiny(tmp_path / "cut.pth", lost="head.deconv_layers_2.dwconv.weight")
    done = run(damaged, "--values", "--format", "json")
    (one,) = json.loads(done.stdout)["files"]
    assert done.returncode == 0
    assert "missing" in one["architecture"]["unread"]
    assert one["architecture"]["facts"]["dims"]["value"] == [4, 6, 8, 12]
    assert "not read" in run(damaged, "--values").stdout


def test_an_averaged_copy_is_named_beside_its_network(tmp_path):
    (one,) = as_json(copy_of_tiny(tmp_path / "twice.pth", twice=True))
    assert one["architecture"]["state_dict"] == "network"
    assert one["architecture"]["copies"] == ["ema"]
    assert one["more_architectures"] == []


def test_code_is_shown_only_where_it_is_asked_for_and_compiles(tiny):
    assert "import torch" not in run(tiny).stdout
    done = run(tiny, "--snippet", "--assume", "joints=3", "--assume", "upsampling=yes,yes,no")
    (one,) = as_json(tiny, "--snippet", "--assume", "joints=3", "--assume", "upsampling=yes,yes,no")
    snippets = one["architecture"]["snippets"]
    assert snippets
    for snippet in snippets:
        compile(snippet["code"], "snippet", "exec")
        assert snippet["code"] in done.stdout
        assert "code that loads network" in done.stdout


def test_evidence_is_shown_only_where_it_is_asked_for(tiny):
    assert "rests on" not in run(tiny).stdout
    shown = run(tiny, "--evidence").stdout
    assert "module.head.final_layer.weight" in shown.partition("evidence of network")[2]
    page = run(tiny, "--evidence", "--format", "markdown").stdout
    assert "### evidence of `network`" in page


@pytest.fixture
def table(tmp_path) -> Path:
    path = tmp_path / "mine.toml"
    path.write_text(
        'schema = "ckptscope/spec/1"\nname = "mine"\nfamily = "convnextpose"\n'
        'title = "Mine"\nsource = "a note"\n'
        '[attributes.params]\nfact = "parameters"\nunit = "k"\ndecimals = 1\n'
        "[variants.Tiny]\nclaims = { dims = [4, 6, 8, 12], params = 6.6 }\n"
        "[variants.Huge]\nclaims = { dims = [400, 600, 800, 1200], params = 9000.0 }\n"
    )
    return path


def test_a_table_of_the_user_names_the_variant(tiny, table):
    (one,) = as_json(tiny, "--spec", table)
    found = one["architecture"]
    assert (found["variant"], found["runner_up"]) == ("Tiny", "Huge")
    assert found["standing"]["spec"] == "mine"
    assert "architecture of network: ConvNeXtPose Tiny" in run(tiny, "--spec", table).stdout


def test_a_table_that_is_wrong_is_exit_2_in_one_line_that_names_it(tiny, table):
    table.write_text(table.read_text().replace("decimals = 1", "decimals = -1"))
    done = run(tiny, "--spec", table)
    assert (done.returncode, done.stdout) == (2, "")
    assert "mine.toml" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_name_helps_to_rank_and_never_names_the_variant(tiny, tmp_path):
    swapped = tmp_path / "ConvNeXtPose_L.tar"
    shutil.copy(tiny, swapped)
    (one,) = as_json(swapped)
    assert one["architecture"]["variant"] is None
    assert one["architecture"]["facts"]["dims"]["value"] == [4, 6, 8, 12]


def test_every_file_of_a_run_has_its_own_architecture(folder, stranger):
    found = as_json(folder / TINY.name, stranger, folder / STREAM.name)
    families = [one["architecture"] and one["architecture"]["family"] for one in found]
    assert families == ["convnextpose", None, "convnextpose"]


def test_the_architecture_is_there_from_python_too(tiny):
    (one,) = ckptscope.inspect(tiny, stated={"joints": 3}, snippets=True).files
    (found,) = one.identified
    assert found.architecture.fact("joints").origin is Origin.STATED
    assert found.architecture.snippets
    with pytest.raises(ckptscope.UsageError, match="bones"):
        ckptscope.inspect(tiny, stated={"bones": 3})


def ckptscope_schema() -> str:
    done = subprocess.run(
        [sys.executable, "-m", "ckptscope", "schema", "inspect"],
        capture_output=True,
        check=True,
        encoding="utf-8",
    )
    return done.stdout
