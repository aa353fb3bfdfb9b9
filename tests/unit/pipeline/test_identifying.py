"""Networks of a checkpoint: which state_dicts are asked about, what families and tables answer."""

import subprocess
import sys

import msgspec
import pytest
from builders.architectures import architecture, fact, ranking, snippet
from builders.pickles import pickled
from builders.reading import manifest
from builders.state_dicts import state_dict_of

from ckptscope.errors import ContainerFormatError, UsageError
from ckptscope.facts.claims import Rule
from ckptscope.facts.tables import SpecRow, SpecTable
from ckptscope.facts.tensors import Manifest, Role, StateDict
from ckptscope.families import probe, registry
from ckptscope.families.base import NOTHING_GIVEN, BrokenFamilyError, Family, Match
from ckptscope.pipeline.identifying import Knowledge, identify


class Ring(Family):
    """A family of one layer, which remembers what it was asked."""

    name = "ring"
    title = "Ring"
    source = "this test"
    anchors = ("ring.weight",)
    dialects = ("plain",)

    def __init__(self) -> None:
        self.given = []

    def matches(self, view):
        return Match(explained=frozenset({"ring.weight"}) if "ring.weight" in view else frozenset())

    def infer(self, view, given=NOTHING_GIVEN):
        self.given.append(given)
        if set(given.stated) - {"width"}:
            raise UsageError(f"ring has no setting {sorted(given.stated)[0]!r}")
        width = given.stated.get("width", view.shape("ring.weight")[0])
        said = "; ".join(claim.subject for claim in given.claims)
        return architecture(
            family="ring",
            title="Ring",
            state_dict=view.state_dict.path,
            prefix=view.prefix,
            facts=(fact("width", width), fact("said", said)),
            rankings=() if width == 1 else (ranking(),),
            counts=None,
        )

    def snippets(self, architecture):
        return (snippet(code=f"Ring({architecture.fact('width').value})"),)

    def value_facts(self, view, architecture, nonzero):
        return (fact("nonzero", nonzero(view.tensors["ring.weight"])),)

    configure = keys = count = attributes = None


TABLE = SpecTable(
    name="rings",
    family="ring",
    title="Rings",
    source="this test",
    rules=(Rule(attribute="width", fact="width"),),
    rows=(
        SpecRow(name="Wide", labels=("wide",), claims={"width": 8}),
        SpecRow(name="Thin", labels=("thin",), claims={"width": 2}),
    ),
)


@pytest.fixture
def ring(monkeypatch: pytest.MonkeyPatch) -> Ring:
    """The only family that there is."""
    family = Ring()
    only(monkeypatch, family)
    return family


def only(monkeypatch: pytest.MonkeyPatch, *families: Ring) -> None:
    """Let there be these families and no others."""
    by_name = {family.name: family for family in families}
    monkeypatch.setattr(probe, "KNOWN_NAMES", tuple(by_name))
    monkeypatch.setattr(probe, "known_anchors", lambda name: by_name[name].anchors)
    monkeypatch.setattr(probe, "known_family", by_name.__getitem__)
    nothing = registry.Offers(families=(), problems=())
    monkeypatch.setattr(probe, "offered_families", lambda: nothing)
    monkeypatch.setattr(registry, "find_family", by_name.__getitem__)


Ring.__abstractmethods__ = frozenset()


def network(width: int = 8, **options: object) -> StateDict:
    return state_dict_of({"ring.weight": (width, 1)}, **options)


def holding(*state_dicts: StateDict) -> Manifest:
    return msgspec.structs.replace(manifest(pickled({})), state_dicts=state_dicts)


def test_every_network_is_identified_in_the_order_of_the_file(ring: Ring) -> None:
    made = holding(network(8, path="a"), network(2, path="b"))
    found = identify(made, Knowledge(tables=(TABLE,)))
    assert [one.architecture.state_dict for one in found] == ["a", "b"]
    assert [one.standing.variant for one in found] == ["Wide", "Thin"]


def test_an_averaged_copy_needs_no_second_verdict_whatever_wraps_it(ring: Ring) -> None:
    copy = network(path="ema", prefix="module.", role=Role.EMA)
    (found,) = identify(holding(network(path="network"), copy))
    assert found.architecture.state_dict == "network"
    assert found.copies == ("ema",)
    assert len(ring.given) == 1


def test_an_averaged_copy_of_another_structure_is_a_network_of_its_own(ring: Ring) -> None:
    copy = network(4, path="ema", role=Role.EMA)
    found = identify(holding(network(path="network"), copy))
    assert [one.architecture.state_dict for one in found] == ["network", "ema"]
    assert [one.copies for one in found] == [(), ()]


def test_optimizers_and_loose_tensors_are_not_asked_about(ring: Ring) -> None:
    made = holding(network(role=Role.OPTIMIZER), network(role=Role.OTHER))
    assert identify(made) == ()
    assert ring.given == []


def test_no_known_family_is_an_answer(ring: Ring) -> None:
    assert identify(holding(state_dict_of({"other.weight": (3,)}))) == ()


def test_state_dicts_without_end_are_not_all_asked_about(ring: Ring) -> None:
    many = [network(index + 1, path=f"n{index}") for index in range(200)]
    assert len(identify(holding(*many))) == 64


def test_a_stated_setting_reaches_the_family(ring: Ring) -> None:
    (found,) = identify(holding(network()), Knowledge(stated={"width": 5}))
    assert found.architecture.fact("width").value == 5


def test_a_stated_setting_that_is_unknown_is_a_wrong_request(ring: Ring) -> None:
    with pytest.raises(UsageError, match="ring has no setting 'joints'"):
        identify(holding(network()), Knowledge(stated={"joints": 5}))


def test_the_row_that_a_name_means_is_a_claim_for_the_ranking(ring: Ring) -> None:
    knowledge = Knowledge(stated={"width": 5}, tables=(TABLE,))
    (found,) = identify(holding(network()), knowledge, names=("ring-thin.pth",))
    assert found.architecture.fact("said").value == "Thin"
    assert found.architecture.fact("width").value == 5
    assert [len(given.claims) for given in ring.given] == [1]


def test_the_first_name_that_means_a_row_counts(ring: Ring) -> None:
    names = ("snapshot_83.pth", "ring-wide.pth", "ring-thin.zip")
    (found,) = identify(holding(network()), Knowledge(tables=(TABLE,)), names=names)
    assert found.architecture.fact("said").value == "Wide"


def test_a_name_never_makes_a_network_a_row(ring: Ring) -> None:
    knowledge = Knowledge(tables=(TABLE,))
    (found,) = identify(holding(network(8)), knowledge, names=("ring-thin.pth",))
    assert found.standing.variant == "Wide"


def test_a_family_without_a_table_has_no_standing(ring: Ring) -> None:
    (found,) = identify(holding(network()))
    assert found.standing is None


def test_code_is_written_only_where_it_is_wanted(ring: Ring) -> None:
    (without,) = identify(holding(network()))
    (found,) = identify(holding(network()), Knowledge(snippets=True))
    assert without.architecture.snippets == ()
    assert found.architecture.snippets[0].code == "Ring(8)"


def test_facts_about_values_are_added_where_weights_may_be_read(ring: Ring) -> None:
    (without,) = identify(holding(network()))
    assert without.architecture.fact("nonzero") is None
    (found,) = identify(holding(network()), nonzero=lambda tensor: tensor.elements - 1)
    assert found.architecture.fact("nonzero").value == 7
    assert found.unread == ""


def test_weights_that_cannot_be_read_are_said_and_the_rest_is_kept(ring: Ring) -> None:
    def nonzero(tensor: object) -> int:
        raise ContainerFormatError("storage '3' is missing")

    (found,) = identify(holding(network()), nonzero=nonzero)
    assert found.unread == "storage '3' is missing"
    assert found.architecture.fact("width").value == 8


def test_two_networks_in_one_state_dict_are_told_apart(ring: Ring) -> None:
    both = state_dict_of({"a.ring.weight": (8, 1), "b.ring.weight": (2, 1)})
    found = identify(holding(both), Knowledge(tables=(TABLE,)), nonzero=lambda one: one.shape[0])
    assert [one.architecture.prefix for one in found] == ["a.", "b."]
    assert [one.architecture.fact("nonzero").value for one in found] == [8, 2]


def test_without_a_network_no_family_is_imported() -> None:
    program = (
        "import sys\n"
        "from ckptscope.pipeline.identifying import identify\n"
        "from types import SimpleNamespace\n"
        "identify(SimpleNamespace(state_dicts=()))\n"
        "sys.stderr.write(' '.join(sys.modules))"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    loaded = run.stderr.split()
    assert "ckptscope.facts.standing" in loaded
    assert not any(name.startswith(("ckptscope.families", "ckptscope.specs")) for name in loaded)
    assert "tomllib" not in loaded


def test_a_broken_family_hides_no_network_that_others_know(
    ring: Ring, monkeypatch: pytest.MonkeyPatch
) -> None:
    offers = registry.Offers(families=(), problems=("the family 'x:Y' cannot be loaded",))
    monkeypatch.setattr(probe, "offered_families", lambda: offers)
    foreign = state_dict_of({"other.weight": (3, 3)}, path="b")
    (found,) = identify(holding(network(path="a"), foreign))
    assert found.architecture.state_dict == "a"
    assert found.architecture.misfits == ("the family 'x:Y' cannot be loaded",)
    with pytest.raises(BrokenFamilyError, match="x:Y"):
        identify(holding(foreign))
