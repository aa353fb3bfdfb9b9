"""What a policy does about findings: selectors, waivers, known findings, notices."""

import datetime

import pytest

from ckptscope.errors import UsageError
from ckptscope.facts.findings import Code, Finding, Severity, Where
from ckptscope.facts.gate import Action, GateFile, GateReport, GateVerdict
from ckptscope.policies.baseline import Baseline, Entry
from ckptscope.policies.fingerprints import fingerprint
from ckptscope.policies.overrides import with_overrides
from ckptscope.policies.policy import DEFAULT_POLICY, Policy, Waiver
from ckptscope.policies.ruling import review_policy, rule

TODAY = datetime.date(2026, 5, 1)


def finding(code=Code.MEMBER_DUPLICATE, severity=Severity.ERROR, message="x", **where):
    return Finding(code=code, severity=severity, message=message, where=Where(**where))


def waiver(code="CON003", expires=TODAY, **more):
    return Waiver(code=code, reason="known", expires=expires, **more)


def ruled(found, policy=DEFAULT_POLICY, path="a/model.pth", **more):
    return rule([found], policy, path=path, today=TODAY, **more)[0]


@pytest.mark.parametrize(
    ("code", "severity", "action"),
    [
        (Code.MEMBER_DUPLICATE, "error", Action.FAIL),
        (Code.IMPORT_DANGEROUS, "error", Action.FAIL),
        (Code.LABEL_CONTRADICTED, "error", Action.FAIL),
        (Code.IMPORT_UNKNOWN, "warning", Action.FAIL),
        (Code.NOT_READ, "warning", Action.FAIL),
        (Code.PICKLE_SECOND_UNREADABLE, "warning", Action.FAIL),
        (Code.VALUES_UNREAD, "warning", Action.FAIL),
        (Code.NOT_DECIDED, "warning", Action.FAIL),
        (Code.VALUES_REQUIRED, "warning", Action.FAIL),
        (Code.WAIVER_EXPIRED, "warning", Action.WARN),
        (Code.WAIVER_UNUSED, "info", Action.WARN),
        (Code.LABEL_UNDECIDED, "warning", Action.WARN),
        (Code.STORAGE_UNUSED, "warning", Action.WARN),
        (Code.RECORD_OF_TRAINING, "info", Action.IGNORE),
    ],
)
def test_by_default_a_file_must_be_safe_whole_and_not_contradicted(code, severity, action):
    assert ruled(finding(code, Severity(severity))).action is action


@pytest.mark.parametrize(
    ("lists", "action"),
    [
        ({"warn": ("error",)}, Action.WARN),
        ({"warn": ("error",), "fail": ("CON",)}, Action.FAIL),
        ({"fail": ("CON",), "ignore": ("CON00",)}, Action.IGNORE),
        ({"ignore": ("CON00",), "warn": ("CON003",), "fail": ("error",)}, Action.WARN),
        ({"ignore": ("TEN",)}, Action.FAIL),
    ],
)
def test_the_most_precise_selector_of_a_policy_counts(lists, action):
    assert ruled(finding(), Policy(**lists)).action is action


def test_a_policys_prefix_beats_a_code_that_only_the_default_names():
    found = finding(Code.IMPORT_UNKNOWN, Severity.WARNING)
    assert ruled(found).action is Action.FAIL
    assert ruled(found, Policy(warn=("SAF",))).action is Action.WARN


def test_the_command_line_beats_the_policy_however_broad_it_is():
    policy = Policy(fail=("TRN014",), ignore=("TEN",), max_bytes=5)
    loose = with_overrides(policy, warn=["warning"], values=True, baseline="known.json")
    assert ruled(finding(Code.CREDENTIAL_RECORDED, Severity.WARNING), policy).action is Action.FAIL
    assert ruled(finding(Code.CREDENTIAL_RECORDED, Severity.WARNING), loose).action is Action.WARN
    assert ruled(finding(Code.STORAGE_SHORT, Severity.ERROR), loose).action is Action.IGNORE
    assert (loose.values, loose.max_bytes, loose.baseline) == (True, 5, "known.json")


def test_nothing_said_on_the_command_line_changes_nothing():
    policy = Policy(values=True, variant="S")
    empty = with_overrides(
        policy, fail=[], warn=None, ignore=[], values=None, deep=None, variant=None, specs=[]
    )
    assert empty == policy
    assert with_overrides(policy, values=False).values is False


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"fail": ["SAF2"]}, "expected a code, a prefix of codes or a severity"),
        ({"warn": ["eror"]}, "found 'eror'; did you mean 'error'"),
        ({"fail": ["TEN"], "ignore": ["TEN"]}, "found 'TEN' in fail and ignore"),
        ({"variant": "Z"}, "expected 'from-name' or a row of a table, found 'Z'"),
    ],
)
def test_options_are_checked_like_the_keys_of_a_policy(options, said):
    with pytest.raises(UsageError, match=said):
        with_overrides(DEFAULT_POLICY, **options)


def test_a_variant_of_the_command_line_gets_its_rows_own_name():
    assert with_overrides(Policy(family="convnextpose"), variant="xs").variant == "XS"


def test_a_file_is_inconclusive_where_only_what_is_undecided_fails():
    undecided = finding(Code.NOT_DECIDED, Severity.WARNING)
    file = GateFile(path="a", rulings=(ruled(undecided),))
    assert file.verdict is GateVerdict.INCONCLUSIVE
    both = GateFile(path="a", rulings=(ruled(undecided), ruled(finding())))
    assert both.verdict is GateVerdict.REFUSED


def test_a_waiver_holds_to_its_last_day_and_no_longer():
    assert ruled(finding(), Policy(waivers=(waiver(),))).pardon.expires == TODAY
    over = waiver(expires=TODAY - datetime.timedelta(days=1))
    late = ruled(finding(), Policy(waivers=(over,)))
    assert late.pardon is None
    assert late.is_failing


@pytest.mark.parametrize(
    ("found", "given", "is_pardoned"),
    [
        (finding(), waiver(code="CON"), True),
        (finding(), waiver(code="TEN"), False),
        (finding(), waiver(file="model.pth"), True),
        (finding(), waiver(file="a/*.pth"), True),
        (finding(), waiver(file="b/*"), False),
        (finding(), waiver(file="MODEL.pth"), False),
        (finding(key="head.1.weight"), waiver(where="head.*"), True),
        (finding(member="archive/data.pkl"), waiver(where="*/data.pkl"), True),
        (finding(key="stem.weight"), waiver(where="head.*"), False),
        (finding(), waiver(where="head.*"), False),
        (finding(), waiver(where="*"), True),
    ],
)
def test_a_waiver_is_for_some_code_file_and_place(found, given, is_pardoned):
    ruling = ruled(found, Policy(waivers=(given,)))
    assert (ruling.pardon is not None) is is_pardoned
    assert ruling.action is Action.FAIL


def test_a_waiver_may_name_the_innermost_member_of_a_wrapper():
    policy = Policy(waivers=(waiver(file="epoch_3.pth"),))
    inner = {"path": "a/runs.zip", "location": ("run/epoch_3.pth",)}
    assert ruled(finding(), policy, **inner).pardon is not None
    assert ruled(finding(), policy, path="a/runs.zip > run/epoch_3.pth").pardon is not None
    assert ruled(finding(), policy, path="a/runs.zip", location=("epoch_4.pth",)).pardon is None


def test_what_is_ignored_needs_no_waiver():
    policy = Policy(ignore=("CON003",), waivers=(waiver(),))
    assert ruled(finding(), policy).pardon is None


def known(found, count=1, path="a/model.pth"):
    entry = Entry(
        file="model.pth",
        code=found.code.value,
        fingerprint=fingerprint(found, path),
        message="known",
        count=count,
    )
    return Baseline(name="known.json", entries=(entry,))


def test_a_known_finding_is_pardoned_wherever_the_file_lies_now():
    found = finding(key="w")
    ruling = ruled(found, path="elsewhere/model.pth", baseline=known(found))
    assert (ruling.pardon.source, ruling.pardon.reason) == ("baseline", "known.json")
    assert ruled(finding(key="v"), baseline=known(found)).pardon is None
    assert ruled(found, path="a/other.pth", baseline=known(found)).pardon is None


def test_a_second_finding_like_a_known_one_counts():
    found = finding(key="w")
    once = rule([found, found], Policy(), path="model.pth", today=TODAY, baseline=known(found))
    assert [one.is_failing for one in once] == [False, True]
    twice = known(found, count=2)
    both = rule([found, found], Policy(), path="model.pth", today=TODAY, baseline=twice)
    assert [one.is_failing for one in both] == [False, False]


def test_a_waiver_comes_before_the_baseline():
    found = finding()
    ruling = ruled(found, Policy(waivers=(waiver(),)), baseline=known(found))
    assert ruling.pardon.source == "waiver"


def reviewed(policy, *rulings, path="a/model.pth", baseline=None):
    file = GateFile(path=path, rulings=rulings)
    return review_policy(policy, [file], today=TODAY, baseline=baseline)


def test_an_expired_waiver_is_told_with_what_counts_again():
    over = waiver(expires=TODAY - datetime.timedelta(days=1), line=12)
    policy = Policy(waivers=(over,), source="ckptscope.toml")
    (notice,) = reviewed(policy, ruled(finding(), policy))
    assert notice.finding.code is Code.WAIVER_EXPIRED
    assert notice.action is Action.WARN
    assert "expired on 2026-04-30: 1 finding counts again" in notice.finding.message
    assert notice.finding.evidence[0] == "ckptscope.toml:12"
    (idle,) = reviewed(policy)
    assert "nothing needs it any more" in idle.finding.message


def test_an_expired_waiver_beside_one_that_holds_lets_nothing_count_again():
    over = waiver(expires=TODAY - datetime.timedelta(days=1))
    policy = Policy(waivers=(over, waiver()))
    (notice,) = reviewed(policy, ruled(finding(), policy))
    assert notice.finding.message.endswith("what it was for is pardoned otherwise")


def test_a_waiver_that_nothing_needs_is_told_where_it_is_for_a_file_of_the_run():
    policy = Policy(waivers=(waiver(file="model.pth"), waiver(file="other.pth")))
    (notice,) = reviewed(policy)
    assert notice.finding.code is Code.WAIVER_UNUSED
    assert "'model.pth'" in notice.finding.message
    assert reviewed(policy, ruled(finding(), policy)) == ()


def test_known_findings_that_are_gone_are_told_for_files_of_the_run():
    baseline = known(finding(key="w"))
    (notice,) = reviewed(Policy(), baseline=baseline)
    assert notice.finding.code is Code.WAIVER_UNUSED
    assert "1 known finding is met no more" in notice.finding.message
    assert reviewed(Policy(), ruled(finding(key="w")), baseline=baseline) == ()
    assert reviewed(Policy(), path="a/another.pth", baseline=baseline) == ()


def test_a_policy_may_refuse_a_run_for_its_own_upkeep():
    policy = Policy(fail=("POL020",), waivers=(waiver(expires=datetime.date(2020, 1, 1)),))
    report = GateReport(
        policy="ckptscope.toml", files=(GateFile(path="a/model.pth"),), notices=reviewed(policy)
    )
    assert report.verdict is GateVerdict.REFUSED


def test_a_fingerprint_outlasts_offsets_sizes_wording_and_the_folder():
    first = finding(message="the view 'w' ends at byte 1,024 of 900", key="w", offset_bytes=7)
    second = finding(message="view 'w' is longer than its storage (2,048)", key="w", offset_bytes=9)
    assert fingerprint(first, "a/m.pth") == fingerprint(second, "b/c/m.pth")


@pytest.mark.parametrize(
    "other",
    [
        finding(Code.MEMBER_LINK, message="imports 'lab.A'", key="w", member="m"),
        finding(message="imports 'lab.B'", key="w", member="m"),
        finding(message="imports 'lab.A'", key="v", member="m"),
        finding(message="imports 'lab.A'", key="w", member="n"),
        finding(message="imports 'lab.A'", key=None, member="w"),
    ],
)
def test_a_fingerprint_differs_with_code_member_key_and_named_import(other):
    found = finding(message="imports 'lab.A'", key="w", member="m")
    assert fingerprint(found, "m.pth") != fingerprint(other, "m.pth")


def test_a_fingerprint_differs_with_the_files_name_and_the_member_that_leads_to_it():
    found = finding(key="w")
    names = [
        fingerprint(found, "m.pth"),
        fingerprint(found, "n.pth"),
        fingerprint(found, "m.pth", ("a.pth",)),
        fingerprint(found, "m.pth", ("b.pth",)),
    ]
    assert len(set(names)) == 4
    assert fingerprint(found, "x/m.pth > a.pth") == names[2]


def test_a_finding_that_names_nothing_is_known_by_its_numbers_and_not_by_offsets():
    def of(message):
        return fingerprint(finding(message=message), "m.pth")

    assert of("5 storages belong to no tensor") != of("6 storages belong to no tensor")
    assert of("something odd at byte 5") == of("something odd at byte 1,006")


def test_a_finding_about_many_things_is_new_when_they_are_more():
    def of(message):
        return fingerprint(finding(message=message, key="network"), "m.pth")

    assert of("91 tensors are all zero") != of("92 tensors are all zero")
    assert of("weight has 91 zeros") == of("weight has 92 zeros")


def test_an_apostrophe_within_a_word_quotes_nothing():
    def of(message):
        return fingerprint(finding(message=message, key="w"), "m.pth")

    assert of("the file's 5 parts and the pickle's own") == of("the file's 6 parts, its pickle's")
    assert of("the file's 'a'") != of("the file's 'b'")


def test_what_may_be_private_is_not_hashed():
    first = finding(Code.USER_RECORDED, Severity.WARNING, message="user 'ada'", key="cfg/home")
    other = finding(Code.USER_RECORDED, Severity.WARNING, message="user 'bob'", key="cfg/home")
    assert fingerprint(first, "m.pth") == fingerprint(other, "m.pth")
