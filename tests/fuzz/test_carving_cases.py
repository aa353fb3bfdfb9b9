"""Randomly damaged checkpoints without a pickle are never named wrongly and called certain.

`python -m tests.fuzz.carving --cases 500` runs more, and prints what came of each kind;
`python -m tests.fuzz.carving_files --cases 500` does the same for files.
"""

from collections import Counter

import pytest

from tests.fuzz.carved import make_case
from tests.fuzz.carving import LIKELY, NONE, OPEN, RIGHT, WRONG, outcome_of
from tests.fuzz.carving_files import NOTHING, examine

#: Cases of one test: so many that every part finds something to be certain of.
_EACH = 15
#: The same of files; every kind of container is among ten.
_FILES = 10


@pytest.mark.parametrize("first", range(0, 60, _EACH))
def test_nothing_is_certain_and_wrong(first: int) -> None:
    outcomes: Counter[str] = Counter()
    for number in range(first, first + _EACH):
        case = make_case(number)
        outcome, carving = outcome_of(case)
        assert outcome != WRONG, (number, carving.verdict)
        if case.kind == "unrelated":
            assert outcome == NONE, (number, carving.verdict)
        outcomes[outcome] += 1
    assert outcomes[RIGHT] > 0
    assert outcomes[RIGHT] + outcomes[LIKELY] + outcomes[OPEN] >= _EACH // 2


@pytest.mark.parametrize("first", range(0, 30, _FILES))
def test_nothing_that_is_said_of_a_damaged_file_is_false(first: int) -> None:
    outcomes: Counter[str] = Counter()
    for number in range(first, first + _FILES):
        found = examine(number)
        assert found.outcome != WRONG, (number, found.verdict)
        assert found.wrong == (), number
        if found.kind == "unrelated":
            assert found.outcome in (NONE, NOTHING), (number, found.verdict)
        outcomes[found.outcome] += 1
    assert outcomes[RIGHT] > 0
