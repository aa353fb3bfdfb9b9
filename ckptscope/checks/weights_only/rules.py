"""What each version of torch accepts with weights_only, as data.

Enters: `data/torch.json`, which names the release and the file of torch behind every entry. Leaves:
`Rules`. A set of versions is a number: bit n stands for the n-th version of the list.
"""

import functools
from pathlib import Path
from typing import Final, Literal

import msgspec

_TABLE: Final = Path(__file__).parent / "data" / "torch.json"
RuleName = Literal[
    "default",
    "blocks_modules",
    "makes_objects",
    "builds_objects",
    "translates_always",
    "refuses_script",
    "refuses_tar",
    "checks_items",
]


class Named(msgspec.Struct, frozen=True, eq=False):
    """A class, function or value that some version has on its list.

    Attributes:
        name: Qualified, as torch's list spells it.
        kind: classes, functions or values; a value cannot be called.
        versions: Those that have it.
        makes: Type of what a call of it gives.
    """

    name: str
    kind: Literal["classes", "functions", "values"]
    versions: int
    makes: str


class _Version(msgspec.Struct, forbid_unknown_fields=True):
    torch: str
    source: str


class _Python2(msgspec.Struct, forbid_unknown_fields=True):
    modules: dict[str, str]
    names: dict[str, str]


class _Table(msgspec.Struct, forbid_unknown_fields=True):
    """The file, as it stands."""

    about: str
    sources: dict[str, str]
    versions: list[_Version]
    rules: dict[RuleName, str]
    blocked_modules: list[str]
    opcodes: list[str]
    names: dict[Literal["classes", "functions", "values"], dict[str, list[str]]]
    dropped: dict[str, str]
    makes: dict[str, str]
    once_imported: dict[str, str]
    python_2: _Python2


class Rules(msgspec.Struct, frozen=True, eq=False):
    """What the known versions accept.

    Attributes:
        versions: As their authors count them, the oldest first: 2.4, 2.5, ...
        sources: Where the entry of each comes from.
        everyone: All of them, as a set.
        names: Qualified name → what stands on some version's list.
        opcodes: Names of the opcodes that every version knows.
        blocked_modules: Modules nothing of which is ever accepted.
        once_imported: Qualified name → module that puts it on the list when it is imported.
        starts: Rule → the first version that has it.
        old_modules: Module of Python 2 → its name today.
        old_names: Qualified name of Python 2 → its name today.
    """

    versions: tuple[str, ...]
    sources: tuple[str, ...]
    everyone: int
    names: dict[str, Named]
    opcodes: frozenset[str]
    blocked_modules: frozenset[str]
    once_imported: dict[str, str]
    starts: dict[RuleName, str]
    old_modules: dict[str, str]
    old_names: dict[str, str]

    def since(self, rule: RuleName) -> int:
        """Return the versions that have a rule."""
        return self.everyone & ~self._before(self.starts[rule])

    def today(self, module: str, name: str) -> str:
        """Return the qualified name that a name of Python 2 has today, or the name itself."""
        old = f"{module}.{name}"
        return self.old_names.get(old) or f"{self.old_modules.get(module, module)}.{name}"

    def _before(self, version: str) -> int:
        return (1 << self.versions.index(version)) - 1


@functools.cache
def load_rules() -> Rules:
    """Read the table that comes along."""
    table = msgspec.json.decode(_TABLE.read_bytes(), type=_Table)
    order = [one.torch for one in table.versions]
    everyone = (1 << len(order)) - 1
    names = {}
    for kind, by_version in table.names.items():
        for first, listed in by_version.items():
            held = everyone & ~((1 << order.index(first)) - 1)
            for name in listed:
                dropped = table.dropped.get(name)
                versions = held & ((1 << order.index(dropped)) - 1) if dropped else held
                names[name] = Named(name, kind, versions, table.makes.get(name, name))
    return Rules(
        versions=tuple(order),
        sources=tuple(one.source for one in table.versions),
        everyone=everyone,
        names=names,
        opcodes=frozenset(table.opcodes),
        blocked_modules=frozenset(table.blocked_modules),
        once_imported=table.once_imported,
        starts=table.rules,
        old_modules=table.python_2.modules,
        old_names=table.python_2.names,
    )
