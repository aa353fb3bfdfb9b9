"""The import contract covers the package as it is."""

import configparser
from pathlib import Path

ROOT = Path(__file__).parents[2]


def layers() -> list[set[str]]:
    """The layers of the contract, highest first."""
    contract = configparser.ConfigParser()
    contract.read(ROOT / ".importlinter", encoding="utf-8")
    lines = contract["importlinter:contract:layers"]["layers"].split("\n")
    return [set(line.replace(" ", "").split("|")) for line in lines if line.strip()]


def test_every_room_has_its_place_in_the_contract() -> None:
    package = ROOT / "ckptscope"
    rooms = {path.parent.name for path in package.glob("*/__init__.py")}
    rooms |= {path.stem for path in package.glob("*.py")} - {"__init__"}
    assert rooms == set().union(*layers())


def test_the_contract_lists_the_rooms_in_the_order_of_the_architecture_page() -> None:
    page = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    rows = [line.split("`")[1] for line in page.splitlines() if line.startswith("| `")]
    told = [row.removesuffix("/").removesuffix(".py") for row in rows]
    depth = {room: level for level, group in enumerate(layers()) for room in group}
    assert set(told) == set(depth) - {"__main__", "version"}
    levels = [depth[room] for room in told]
    assert levels == sorted(levels)
