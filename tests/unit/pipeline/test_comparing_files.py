"""`compare` on files: what is chosen of each, what is told of files that cannot be read."""

from pathlib import Path

import numpy as np
import pytest
from builders.convnextpose import FAMILY, SMALL
from builders.pickles import tensor
from builders.weights import training_zip, weights_zip
from builders.zips import Member, torch_zip, zip_bytes

from ckptscope.differences.renaming import matching_keys
from ckptscope.errors import UsageError
from ckptscope.facts.comparison import Comparison, Pairing, Relation, Way
from ckptscope.pipeline.comparing import CompareRequest, compare

EVERYTHING = CompareRequest()


def weights(dialect: str = "named", seed: int = 0):
    """Values for every tensor of a small ConvNeXtPose, the same ones in every dialect."""
    generator = np.random.default_rng(seed)
    found = {
        one.key: generator.standard_normal(one.shape).astype(np.float32)
        if not one.is_counter
        else np.array(7, np.int64)
        for one in FAMILY.keys(SMALL, "named")
    }
    if dialect == "named":
        return found
    names = matching_keys(FAMILY, SMALL, "named", dialect)
    return {names.get(key, key): value for key, value in found.items()}


def saved(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def compared(*paths: Path, request: CompareRequest = EVERYTHING) -> Comparison:
    (found,) = compare(paths, request).comparisons
    return found


@pytest.mark.parametrize("dialect", [one for one in FAMILY.dialects if one != "named"])
def test_a_family_translates_the_names_of_its_dialects(tmp_path, dialect):
    left = saved(tmp_path, "a.pth", weights_zip(weights()))
    right = saved(tmp_path, "b.pth", weights_zip(weights(dialect)))
    found = compared(left, right)
    assert [one.relation for one in found.conclusions] == [Relation.SAME_WEIGHTS]
    assert Way.DIALECT in found.ways
    assert Pairing.DIALECT in {pair.pairing for pair in found.pairs}
    other = saved(tmp_path, "c.pth", weights_zip(weights(dialect, seed=1)))
    found = compared(left, other)
    assert [one.relation for one in found.conclusions] == [Relation.UNRELATED]


def test_the_network_is_compared_and_not_the_optimizer(tmp_path):
    one = weights()
    state = {"exp_avg": np.ones((3,), np.float32)}
    left = saved(tmp_path, "a.pth", training_zip(one, state))
    right = saved(tmp_path, "b.pth", weights_zip(one))
    found = compare([left, right], EVERYTHING)
    assert found.is_same
    assert found.sides[0].others == ("optimizer",)
    assert found.sides[0].role == "network"


def test_an_entry_that_is_not_there_is_refused_with_those_that_are(tmp_path):
    path = saved(tmp_path, "a.pth", training_zip(weights(), {"exp_avg": np.ones(3, np.float32)}))
    with pytest.raises(UsageError, match="no state_dict at 'nets'; there are: 'network'"):
        compare([path, path], CompareRequest(entries=("nets",)))
    with pytest.raises(UsageError, match="one for each of 2 files, found 3"):
        compare([path, path], CompareRequest(entries=("a", "b", "c")))
    with pytest.raises(UsageError, match="two files or more"):
        compare([path], EVERYTHING)


def test_a_file_that_cannot_be_read_is_told_beside_the_others(tmp_path):
    good = saved(tmp_path, "a.pth", weights_zip(weights()))
    bad = saved(tmp_path, "b.pth", b"<html>quota exceeded</html>")
    report = compare([good, bad, tmp_path / "absent.pth", good], EVERYTHING)
    assert [side.failure is None for side in report.sides] == [True, False, False, True]
    assert [(one.left, one.right) for one in report.comparisons] == [(0, 3)]
    assert not report.is_same


def test_a_prefix_of_the_users_choice_is_taken_off_both(tmp_path):
    one = {f"student.{key}": value for key, value in weights().items()}
    teacher = {f"teacher.{key}": value + 1 for key, value in weights().items()}
    left = saved(tmp_path, "a.pth", weights_zip({**one, **teacher}))
    right = saved(tmp_path, "b.pth", weights_zip(weights()))
    found = compared(left, right, request=CompareRequest(prefix="student."))
    assert [one.relation for one in found.conclusions] == [Relation.PART_OF]
    assert not found.structure.only_right


def test_progress_adds_up_to_the_total(tmp_path):
    left = saved(tmp_path, "a.pth", weights_zip(weights()))
    right = saved(tmp_path, "b.pth", weights_zip(weights(seed=1)))
    told, totals = [], []
    compare([left, right], EVERYTHING, progress=told.append, total=totals.append)
    assert sum(told) == sum(totals) > 0


def test_a_file_that_changes_while_it_is_compared_is_not_judged(tmp_path):
    left = saved(tmp_path, "a.pth", weights_zip(weights()))
    right = saved(tmp_path, "b.pth", weights_zip(weights(seed=1)))

    def append(_):
        with right.open("ab") as file:
            file.write(b"more")

    report = compare([left, right], EVERYTHING, total=append)
    assert report.comparisons == ()
    failure = report.sides[1].failure
    assert failure is not None
    assert "found it changed" in failure.message


def test_views_that_repeat_a_storage_without_end_are_not_gone_over(tmp_path):
    tensors = {
        f"w{index}": tensor("0", (1 << 12, 1 << 10), stride=(0, 1), elements=1 << 10)
        for index in range(20)
    }
    left = saved(tmp_path, "a.pth", torch_zip(tensors, {"0": bytes(4 << 10)}))
    right = saved(tmp_path, "b.pth", torch_zip(tensors, {"0": b"\1" * (4 << 10)}))
    found = compared(left, right)
    unread = [pair for pair in found.pairs if pair.unread]
    assert unread
    assert "8 times the bytes of their storages" in unread[-1].unread


def test_columns_that_drag_the_whole_storage_along_are_not_gone_over(tmp_path, monkeypatch):
    monkeypatch.setattr("ckptscope.tensors.allowance._ALWAYS_READ", 0)
    columns = {
        f"w{index}": tensor("0", (64,), stride=(80,), offset=index, elements=64 * 80)
        for index in range(80)
    }
    both = [saved(tmp_path, n, torch_zip(columns, {"0": bytes(4 * 64 * 80)})) for n in "ab"]
    unread = [pair.unread for pair in compared(*both).pairs if pair.unread]
    assert 0 < len(unread) < len(columns)
    assert "read more than 64 times" in unread[0]


def test_one_checkpoint_of_an_archive_is_chosen_by_its_member(tmp_path):
    one, other = weights_zip(weights()), weights_zip(weights(seed=1))
    both = saved(
        tmp_path,
        "both.zip",
        zip_bytes([Member(name="a.pth", data=one), Member(name="b.pth", data=other)]),
    )
    right = saved(tmp_path, "b.pth", other)
    (side, _) = compare([both, right], EVERYTHING).sides
    assert side.failure is not None
    assert "2 checkpoints in the file" in side.failure.message
    chosen = CompareRequest(members=("b.pth", ""))
    assert compare([both, right], chosen).is_same
    with pytest.raises(UsageError, match="one member, or one for each of 2 files, found 3"):
        compare([both, right], CompareRequest(members=("a", "b", "c")))
