"""What is left of damaged files: told by `inspect`, judged by the gate, written by `unpack_carved`."""

import json
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from builders.carvings import broken_pickle, unknown_without_pickle, without_pickle
from builders.pickles import call, pickled
from builders.unpacked_files import training, write_zip

from ckptscope.errors import ArtifactError, ContainerFormatError, UsageError
from ckptscope.facts.carved_file import CarvedFile, CarveRequest, Entry
from ckptscope.facts.carving import CarvedTensor, Carving, Found, Slot, Survivor
from ckptscope.facts.gate import GateVerdict
from ckptscope.facts.unpacking import UnpackRequest
from ckptscope.pipeline import inspect
from ckptscope.pipeline.carved_tensors import prepare
from ckptscope.pipeline.carving import Carved
from ckptscope.pipeline.gating import gate
from ckptscope.pipeline.opening import open_checkpoint
from ckptscope.pipeline.unpack_carving import unpack_carved
from ckptscope.pipeline.unpacking import unpack
from ckptscope.policies.loading import parse_policy
from ckptscope.sources import ByteSource, MemorySource
from ckptscope.writers.directory import write_directory
from ckptscope.writers.torch_zip import TorchZipOptions
from fixtures import containers
from fixtures.build import tiny
from fixtures.checkpoint import checkpoint

#: Tensors of the narrow network, and of its optimizer: 78 parameters, three entries each.
NETWORK, STATE = 117, 234


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint without its pickle and its first eleven storages."""
    return without_pickle(tmp_path_factory.mktemp("carved") / "snapshot_3.pth")


@pytest.fixture(scope="module")
def vague(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of which the trunk alone is left: nothing shows its head."""
    lost = [*range(11), *range(60, NETWORK + STATE)]
    return without_pickle(tmp_path_factory.mktemp("vague") / "snapshot_3.pth", lost=lost)


def carved_of(path: Path) -> Carving:
    (file,) = inspect(path).files
    assert file.failure is not None
    assert file.carved is not None
    return file.carved


def carve(source: Path, target: Path, **wanted: object) -> CarvedFile:
    return unpack_carved(source, str(target), CarveRequest(**wanted))  # type: ignore[arg-type]


def record_beside(target: Path) -> CarvedFile:
    return msgspec.json.decode(Path(f"{target}.carved.json").read_bytes(), type=CarvedFile)


def tensors_in(path: Path) -> dict[str, bytes]:
    with open_checkpoint(path) as checkpoint:
        (only,) = checkpoint.state_dicts
        return {one.key: checkpoint.read(one).tobytes() for one in only.tensors}


def test_a_file_that_cannot_be_read_keeps_its_failure_and_is_carved(folder):
    (file,) = inspect(folder).files
    assert file.failure is not None
    assert "expected data.pkl" in file.failure.message
    found = carved_of(folder)
    assert found.is_certain
    assert found.best is not None
    assert (found.best.family, found.best.network, found.best.network_tensors) == (
        "convnextpose",
        NETWORK - 11,
        NETWORK,
    )
    missing = [one for one in found.tensors if one.storage is None]
    assert [one.number for one in missing] == list(range(11))
    facts = {fact.name: fact.value for fact in found.training}
    assert (facts["steps"], facts["epochs"]) == (4 * 19_512, 4)


def test_what_is_sound_or_no_checkpoint_or_not_there_is_not_carved(tmp_path):
    write_zip(tmp_path / "sound.pth", training())
    (tmp_path / "text.pth").write_text("nothing of interest")
    paths = [tmp_path / name for name in ("sound.pth", "text.pth", "absent.pth")]
    files = inspect(paths).files
    assert [one.carved for one in files] == [None, None, None]
    assert [one.failure is None for one in files] == [True, False, False]


def test_of_a_sound_file_nothing_of_carving_is_imported(tmp_path):
    write_zip(tmp_path / "sound.pth", training())
    command = [sys.executable, "-X", "importtime", "-m", "ckptscope", "inspect", "sound.pth"]
    for output_format in ("text", "json"):
        done = subprocess.run(
            [*command, "-f", output_format],
            capture_output=True,
            check=True,
            text=True,
            cwd=tmp_path,
        )
        assert "ckptscope.pipeline.inspecting" in done.stderr
        assert "carv" not in done.stderr
        assert "salvage" not in done.stderr


def test_a_checkpoint_of_no_known_family_is_answered_with_its_storages(tmp_path):
    found = carved_of(unknown_without_pickle(tmp_path / "other.pth", training()))
    assert found.best is None
    assert not found.is_certain
    assert len(found.survivors) == 5
    assert found.verdict


def test_the_network_is_written_bit_for_bit_under_the_names_of_the_table(tmp_path):
    place = tmp_path / "snapshot_3.pth"
    containers.directory(tiny(), place)
    whole = unpack(
        place, str(tmp_path / "whole.safetensors"), UnpackRequest(strip_prefix=True)
    ).files[0]
    (place / "data.pkl").unlink()
    record = carve(place, tmp_path / "carved.safetensors")
    assert record.root == whole.root
    assert {one.found for one in record.tensors} == {Found.CARVED}
    assert {one.score for one in record.tensors} == {1.0}


def test_big_endian_elements_are_turned(tmp_path):
    for order in ("little", "big"):
        place = tmp_path / order
        options = TorchZipOptions(byteorder=order)  # type: ignore[arg-type]
        write_directory(place, checkpoint(tiny()), options=options)
        (place / "data.pkl").unlink()
        carve(place, tmp_path / f"{order}.safetensors")
    assert tensors_in(tmp_path / "big.safetensors") == tensors_in(tmp_path / "little.safetensors")


def test_nothing_is_made_up_for_what_is_missing(folder, tmp_path):
    target = tmp_path / "out.safetensors"
    record = carve(folder, target)
    assert len(tensors_in(target)) == NETWORK - 11
    assert record == record_beside(target)
    missing = [one for one in record.tensors if one.found is Found.MISSING]
    assert [one.key.startswith("backbone.downsample_layers.") for one in missing] == [True] * 11
    assert not any(one.is_written or one.initial or one.digest for one in missing)
    assert (record.filled, record.initialisation) == (0, ())
    state = [one for one in record.tensors if one.slot is not Slot.NETWORK]
    assert len(state) == STATE
    assert not any(one.is_written for one in state)
    assert any("names and shapes" in one for one in record.assumed)
    assert any("dialect" in one for one in record.undetermined)
    with open_checkpoint(target) as opened:
        header = dict(opened.manifest.metadata)
    assert len(json.loads(header["carved.missing"])) == 11
    assert header["carved"] == record.verdict


def test_initial_values_are_named_as_such_and_change_nothing_else(folder, tmp_path):
    plain, filled = tmp_path / "plain.safetensors", tmp_path / "filled.safetensors"
    carve(folder, plain)
    record = carve(folder, filled, fill=True)
    before, after = tensors_in(plain), tensors_in(filled)
    assert len(after) == NETWORK
    assert {name: after[name] for name in before} == before
    drawn = {one.key: one.initial for one in record.tensors if one.initial}
    assert set(drawn) == set(after) - set(before)
    assert all(one.found is Found.MISSING for one in record.tensors if one.initial)
    assert drawn["backbone.downsample_layers.0.0.weight"].startswith("normal")
    assert drawn["backbone.downsample_layers.0.1.running_var"] == "constant 1"
    assert record.filled == 11
    assert record.initialisation
    with open_checkpoint(filled) as opened:
        header = dict(opened.manifest.metadata)
    assert json.loads(header["carved.initial_values"]) == drawn
    assert "carved.missing" not in header
    again = carve(folder, tmp_path / "again.safetensors", fill=True)
    assert again.root == record.root


def test_the_optimizer_is_written_under_names_of_its_own(folder, tmp_path):
    target = tmp_path / "state.safetensors"
    carve(folder, target, entry=Entry.OPTIMIZER)
    names = tensors_in(target)
    assert len(names) == STATE
    assert "exp_avg_sq/head.final_layer.bias" in names
    with pytest.raises(UsageError, match="a network to fill"):
        carve(folder, tmp_path / "b.safetensors", entry=Entry.OPTIMIZER, fill=True)
    with pytest.raises(UsageError, match="expected ema among what was carved"):
        carve(folder, tmp_path / "b.safetensors", entry=Entry.EMA)


def test_what_is_not_certain_needs_consent_which_the_record_keeps(vague, tmp_path):
    target = tmp_path / "out.safetensors"
    with pytest.raises(UsageError, match=r"not certain: .*--uncertain"):
        carve(vague, target)
    assert list(tmp_path.iterdir()) == []
    told: list[str] = []
    request = CarveRequest(uncertain=True)
    record = unpack_carved(vague, str(target), request, tell=told.append)
    assert record.uncertain_accepted
    assert not record.is_certain
    assert [one.startswith("not certain") for one in told] == [True]
    assert record_beside(target).uncertain_accepted


def test_values_that_contradict_the_names_need_consent(tmp_path):
    place = without_pickle(tmp_path / "snapshot_3.pth", lost=())
    carving = carved_of(place)
    variance = next(one for one in carving.tensors if one.key.endswith("running_var"))
    storage = place / "data" / str(variance.storage)
    content = bytearray(storage.read_bytes())
    content[3] |= 0x80
    storage.write_bytes(content)
    with pytest.raises(UsageError, match=r"does not hold: every running variance .*--uncertain"):
        carve(place, tmp_path / "out.safetensors")
    record = carve(place, tmp_path / "out.safetensors", uncertain=True)
    assert record.uncertain_accepted


def test_storages_that_fit_no_table_are_not_written_at_all(tmp_path):
    place = unknown_without_pickle(tmp_path / "other.pth", training())
    for uncertain in (False, True):
        with pytest.raises(ArtifactError, match="storages without names cannot be written"):
            carve(place, tmp_path / "out.safetensors", uncertain=uncertain)
    assert not (tmp_path / "out.safetensors").exists()


def test_what_a_broken_pickle_still_named_is_observed(tmp_path):
    place = broken_pickle(tmp_path / "snapshot_3.pth", share=0.1)
    record = carve(place, tmp_path / "out.safetensors")
    found = [one.found for one in record.tensors if one.slot is Slot.NETWORK]
    assert found[0] is Found.OBSERVED
    assert found[-1] is Found.CARVED
    assert all((one.score is None) is (one.found is Found.OBSERVED) for one in record.tensors)
    assert record.damage.startswith("data.pkl is damaged")


def test_requests_that_no_file_could_fulfil_are_refused_before_anything_is_written(
    folder, tmp_path
):
    sound = write_zip(tmp_path / "sound.pth", training())
    (tmp_path / "taken.safetensors").write_bytes(b"")
    (tmp_path / "other.safetensors.carved.json").write_bytes(b"")
    wrong = [
        (folder, "out.pth", "ends in .safetensors"),
        (tmp_path / "absent.pth", "out.safetensors", "no such file"),
        (sound, "out.safetensors", "without --carve"),
        (folder, "taken.safetensors", "expected nothing at .*taken.safetensors'"),
        (folder, "other.safetensors", "expected nothing at .*carved.json'"),
        (folder, folder / "out.safetensors", "outside the input"),
    ]
    before = sorted(tmp_path.iterdir())
    for source, target, message in wrong:
        with pytest.raises(UsageError, match=message):
            carve(source, tmp_path / target)
    with pytest.raises(UsageError, match="only where sizes leave two types open"):
        carve(folder, tmp_path / "out.safetensors", dtype="bfloat16")
    assert sorted(tmp_path.iterdir()) == before
    carve(folder, tmp_path / "taken.safetensors", force=True)


def one_tensor(
    storage: ByteSource | None, *, dtype: str = "float32", wrong: bool = False
) -> tuple[Carved, tuple[CarvedTensor, ...]]:
    """A tensor of two elements in a storage; None for one that cannot be opened."""
    tensor = CarvedTensor(
        key="w", slot=Slot.NETWORK, shape=(2,), dtype=dtype, number=0, storage="0",
        found=Found.CARVED,
    )  # fmt: skip

    def open_storage(key: str) -> ByteSource:
        if storage is None:
            raise ContainerFormatError("expected a member, found none")
        return storage

    survivors = (Survivor(key="0", number=0, size_bytes=8),)
    found = Carved(
        carving=Carving(damage="", survivors=survivors, tensors=(tensor,)),
        containers=(),
        is_big_endian=False,
        wrong=frozenset({"0"} if wrong else ()),
        open_storage=open_storage,
    )
    return found, (tensor,)


@pytest.mark.parametrize(
    ("storage", "changes", "why"),
    [
        (MemorySource(bytes(8)), {}, ""),
        (MemorySource(bytes(12)), {}, "its storage has 12"),
        (MemorySource(bytes(8)), {"wrong": True}, "CRC-32"),
        (MemorySource(bytes(8)), {"dtype": "qint32"}, "no dtype 'qint32'"),
        (None, {}, "cannot be read"),
    ],
)
def test_a_storage_that_cannot_be_the_tensor_is_not_used_and_why_is_said(storage, changes, why):
    found, tensors = one_tensor(storage, **changes)
    (plan,) = prepare(found, tensors, CarveRequest())
    assert (plan.source is None) is bool(why)
    assert why in plan.why


def test_two_types_of_one_width_are_told_apart_by_the_user_alone(tmp_path):
    found, tensors = one_tensor(MemorySource(bytes(4)), dtype="float16 or bfloat16")
    (plan,) = prepare(found, tensors, CarveRequest(dtype="bfloat16"))
    assert plan.dtype == "bfloat16"
    assert plan.source is not None


@pytest.mark.parametrize(
    ("policy", "verdict"),
    [
        ("", GateVerdict.INCONCLUSIVE),
        ('carved = "inconclusive"', GateVerdict.INCONCLUSIVE),
        ('carved = "refuse"', GateVerdict.REFUSED),
    ],
)
def test_the_gate_calls_a_carved_file_what_the_policy_says(folder, policy, verdict):
    report = gate(folder, parse_policy(f"[gate]\n{policy}\n", "ckptscope.toml"))
    (file,) = report.files
    assert file.verdict is report.verdict is verdict
    assert file.failure is not None
    assert file.carved == carved_of(folder).verdict


def test_what_is_not_certain_stays_unreadable_at_the_gate(vague, tmp_path):
    other = unknown_without_pickle(tmp_path / "other.pth", training())
    assert [one.verdict for one in gate([vague, other]).files] == [GateVerdict.UNREADABLE] * 2
    assert [one.carved for one in gate([vague, other]).files] == ["", ""]


def test_a_broken_pickle_that_names_something_dangerous_is_refused(tmp_path):
    place = without_pickle(tmp_path / "snapshot_3.pth", lost=())
    (place / "data.pkl").write_bytes(pickled(call("os", "system", "true"))[:-1])
    (file,) = gate(place).files
    assert file.verdict is GateVerdict.REFUSED
    assert file.carved


def test_a_policy_names_what_carved_may_be():
    with pytest.raises(Exception, match=r"gate\.carved: expected one of .*'refuse'.*'pass'"):
        parse_policy('[gate]\ncarved = "pass"\n', "ckptscope.toml")


def test_what_the_pickle_named_itself_is_written_without_a_table_and_without_consent(tmp_path):
    source = write_zip(tmp_path / "snapshot.pth", training())
    content = source.read_bytes()
    source.write_bytes(content[: content.rindex(b"PK\x01\x02") - 200])
    carving = carved_of(source)
    assert carving.best is None
    record = carve(source, tmp_path / "out.safetensors")
    assert not record.uncertain_accepted
    assert record.table is None
    written = [one for one in record.tensors if one.is_written]
    assert written
    assert {one.found for one in written} == {Found.OBSERVED}
    assert [one.key.rpartition("/")[2] for one in written][:2] == [
        "module.conv.weight",
        "module.conv.bias",
    ]
    with pytest.raises(UsageError, match=r"a table to fill missing tensors after|not certain"):
        carve(source, tmp_path / "b.safetensors", fill=True)
