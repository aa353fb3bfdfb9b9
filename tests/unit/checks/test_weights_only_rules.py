"""The table of what each version of torch accepts: complete, in order, with its sources."""

import json
from pathlib import Path

import pytest

from ckptscope.checks.weights_only import rules as room
from ckptscope.checks.weights_only.handlers import HANDLED
from ckptscope.checks.weights_only.rules import load_rules

TABLE = json.loads((Path(room.__file__).parent / "data" / "torch.json").read_text())


def versions_with(name: str) -> list[str]:
    rules = load_rules()
    held = rules.names[name].versions
    return [one for index, one in enumerate(rules.versions) if held >> index & 1]


def test_the_versions_follow_each_other_without_a_gap():
    minors = [int(one.removeprefix("2.")) for one in load_rules().versions]
    assert minors == list(range(4, minors[-1] + 1))
    assert minors[-1] >= 13


def test_every_version_names_the_release_and_the_revision_its_entry_is_from():
    rules = load_rules()
    for version, source in zip(rules.versions, rules.sources, strict=True):
        release, revision = source.removeprefix("release ").split(", git ")
        assert release.startswith(f"{version}.")
        assert len(bytes.fromhex(revision)) == 20


def test_no_name_is_listed_twice():
    listed = [
        name for kinds in TABLE["names"].values() for names in kinds.values() for name in names
    ]
    assert len(listed) == len(set(listed))


def test_only_versions_that_are_listed_are_spoken_of():
    known = {one["torch"] for one in TABLE["versions"]}
    spoken = {*TABLE["rules"].values(), *TABLE["dropped"].values()}
    for kinds in TABLE["names"].values():
        spoken |= kinds.keys()
    assert spoken <= known


def test_every_function_says_what_it_makes():
    functions = {name for names in TABLE["names"]["functions"].values() for name in names}
    assert functions == TABLE["makes"].keys()


def test_the_machine_knows_exactly_the_opcodes_of_the_table():
    assert load_rules().opcodes == HANDLED


@pytest.mark.parametrize(
    ("name", "first", "last"),
    [
        ("collections.OrderedDict", "2.4", None),
        ("_codecs.encode", "2.5", None),
        ("builtins.set", "2.6", None),
        ("torch.uint16", "2.6", None),
        ("torch.uint3", "2.7", None),
        ("torch._utils._rebuild_nested_tensor", "2.4", "2.14"),
    ],
)
def test_a_name_is_held_from_the_version_that_brought_it_on(name, first, last):
    held = versions_with(name)
    assert held[0] == first
    assert held[-1] == (last or load_rules().versions[-1])


def test_names_of_python_2_are_those_of_today():
    rules = load_rules()
    assert rules.today("__builtin__", "set") == "builtins.set"
    assert rules.today("__builtin__", "long") == "builtins.int"
    assert rules.today("torch", "Size") == "torch.Size"
