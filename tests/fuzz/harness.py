"""The invariant: right, or an ArtifactError, within limits; nothing else.

Enters: a kind, a number of cases, a first seed. Leaves: a `Tally`. Case `n` of a kind is the same on
every machine, so a find is told by two words: its kind and its number.
"""

import functools
import random
import resource
import struct
import time
from dataclasses import dataclass, field

import msgspec

from ckptscope.containers import Contents, read_file
from ckptscope.containers.salvage import salvage_source
from ckptscope.errors import ArtifactError
from ckptscope.facts.limits import DEFAULT_LIMITS
from ckptscope.facts.report import FileReport, InspectReport
from ckptscope.facts.tensors import Manifest, StateDict
from ckptscope.pickles import trace_pickle
from ckptscope.pipeline import manifest_of
from ckptscope.pipeline.identifying import identify
from ckptscope.reports.json import render_json
from ckptscope.reports.text import render_text
from ckptscope.reports.wanted import Wanted
from ckptscope.sources import MemorySource
from tests.fuzz.networks import make_network
from tests.fuzz.seeds import Seed, machine_seeds, seeds

#: Numbers at which sizes, counts and offsets go wrong.
_INTERESTING = (0, 1, 2, 7, 8, 63, 64, 127, 128, 255, 256, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF)
_OPCODES = bytes(range(0x28, 0x7E)) + bytes(range(0x80, 0x99))
#: One case in so many is also rendered for people.
_RENDERED = 16


@dataclass
class Tally:
    """What a run saw."""

    cases: int = 0
    read: int = 0
    refused: int = 0
    slowest_seconds: float = 0.0
    slowest_case: int = -1
    escapes: list[tuple[int, str]] = field(default_factory=list)

    @property
    def peak_mib(self) -> float:
        """Peak memory of the process so far."""
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def run_kind(kind: str, first: int, count: int) -> Tally:
    """Run cases of one container kind; `machine` is the pickle machine alone."""
    tally = Tally()
    known = seeds()
    pickles = machine_seeds()
    for number in range(first, first + count):
        started = time.perf_counter()
        try:
            if kind == "machine":
                ok = run_machine(make_pickle(pickles, number))
            elif kind == "network":
                ok = run_network(make_network(number))
            else:
                ok = run_file(make_file(known[kind], number), rendered=not number % _RENDERED)
        except Exception as error:  # whatever escapes is the find
            tally.escapes.append((number, f"{type(error).__name__}: {error}"))
            ok = False
        tally.cases += 1
        tally.read += ok
        tally.refused += not ok
        elapsed = time.perf_counter() - started
        if elapsed > tally.slowest_seconds:
            tally.slowest_seconds, tally.slowest_case = elapsed, number
    return tally


def run_file(data: bytes, *, rendered: bool) -> bool:
    """Read a file as `inspect` does; return whether it gave a checkpoint."""
    reports = []
    salvage_left(data)
    try:
        for outcome in read_file(MemorySource(data), DEFAULT_LIMITS):
            if isinstance(outcome, Contents):
                manifest = manifest_of(outcome, DEFAULT_LIMITS).manifest
                found = identify(manifest)
                reports.append(FileReport(path="case", manifest=manifest, identified=found))
    except ArtifactError:
        return False
    report = InspectReport(files=tuple(reports))
    render_json(report)
    if rendered:
        render_text(report, width=80, color=False, wanted=Wanted(tensors=True, evidence=True))
    return bool(reports)


def salvage_left(data: bytes) -> None:
    """Take up what is left of a damaged file, and read all of it."""
    try:
        found = salvage_source(MemorySource(data), DEFAULT_LIMITS.metered(len(data)))
        for one in found.survivors if found is not None else ():
            held = found.open_storage(one.key)
            assert held.size == one.size_bytes
    except ArtifactError:
        return


def run_machine(data: bytes) -> bool:
    """Trace a pickle; return whether it was one."""
    try:
        trace_pickle(MemorySource(data), limits=DEFAULT_LIMITS)
    except ArtifactError:
        return False
    return True


def run_network(state_dict: StateDict) -> bool:
    """Say which networks a state_dict holds, in text and JSON; return whether any."""
    manifest = msgspec.structs.replace(_empty_manifest(), state_dicts=(state_dict,))
    identified = identify(manifest)
    file = FileReport(path="case", manifest=manifest, identified=identified)
    report = InspectReport(files=(file,))
    render_json(report)
    render_text(report, width=80, color=False, wanted=Wanted(evidence=True))
    return bool(identified)


@functools.cache
def _empty_manifest() -> Manifest:
    """Return the manifest of a file without tensors."""
    source = MemorySource(b"\x02" + bytes(7) + b"{}")
    (outcome,) = read_file(source, DEFAULT_LIMITS)
    assert isinstance(outcome, Contents)
    return manifest_of(outcome, DEFAULT_LIMITS).manifest


def make_file(seed: Seed, number: int) -> bytes:
    """Return case `number`: damage to the packed bytes, or to a member before packing."""
    chance = random.Random(number)
    if chance.random() < 0.5 or len(seed.members) == 1:
        return damage(seed.packed(), chance)
    members = dict(seed.members)
    name = chance.choice(list(members))
    act = chance.random()
    if act < 0.8:
        members[name] = damage(members[name], chance)
    elif act < 0.9:
        del members[name]
    else:
        other = chance.choice(list(members))
        members[name], members[other] = members[other], members[name]
    return seed.pack(members)


def make_pickle(known: list[bytes], number: int) -> bytes:
    """Return case `number`: a damaged pickle, or opcodes at random."""
    chance = random.Random(number)
    if chance.random() < 0.6:
        return damage(chance.choice(known), chance)
    opcodes = bytes(chance.choice(_OPCODES) for _ in range(chance.randrange(1, 60)))
    return b"\x80\x04" + opcodes + b"."


def damage(data: bytes, chance: random.Random) -> bytes:
    """Change, cut, insert, repeat or overwrite, once to five times."""
    changed = bytearray(data)
    for _ in range(chance.randrange(1, 6)):
        if not changed:
            break
        place = chance.randrange(len(changed))
        act = chance.randrange(7)
        if act == 0:
            changed[place] = chance.randrange(256)
        elif act == 1:
            changed[place] ^= 1 << chance.randrange(8)
        elif act == 2:
            del changed[place : place + chance.randrange(1, 64)]
        elif act == 3:
            changed[place:place] = bytes(
                chance.randrange(256) for _ in range(chance.randrange(1, 9))
            )
        elif act == 4:
            layout = chance.choice(("<I", "<Q", ">I", "<H"))
            number = chance.choice(_INTERESTING) % (1 << (8 * struct.calcsize(layout)))
            changed[place : place + struct.calcsize(layout)] = struct.pack(layout, number)
        elif act == 5:
            end = place + chance.randrange(1, 200)
            target = chance.randrange(len(changed))
            changed[target:target] = changed[place:end]
        elif chance.random() < 0.3:
            del changed[place:]
    return bytes(changed)
