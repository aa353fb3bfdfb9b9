"""What a policy asks of a checkpoint: met, not met, or not decided."""

import msgspec
import pytest
from builders.architectures import architecture, fact, identified, standing
from builders.headers import entry, safetensors
from builders.pickles import pickled, tensor
from builders.reading import manifest
from builders.zips import torch_zip

from ckptscope.facts.claims import ClaimSource, Rule
from ckptscope.facts.containers import ContainerKind
from ckptscope.facts.findings import Code, Severity
from ckptscope.facts.gate import CheckRun, CheckState
from ckptscope.facts.paper import Label, PaperFile
from ckptscope.facts.standing import RowFit
from ckptscope.facts.tables import SpecRow, SpecTable
from ckptscope.facts.tensors import Origin, TreeNode
from ckptscope.policies.metadata import read_record
from ckptscope.policies.policy import FROM_NAME, Policy
from ckptscope.policies.requirements import check_requirements

NOTHING = manifest(pickled({"epoch": 3}))
WEIGHTS = manifest(torch_zip({"odd.weight": tensor("0", (2,))}, {"0": bytes(8)}))
POSE = identified()


def fit(row, *, matches=7, contradicts=0, **more):
    return RowFit(row=row, matches=matches, contradicts=contradicts, undecided=0, **more)


IS_S = standing(
    variant="S",
    ranking=(fit("S"), fit("M", contradicts=2, contradictions=("params: 7, not 8",))),
    separating=("head.final_layer.weight: [576] in S, [1152] in M",),
)
IS_NONE = msgspec.structs.replace(
    IS_S,
    variant=None,
    ranking=(
        fit("S", contradicts=1, contradictions=("depths: 4, not 3",)),
        fit("M", contradicts=2),
    ),
    remark="no row fits",
)
IS_TWO = msgspec.structs.replace(
    IS_S, variant=None, ranking=(fit("S"), fit("M")), remark="S and M fit equally well"
)


def held(standing=IS_S, row="", **more):
    label = (
        Label(table=standing.spec, row=row, made_by=ClaimSource.FILE_NAME, source="the name")
        if row
        else None
    )
    return msgspec.structs.replace(
        PaperFile(
            path="m.pth",
            family="convnextpose",
            title="ConvNeXtPose",
            label=label,
            standing=standing,
            table=standing.spec,
        ),
        **more,
    )


def judged(policy, known=(POSE,), paper=None, made=WEIGHTS, runs=(), size=100, tables=()):
    return check_requirements(policy, made, known, paper, runs, file_bytes=size, tables=tables)


def outcome(*arguments, **options):
    """Outcome of the one demand, and its finding's code."""
    found = judged(*arguments, **options)
    (requirement,) = found.requirements
    code = found.findings[0].code if found.findings else None
    assert len(found.findings) <= 1
    for one in found.findings:
        undecided = one.code in (Code.NOT_DECIDED, Code.VALUES_REQUIRED)
        assert one.severity is (Severity.WARNING if undecided else Severity.ERROR)
        assert one.evidence
    return requirement.outcome.value, code


MET = ("met", None)


def test_a_policy_that_asks_for_nothing_gets_nothing():
    assert judged(Policy()).requirements == ()
    assert judged(Policy()).findings == ()


def test_demands_come_in_the_order_of_the_keys():
    policy = Policy(
        family="convnextpose",
        variant="S",
        config={"dims": (1,)},
        specs=("x.toml",),
        containers=(ContainerKind.PICKLE,),
        max_bytes=1,
        metadata=("a",),
        values=True,
        deep=True,
    )
    keys = [one.key for one in judged(policy, paper=held()).requirements]
    assert keys == [
        "family",
        "variant",
        "config.dims",
        "spec",
        "containers",
        "max-size",
        "require-metadata",
        "values",
        "deep",
    ]


@pytest.mark.parametrize(
    ("family", "known", "made", "expected"),
    [
        ("convnextpose", (POSE,), WEIGHTS, MET),
        ("resnet", (POSE,), WEIGHTS, ("not met", Code.FAMILY_REQUIRED)),
        ("resnet", (), WEIGHTS, ("not decided", Code.NOT_DECIDED)),
        ("resnet", (), NOTHING, ("not met", Code.FAMILY_REQUIRED)),
        ("resnet", (POSE, identified(architecture(family="resnet"))), WEIGHTS, MET),
    ],
)
def test_a_family_is_met_by_any_network_of_the_file_and_open_where_nobody_knows_it(
    family, known, made, expected
):
    assert outcome(Policy(family=family), known, made=made) == expected


@pytest.mark.parametrize(
    ("wanted", "paper", "expected"),
    [
        ("S", held(), MET),
        ("s", held(), MET),
        ("M", held(), ("not met", Code.VARIANT_REQUIRED)),
        ("S", held(IS_TWO), ("not decided", Code.NOT_DECIDED)),
        ("S", held(IS_NONE), ("not met", Code.VARIANT_REQUIRED)),
        ("XXL", held(), ("not decided", Code.NOT_DECIDED)),
        ("S", None, ("not decided", Code.NOT_DECIDED)),
        ("S", PaperFile(path="m", remark="no table"), ("not decided", Code.NOT_DECIDED)),
        (FROM_NAME, held(row="S"), MET),
        (FROM_NAME, held(row="M"), ("not met", Code.VARIANT_REQUIRED)),
        (FROM_NAME, held(IS_TWO, row="S"), ("not decided", Code.NOT_DECIDED)),
        (FROM_NAME, held(), ("not decided", Code.NOT_DECIDED)),
        # The name speaks for itself, and does not excuse what the policy names.
        ("S", held(row="M"), MET),
    ],
)
def test_a_variant_is_met_where_the_tensors_are_that_row_alone(wanted, paper, expected):
    assert outcome(Policy(variant=wanted), paper=paper) == expected


def test_a_name_of_another_familys_table_is_not_met():
    label = Label(table="resnet", row="50", made_by=ClaimSource.FILE_NAME, source="the name")
    paper = held(label=label)
    assert outcome(Policy(variant=FROM_NAME), paper=paper) == ("not met", Code.VARIANT_REQUIRED)


def test_a_row_that_only_another_familys_table_has_is_not_met():
    (finding,) = judged(Policy(variant="V1-Small"), paper=held()).findings
    assert finding.code is Code.VARIANT_REQUIRED
    assert "a row of 'convnext', found a network of 'convnextpose'" in finding.message


def test_a_variant_is_a_row_of_the_table_that_the_network_stands_in():
    # S is a row of one family's table, and a label of V1-Small in another's.
    small = held(standing(spec="convnext", variant="V1-Small", ranking=(fit("V1-Small"),)))
    paper = msgspec.structs.replace(small, family="convnext")
    assert outcome(Policy(variant="S"), paper=paper) == MET
    assert outcome(Policy(variant="S"), paper=held()) == MET


def test_a_name_that_means_two_rows_is_not_decided_and_said():
    paper = held(label_remark="the name 'S_or_M.pth' means S and M")
    (finding,) = judged(Policy(variant=FROM_NAME), paper=paper).findings
    assert "means S and M" in finding.message


def test_a_contradicted_variant_comes_with_the_claims_and_the_tensors_that_tell():
    (finding,) = judged(Policy(variant="M"), paper=held()).findings
    assert finding.message == "expected the variant 'M', found S"
    assert finding.evidence == (
        "params: 7, not 8",
        "head.final_layer.weight: [576] in S, [1152] in M",
    )


@pytest.mark.parametrize(
    ("found", "wanted", "expected"),
    [
        (fact("joints", 17), 17, MET),
        (fact("joints", 17, Origin.DERIVED), 17.0, MET),
        (fact("joints", 18), 17, ("not met", Code.SETTING_REQUIRED)),
        (fact("joints", 18, Origin.DERIVED), 17, ("not met", Code.SETTING_REQUIRED)),
        (fact("joints", 17, Origin.ASSUMED), 17, ("not decided", Code.NOT_DECIDED)),
        (fact("joints", 18, Origin.ASSUMED), 17, ("not decided", Code.NOT_DECIDED)),
        (fact("joints", 17, Origin.STATED), 17, ("not decided", Code.NOT_DECIDED)),
        (fact("joints", None, Origin.UNDETERMINED), 17, ("not decided", Code.NOT_DECIDED)),
        (fact("other", 17), 17, ("not decided", Code.NOT_DECIDED)),
        (fact("joints", True), 1, ("not met", Code.SETTING_REQUIRED)),
        (fact("joints", (3, (7, 7))), (3, (7, 7)), MET),
        (fact("joints", (3, 3)), (3,), ("not met", Code.SETTING_REQUIRED)),
    ],
)
def test_a_setting_is_held_against_what_is_observed_or_derived(found, wanted, expected):
    own = identified(architecture(facts=(found,)))
    policy = Policy(family="convnextpose", config={"joints": wanted})
    made = judged(policy, (own,))
    assert made.requirements[1].outcome.value == expected[0]
    assert [one.code for one in made.findings] == [code for code in expected[1:] if code]


def test_an_assumed_setting_says_whether_it_agrees_and_what_could_decide():
    assumed = fact("joints", 18, Origin.ASSUMED, decided_by="the code that trained it")
    own = identified(architecture(facts=(assumed,)))
    (finding,) = judged(Policy(config={"joints": 17}), (own,)).findings
    assert "18 is assumed, which does not agree" in finding.message
    assert finding.help == "what decides: the code that trained it"


def table(claimed, family="convnextpose", name="ours"):
    return SpecTable(
        name=name,
        family=family,
        title="Ours",
        source="a page",
        rules=(Rule(attribute="final_channels", fact="final_channels"),),
        rows=(SpecRow(name="one", labels=("one",), claims={"final_channels": claimed}),),
    )


@pytest.mark.parametrize(
    ("tables", "known", "expected"),
    [
        ((table(576),), (POSE,), MET),
        ((table(1152),), (POSE,), ("not met", Code.SPEC_REQUIRED)),
        ((table(1152), table(576, name="more")), (POSE,), MET),
        ((table(576, family="resnet"),), (POSE,), ("not met", Code.SPEC_REQUIRED)),
        ((table(576),), (), ("not decided", Code.NOT_DECIDED)),
    ],
)
def test_a_network_must_be_a_row_of_one_of_the_policys_own_tables(tables, known, expected):
    assert outcome(Policy(specs=("x.toml",)), known, tables=tables) == expected


def test_a_row_that_nothing_decides_about_leaves_the_table_open():
    open_table = msgspec.structs.replace(
        table("?"), rules=(Rule(attribute="final_channels", fact=""),)
    )
    policy = Policy(specs=("x.toml",))
    assert outcome(policy, tables=(open_table,)) == ("not decided", Code.NOT_DECIDED)


@pytest.mark.parametrize(
    ("allowed", "chain", "expected"),
    [
        ("torch zip", ("torch zip",), MET),
        ("torch zip", ("tar", "torch zip"), ("not met", Code.CONTAINER_REFUSED)),
        ("tar", ("tar", "torch zip"), ("not met", Code.CONTAINER_REFUSED)),
    ],
)
def test_every_layer_of_packing_must_be_allowed(allowed, chain, expected):
    made = msgspec.structs.replace(WEIGHTS, containers=tuple(map(ContainerKind, chain)))
    policy = Policy(containers=(ContainerKind(allowed),))
    assert outcome(policy, made=made) == expected


def test_a_file_may_be_as_large_as_the_policy_says_and_no_larger():
    assert outcome(Policy(max_bytes=100)) == MET
    assert outcome(Policy(max_bytes=99)) == ("not met", Code.FILE_TOO_LARGE)
    (finding,) = judged(Policy(max_bytes=99)).findings
    assert {one.split(":")[0] for one in finding.evidence} >= {"container", "pickle"}
    plain = manifest(safetensors({"w": entry([2], 0, 8)}, bytes(8)))
    (finding,) = judged(Policy(max_bytes=99), made=plain).findings
    assert [one.split(":")[0] for one in finding.evidence] == ["header", "network"]


RECORD = {
    "epoch": 3,
    "loss": 0.0,
    "is_best": False,
    "none": None,
    "empty": "",
    "no_list": [],
    "classes": ["a", "b"],
    "cfg": {"lr": 0.1, "a[0]": 1},
    "network": {"w": tensor("0", (2,))},
}


@pytest.mark.parametrize(
    ("pattern", "is_met"),
    [
        ("epoch", True),
        ("loss", True),
        ("is_best", True),
        ("cfg", True),
        ("cfg/lr", True),
        ("cfg/*", True),
        ("*/lr", True),
        ("classes", True),
        ("cfg/a[0]", True),
        ("cfg/a[[]0]", True),
        ("none", False),
        ("empty", False),
        ("no_list", False),
        ("lr", False),
        ("Epoch", False),
        ("licen[sc]e", False),
        ("network", False),
        ("network/w", False),
    ],
)
def test_metadata_is_a_plain_value_by_its_path(pattern, is_met):
    made = manifest(torch_zip(RECORD, {"0": bytes(8)}))
    expected = MET if is_met else ("not met", Code.METADATA_REQUIRED)
    assert outcome(Policy(metadata=(pattern,)), made=made) == expected


def test_metadata_of_a_safetensors_header_counts():
    made = msgspec.structs.replace(WEIGHTS, metadata=(("format", "pt"), ("license", " ")))
    assert outcome(Policy(metadata=("format",)), made=made) == MET
    absent = ("not met", Code.METADATA_REQUIRED)
    assert outcome(Policy(metadata=("license",)), made=made) == absent


@pytest.mark.parametrize(
    ("cut", "pattern", "may_hide"),
    [
        ("", "license", True),
        ("losses", "license", False),
        ("losses", "losses/900", True),
        ("cfg", "cfg/*/lr", True),
        ("cfg/deep", "cfg/*", True),
        ("cfg", "*lr", True),
        ("cfg", "run/*", False),
    ],
)
def test_entries_that_were_not_kept_leave_metadata_open(cut, pattern, may_hide):
    node = TreeNode(name=cut.rpartition("/")[2], kind="dict", length=9, left_out=5)
    for name in reversed(cut.split("/")[:-1]):
        node = TreeNode(name=name, kind="dict", length=1, children=(node,))
    tree = node if not cut else TreeNode(name="", kind="dict", length=1, children=(node,))
    made = msgspec.structs.replace(WEIGHTS, tree=tree, scalars=())
    if cut.count("/"):
        assert "cfg" in read_record(made).paths
    found = outcome(Policy(metadata=(pattern,)), made=made)
    if pattern == "cfg/*" and cut == "cfg/deep":
        assert found == MET, "an entry that was kept fits"
    elif may_hide:
        assert found == ("not decided", Code.NOT_DECIDED)
    else:
        assert found == ("not met", Code.METADATA_REQUIRED)


def test_long_names_within_long_names_are_not_put_together():
    node = TreeNode(name="leaf", kind="value", value="1")
    for _ in range(60):
        node = TreeNode(name="x" * 900, kind="dict", length=1, children=(node,))
    made = msgspec.structs.replace(WEIGHTS, tree=node, scalars=())
    assert max(map(len, read_record(made).paths)) <= 2000
    assert outcome(Policy(metadata=("*/leaf",)), made=made) == ("not decided", Code.NOT_DECIDED)
    absent = ("not met", Code.METADATA_REQUIRED)
    assert outcome(Policy(metadata=("epoch",)), made=made) == absent


@pytest.mark.parametrize(("key", "name"), [("values", "values"), ("deep", "crc")])
@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (CheckState.RAN, MET),
        (CheckState.UNFINISHED, ("not decided", Code.VALUES_REQUIRED)),
        (CheckState.NOT_ASKED, ("not decided", Code.VALUES_REQUIRED)),
        (None, ("not decided", Code.VALUES_REQUIRED)),
    ],
)
def test_a_required_check_must_have_been_finished(key, name, state, expected):
    runs = (CheckRun(name=name, state=state),) if state is not None else ()
    policy = Policy(**{key: True})
    assert outcome(policy, runs=runs) == expected
