"""A policy that is written after a good file: it says why, it loads, and the file passes it."""

import re
import tomllib

import msgspec
import pytest
from builders.paper_files import entries_of, write_sparse
from builders.pickles import call, new, tensor
from builders.reading import manifest
from builders.zips import torch_zip

from ckptscope.facts.containers import ContainerKind
from ckptscope.facts.findings import Code, Finding, Severity
from ckptscope.facts.gate import CheckRun, CheckState, GateVerdict
from ckptscope.facts.sizes import parse_size, round_up_size
from ckptscope.pipeline.gating import gate, propose
from ckptscope.policies.fingerprints import file_name
from ckptscope.policies.loading import load_policy, parse_policy
from ckptscope.policies.policy import FROM_NAME
from ckptscope.policies.writing import Example, propose_policy
from fixtures.build import tiny_set

VALUES = bytes(8)
WEIGHTS = {"w": tensor("0", (2,))}


@pytest.fixture
def written(tmp_path):
    """Write a policy after a file, hold the file against it, and return the policy."""

    def write(path):
        proposal = propose(path)
        assert proposal.objections == ()
        policy_file = tmp_path / "ckptscope.toml"
        policy_file.write_text(proposal.text, encoding="utf-8")
        policy = load_policy(policy_file)
        (file,) = gate(path, policy).files
        failing = [one.finding for one in file.rulings if one.is_failing]
        assert (file.verdict, failing) == (GateVerdict.PASSED, [])
        assert all(one.outcome == "met" for one in file.requirements)
        return policy

    return write


def saved(folder, tree, name="model.pth"):
    path = folder / name
    path.write_bytes(torch_zip({**WEIGHTS, **tree}, {"0": VALUES}))
    return path


#: Every container in one dialect, every dialect in one container.
FIXTURES = [
    one for one in tiny_set() if one.name.startswith("tiny_named") or "_zip.pth" in one.name
]


@pytest.mark.parametrize("fixture", FIXTURES, ids=lambda one: one.name)
def test_a_network_in_any_container_and_dialect_passes_the_policy_after_it(
    tmp_path, written, fixture
):
    path = tmp_path / fixture.name
    fixture.write(path)
    policy = written(path)
    assert policy.family == "convnextpose"
    assert policy.containers
    assert policy.max_bytes


def test_a_file_whose_name_says_its_row_asks_for_the_row_of_the_name(tmp_path, written):
    path = write_sparse(tmp_path / "ConvNeXtPose_S.safetensors", entries_of("S"))
    policy = written(path)
    assert (policy.family, policy.variant) == ("convnextpose", FROM_NAME)
    assert policy.containers == (ContainerKind.SAFETENSORS,)
    assert policy.metadata == ("format",)
    other = write_sparse(tmp_path / "ConvNeXtPose_M.safetensors", entries_of("S"))
    assert gate(other, policy).verdict is GateVerdict.REFUSED


def test_a_file_whose_name_says_nothing_asks_for_the_row_that_it_is(tmp_path, written):
    path = write_sparse(tmp_path / "snapshot.safetensors", entries_of("XS"))
    policy = written(path)
    assert policy.variant == "XS"
    other = write_sparse(tmp_path / "again.safetensors", entries_of("S"))
    assert gate(other, policy).verdict is GateVerdict.REFUSED


def test_an_unknown_class_is_trusted_by_its_name_and_no_other_is(tmp_path, written):
    path = saved(tmp_path, {"net": new("mylab.models", "PoseNet")})
    assert gate(path).verdict is GateVerdict.INCONCLUSIVE
    policy = written(path)
    assert policy.imports == ("mylab.models.PoseNet",)
    other = saved(tmp_path, {"net": new("mylab.models", "OtherNet")}, "other.pth")
    assert gate(other, policy).verdict is GateVerdict.INCONCLUSIVE


def test_no_policy_excuses_what_is_dangerous(tmp_path):
    path = saved(tmp_path, {"x": call("os", "system", "true"), "y": new("mylab", "Net")})
    proposal = propose(path)
    assert Code.IMPORT_DANGEROUS in {one.code for one in proposal.objections}
    assert "system" not in proposal.text
    assert parse_policy(proposal.text, "ckptscope.toml").warn == ()


def test_no_policy_excuses_a_label_that_is_wrong(tmp_path):
    path = write_sparse(tmp_path / "ConvNeXtPose_M.safetensors", entries_of("S"))
    assert {one.code for one in propose(path).objections} == {Code.LABEL_CONTRADICTED}


def test_what_a_file_records_is_asked_for_at_its_top_alone(tmp_path, written):
    record = {"epoch": 3, "note": "", "a*[b]": 1, "cfg": {"lr": 0.1}, "best": False}
    policy = written(saved(tmp_path, record))
    assert policy.metadata == ("epoch", "a[*][[]b]", "best")
    assert gate(saved(tmp_path, {"epoch": 3}, "b.pth"), policy).verdict is GateVerdict.REFUSED


ODD = (
    'a"b\\c',
    "line\nbreak = 1\n[gate]",
    "\x00\x1b[31m\x7f\u2028\u202e",
    "'''",
    "# no comment",
    "\ud800",
    "é\U0001f600",
    "x" * 3000,
    "]]",
    " ",
)


@pytest.mark.parametrize("name", ODD, ids=ascii)
def test_names_of_the_file_stay_names_in_the_policy(tmp_path, written, name):
    safe = re.sub(r"[\x00/]", "_", name).encode("utf-8", "replace").decode()[:100]
    policy = written(saved(tmp_path, {name: 1, "epoch": 2}, f"{safe}.pth"))
    assert set(policy.metadata) >= {"epoch"}
    assert policy.waivers == ()
    assert policy.ignore == ()


def example(**more):
    made = Example(
        path="a/model.pth",
        manifest=manifest(torch_zip(WEIGHTS, {"0": VALUES})),
        runs=(CheckRun(name="values", state=CheckState.RAN),),
        file_bytes=1000,
    )
    return msgspec.structs.replace(made, **more)


def test_what_could_not_be_decided_of_the_example_warns_and_says_why():
    finding = Finding(code=Code.NOT_READ, severity=Severity.ERROR, message="not followed")
    proposal = propose_policy(example(findings=(finding,)))
    assert proposal.objections == ()
    assert parse_policy(proposal.text, "ckptscope.toml").warn == ("CON050",)
    assert "# CON050: " in proposal.text


def test_damage_is_an_objection_and_no_warning():
    finding = Finding(code=Code.STORAGE_SHORT, severity=Severity.ERROR, message="short")
    proposal = propose_policy(example(findings=(finding,)))
    assert proposal.objections == (finding,)
    assert parse_policy(proposal.text, "ckptscope.toml").warn == ()


def test_a_check_that_was_made_is_asked_for_and_one_that_was_not_is_offered():
    text = propose_policy(example()).text
    policy = parse_policy(text, "ckptscope.toml")
    assert (policy.values, policy.deep) == (True, False)
    assert "\n# deep = true\n" in text


def test_every_demand_has_its_reason_above_it():
    lines = propose_policy(example()).text.splitlines()
    demands = [index for index, line in enumerate(lines) if re.match(r"[a-z-]+ = ", line)]
    assert len(demands) >= 3
    assert all(lines[index - 1].startswith("#") for index in demands)


def test_what_is_offered_in_comments_is_a_policy_too():
    text = propose_policy(example()).text
    offered = "\n".join(re.sub(r"^# (?=\[\[|[a-z-]+ = )", "", line) for line in text.splitlines())
    policy = parse_policy(offered, "ckptscope.toml")
    assert policy.deep
    assert len(policy.waivers) == 1
    assert len(tomllib.loads(offered)["gate"]["waivers"]) == 1


@pytest.mark.parametrize("size", [1, 1023, 1024, 101_376, 102_401, 85_123_456, 2**40, 10**13])
def test_a_size_is_rounded_up_to_two_digits_and_never_below(size):
    text = round_up_size(size)
    assert size <= parse_size(text) <= max(size * 1.12, 1024)
    assert len(text.rstrip("KMGT").rstrip("0")) <= 2


def test_a_file_is_named_without_its_folder():
    text = propose_policy(example(path="secret/place/model.pth")).text
    assert "secret" not in text
    assert file_name("secret/place/model.pth") == "model.pth"
