"""`unpack` as people run it: streams, exit codes, and what a kill leaves behind."""

import contextlib
import json
import os
import signal
import struct
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
from builders.unpacked_files import contents_of, identity_of, network, training, write_zip

_MIB = 1 << 20


def run(*arguments, **options):
    return subprocess.run(
        [sys.executable, "-m", "ckptscope", *map(str, arguments)],
        capture_output=True,
        check=False,
        text=True,
        **options,
    )


@pytest.fixture
def source(tmp_path):
    return write_zip(tmp_path / "snapshot.pth", training())


def write_large(path: Path, mib: int) -> Path:
    """One tensor of zeros, as a hole in a file."""
    size = mib * _MIB
    tensor = {"dtype": "F32", "shape": [mib, _MIB // 4], "data_offsets": [0, size]}
    header = json.dumps({"layer.weight": tensor}).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header)
    os.truncate(path, 8 + len(header) + size)
    return path


def test_the_report_is_on_stdout_and_what_was_chosen_or_left_on_stderr(source, tmp_path):
    done = run("unpack", source, "-o", tmp_path / "out.safetensors", "--strip-prefix")
    assert done.returncode == 0
    assert "module. taken off" in done.stdout
    assert "all 3 tensors hash as in the source" in done.stdout
    assert identity_of(source, "network").root in done.stdout
    assert "unpacking 'network' (network)" in done.stderr
    assert "for it is no tensor: epoch, note" in done.stderr
    assert (tmp_path / "out.safetensors").exists()


def test_the_json_fits_its_schema_and_leaves_nothing_out(source, tmp_path):
    arguments = ("--format", "json", "--metadata", tmp_path / "rest.json", "--dtype", "bfloat16")
    done = run("unpack", source, "-o", tmp_path / "out.pth", *arguments)
    found = json.loads(done.stdout)
    schema = json.loads(run("schema", "unpack").stdout)
    jsonschema.validate(found, schema, jsonschema.Draft202012Validator)
    assert found["schema"] == schema["$id"] == "ckptscope/unpack/1"
    assert [one["dtype"] for one in found["files"][0]["tensors"]] == ["bfloat16"] * 2 + ["int64"]
    assert found["metadata"] == str(tmp_path / "rest.json")
    assert "for it is no tensor" not in done.stderr


def test_wrong_requests_are_exit_2_and_unreadable_files_exit_3_in_one_line(source, tmp_path):
    out = tmp_path / "out.pth"
    (tmp_path / "text.pth").write_text("hello")
    write_zip(tmp_path / "gan.pth", {"netG": network(), "netD": network()})
    out_of = {
        2: [
            (source, "--entry", "absent"),
            (source, "--dtype", "int4"),
            (source, "--keys", "list"),
            (source, "--only", "absent.*"),
            (tmp_path / "gan.pth",),
            (tmp_path / "absent.pth",),
        ],
        3: [(tmp_path / "text.pth",)],
    }
    for code, requests in out_of.items():
        for one in requests:
            done = run("unpack", *one, "-o", out)
            assert (done.returncode, done.stdout) == (code, ""), one
            assert done.stderr.count("\n") == 1, one
            assert not out.exists()


def test_a_full_disk_is_exit_3_and_leaves_nothing(source, tmp_path):
    # A limit on the size of files stands for a full disk: writing fails in the same place.
    large = write_large(tmp_path / "large.safetensors", 4)
    script = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20));"
        "from ckptscope.cli.app import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, "unpack", large, "-o", tmp_path / "out.pth"],
        capture_output=True,
        check=False,
        text=True,
    )
    assert done.returncode == 3
    assert "cannot write to" in done.stderr
    assert sorted(one.name for one in tmp_path.iterdir()) == ["large.safetensors", "snapshot.pth"]


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="not run: asks /proc for memory")
@pytest.mark.parametrize("arguments", [("o.safetensors",), ("o.pth", "--dtype", "float16")])
def test_memory_does_not_grow_with_the_file(tmp_path, arguments):
    large = write_large(tmp_path / "large.safetensors", 160)
    script = (
        "import os, sys; from ckptscope.cli.app import build_app\n"
        "try: build_app(sys.argv[1:])()\n"
        "except SystemExit as stop: code = stop.code\n"
        "print(next(line for line in open('/proc/self/status') if line.startswith('VmHWM')))\n"
        "sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, "unpack", large, "-o", *arguments],
        capture_output=True,
        check=True,
        text=True,
        cwd=tmp_path,
    )
    peak = int(done.stdout.split("VmHWM:")[1].split()[0])
    assert peak < 120 * 1024


def partial_bytes(folder: Path) -> int:
    """Bytes of the file that is being written; -1 while there is none."""
    for name in os.listdir(folder):
        with contextlib.suppress(FileNotFoundError):
            if name.endswith(".partial"):
                return (folder / name).stat().st_size
    return -1


def kill_at(folder: Path, source: Path, target: Path, least: int) -> bool:
    """Kill the command once so many bytes are written; whether it was still at work then."""
    process = subprocess.Popen(
        [sys.executable, "-m", "ckptscope", "unpack", source, "-o", target],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while partial_bytes(folder) < least and process.poll() is None:
        pass
    process.send_signal(signal.SIGKILL)
    process.wait()
    return process.returncode == -signal.SIGKILL and not target.exists()


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 1.0])
def test_a_kill_at_any_moment_leaves_no_file_under_the_name(tmp_path, suffix, share):
    folder = tmp_path / "out"
    folder.mkdir()
    target = folder / f"out{suffix}"
    for mib in (96, 384, 1536):
        source = write_large(tmp_path / "in.safetensors", mib)
        before = source.stat()
        killed = kill_at(folder, source, target, int(share * mib * _MIB))
        assert (source.stat().st_size, source.stat().st_mtime_ns) == (
            before.st_size,
            before.st_mtime_ns,
        )
        if killed:
            assert [one.name[0] for one in folder.iterdir()] == ["."]
            break
        # It was through before it could be killed: then the file is whole. Once more, larger.
        assert contents_of(target).keys() == {"layer.weight"}
        target.unlink()
    assert killed


def test_an_interrupt_leaves_not_even_a_hidden_file(tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    source = write_large(tmp_path / "in.safetensors", 384)
    process = subprocess.Popen(
        [sys.executable, "-m", "ckptscope", "unpack", source, "-o", folder / "out.pth"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while partial_bytes(folder) < _MIB and process.poll() is None:
        pass
    process.send_signal(signal.SIGINT)
    process.wait()
    assert process.returncode != 0
    assert list(folder.iterdir()) == []
