"""Paths, users, hosts and secrets among the texts of a checkpoint."""

import re

import pytest
from builders.headers import entry, safetensors
from builders.pickles import Raw, asm, call, global_, persistent, pickled
from builders.training_files import Storages, checkpoint, found_in, namespace, of_code
from builders.zips import Member, torch_members, zip_bytes

from ckptscope.checks.training import credentials, texts, traces
from ckptscope.checks.training.record import MOST_CHARACTERS, read_record
from ckptscope.facts.findings import Code, Finding, Severity
from ckptscope.facts.pickled import DictNode, PickleGraph
from ckptscope.facts.training import Text

#: Forms of keys, put together here so that no scanner takes this file for a leak.
LETTERS = "aB3dE6gH9jK2mN5pQ8sT1vW4yZ7bC0fG3hJ6kM9nP2"
SECRETS = {
    "hub": "hf_" + LETTERS[:34],
    "model": "sk-" + "proj-" + LETTERS,
    "code": "ghp_" + LETTERS[:36],
    "cloud": "AKIA" + "2M5Q7XZ4W3T6K9PB",
    "maps": "AIza" + LETTERS[:35],
    "chat": "xoxb-" + "1234567890-" + LETTERS[:24],
    "lab": "glpat-" + LETTERS[:20],
    "token": "eyJ" + LETTERS[:20] + ".eyJ" + LETTERS[:20] + "." + LETTERS[:30],
    "pem": "-----BEGIN " + "OPENSSH PRIVATE KEY-----\nb3BlbnNz\n",
}
TEXTS = (Code.PATH_RECORDED, Code.USER_RECORDED, Code.HOST_RECORDED, Code.CREDENTIAL_RECORDED)


def saved(**values: object) -> bytes:
    s = Storages()
    return checkpoint({"network": s.network(), "args": namespace(**values)}, s)


def judged(**values: object) -> list[Finding]:
    return [one for one in found_in(saved(**values)) if one.code in TEXTS]


def codes(**values: object) -> list[str]:
    return sorted(one.code.name for one in judged(**values) if one.severity != "info")


# Secrets


@pytest.mark.parametrize("name", SECRETS)
def test_the_form_of_a_key_is_enough(name: str) -> None:
    (found,) = judged(note=f"export KEY={SECRETS[name]}")
    assert found.code is Code.CREDENTIAL_RECORDED
    assert found.severity is Severity.ERROR
    assert found.where.key == "args/note"


@pytest.mark.parametrize("name", [name for name in SECRETS if name != "pem"])
def test_no_finding_repeats_a_secret(name: str) -> None:
    secret = SECRETS[name]
    values = {
        "a": secret,
        "b": f"/home/jdoe/{secret}/x",
        "c": f"s3://user:{secret}@bucket/{secret}",
        "d": f"https://{secret}:x1y2z3w4@host.internal/",
    }
    s = Storages()
    tree = {"network": s.network(), "args": namespace(**values), secret: {"path": "/mnt/d/x"}}
    told = repr(found_in(checkpoint(tree, s)))
    assert "TRN014" in told
    assert secret not in told
    for start in range(len(secret) - 8):
        assert secret[start : start + 8] not in told


def test_what_is_shown_of_a_secret_is_its_beginning_and_its_length() -> None:
    (found,) = judged(a=SECRETS["hub"])
    assert "'hf_a'..., 37 characters" in found.message


def test_of_a_short_password_next_to_nothing_is_shown() -> None:
    (found,) = judged(password="tiger7")
    assert "'t'..., 6 characters" in found.message
    assert "tiger" not in repr(found)


@pytest.mark.parametrize(
    "name", ["password", "db_passwd", "api_key", "OPENAI_API_KEY", "secret", "aws.access_key_id"]
)
def test_a_name_that_says_it_all_is_enough(name: str) -> None:
    assert codes(**{name: "hunter2rabbit"}) == ["CREDENTIAL_RECORDED"]


@pytest.mark.parametrize(
    "value",
    ["", "none", "********", "<redacted>", "${API_KEY}", "your-key-here", "/run/keys/api", "x y"],
)
def test_what_stands_for_a_secret_is_none(value: str) -> None:
    found = judged(api_key=value)
    assert [one for one in found if one.code is Code.CREDENTIAL_RECORDED] == []


@pytest.mark.parametrize(
    "values",
    [
        {"token": "<|endoftext|>"},
        {"pad_token": "[PAD]"},
        {"token": "tokenization_of_sentences"},
        {"sk": "sk-learn-contrib-estimators"},
        {"hf": "hf_hub_download"},
        {"key": "backbone.stages.0.0.dwconv.weight"},
        {"mod": "eyJust some words"},
        {"url": "https://github.com/medialab-ku/ConvNeXtPose"},
        {"time": "12:30@noon"},
        {"use_secret": True},
        {"secret_tokens": 7},
        {"source": "password = getpass.getpass()\napi_key = os.environ['API_KEY']\n"},
        {"source": "def login(self, password=None, secret=default_secret): pass"},
    ],
)
def test_what_only_resembles_a_secret_is_not_told(values: dict[str, object]) -> None:
    assert "CREDENTIAL_RECORDED" not in codes(**values)


def test_a_random_value_of_a_token_is_told_and_a_word_is_not() -> None:
    assert codes(token=LETTERS[:24]) == ["CREDENTIAL_RECORDED"]
    assert codes(token="separatorseparatorseparator") == []


def test_the_value_of_an_option_of_a_command_line_is_named_by_it() -> None:
    assert codes(argv=["train.py", "--wandb-token", LETTERS[:24]]) == ["CREDENTIAL_RECORDED"]
    assert codes(argv=["train.py", f"--api_key={LETTERS[:20]}"]) == ["CREDENTIAL_RECORDED"]


def test_one_secret_in_many_places_is_told_once_with_some_of_them() -> None:
    values = {f"copy_{index}": SECRETS["hub"] for index in range(9)}
    (found,) = judged(**values)
    assert found.evidence[0] == "at 'args/copy_0' in 'archive/data.pkl'"
    assert found.evidence[-1] == "and at 6 more places"


def test_a_password_in_an_address_is_told_without_it() -> None:
    found = judged(url="postgres://runs:tr0ub4dor@db.example.org/runs")
    assert [one.code for one in found] == [Code.CREDENTIAL_RECORDED]
    assert "tr0ub4dor" not in repr(found)


# Where texts stand


def test_a_secret_is_found_wherever_a_text_can_stand() -> None:
    secret = SECRETS["hub"]
    source = f"class Net:\n    key = '{secret}'\n"
    places: dict[str, object] = {
        "value": {"a": {"b": {"c": {"d": {"e": secret}}}}},
        "beyond what is shown of a list": {"long": ["x"] * 500 + [secret]},
        "key": {secret: 1},
        "set": call("builtins", "set", [secret]),
        "argument": call("mylab.runs", "Run", secret),
        "bytes": secret.encode(),
        "source of a class": persistent(("module", global_("net", "Net"), "net.py", source)),
        "a class by a class": Raw(asm(call("mylab", "make", secret), "EMPTY_TUPLE", "REDUCE")),
    }
    for what, node in places.items():
        s = Storages()
        found = of_code(checkpoint({"n": s.network(), "x": node}, s), Code.CREDENTIAL_RECORDED)
        assert len(found) == 1, what


def test_a_secret_in_the_header_of_safetensors_is_found_in_its_json() -> None:
    held = f'{{"run": {{"password": "{LETTERS[:12]}"}}}}'
    header = {"__metadata__": {"config": held}, "w": entry([1], 0, 4)}
    (found,) = of_code(safetensors(header, bytes(4)), Code.CREDENTIAL_RECORDED)
    assert found.where.key == "header/config/run/password"


def test_a_secret_in_the_code_of_torchscript_is_found_in_its_member() -> None:
    s = Storages()
    code = f"class Net(Module):\n  key = '{SECRETS['hub']}'\n"
    extra = (
        Member(name="archive/code/__torch__.py", data=code.encode()),
        Member(name="archive/constants.pkl", data=pickled(())),
    )
    members = [*torch_members({"w": s.floats((2,))}, s.held), *extra]
    (found,) = of_code(zip_bytes(members), Code.CREDENTIAL_RECORDED)
    assert found.where.member == "archive/code/__torch__.py"


def test_a_graph_that_holds_itself_is_walked_once() -> None:
    node = DictNode([("name", "x")])
    node.pairs.append(("self", node))
    graph = PickleGraph(root=node, member=None, protocol=2, imports=(), persistent=(), size_bytes=1)
    assert [one.text for one in read_record([graph, graph]).texts].count("x") == 1


def test_text_beyond_the_bound_is_counted_and_not_dropped() -> None:
    half = "x" * (MOST_CHARACTERS // 2)
    graph = PickleGraph(
        root=[half, half, half, "end"],
        member=None,
        protocol=2,
        imports=(),
        persistent=(),
        size_bytes=1,
    )
    record = read_record([graph])
    assert (record.searched, record.left_out) == (2 * len(half), len(half) + 3)


# Paths and users


@pytest.mark.parametrize(
    ("path", "root", "user"),
    [
        ("/home/jdoe/run/ckpt", "/home/jdoe", "jdoe"),
        ("/mnt/home/j.doe/x", "/mnt/home/j.doe", "j.doe"),
        ("/Users/jdoe/Desktop/a.pth", "/Users/jdoe", "jdoe"),
        ("C:\\Users\\J Doe\\runs", "C:\\Users\\J Doe", "J Doe"),
        ("D:/poses/h36m/images", "D:/poses/h36m", None),
        ("/data2/h36m/images", "/data2/h36m", None),
        ("/home/ubuntu/run", "/home/ubuntu", None),
        ("file:///scratch/p7/x", "/scratch/p7", None),
        ("PYTHONPATH=/work/pose:/mnt/a/b", "/work/pose", None),
    ],
)
def test_a_path_is_told_by_its_folder_and_a_home_by_its_user(
    path: str, root: str, user: str | None
) -> None:
    found = judged(note=path)
    (first, *_) = [one for one in found if one.code is Code.PATH_RECORDED]
    assert repr(root) in first.message
    named = [one.message for one in found if one.code is Code.USER_RECORDED]
    assert named == ([f"a user is named: {user!r}"] if user else [])


@pytest.mark.parametrize("path", ["/usr/lib/python3/x.py", "/tmp/run/x", "/opt/conda/lib/a"])
def test_folders_that_many_machines_have_are_information(path: str) -> None:
    (found,) = judged(note=path)
    assert found.severity is Severity.INFO


def test_the_value_of_a_path_may_begin_anywhere() -> None:
    assert codes(output_dir="/poses/run3/out") == ["PATH_RECORDED"]


@pytest.mark.parametrize(
    "text",
    [
        "weights/backbone/stage1.pth",
        "../runs/3",
        "https://example.org/data/coco/train.zip",
        "w/o augmentation, 3/4 of data",
        "</s> </html>",
        "/s/",
        "F/C=C/F",
        "print('a:\\n')",
        "text/html; image/png",
        "2024/01/15",
        "layer1/conv/kernel:0",
    ],
)
def test_what_is_no_absolute_path_is_not_told(text: str) -> None:
    assert judged(note=text) == []


def test_all_paths_below_one_folder_are_one_finding() -> None:
    found = judged(files=[f"/mnt/coco/train/{index}.jpg" for index in range(50)])
    assert [one.code for one in found] == [Code.PATH_RECORDED]
    assert found[0].evidence[-1] == "and 47 more"


@pytest.mark.parametrize(
    ("name", "value"), [("user", "jdoe"), ("USERNAME", "jdoe"), ("logname", "j")]
)
def test_a_user_is_known_by_the_name_of_the_value(name: str, value: str) -> None:
    assert codes(**{name: value}) == ["USER_RECORDED"]


@pytest.mark.parametrize("value", ["root", "ubuntu", "assistant", "", "$USER", "4f7"])
def test_a_user_that_is_nobody_is_not_told(value: str) -> None:
    assert codes(user=value) == []


# Hosts


@pytest.mark.parametrize(
    ("values", "host"),
    [
        ({"hostname": "gpu07"}, "gpu07"),
        ({"SLURM_JOB_NODELIST": "gpu[01-04]"}, "gpu[01-04]"),
        ({"host": "db.lab.example.org"}, "db.lab.example.org"),
        ({"dist_url": "tcp://10.1.2.3:23456"}, "tcp://10.1.2.3"),
        ({"url": "http://wandb.internal:8080/x"}, "http://wandb.internal"),
        ({"out": "s3://pose-team/runs/7"}, "s3://pose-team"),
        ({"out": "gs://pose-team/runs/7"}, "gs://pose-team"),
        ({"cmd": "scp jdoe@gpu07:/mnt/x ."}, "gpu07"),
        ({"out": "\\\\filer\\poses\\run"}, "filer"),
        ({"addr": "192.168.3.4:80"}, "192.168.3.4:80"),
    ],
)
def test_a_host_is_told(values: dict[str, object], host: str) -> None:
    (found, *_) = [one for one in judged(**values) if one.code is Code.HOST_RECORDED]
    assert repr(host) in found.message


@pytest.mark.parametrize(
    "values",
    [
        {"hostname": "localhost"},
        {"dist_url": "tcp://127.0.0.1:23456"},
        {"dist_url": "env://"},
        {"url": "https://example.org/x"},
        {"node": "relu_1"},
        {"host": "cpu"},
        {"version": "10.2.0.1"},
        {"hook": "git@github.com:medialab-ku/ConvNeXtPose.git"},
        {"out": "s3://{bucket}/x"},
        {"regex": "\\d+\\.\\w"},
    ],
)
def test_what_is_no_inner_host_is_not_told(values: dict[str, object]) -> None:
    assert "HOST_RECORDED" not in codes(**values)


# Bounds

_HOSTILE = [
    "/home/" * 200_000,
    "/home/a" * 150_000,
    "/" * 1_000_000,
    "C:\\aa" * 150_000,
    "\\\\aa" * 200_000,
    "eyJ" * 300_000,
    ".eyJaaaaaaaaaaaa" * 60_000,
    "=eyJ" + "a" * 1_000_000,
    "sk-" * 300_000,
    "sk-" + "a" * 1_000_000,
    "://a:" * 200_000,
    "s3://" * 200_000,
    "http://a" * 120_000,
    "http://" + "a." * 500_000,
    "a@" * 500_000,
    "a" * 1_000_000,
    "password=" * 100_000,
    "api_key = " * 100_000,
    "-----BEGIN " * 90_000,
    "_" * 1_000_000,
    "hf_" + LETTERS * 25_000,
]
#: Repeats without a bound.
_REPEATS = re.compile(r"(?<!\\)(?:\*|\+|\{\d*,\})")


def patterns() -> list[tuple[str, re.Pattern[str]]]:
    found = [
        (name, value)
        for room in (credentials, traces, texts)
        for name, value in vars(room).items()
        if isinstance(value, re.Pattern)
    ]
    return found + [(what, pattern) for what, _, pattern in credentials._FORMS]


@pytest.mark.parametrize(("name", "pattern"), patterns())
def test_every_repeat_of_a_pattern_is_bounded_or_the_pattern_is_applied_to_a_bounded_text(
    name: str, pattern: re.Pattern[str]
) -> None:
    """A search costs no more than the text times the widest bounded repeat."""
    bare = re.sub(r"\[(?:\\.|[^\]\\])*\]", "C", pattern.pattern)
    if name not in {"_RANDOM", "_IDENTIFIER", "_PLACEHOLDER"}:
        assert _REPEATS.search(bare) is None, bare


@pytest.mark.parametrize("text", _HOSTILE, ids=[one[:12] for one in _HOSTILE])
def test_a_megabyte_of_beginnings_is_searched_and_tells_few_things(text: str) -> None:
    """With a pattern that backtracks, this would not come to an end."""
    found = texts.check_texts([Text(text=text, name="output_dir", path="x")])
    assert len(found) < 200
    assert all(len(one.message) < 1000 for one in found)
