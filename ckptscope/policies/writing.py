"""A checkpoint that is as it should be → a policy that asks the same of others.

Enters: what is known of the checkpoint. Leaves: TOML with a reason beside every line, which it
passes; or what no policy should excuse. Names of the file stand in it as TOML literals.
"""

import datetime
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import msgspec

from ckptscope.checks.catalogue import CATALOGUE
from ckptscope.checks.safety import check_imports
from ckptscope.facts.claims import ClaimSource
from ckptscope.facts.findings import Code, Finding, Severity
from ckptscope.facts.gate import CheckRun, CheckState
from ckptscope.facts.paper import PaperFile
from ckptscope.facts.sizes import round_up_size
from ckptscope.facts.standing import Identified
from ckptscope.facts.tensors import Manifest
from ckptscope.policies.fingerprints import file_name
from ckptscope.policies.loading import OWN_FILE, parse_policy
from ckptscope.policies.metadata import read_record
from ckptscope.policies.policy import DEFAULT_POLICY, FROM_NAME, Policy
from ckptscope.policies.requirements import check_requirements
from ckptscope.policies.ruling import rule

#: Of the example's size; files of one kind differ in their records.
_HEADROOM: Final = 1.25
#: Names of one list that are written; a person is to read them.
_MOST_NAMES: Final = 100
_MOST_RECORDS: Final = 12
_MOST_CHARACTERS: Final = 100
_CLASS: Final = re.compile(r"[^\W\d]\w*(?:\.[^\W\d]\w*)+")
_GLOB: Final = re.compile(r"([*?\[])")
#: No waiver expires on it; a written policy has none.
_ANY_DAY: Final = datetime.date.min


class Example(msgspec.Struct, frozen=True, kw_only=True):
    """A checkpoint that is as others should be.

    Attributes:
        path: Of its file.
        manifest: What it holds.
        identified: Its networks, as far as a family knows them.
        held: The file against the row of its label; None if no family knows its network.
        findings: Of all checks, without those of any policy.
        runs: Which checks were made.
        file_bytes: Size of the file on disk.
    """

    path: str
    manifest: Manifest
    identified: Sequence[Identified] = ()
    held: PaperFile | None = None
    findings: tuple[Finding, ...] = ()
    runs: Sequence[CheckRun] = ()
    file_bytes: int = 0


class Proposal(msgspec.Struct, frozen=True, kw_only=True):
    """A policy that was written.

    Attributes:
        text: The policy, as TOML.
        objections: Findings that keep the example from passing it: what is dangerous, damaged or
            mislabelled is no example, and no policy is written to excuse it.
    """

    text: str
    objections: tuple[Finding, ...] = ()


def propose_policy(example: Example) -> Proposal:
    """Write a policy that a good file passes, and that demands what the file shows."""
    lines = [
        f"# A policy for `ckptscope gate`, after {file_name(example.path)!r:.200}.",
        "# That file passes it.",
        "# Each file that is to be published must meet every line; take out what is not meant.",
        "# Beside them it must be safe to load, whole, and not contradicted by its name.",
        "",
        "[gate]",
        *_network(example),
        *_container(example),
        *_imports(example),
        *_records(example),
        *_readings(example),
        *_warnings(example),
        *_ENDING,
    ]
    text = "\n".join(lines) + "\n"
    return Proposal(text=text, objections=_objections(example, parse_policy(text, OWN_FILE)))


#: What may be asked for, and what the example cannot show.
_ENDING: Final = (
    "",
    "# A known finding that is to pass for a while; after the day it counts again.",
    "# [[gate.waivers]]",
    '# code = "TRN003"',
    '# reason = "the optimizer stays in until the run is over"',
    "# expires = 2027-01-31",
)


def _objections(example: Example, policy: Policy) -> tuple[Finding, ...]:
    """Return what keeps the example from passing its own policy."""
    trusting = check_imports(example.manifest.imports, allowed=policy.imports)
    findings = [one for one in example.findings if one.code is not Code.IMPORT_UNKNOWN]
    findings += [one for one in trusting if one.code is Code.IMPORT_UNKNOWN]
    demands = check_requirements(
        policy,
        example.manifest,
        example.identified,
        example.held,
        example.runs,
        file_bytes=example.file_bytes,
    )
    rulings = rule((*findings, *demands.findings), policy, path=example.path, today=_ANY_DAY)
    return tuple(one.finding for one in rulings if one.is_failing)


def _network(example: Example) -> Iterator[str]:
    held = example.held
    if held is None or not held.family:
        first = next((one.architecture for one in example.identified), None)
        if first is None:
            yield "# No family knows the network of the example, so none is asked for."
            return
        yield f"# {first.coverage:.1%} of the example's tensors are those of this family."
        yield f"family = {quoted(first.family)}"
        return
    yield f"# The network of the example is {held.title!r:.80}; another one is no such release."
    yield f"family = {quoted(held.family)}"
    standing, label = held.standing, held.label
    variant = standing.variant if standing is not None else None
    if variant is None or standing is None:
        yield "# It is no row of a table, or of several alike: no variant is asked for."
        return
    is_named = label is not None and label.made_by is ClaimSource.FILE_NAME
    if label is not None and is_named and (label.table, label.row) == (standing.spec, variant):
        yield f"# Its name says {variant!r:.40}, and its tensors are that row of {standing.spec}:"
        yield "# every file must be the row of its own name."
        yield f"variant = {quoted(FROM_NAME)}"
    else:
        yield f"# Its tensors are this row of {standing.spec}, whatever the file is called."
        yield f"variant = {quoted(variant)}"


def _container(example: Example) -> Iterator[str]:
    kinds = dict.fromkeys(example.manifest.containers)
    if kinds:
        yield "# Every layer of packing must be one of these."
        yield f"containers = {_list(kinds)}"
    if example.file_bytes > 0:
        most = round_up_size(int(example.file_bytes * _HEADROOM))
        yield f"# The example has {example.file_bytes:,} bytes; a quarter more is room enough."
        yield f"max-size = {quoted(most)}"


def _imports(example: Example) -> Iterator[str]:
    """Trust the classes that nobody knows: whoever calls the file good has them."""
    by_name = {f"{one.module}.{one.name}": one for one in example.manifest.imports}
    names = [
        name
        for name, one in by_name.items()
        if _CLASS.fullmatch(name)
        and {found.code for found in check_imports((one,))} == {Code.IMPORT_UNKNOWN}
    ]
    if names:
        yield "# Loading the example needs these classes, which are not torch's: whoever publishes"
        yield "# it vouches for them. Everything else that is unknown keeps a file from passing."
        yield f"allowed-imports = {_list(names[:_MOST_NAMES])}"


def _records(example: Example) -> Iterator[str]:
    record = read_record(example.manifest)
    found = [key for key, _ in example.manifest.metadata]
    found += [one.path for one in example.manifest.scalars if "/" not in one.path]
    names = [
        _GLOB.sub(r"[\1]", name)
        for name in dict.fromkeys(found)
        if name in record.paths and name.isprintable() and 0 < len(name.strip()) < _MOST_CHARACTERS
    ]
    if names:
        yield "# The example records these beside its weights; a name may hold `*`."
        yield f"require-metadata = {_list(names[:_MOST_RECORDS])}"


def _readings(example: Example) -> Iterator[str]:
    states = {one.name: one.state for one in example.runs}
    for key, name, gone_over, advice in (
        (
            "values",
            "values",
            "# All values of the example were gone over; so must be those of others.",
            "# To look for NaN, Inf and dead channels as well, which reads all of a file:",
        ),
        (
            "deep",
            "crc",
            "# All CRCs of the example were compared; so must be those of others.",
            "# To compare every member with its CRC as well, which reads all of a file:",
        ),
    ):
        if states.get(name) is CheckState.RAN:
            yield gone_over
            yield f"{key} = true"
        else:
            yield advice
            yield f"# {key} = true"


def _warnings(example: Example) -> Iterator[str]:
    """Let pass what only says that something could not be decided of the example."""
    rulings = rule(example.findings, DEFAULT_POLICY, path=example.path, today=_ANY_DAY)
    codes = sorted(
        {
            one.finding.code
            for one in rulings
            if one.is_failing
            and one.finding.code is not Code.IMPORT_UNKNOWN
            and (one.undecided or one.finding.severity is not Severity.ERROR)
        }
    )
    if not codes:
        return
    yield "# Of the example this could not be decided: it is told of every file, and no more."
    for code in codes:
        entry = CATALOGUE.get(code)
        yield f"# {code}: {entry.title if entry is not None else ''}".rstrip()
    yield f"warn = {_list(codes)}"


def _list(items: Iterable[str]) -> str:
    names = [quoted(str(one)) for one in items]
    line = f"[{', '.join(names)}]"
    # A long list stands one name a line, so that a change of one is a change of one line.
    return line if len(line) <= 80 else "[\n" + "".join(f"    {one},\n" for one in names) + "]"


def quoted(text: str) -> str:
    """Return a text as a string of TOML; half a surrogate pair, which it cannot hold, as `?`."""
    return '"' + "".join(map(_escaped, text)) + '"'


def _escaped(character: str) -> str:
    if character in '"\\':
        return f"\\{character}"
    if "\ud800" <= character <= "\udfff":
        return "?"
    if character.isprintable():
        return character
    code = ord(character)
    return f"\\u{code:04x}" if code < 1 << 16 else f"\\U{code:08x}"
