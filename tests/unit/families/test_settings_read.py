"""Settings read one by one, of which none is required."""

import pytest
from builders.convnextpose import SMALL

from ckptscope.errors import UsageError
from ckptscope.families.settings import read_some

KIND = type(SMALL)


def test_values_come_back_in_the_types_of_the_fields() -> None:
    given = {"dims": (1, 2), "joints": 17, "norm": "LayerNorm", "grn": True}
    assert read_some(KIND, given, family="x") == given
    assert read_some(KIND, {}, family="x") == {}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"nose": 1}, "x has no setting 'nose'; it has: dims, depths"),
        ({"joints": "17"}, "x: 'joints': expected `int`, got `str`"),
        ({"joints": -3}, "expected 'joints' between 1 and 1,000,000, found -3"),
        ({"dims": (1, 0)}, "expected 'dims' between 1 and 1,000,000, found 0"),
        ({"upsampling": (1, 0)}, "found 0"),
        ({"grn": 1}, "x: 'grn': expected `bool`, got `int`"),
    ],
)
def test_what_does_not_fit_names_the_setting(given: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_some(KIND, given, family="x")
    assert words in str(caught.value)
