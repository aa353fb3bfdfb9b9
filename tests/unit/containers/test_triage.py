"""What is no checkpoint is named, with what to do about it."""

import pytest
from builders.pickles import asm, call, integer, persistent, pickled, text
from builders.reading import builds, codes, manifest, outcomes, refusal
from builders.zips import torch_zip

from ckptscope.containers import Contents
from ckptscope.errors import ArtifactError, PickleFormatError, UnknownContainerError
from ckptscope.facts.containers import ContainerKind

LFS = (
    b"version https://git-lfs.github.com/spec/v1\n"
    b"oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\n"
    b"size 12345\n"
)

#: Bytes → what the sentence must say.
NAMED = {
    "empty": (b"", "empty file"),
    "lfs": (LFS, "git-LFS pointer"),
    "lfs size": (LFS, "12345"),
    "lfs oid": (LFS, "4d7a2146"),
    "lfs advice": (LFS, "git lfs pull"),
    "html": (
        b"<!DOCTYPE html><html><head><title>Quota exceeded</title>",
        "titled 'Quota exceeded'",
    ),
    "html upper": (b"\n <HTML><HEAD><TITLE>Sign&nbsp;in &amp; go</TITLE>", "Sign in & go"),
    "html without a title": (b"<html><body>hello", "HTML page"),
    "html advice": (b"<html>", "download it"),
    "html behind a mark": (b"\xef\xbb\xbf<html>", "HTML page"),
    "xhtml": (b'<?xml version="1.0"?>\n<html xmlns="">', "HTML page"),
    "xml": (b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', "XML"),
    "7z": (b"7z\xbc\xaf\x27\x1c" + bytes(50), "7z"),
    "rar": (b"Rar!\x1a\x07\x01\x00", "RAR"),
    "zstd": (b"\x28\xb5\x2f\xfd" + bytes(20), "zstd"),
    "lz4": (b"\x04\x22\x4d\x18" + bytes(20), "lz4"),
    "gguf": (b"GGUF\x03\0\0\0" + bytes(50), "GGUF"),
    "ggml": (b"ggml" + bytes(50), "GGML"),
    "hdf5": (b"\x89HDF\r\n\x1a\n" + bytes(50), "HDF5"),
    "onnx": (b"\x08\x07\x12\x07pytorch\x1a\x051.0", "ONNX"),
    "onnx without producer": (b"\x08\x08:\x10" + bytes(20), "ONNX"),
    "tflite": (b"\x1c\0\0\0TFL3" + bytes(50), "TensorFlow Lite"),
    "png": (b"\x89PNG\r\n\x1a\n" + bytes(50), "PNG"),
    "jpeg": (b"\xff\xd8\xff\xe0" + bytes(50), "JPEG"),
    "gif": (b"GIF89a" + bytes(50), "GIF"),
    "webp": (b"RIFF\x10\0\0\0WEBPVP8 ", "WebP"),
    "pdf": (b"%PDF-1.7\n" + bytes(50), "PDF"),
    "sqlite": (b"SQLite format 3\0" + bytes(50), "SQLite"),
    "elf": (b"\x7fELF\x02\x01\x01" + bytes(50), "ELF"),
    "exe": (b"MZ\x90\0" + bytes(50), "Windows executable"),
    "mach-o": (b"\xcf\xfa\xed\xfe" + bytes(50), "Mach-O"),
    "zeros": (bytes(1 << 16), "zeros"),
    "json": (b'{"hidden_size": 768}', "JSON"),
    "index": (b'{"metadata": {}, "weight_map": {"a": "b"}}', "sharded"),
    "text": (b"Hello, this is no checkpoint at all.\n", "Hello, this is no"),
    "unicode text": ("Größe\n".encode() * 2000, "Größe"),
    "noise": (bytes(range(200, 256)) * 9, "c8 c9 ca"),
}


@pytest.mark.parametrize("case", NAMED)
def test_what_is_no_checkpoint_is_named(case):
    data, words = NAMED[case]
    error = refusal(data)
    assert isinstance(error, UnknownContainerError)
    assert words in str(error)
    assert "\n" not in str(error)
    assert len(str(error)) < 600


@pytest.mark.parametrize(
    "head",
    [
        b"cos",
        b"I am text",
        b"(some text)",
        b"]",
        b"}",
        b"Nothing",
        b"Ttext",
        b".",
        b"0 1 2 3",
        b"l1\n",
        b"a,b,c\n1,2,3\n",
        b"epoch 1 loss 2.0.",
    ],
)
def test_text_that_starts_like_a_pickle_is_text_or_refused(head):
    for data in (head, head + b" and more of it.\n" * 9):
        found = outcomes(data)
        assert all(
            isinstance(one.error, ArtifactError) for one in found if not isinstance(one, Contents)
        )


@pytest.mark.parametrize("size", range(1, 12))
def test_the_first_bytes_of_a_zip_alone_are_said_to_be_cut_off(size):
    data = torch_zip({"a": 1}, {})[: 4 + size]
    assert "cut off" in str(refusal(data))


def test_a_truncated_zip_says_so_and_what_to_do():
    message = str(refusal(torch_zip({"a": 1}, {})[:-30]))
    assert "cut off" in message
    assert "get it again" in message


# Bare pickles


def test_a_bare_pickle_is_a_checkpoint_of_its_own_kind():
    made = manifest(pickled({"epoch": 3, "lr": 0.1}))
    assert made.containers == (ContainerKind.PICKLE,)
    assert [(s.path, s.value) for s in made.scalars] == [("epoch", 3), ("lr", 0.1)]
    assert codes(made) == []


def test_a_text_pickle_without_a_magic_number_is_recognised():
    made = manifest(b"(dp0\nS'epoch'\np1\nI3\ns.")
    assert [(s.path, s.value) for s in made.scalars] == [("epoch", 3)]


def test_a_persistent_id_in_a_bare_pickle_is_pkl003():
    assert "PKL003" in codes(manifest(pickled({"w": persistent("7")})))


def test_further_pickles_are_traced_and_pkl001():
    data = pickled({"a": 1}) + pickled(call("os", "system", "true"))
    made = manifest(data)
    assert codes(made) == ["PKL001"]
    assert [i.module for i in made.imports] == ["os"]
    assert len(made.pickles) == 2
    assert [i.offset_bytes for i in made.imports] == [data.index(b"cos\n")]


def test_what_follows_the_pickles_is_pkl001():
    made = manifest(pickled({"a": 1}) + b"\xff" * 30)
    assert codes(made) == ["PKL001"]
    assert "30" in made.findings[0].message


def test_thousands_of_pickles_in_a_row_are_bounded():
    made = manifest(pickled(1) * 5000)
    assert len(made.pickles) < 100
    assert set(codes(made)) == {"PKL001", "CON050"}


def test_an_oddity_of_the_machine_becomes_a_finding():
    made = manifest(asm(b"\x80\x02\x82\x07", "STOP"))
    assert "PKL002" in codes(made)
    odd = asm(b"\x80\x02", b"ca\nb\n", b"}", "BUILD", "STOP")
    assert codes(manifest(odd)) == ["PKL004"]


def test_a_damaged_pickle_with_a_magic_number_is_a_pickle_error():
    assert isinstance(refusal(asm(b"\x80\x04", text("a"), integer(1), b"\xff")), PickleFormatError)
    assert not builds(b"\x80\x04\xff")
