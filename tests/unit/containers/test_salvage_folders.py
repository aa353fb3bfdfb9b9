"""An unpacked torch zip without its pickle, or with a broken one."""

import struct
from contextlib import ExitStack
from pathlib import Path

import pytest
from builders.pickles import ordered_dict, pickled, tensor

from ckptscope.containers.salvage import Salvage, salvage
from ckptscope.errors import ContainerFormatError, LimitError
from ckptscope.facts.containers import ContainerKind
from ckptscope.facts.limits import DEFAULT_LIMITS, Limits

FLOATS = struct.pack("<6f", *range(6))
LONGS = struct.pack("<3q", *range(3))
PICKLE = pickled(
    {
        "epoch": 3,
        "network": ordered_dict(
            [("w", tensor("0", (2, 3))), ("b", tensor("1", (3,), "LongStorage"))]
        ),
    }
)


def lay_out(folder: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def salvaged(path: Path, limits: Limits = DEFAULT_LIMITS) -> Salvage | None:
    with ExitStack() as stack:
        return salvage(path, limits, stack)


def test_a_folder_without_its_pickle_gives_numbers_and_sizes_in_the_order_of_saving(tmp_path):
    files = {f"data/{number}": bytes(number) for number in (2, 10, 1, 0)}
    made = salvaged(lay_out(tmp_path, files))
    assert [(one.key, one.number, one.size_bytes) for one in made.survivors] == [
        ("0", 0, 0), ("1", 1, 1), ("2", 2, 2), ("10", 10, 10)
    ]  # fmt: skip
    assert all(one.is_whole for one in made.survivors)
    assert made.damage == "data.pkl is missing"
    assert made.containers == (ContainerKind.DIRECTORY,)
    assert made.observed == {}
    assert made.size_bytes == 13


def test_bytes_of_a_storage_are_read_by_its_key_and_of_no_other(tmp_path):
    made = salvaged(lay_out(tmp_path, {"data/0": FLOATS}))
    assert made.open_storage("0").read(0, 24) == FLOATS
    with pytest.raises(ContainerFormatError, match="expected storage '1' to be left, found none"):
        made.open_storage("1")


def test_a_folder_that_contains_the_checkpoint_is_searched_for_it(tmp_path):
    files = {"README.md": b"text", "snapshot_68.pth/data/0": FLOATS}
    made = salvaged(lay_out(tmp_path, files))
    assert made.location == ("snapshot_68.pth",)
    assert len(made.survivors) == 1


def test_of_several_such_folders_the_largest_is_taken_and_the_others_are_counted(tmp_path):
    files = {"a/data/0": b"x", "b/data/0": b"x", "b/data/1": b"x"}
    made = salvaged(lay_out(tmp_path, files))
    assert made.location == ("b",)
    assert made.damage == "data.pkl is missing; this is one of 2 such checkpoints"


def test_a_sound_checkpoint_beside_a_damaged_one_is_none_of_them(tmp_path):
    files = {"a/data.pkl": PICKLE, "a/data/0": FLOATS, "a/data/1": LONGS, "b/data/0": b"x"}
    made = salvaged(lay_out(tmp_path, files))
    assert made.location == ("b",)
    assert "one of" not in made.damage


def test_a_sound_folder_gives_nothing(tmp_path):
    files = {"data.pkl": PICKLE, "data/0": FLOATS, "data/1": LONGS}
    assert salvaged(lay_out(tmp_path, files)) is None


def test_a_folder_that_is_no_checkpoint_gives_nothing(tmp_path):
    files = {"data/a.txt": b"x", "notes/7": b"x", "data/" + "9" * 200: b"x", "data/007": b"x"}
    assert salvaged(lay_out(tmp_path, files)) is None


def test_a_broken_pickle_gives_the_names_that_it_had_reached(tmp_path):
    files = {"data.pkl": PICKLE[:-40], "data/0": FLOATS, "data/1": LONGS}
    made = salvaged(lay_out(tmp_path, files))
    (one,) = made.observed.values()
    assert (one.name, one.shape, one.dtype) == ("network/w", (2, 3), "float32")
    assert made.declared["1"].dtype == "int64"
    assert not made.is_pickle_whole
    assert made.damage.startswith("data.pkl is damaged: ")


def test_a_changed_pickle_gives_the_names_before_the_change(tmp_path):
    place = PICKLE.index(b"LongStorage") - len(b"torch\n") - 1
    files = {"data.pkl": PICKLE[:place] + b"\xff" + PICKLE[place + 1 :], "data/0": FLOATS}
    made = salvaged(lay_out(tmp_path, files))
    assert (
        made.damage == f"data.pkl is damaged: expected an opcode, found byte 0xff at byte {place:,}"
    )
    assert [one.name for one in made.observed.values()] == ["network/w"]


def test_an_empty_pickle_is_damage_and_names_nothing(tmp_path):
    made = salvaged(lay_out(tmp_path, {"data.pkl": b"", "data/0": FLOATS}))
    assert "found no bytes" in made.damage
    assert made.observed == {}


def test_a_pickle_whose_storages_are_all_gone_still_gives_its_names(tmp_path):
    made = salvaged(lay_out(tmp_path, {"data.pkl": PICKLE[:-40]}))
    assert made.survivors == ()
    assert [one.name for one in made.observed.values()] == ["network/w"]
    assert made.places == {"0": 0}


def test_the_recorded_byte_order_is_kept(tmp_path):
    made = salvaged(lay_out(tmp_path, {"data/0": FLOATS, "byteorder": b"big"}))
    assert made.byteorder == "big"


def test_links_are_not_followed(tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret")
    folder = lay_out(tmp_path / "made", {"data/0": FLOATS})
    (folder / "data" / "1").symlink_to(secret)
    assert [one.key for one in salvaged(folder).survivors] == ["0"]


def test_more_files_than_allowed_are_refused(tmp_path):
    folder = lay_out(tmp_path, {f"data/{number}": b"" for number in range(9)})
    with pytest.raises(LimitError):
        salvaged(folder, Limits(members=5))
