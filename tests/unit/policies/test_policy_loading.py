"""Policies as TOML: where they are looked for, what is read, and how a mistake is said."""

import datetime
import os

import pytest

from ckptscope.errors import PolicyError, SpecError, UsageError
from ckptscope.facts.containers import ContainerKind
from ckptscope.policies.loading import load_policy
from ckptscope.policies.policy import DEFAULT_POLICY, FROM_NAME, Waiver

WHOLE = """\
[gate]
family = "convnextpose"
variant = "from-name"
config = { joints = 17, dims = [48, 96, 192, 384] }
containers = ["torch zip", "safetensors"]
max-size = "100M"
allowed-imports = ["mylab.models.PoseNet", "mylab.data.*"]
require-metadata = ["epoch", "cfg/*"]
values = true
deep = true
fail = ["VAL"]
warn = ["TRN008"]
ignore = ["warning"]
baseline = "known.json"

[[gate.waivers]]
code = "SAF002"
reason = "ours"
expires = 2027-01-31
file = "old_*.pth"
where = "head.*"

[[gate.waivers]]
code = "TRN"
reason = "until the run is over"
expires = 2027-02-01
"""
TABLE = """\
schema = "ckptscope/spec/1"
name = "gym"
family = "convnextpose"
title = "Gym"
source = "a page"
[variants.lite.claims]
final_channels = 576
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A repository that is the current folder."""
    (tmp_path / ".git").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def complaint(folder):
    def complain(text, name="ckptscope.toml"):
        (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
        with pytest.raises(PolicyError) as caught:
            load_policy()
        return str(caught.value)

    return complain


def test_every_key_is_read(folder):
    (folder / "ckptscope.toml").write_text(WHOLE)
    policy = load_policy()
    assert policy.source == "ckptscope.toml"
    assert (policy.family, policy.variant) == ("convnextpose", FROM_NAME)
    assert policy.config == {"joints": 17, "dims": (48, 96, 192, 384)}
    assert policy.containers == (ContainerKind.TORCH_ZIP, ContainerKind.SAFETENSORS)
    assert policy.max_bytes == 100 << 20
    assert policy.imports == ("mylab.models.PoseNet", "mylab.data.*")
    assert policy.metadata == ("epoch", "cfg/*")
    assert (policy.values, policy.deep, policy.baseline) == (True, True, "known.json")
    assert (policy.fail, policy.warn, policy.ignore) == (("VAL",), ("TRN008",), ("warning",))
    assert policy.waivers == (
        Waiver(
            code="SAF002",
            reason="ours",
            expires=datetime.date(2027, 1, 31),
            file="old_*.pth",
            where="head.*",
            line=16,
        ),
        Waiver(
            code="TRN",
            reason="until the run is over",
            expires=datetime.date(2027, 2, 1),
            line=23,
        ),
    )


def test_without_any_file_the_default_policy_holds(folder):
    assert load_policy() == DEFAULT_POLICY


def test_a_policy_is_found_in_a_folder_above_and_named_from_here(folder, monkeypatch):
    (folder / "ckptscope.toml").write_text('[gate]\nbaseline = "known.json"\n')
    (folder / "a/b").mkdir(parents=True)
    monkeypatch.chdir(folder / "a/b")
    policy = load_policy()
    assert policy.source == os.path.join("..", "..", "ckptscope.toml")
    assert policy.baseline == os.path.join("..", "..", "known.json")


def test_the_search_ends_at_the_top_of_a_repository(folder):
    (folder / "ckptscope.toml").write_text("[gate]\nvalues = true\n")
    inner = folder / "inner"
    (inner / "deep").mkdir(parents=True)
    assert load_policy(start=inner / "deep").values
    (inner / ".git").write_text("gitdir: elsewhere\n")
    assert load_policy(start=inner / "deep") == DEFAULT_POLICY


def test_the_own_file_counts_before_the_projects_and_the_nearer_folder_before_both(folder):
    (folder / "ckptscope.toml").write_text('[gate]\nmax-size = "1M"\n')
    (folder / "pyproject.toml").write_text('[tool.ckptscope.gate]\nmax-size = "2M"\n')
    (folder / "a").mkdir()
    assert load_policy().max_bytes == 1 << 20
    (folder / "a/pyproject.toml").write_text('[tool.ckptscope.gate]\nmax-size = "3M"\n')
    assert load_policy(start=folder / "a").max_bytes == 3 << 20


@pytest.mark.parametrize(
    "text", ["[tool.other]\nx = 1\n", "no TOML at all [", "[tool.ckptscope]\n"]
)
def test_a_project_that_says_nothing_of_a_gate_is_passed_over(folder, text):
    (folder / "ckptscope.toml").write_text("[gate]\ndeep = true\n")
    (folder / "a").mkdir()
    (folder / "a/pyproject.toml").write_text(text)
    assert load_policy(start=folder / "a").deep


def test_a_named_file_is_of_the_kind_that_its_content_tells(folder):
    (folder / "own.toml").write_text("[gate]\ndeep = true\n")
    (folder / "project.toml").write_text("[tool.ckptscope.gate]\nvalues = true\n")
    assert load_policy(folder / "own.toml").deep
    assert load_policy(folder / "project.toml").values


def test_a_named_file_that_holds_no_policy_is_an_error(folder):
    (folder / "pyproject.toml").write_text("[tool.other]\n")
    with pytest.raises(PolicyError, match=r"expected the table tool\.ckptscope\.gate, found none"):
        load_policy(folder / "pyproject.toml")
    (folder / "own.toml").write_text("# nothing\n")
    with pytest.raises(PolicyError, match=r"expected the table \[gate\], found none"):
        load_policy(folder / "own.toml")
    with pytest.raises(UsageError, match=r"found no file '.*absent\.toml'"):
        load_policy(folder / "absent.toml")


def test_paths_are_relative_to_the_policys_folder(folder):
    (folder / "ci").mkdir()
    (folder / "ci/gym.toml").write_text(TABLE)
    (folder / "ci/gate.toml").write_text('[gate]\nspec = ["gym.toml"]\nvariant = "LITE"\n')
    policy = load_policy(folder / "ci/gate.toml")
    assert policy.specs == (str(folder / "ci/gym.toml"),)
    assert policy.variant == "lite", "a row bears the name that its table gives it"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("max-size = 'huge'", "gate.max-size: expected a size such as 500M or 2G, found 'huge'"),
        ("max-size = true", "gate.max-size: expected a size such as 500M or 2G, found true"),
        ("max-size = 0", "gate.max-size: expected a size of at least one byte, found 0"),
        ("max-size = -5", "gate.max-size: expected a size of at least one byte, found -5"),
        ("max_size = 5", "gate.max_size: unknown key; did you mean 'max-size'?"),
        ("baselin = 'x'", "gate.baselin: unknown key; did you mean 'baseline'?"),
        ("family = ''", "gate.family: expected a text, found an empty one"),
        ("family = 5", "gate.family: expected a text, found 5"),
        (
            "variant = 'Z'",
            "gate.variant: expected 'from-name' or a row of a table, found 'Z'",
        ),
        ("variant = 'from_name'", "found 'from_name'; did you mean 'from-name'?"),
        ("config = { joints = 17 }", "gate.config: expected the key family beside it"),
        ("config = 17", "gate.config: expected a table such as { joints = 17 }, found 17"),
        ("spec = 'a.toml'", "gate.spec: expected a list, found 'a.toml'; write ['a.toml']"),
        ("spec = ['a.toml']", "gate.spec[0]: expected a table as a TOML file, found no file"),
        (
            "containers = ['torchzip']",
            "gate.containers[0]: expected a kind of container, found 'torchzip'; did you mean "
            "'torch zip'?; known are: torch zip, TorchScript",
        ),
        ("allowed-imports = ['*']", "gate.allowed-imports[0]: expected a class such as"),
        ("require-metadata = ['a', 'a']", "gate.require-metadata[1]: expected each once"),
        ("values = 'yes'", "gate.values: expected true or false, found 'yes'"),
        ("fail = ['SAF02']", "expected a code, a prefix of codes or a severity"),
        ("fail = ['saf002']", "found 'saf002'; did you mean 'SAF002'?"),
        ("warn = ['']", "gate.warn[0]: expected a text, found an empty one"),
        ("warn = [1979-05-27]", "gate.warn[0]: expected a text, found 1979-05-27"),
        (
            "warn = ['TEN']\nfail = ['SAF',\n 'TEN']",
            "expected each selector in one list, found 'TEN' in fail (line 6) too",
        ),
        ("waivers = 5", "gate.waivers: expected a list, found 5"),
        ("waivers = ['SAF002']", "gate.waivers[0]: expected a table, found 'SAF002'"),
        ("waivers = [{code = 'SAF002'}]", "gate.waivers[0]: expected the key 'reason'"),
        (
            "waivers = [{code = 'SAF002', reason = 'x'}]",
            "gate.waivers[0]: expected the key 'expires': the last day on which it holds",
        ),
        (
            "waivers = [{code = 'error', reason = 'x', expires = 2027-01-31}]",
            "gate.waivers[0].code: expected a code, a prefix of codes such as",
        ),
        (
            "waivers = [{code = 'SAF', reason = 'x', expires = '2027-01-31'}]",
            "gate.waivers[0].expires: expected a date such as 2027-01-31, without quotes",
        ),
        (
            "waivers = [{code = 'SAF', reason = 'x', expires = 2027-01-31T10:00:00}]",
            "gate.waivers[0].expires: expected a date such as 2027-01-31, found one with a time",
        ),
        ("baseline = 5", "gate.baseline: expected a text, found 5"),
    ],
)
def test_a_mistake_is_said_with_file_line_and_key(complaint, line, said):
    found = complaint(f"# one\n[gate]\n# three\n{line}\n")
    assert found.startswith("ckptscope.toml:4: gate.")
    assert said in found


def test_the_line_of_a_mistake_is_that_of_the_item(complaint):
    text = "[gate]\ncontainers = [\n  'torch zip',\n  # safer\n  'safetensor',\n]\n"
    assert complaint(text).startswith("ckptscope.toml:5: gate.containers[1]: ")


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (
            "jonts = 17",
            "gate.config.jonts: unknown setting of convnextpose; did you mean 'joints'?",
        ),
        ("joints = '17'", "gate.config.joints: expected a number, found a text"),
        ("dims = 48", "gate.config.dims: expected a list, found a number"),
        ("joints = nan", "gate.config.joints: expected a number within reason, found nan"),
        ("dims = []", "gate.config.dims: expected a list with something in it"),
        ("'a b' = 1", "gate.config.'a b': expected the name of a setting"),
    ],
)
def test_a_setting_must_be_one_of_the_family_and_of_its_kind(complaint, config, said):
    found = complaint(f"[gate]\nfamily = 'convnextpose'\n[gate.config]\n{config}\n")
    assert found.startswith(f"ckptscope.toml:4: {said}")


def test_an_unknown_family_names_those_that_there_are(complaint):
    found = complaint("[gate]\nfamily = 'convnextpos'\n")
    assert "no family 'convnextpos'; there are: convnextpose, " in found
    assert found.endswith("did you mean 'convnextpose'?")


def test_keys_outside_of_the_table_are_told_where_they_belong(complaint):
    said = complaint("family = 'x'\n")
    assert said == "ckptscope.toml:1: family: unknown key; all keys stand in the table [gate]"
    assert "gat: unknown key or table; did you mean 'gate'?" in complaint("[gat]\n")


def test_another_table_of_a_project_is_a_mistake(folder):
    (folder / "pyproject.toml").write_text("[tool.ckptscope.gates]\nvalues = true\n")
    with pytest.raises(
        PolicyError, match=r"pyproject\.toml:1: tool\.ckptscope\.gates: unknown table"
    ):
        load_policy()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"[gate]\nvalues true\n", "ckptscope.toml:2: expected TOML, found: "),
        (b"[gate]\nvalues = true\nvalues = false\n", "ckptscope.toml:3: expected TOML, found: "),
        (b"[gate]\nfail = [\n", "ckptscope.toml:3: expected TOML, found: "),
        (b"[gate]\nfamily = '\xff'\n", "ckptscope.toml:2: expected UTF-8"),
        (b"[gate]\nmax-size = " + b"9" * 5000, "ckptscope.toml:2: expected TOML, found: a number"),
        (b"gate = " + b"[" * 5000, "ckptscope.toml: expected a policy, found lists without end"),
        (b"\x00", "ckptscope.toml:1: expected TOML, found: "),
    ],
)
def test_what_is_no_toml_is_said_with_its_line(complaint, content, said):
    assert complaint(content).startswith(said)


def test_a_byte_order_mark_and_line_ends_of_windows_are_read_over(folder, complaint):
    lines = b"\xef\xbb\xbf[gate]\r\ndeep = true\r\nmax-size = 'x'\r\n"
    assert complaint(lines).startswith("ckptscope.toml:3: gate.max-size: ")
    (folder / "ckptscope.toml").write_bytes(lines.replace(b"'x'", b"'1K'"))
    assert load_policy().max_bytes == 1024


def test_a_folder_or_a_broken_link_under_the_name_is_an_error_and_not_the_default(folder):
    (folder / "ckptscope.toml").mkdir()
    with pytest.raises(PolicyError, match=r"ckptscope\.toml: cannot be read: Is a directory"):
        load_policy()
    (folder / "ckptscope.toml").rmdir()
    (folder / "ckptscope.toml").symlink_to("nowhere")
    with pytest.raises(PolicyError, match=r"ckptscope\.toml: cannot be read: No such file"):
        load_policy()


def test_a_file_of_any_size_is_refused_after_a_megabyte(folder):
    with open(folder / "ckptscope.toml", "wb") as file:
        file.truncate(100 << 20)
    with pytest.raises(PolicyError, match="expected a policy of at most 1,048,576 bytes"):
        load_policy()
    with pytest.raises(PolicyError, match="at most"):
        load_policy(folder / "/dev/zero")


def test_a_file_that_may_not_be_read_is_an_error(folder, monkeypatch):
    path = folder / "ckptscope.toml"
    path.write_text("[gate]\n")

    def refuse(*arguments, **options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(PolicyError, match="cannot be read: Permission denied"):
        load_policy()


def test_a_wrong_table_of_claims_is_its_own_error(folder):
    (folder / "gym.toml").write_text(TABLE.replace("final_channels", "fnal_channels"))
    (folder / "ckptscope.toml").write_text("[gate]\nspec = ['gym.toml']\nvariant = 'lite'\n")
    with pytest.raises(SpecError, match=r"gym\.toml: line 7"):
        load_policy()


def test_a_text_of_the_policy_is_quoted_and_cut(complaint):
    said = complaint(f'[gate]\nfamily = "a\\u001b[31m{"x" * 900}"\n')
    assert "\x1b" not in said
    assert len(said) < 400
