"""The page on writing a policy: its example loads, and what it says of the keys is so."""

import re
from pathlib import Path

import pytest

from ckptscope.errors import PolicyError
from ckptscope.policies.keys import KEYS, WAIVER_KEYS
from ckptscope.policies.loading import load_policy, parse_policy
from ckptscope.policies.policy import DEFAULT_POLICY, DEFAULT_SELECTION, Policy, Waiver

PAGE = (Path(__file__).parents[2] / "docs/writing-a-policy.md").read_text(encoding="utf-8")
EXAMPLE = re.search(
    r"<!-- example: start -->\n```toml\n(.*?)```\n<!-- example: end -->", PAGE, re.DOTALL
)[1]
ROWS = {
    cells[0].strip("` "): [cell.strip() for cell in cells[1:]]
    for line in PAGE.splitlines()
    if line.startswith("| `") and len(cells := line.strip("|").split(" | ")) == 4
}
#: A value of the wrong kind for each key, so that its row can be held against what is refused.
WRONG = {"text or number": "true", "true or false": "1", "text": "1", "date": '"2027-01-31"'}


def test_every_key_has_its_row_in_the_tables_and_no_other_has():
    assert set(ROWS) == {*KEYS, *WAIVER_KEYS}
    assert list(ROWS) == [*KEYS, *WAIVER_KEYS]


def test_every_key_stands_in_the_example_or_has_one_in_its_row():
    shown = set(re.findall(r"^([a-z-]+) = ", EXAMPLE, re.MULTILINE))
    assert {*KEYS, *WAIVER_KEYS} - shown == {"spec", "waivers"}
    assert '`["gym.toml"]`' in ROWS["spec"][2]
    assert "[[gate.waivers]]" in EXAMPLE


def test_the_example_is_a_sound_policy(tmp_path):
    path = tmp_path / "ckptscope.toml"
    path.write_text(EXAMPLE, encoding="utf-8")
    policy = load_policy(path)
    assert (policy.family, policy.variant) == ("convnextpose", "from-name")
    assert [one.code for one in policy.waivers] == ["TRN003", "VAL006"]
    for name, key in KEYS.items():
        is_shown = name not in ("spec", "deep")
        assert (getattr(policy, key.field) != getattr(DEFAULT_POLICY, key.field)) is is_shown


def test_the_example_stands_as_well_in_a_project():
    project = EXAMPLE.replace("[gate]", "[tool.ckptscope.gate]").replace(
        "[[gate.", "[[tool.ckptscope.gate."
    )
    assert parse_policy(project, "pyproject.toml").max_bytes == 120 << 20


@pytest.mark.parametrize("name", [*KEYS, *WAIVER_KEYS])
def test_the_type_that_the_page_gives_is_the_one_that_is_read(name):
    kind = ROWS[name][0]
    wrong = WRONG.get(kind, "1")
    if name in WAIVER_KEYS:
        needed = {"code": '"SAF"', "reason": '"x"', "expires": "2027-01-31", name: wrong}
        inner = ", ".join(f"{key} = {value}" for key, value in needed.items())
        text = f"[gate]\nwaivers = [{{ {inner} }}]\n"
    else:
        text = f"[gate]\n{name} = {wrong}\n"
    with pytest.raises(PolicyError, match=rf"ckptscope\.toml:2: gate\.(waivers\[0\]\.)?{name}: "):
        parse_policy(text, "ckptscope.toml")


def test_the_defaults_that_the_page_gives_are_those_of_an_empty_policy():
    empty = parse_policy("[gate]\n", "ckptscope.toml")
    for name, key in KEYS.items():
        if ROWS[name][1] in ("`false`",):
            assert getattr(empty, key.field) is False
        else:
            assert getattr(empty, key.field) in (None, (), {})
    for name, field in zip(WAIVER_KEYS, Waiver.__struct_fields__, strict=False):
        assert (ROWS[name][1] == "required") is (field in ("code", "reason", "expires"))
    assert ROWS["file"][1] == '`"*"`'
    assert Policy().source == DEFAULT_POLICY.source


def test_the_default_selectors_that_the_page_lists_are_the_default_ones():
    table = re.search(r"<!-- defaults: start -->\n(.*?)<!-- defaults: end -->", PAGE, re.DOTALL)[1]
    listed = {"fail": [], "warn": [], "ignore": []}
    for line in table.splitlines()[2:]:
        action, selectors, _ = [cell.strip() for cell in line.strip("|").split("|")]
        listed[action] += re.findall(r"`(\w+)`", selectors)
    assert {name: tuple(found) for name, found in listed.items()} == {
        name: getattr(DEFAULT_SELECTION, name) for name in listed
    }


def test_the_mistake_that_the_page_shows_is_said_like_that():
    (shown,) = re.findall(r"^(ckptscope\.toml:\d+: .*)$", PAGE, re.MULTILINE)
    with pytest.raises(PolicyError) as caught:
        parse_policy(EXAMPLE.replace('"120M"', '"huge"'), "ckptscope.toml")
    assert str(caught.value) == shown
