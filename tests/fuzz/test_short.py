"""A bounded part of the fuzzing, the same cases at every run."""

import pytest

from ckptscope.containers import Contents, read_file
from ckptscope.facts.limits import DEFAULT_LIMITS
from ckptscope.pipeline import manifest_of
from ckptscope.sources import MemorySource
from tests.fuzz.harness import run_kind
from tests.fuzz.seeds import seeds


@pytest.mark.parametrize("kind", list(seeds()))
def test_every_seed_is_read_without_an_error(kind):
    outcomes = list(read_file(MemorySource(seeds()[kind].packed()), DEFAULT_LIMITS))
    manifests = [
        manifest_of(one, DEFAULT_LIMITS).manifest for one in outcomes if isinstance(one, Contents)
    ]
    assert manifests
    assert not [f for m in manifests for f in m.findings if f.severity == "error"]
    assert any(m.state_dicts or m.arrays or m.scalars for m in manifests)


@pytest.mark.parametrize("kind", ["machine", "network", *seeds()])
def test_random_damage_never_escapes_the_error_tree(kind):
    tally = run_kind(kind, first=10_000_000, count=400)
    assert tally.escapes == []
    assert tally.refused > 0
