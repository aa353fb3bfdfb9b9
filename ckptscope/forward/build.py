"""A configuration → a network, of any family that has a module here.

Enters: a family, a configuration, the dialect of a file. Leaves: a `Network` without weights, and
the tables of keys that may fill it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import torch

from ckptscope.errors import UsageError
from ckptscope.facts.expected import ExpectedTensor
from ckptscope.families.base import Configuration
from ckptscope.families.registry import AnyFamily
from ckptscope.forward.network import Network, UpsamplingNetwork

Table = Sequence[ExpectedTensor]


@dataclass(frozen=True, kw_only=True)
class Blueprint:
    """How networks of one family are built.

    Attributes:
        build: Given a configuration and a dialect.
        tables: Keys in every dialect in the order of the network's state_dict; None where the
            family lists all dialects in that order.
    """

    build: Callable[[Any, str], Network]
    tables: Callable[[Any], Sequence[Table]] | None = None


def _convnextpose() -> Blueprint:
    from ckptscope.forward import convnextpose

    return Blueprint(build=lambda configuration, _: convnextpose.build(configuration))


def _convnext() -> Blueprint:
    from ckptscope.forward import convnext

    return Blueprint(build=convnext.build, tables=convnext.key_tables)


def _posenet() -> Blueprint:
    from ckptscope.forward import posenet

    return Blueprint(build=lambda configuration, _: posenet.build(configuration))


def _rootnet() -> Blueprint:
    from ckptscope.forward import rootnet

    return Blueprint(build=lambda configuration, _: rootnet.build(configuration))


def _resnet() -> Blueprint:
    from ckptscope.forward import resnet

    return Blueprint(build=lambda configuration, _: resnet.build(configuration))


#: By the family's name; the module of a family is imported where its network is built.
BLUEPRINTS: Final[dict[str, Callable[[], Blueprint]]] = {
    "convnextpose": _convnextpose,
    "convnext": _convnext,
    "posenet": _posenet,
    "rootnet": _rootnet,
    "resnet": _resnet,
}


def build_network(family: AnyFamily, configuration: Configuration, dialect: str) -> Network:
    """Build a network on the meta device: shapes, and no memory for weights.

    Raises:
        UsageError: This room has no network of the family, or not with this upsampling.
    """
    blueprint = _blueprint(family)
    with torch.device("meta"):
        network = blueprint.build(configuration, dialect).eval()
    pattern = getattr(configuration, "upsampling", None)
    if isinstance(network, UpsamplingNetwork) and pattern and not network.can_run(pattern):
        raise UsageError(
            "expected every layer of the head with an even kernel to double the plane, which it "
            "cannot keep; found upsampling that says otherwise"
        )
    return network


def key_tables(family: AnyFamily, configuration: Configuration, dialect: str) -> list[Table]:
    """Return the keys in every dialect, the file's own first, in the order of the network.

    Raises:
        UsageError: This room has no network of the family.
    """
    listed = _blueprint(family).tables
    if listed is not None:
        tables = list(listed(configuration))
    else:
        tables = [family.keys(configuration, each) for each in family.dialects]
    own = {tensor.key for tensor in family.keys(configuration, dialect)}
    return sorted(tables, key=lambda table: sum(row.key not in own for row in table))


def _blueprint(family: AnyFamily) -> Blueprint:
    found = BLUEPRINTS.get(family.name)
    if found is None:
        raise UsageError(
            f"no network is built of the family {family.name!r}; those that are: "
            f"{', '.join(BLUEPRINTS)}"
        )
    return found()
