"""`ckptscope identity` as people and CI systems run it: roots, manifests, exit codes, refusals."""

import json
import os
import subprocess
import sys

import jsonschema
import pytest
from builders.identities import floats, network, optimizer, write

from ckptscope.writers.safetensors import write_safetensors
from ckptscope.writers.tensors import OutgoingTensor, bytes_storage
from ckptscope.writers.wrapping import wrap_tar

ENDLESS = OutgoingTensor(
    storage=bytes_storage(bytes(64), "float32"), shape=(1 << 20, 1 << 20), stride=(0, 0)
)


def ckptscope(*arguments, cwd):
    return subprocess.run(
        [sys.executable, "-m", "ckptscope", *map(str, arguments)],
        capture_output=True,
        check=False,
        encoding="utf-8",
        cwd=cwd,
        env={**os.environ, "COLUMNS": "120"},
    )


def run(*arguments, cwd):
    return ckptscope("identity", *arguments, cwd=cwd)


@pytest.fixture
def folder(tmp_path):
    write(tmp_path / "a.pt", {"network": network(), "optimizer": optimizer()})
    write_safetensors(tmp_path / "a.safetensors", tuple(network().items()))
    write(tmp_path / "changed.pt", {"network": network(last=1.0), "optimizer": optimizer()})
    return tmp_path


def test_roots_are_printed_in_full_and_the_same_for_another_container(folder):
    zip_file, safe = (run(name, cwd=folder) for name in ("a.pt", "a.safetensors"))
    assert (zip_file.returncode, zip_file.stderr) == (0, "")
    machine = json.loads(run("a.pt", "--format", "json", cwd=folder).stdout)
    first, second = machine["files"][0]["identity"]["state_dicts"]
    assert f"root       {first['root']}\n" in zip_file.stdout
    assert f"any names  {first['root_up_to_names']}\n" in zip_file.stdout
    assert f"root       {second['root']}\n" in zip_file.stdout
    assert f"root       {first['root']}\n" in safe.stdout
    assert "identity of optimizer: optimizer, 1 tensor\n" in zip_file.stdout


def test_tensors_lists_every_digest(folder):
    done = run("a.pt", "--tensors", cwd=folder)
    machine = json.loads(run("a.pt", "--format", "json", cwd=folder).stdout)
    for state_dict in machine["files"][0]["identity"]["state_dicts"]:
        for one in state_dict["tensors"]:
            shape = ",".join(map(str, one["shape"]))
            assert f"{one['digest']}  {one['dtype']}[{shape}]  {one['key']}\n" in done.stdout


def test_a_manifest_is_written_and_the_file_verified_by_it(folder):
    written = run("a.pt", "-o", "a.ckpt.json", cwd=folder)
    assert (written.returncode, written.stdout, written.stderr) == (0, "", "")
    done = run("--verify", "a.ckpt.json", "a.pt", cwd=folder)
    assert (done.returncode, done.stderr) == (0, "")
    assert "same: every tensor is as it was recorded" in done.stdout


def test_what_changed_is_named_and_is_exit_1(folder):
    run("a.pt", "-o", "a.ckpt.json", cwd=folder)
    done = run("--verify", "a.ckpt.json", "changed.pt", cwd=folder)
    assert (done.returncode, done.stderr) == (1, "")
    assert "changed    head.bias\n" in done.stdout
    assert "state_dict optimizer: same" in done.stdout
    machine = run("--verify", "a.ckpt.json", "changed.pt", "--format", "json", cwd=folder)
    assert machine.returncode == 1
    (file,) = json.loads(machine.stdout)["files"]
    assert [one["key"] for one in file["checks"][0]["changes"]] == ["head.bias"]


def test_a_file_that_is_not_there_is_a_mistake_of_the_request(folder):
    run("a.pt", "-o", "a.ckpt.json", cwd=folder)
    assert run("absent.pt", cwd=folder).returncode == 2
    assert run("--verify", "a.ckpt.json", "absent.pt", cwd=folder).returncode == 2


def test_long_lists_are_folded_unless_all_are_asked_for(folder):
    other = {key: floats(77, index) for index, key in enumerate(network())}
    write(folder / "other.pt", {"network": other})
    run("a.pt", "-o", "a.ckpt.json", cwd=folder)
    done = run("--verify", "a.ckpt.json", "other.pt", cwd=folder)
    assert "changed    head.bias, stages.{0..8}.conv.weight (9)\n" in done.stdout
    everything = run("--verify", "a.ckpt.json", "other.pt", "--tensors", cwd=folder)
    for key in network():
        assert key in everything.stdout
    assert "float32[3] \N{RIGHTWARDS ARROW} float32[2]" in everything.stdout


def test_renamed_tensors_are_told_with_both_names(folder):
    renamed = {f"body.{key}": value for key, value in network().items()}
    write(folder / "other.pt", {"network": renamed, "optimizer": optimizer()})
    run("a.pt", "-o", "a.ckpt.json", cwd=folder)
    done = run("--verify", "a.ckpt.json", "other.pt", cwd=folder)
    assert done.returncode == 1
    assert "renamed: the recorded tensors, under other names" in done.stdout
    assert "renamed    head.bias, stages.{0..8}.conv.weight (9)\n" in done.stdout
    assert "body.head.bias, body.stages.{0..8}.conv.weight (9)\n" in done.stdout


@pytest.mark.parametrize(
    ("name", "code", "said"),
    [
        ("copy.pt", 0, "probably the same"),
        ("changed.pt", 1, "different"),
        ("a.safetensors", 3, "cannot tell"),
    ],
)
def test_the_fast_comparison_says_what_is_likely(folder, name, code, said):
    write(folder / "copy.pt", {"network": network(), "optimizer": optimizer()}, root="copy")
    done = run("--fast", "a.pt", name, cwd=folder)
    assert (done.returncode, done.stderr) == (code, "")
    assert done.stdout.splitlines()[1].strip().startswith(said)
    machine = json.loads(run("--fast", "a.pt", name, "-f", "json", cwd=folder).stdout)
    assert (machine["probable"], machine["outcome"]) == (True, said)


def test_every_output_fits_its_schema(folder):
    run("a.pt", "-o", "a.ckpt.json", cwd=folder)
    outputs = {
        "identity": ("a.pt", "changed.pt"),
        "verify": ("--verify", "a.ckpt.json", "changed.pt"),
        "archives": ("--fast", "a.pt", "changed.pt"),
    }
    for name, arguments in outputs.items():
        schema = json.loads(ckptscope("schema", name, cwd=folder).stdout)
        shown = json.loads(run(*arguments, "--format", "json", cwd=folder).stdout)
        assert schema["$id"] == shown["schema"] == f"ckptscope/{name}/1"
        jsonschema.validate(shown, schema)


def test_one_of_several_checkpoints_is_named_by_its_member(folder):
    wrap_tar(folder / "both.tar", [("x/a.pt", folder / "a.pt"), ("b.pt", folder / "changed.pt")])
    machine = json.loads(run("both.tar", "--member", "b.pt", "--format", "json", cwd=folder).stdout)
    (file,) = machine["files"]
    assert file["identity"]["location"] == ["b.pt"]
    done = run("both.tar", "--member", "c.pt", cwd=folder)
    assert (done.returncode, done.stdout) == (2, "")
    assert "no checkpoint at 'c.pt'" in done.stderr


def test_the_worst_of_several_files_counts_and_all_are_reported(folder):
    (folder / "cut.pt").write_bytes(b"PK\x03\x04")
    done = run("a.pt", "cut.pt", "absent.pt", "--format", "json", cwd=folder)
    assert done.returncode == 3
    assert done.stderr.count("\n") == 2
    files = json.loads(done.stdout)["files"]
    assert [one["path"] for one in files] == ["a.pt", "cut.pt", "absent.pt"]
    assert [one["identity"] is None for one in files] == [False, True, True]
    absent = run("absent.pt", cwd=folder)
    assert absent.returncode == 2


def test_a_tensor_that_cannot_be_read_leaves_no_root_and_is_exit_3(folder):
    write(folder / "odd.pt", {"w.weight": floats(1), "endless.weight": ENDLESS})
    done = run("odd.pt", cwd=folder)
    assert done.returncode == 3
    assert "root       none: not every tensor could be read" in done.stdout
    assert "1 of 2 tensors not read" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--fast", "a.pt"), "expected two files to compare, found 1"),
        (("--fast", "--verify", "a.pt", "a.pt", "a.pt"), "expected --fast without --verify"),
        (("a.pt", "-o", "a.pt"), "expected another file for the report"),
        (("--verify", "a.pt", "a.pt"), "a.pt: expected JSON"),
        (("--verify", "absent.json", "a.pt"), "absent.json: cannot be read"),
        (("--verify", "m.json", "a.pt", "-o", "m.json"), "expected another file for the report"),
        (("a.pt", "-o", "."), "expected a file to write to"),
        (("a.pt", "-o", "nowhere/a.json"), "nowhere"),
    ],
)
def test_a_wrong_request_is_exit_2_in_one_line_and_changes_no_file(folder, arguments, said):
    (folder / "m.json").write_text("{}", encoding="utf-8")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    done = run(*arguments, cwd=folder)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_manifest_that_was_changed_is_refused_before_any_file_is_read(folder):
    run("a.pt", "-o", "a.ckpt.json", cwd=folder)
    path = folder / "a.ckpt.json"
    manifest = json.loads(path.read_bytes())
    manifest["files"][0]["identity"]["state_dicts"][0]["tensors"][0]["digest"] = "0" * 64
    path.write_text(json.dumps(manifest), encoding="utf-8")
    done = run("--verify", "a.ckpt.json", "absent.pt", cwd=folder)
    assert (done.returncode, done.stdout) == (2, "")
    assert "the manifest was changed" in done.stderr


def test_names_of_a_file_send_nothing_to_the_terminal(folder):
    write(folder / "odd.pt", {"\x1b[31mred.weight": floats(1), "b.weight": floats(2)})
    write(folder / "other.pt", {"\x1b[31mred.weight": floats(3), "b.weight": floats(2)})
    run("odd.pt", "-o", "m.json", cwd=folder)
    for arguments in (
        ("odd.pt", "--tensors"),
        ("--verify", "m.json", "other.pt"),
        ("--verify", "m.json", "other.pt", "--tensors"),
        ("--fast", "odd.pt", "other.pt"),
        ("--fast", "odd.pt", "other.pt", "--tensors"),
    ):
        done = run(*arguments, cwd=folder)
        assert "red.weight" in done.stdout
        assert "\x1b" not in done.stdout + done.stderr


def test_inspect_shows_the_roots_where_they_are_asked_for_and_hashes_nothing_otherwise(folder):
    plain = json.loads(ckptscope("inspect", "a.pt", "-f", "json", cwd=folder).stdout)
    assert [one["identity"] for one in plain["files"][0]["state_dicts"]] == [None, None]
    asked = json.loads(ckptscope("inspect", "--identity", "a.pt", "-f", "json", cwd=folder).stdout)
    found = json.loads(run("a.pt", "-f", "json", cwd=folder).stdout)
    roots = [one["root"] for one in found["files"][0]["identity"]["state_dicts"]]
    assert [one["identity"]["root"] for one in asked["files"][0]["state_dicts"]] == roots
    text = ckptscope("inspect", "--identity", "a.pt", cwd=folder).stdout
    assert all(root in text for root in roots)
    assert "identity of" not in ckptscope("inspect", "a.pt", cwd=folder).stdout


def test_inspecting_without_identities_loads_none_of_their_modules(folder):
    program = (
        "import sys\n"
        "from ckptscope.cli.app import build_app\n"
        "sys.argv = ['ckptscope', 'inspect', '-f', 'json', 'a.pt']\n"
        "try:\n    build_app(sys.argv[1:])()\n"
        "except SystemExit as end:\n    assert end.code in (0, None)\n"
        "sys.stderr.write(' '.join(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        check=True,
        encoding="utf-8",
        cwd=folder,
    )
    loaded = set(done.stderr.split())
    assert "ckptscope.pipeline.inspecting" in loaded
    assert loaded.isdisjoint(
        {
            "_hashlib",
            "hashlib",
            "ckptscope.facts.identity",
            "ckptscope.tensors.hashing",
            "ckptscope.reports.identity",
        }
    )
