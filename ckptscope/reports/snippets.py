"""Code that loads a file → blocks.

Enters: the identified networks of a file. Leaves: for each the code that its family wrote, with
what the reader must check. The code stands in lines of its own, to be copied.
"""

from collections.abc import Iterator, Sequence

from ckptscope.facts.standing import Identified
from ckptscope.reports.blocks import Block, Listing, Name, Part, Words, field, line, section

#: Networks of one file whose code is shown.
_MOST_SHOWN = 8


def describe_snippets(identified: Sequence[Identified]) -> Iterator[Block]:
    """Show the code that loads each network; say so where a family has none."""
    for one in identified[:_MOST_SHOWN]:
        found = one.architecture
        what: list[Part] = [Words(" that loads "), _place(found.state_dict)]
        if not found.snippets:
            yield section("code", *what, Words(f": none is known for this {found.title}"))
        for snippet in found.snippets:
            yield section("code", *what, Words(f": {snippet.title}"))
            for index, caution in enumerate(snippet.cautions):
                yield field("" if index else "caution", caution)
            yield Listing(snippet.language, tuple(snippet.code.split("\n")))
    if len(identified) > _MOST_SHOWN:
        yield line(f"and code for {len(identified) - _MOST_SHOWN:,} more networks, in the JSON")


def _place(path: str) -> Part:
    return Name(path) if path else Words("it")
