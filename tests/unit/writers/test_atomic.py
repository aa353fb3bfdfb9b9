import os
import stat

import pytest

from ckptscope.errors import UsageError
from ckptscope.writers.atomic import opened, writing_directory, writing_file


def test_a_file_appears_only_when_all_is_written(tmp_path):
    place = tmp_path / "x.pth"
    with writing_file(place) as file:
        file.write(b"content")
        assert not place.exists()
    assert place.read_bytes() == b"content"
    assert list(tmp_path.iterdir()) == [place]


def write_and_fail(writing, error):
    with writing as file:
        file.write(b"new")
        raise error


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_leaves_the_old_file_and_no_partial_one(tmp_path, error):
    place = tmp_path / "x.pth"
    place.write_bytes(b"old")
    with pytest.raises(error):
        write_and_fail(writing_file(place), error)
    assert place.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [place]


def test_an_existing_file_is_replaced_only_if_that_is_allowed(tmp_path):
    place = tmp_path / "x.pth"
    place.write_bytes(b"old")
    with pytest.raises(UsageError, match="expected nothing"), writing_file(place, overwrite=False):
        pass
    with writing_file(place) as file:
        file.write(b"new")
    assert place.read_bytes() == b"new"


def test_a_file_that_appears_meanwhile_is_not_overwritten_against_the_wish(tmp_path):
    place = tmp_path / "x.pth"

    def write_too_late():
        with writing_file(place, overwrite=False) as file:
            file.write(b"ours")
            place.write_bytes(b"theirs")

    with pytest.raises(UsageError):
        write_too_late()
    assert place.read_bytes() == b"theirs"
    assert list(tmp_path.iterdir()) == [place]


def test_a_link_is_followed_and_stays_a_link(tmp_path):
    original, link = tmp_path / "original", tmp_path / "link"
    original.write_bytes(b"old")
    link.symlink_to(original)
    with writing_file(link) as file:
        file.write(b"new")
    assert original.read_bytes() == b"new"
    assert link.is_symlink()


def test_a_file_that_is_replaced_keeps_its_mode(tmp_path):
    path = tmp_path / "private"
    path.write_bytes(b"old")
    path.chmod(0o600)
    with writing_file(path) as file:
        file.write(b"new")
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_fifo_is_written_to_and_stays_a_fifo(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        with writing_file(path) as file:
            file.write(b"new")
        assert os.read(reader, 10) == b"new"
    finally:
        os.close(reader)
    assert path.is_fifo()


def test_files_get_the_modes_that_the_user_set_for_new_files(tmp_path):
    before = os.umask(0o027)
    try:
        with writing_file(tmp_path / "x"):
            pass
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "x").stat().st_mode) == 0o640


def test_folders_appear_whole_or_not_at_all(tmp_path):
    def write_folder(name, error=None):
        with writing_directory(tmp_path / name) as folder:
            (folder / "data.pkl").write_bytes(b"x")
            assert not (tmp_path / name).exists()
            if error is not None:
                raise error

    write_folder("good")
    with pytest.raises(ValueError, match="no"):
        write_folder("bad", ValueError("no"))
    assert [p.name for p in tmp_path.iterdir()] == ["good"]
    assert (tmp_path / "good" / "data.pkl").read_bytes() == b"x"


def test_a_folder_is_never_written_over_anything(tmp_path):
    (tmp_path / "file").write_bytes(b"x")
    for taken in (tmp_path / "file", tmp_path):
        with pytest.raises(UsageError, match="expected nothing"), writing_directory(taken):
            pass


def test_requests_that_cannot_work_are_refused_before_anything_is_written(tmp_path):
    with pytest.raises(UsageError, match="no "), writing_file(tmp_path / "missing" / "x"):
        pass
    with pytest.raises(UsageError, match="folder"), writing_file(tmp_path):
        pass


def test_names_as_long_as_the_file_system_takes_can_be_written(tmp_path):
    place = tmp_path / ("n" * 255)
    with opened(place) as file:
        file.write(b"x")
    assert place.read_bytes() == b"x"


def test_a_folder_takes_the_place_of_an_empty_one_where_that_is_allowed(tmp_path):
    place = tmp_path / "out"
    place.mkdir()
    with pytest.raises(UsageError, match="expected nothing"), writing_directory(place):
        pass
    with writing_directory(place, into_empty=True) as folder:
        (folder / "a").write_bytes(b"a")
        assert list(place.iterdir()) == []
    assert [one.name for one in place.iterdir()] == ["a"]
    full = writing_directory(place, into_empty=True)
    with pytest.raises(UsageError, match="expected nothing"), full:
        pass
    assert [one.name for one in tmp_path.iterdir()] == ["out"]
