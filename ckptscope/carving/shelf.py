"""The storages that are left, as alignment needs them.

Enters: survivors. Leaves: a `Shelf`: sizes by number, numbers by size, and how much a size tells.
"""

import math
from collections import Counter
from collections.abc import Sequence

from ckptscope.facts.carving import Survivor


class Shelf:
    """Sizes of whole storages by their place in the order of saving.

    Attributes:
        is_numbered: Whether the places are those of the container; else they are counted.
        present: Size by number.
        keys: Key by number.
        numbers: Numbers by size, in order.
        counts: How often each size occurs.
        end: Number behind the last.
    """

    def __init__(self, survivors: Sequence[Survivor]) -> None:
        whole = [one for one in survivors if one.is_whole]
        numbers = [one.number for one in whole]
        # A number that occurs twice is no place.
        self.is_numbered = None not in numbers and len(set(numbers)) == len(numbers)
        self.present: dict[int, int] = {}
        self.keys: dict[int, str] = {}
        for place, one in enumerate(whole):
            number = one.number if self.is_numbered and one.number is not None else place
            self.present[number] = one.size_bytes
            self.keys[number] = one.key
        self.present = dict(sorted(self.present.items()))
        self.numbers: dict[int, list[int]] = {}
        for number, size in self.present.items():
            self.numbers.setdefault(size, []).append(number)
        self.counts = Counter(self.present.values())
        self.end = max(self.present, default=-1) + 1
        total = len(self.present)
        self._bits = {size: math.log2(total / count) for size, count in self.counts.items()}

    def __len__(self) -> int:
        return len(self.present)

    def bits(self, size: int) -> float:
        """Information in meeting a size where it was expected.

        A storage of this file has the size by chance as often as the file's storages have it; so a
        run of equal sizes says nothing.
        """
        return self._bits.get(size, 0.0)
