"""Cases of `CON`: archives, streams, headers and shards with one field or byte changed."""

import json
import struct
from collections.abc import Sequence
from pathlib import Path

from builders.finding_cases.case import Case, Subject
from builders.finding_cases.distributed import Story, distributed
from builders.finding_cases.files import Write, a_file, a_folder, zipped
from builders.headers import entry, safetensors
from builders.pickles import tensor
from builders.streams import legacy_stream
from builders.zips import Member, changed, torch_members, zip_bytes
from ckptscope.facts.findings import Code

TREE = {"w": tensor("0", (2,))}
VALUES = struct.pack("<2f", 1, 2)
MEMBERS = torch_members(TREE, {"0": VALUES})
LEGACY = {"w": tensor("94", (2,), legacy=True)}
STORAGES = [("94", 2, VALUES)]
SOUND_STORY = Story()


def sharded(index: dict[str, str], shards: dict[str, Sequence[str]] | None = None) -> Write:
    """Write an index over two shards of safetensors; each name is a tensor of one element."""
    held = shards or {"1.safetensors": ["a"], "2.safetensors": ["b"]}
    files = {
        name: safetensors(
            {key: entry([1], 4 * n, 4 * n + 4) for n, key in enumerate(keys)}, bytes(4 * len(keys))
        )
        for name, keys in held.items()
    }
    document = json.dumps({"metadata": {}, "weight_map": index}).encode()
    return a_folder({"model.safetensors.index.json": document, **files})


def linked(folder: Path) -> Subject:
    """Write an unpacked torch zip in which one more storage is a link."""
    subject = unpacked(folder)
    (subject.path / "data" / "1").symlink_to(subject.path / "data" / "0")
    return subject


def unpacked(folder: Path) -> Subject:
    """Write the unpacked folder of a torch zip."""
    held = {str(one.name).removeprefix("archive/"): one.data for one in MEMBERS}
    return a_folder(held)(folder)


def distributed_as(story: Story = SOUND_STORY) -> Write:
    """Write a distributed checkpoint."""
    return a_folder(distributed(story))


def exported(*, pickled_values: bool) -> Write:
    """Write an exported program whose only weight is pickled or not."""
    meta = {
        "dtype": 7,
        "sizes": [{"as_int": 2}],
        "requires_grad": True,
        "device": {"type": "cpu", "index": None},
        "strides": [{"as_int": 1}],
        "storage_offset": {"as_int": 0},
        "layout": 7,
    }
    described = {
        "path_name": "weight_0",
        "is_param": True,
        "use_pickle": pickled_values,
        "tensor_meta": meta,
    }
    config = json.dumps({"config": {"w": described}}).encode()
    return zipped(
        [
            Member(name="m/archive_format", data=b"pt2"),
            Member(name="m/data/weights/weight_0", data=VALUES),
            Member(name="m/data/weights/model_weights_config.json", data=config),
            Member(name="m/byteorder", data=b"little"),
        ]
    )


def headers_of(member: Member) -> bytes:
    """Return a member with its own header, as it stands before any directory."""
    whole = zip_bytes([member])
    return whole[: whole.index(b"PK\x01\x02")]


SOUND = zipped(MEMBERS)
SOUND_STREAM = a_file(legacy_stream(LEGACY, STORAGES))
SOUND_SHARDS = sharded({"a": "1.safetensors", "b": "2.safetensors"})
NOTES = Member(name="archive/notes", data=b"x")
NO_CRCS = [changed([one], str(one.name), crc=0)[0] for one in MEMBERS]
ONE_NAME = json.dumps(entry([2], 0, 8)).encode()

CASES: dict[Code, Case] = {
    Code.MEMBER_CRC: Case(
        trips=zipped(changed(MEMBERS, "data/0", crc=1), deep=True),
        passes=zipped(MEMBERS, deep=True),
    ),
    Code.MEMBER_HEADER_DIFFERS: Case(
        trips=zipped(changed(MEMBERS, "data.pkl", local_name="archive/datX.pkl")), passes=SOUND
    ),
    Code.MEMBER_DUPLICATE: Case(
        trips=zipped([*MEMBERS, MEMBERS[0]]),
        passes=zipped([*MEMBERS, changed(MEMBERS[:1], "data.pkl", name="archive/data.txt")[0]]),
    ),
    Code.MEMBER_PATH_UNSAFE: Case(
        trips=zipped([*MEMBERS, Member(name="archive/../../notes", data=b"x")]),
        passes=zipped([*MEMBERS, Member(name="archive/..notes", data=b"x")]),
    ),
    Code.MEMBER_LINK: Case(trips=linked, passes=unpacked),
    Code.MEMBER_SIZE_FALSE: Case(
        trips=zipped(changed(MEMBERS, "data/0", deflate=True, size=1 << 30, local_size=1 << 30)),
        passes=zipped(changed(MEMBERS, "data/0", deflate=True)),
    ),
    Code.MEMBER_UNREADABLE: Case(
        trips=a_folder(
            {
                "model.safetensors.index.json": b'{"weight_map": {"a": "1.safetensors"}}',
                "1.safetensors": safetensors({"a": entry([1], 0, 4)}, b"123"),
            }
        ),
        passes=a_folder(
            {
                "model.safetensors.index.json": b'{"weight_map": {"a": "1.safetensors"}}',
                "1.safetensors": safetensors({"a": entry([1], 0, 4)}, b"1234"),
            }
        ),
    ),
    Code.MEMBERS_OVERLAP: Case(
        trips=zipped([*MEMBERS, Member(name="archive/twin", points_at=0, data=MEMBERS[0].data)]),
        passes=zipped([*MEMBERS, Member(name="archive/twin", data=MEMBERS[0].data)]),
    ),
    Code.ARCHIVE_PREFIXED: Case(trips=zipped(MEMBERS, prefix=b"#" * 100), passes=SOUND),
    Code.ARCHIVE_TRAILING: Case(trips=zipped(MEMBERS, trailing=b"#"), passes=SOUND),
    Code.ARCHIVE_ROOTS: Case(
        trips=zipped([*MEMBERS, *torch_members(TREE, {"0": VALUES}, root="other")]),
        passes=zipped([*MEMBERS, *torch_members(TREE, {"0": VALUES}, root="other")[1:]]),
    ),
    Code.ARCHIVE_COUNT: Case(trips=zipped(MEMBERS, count=len(MEMBERS) - 1), passes=SOUND),
    Code.ARCHIVE_TRUNCATED: Case(
        trips=a_file(legacy_stream(LEGACY, STORAGES)[:-1]), passes=SOUND_STREAM
    ),
    Code.ARCHIVES_IN_A_ROW: Case(trips=a_file(zip_bytes(MEMBERS) * 2), passes=SOUND),
    Code.CRC_UNRECORDED: Case(trips=zipped(NO_CRCS, deep=True), passes=zipped(MEMBERS, deep=True)),
    Code.READINGS_DIFFER: Case(
        trips=zipped(changed(MEMBERS, "data/0", gap=headers_of(NOTES))),
        passes=zipped([*MEMBERS, NOTES]),
    ),
    Code.STREAM_TRAILING: Case(
        trips=a_file(legacy_stream(LEGACY, STORAGES, trailing=b"#")), passes=SOUND_STREAM
    ),
    Code.STREAM_KEYS_DIFFER: Case(
        trips=a_file(legacy_stream(LEGACY, [*STORAGES, ("7", 1, b"1234")])), passes=SOUND_STREAM
    ),
    Code.HEADER_DUPLICATE_KEY: Case(
        trips=a_file(safetensors(b'{"w":%s,"w":%s}' % (ONE_NAME, ONE_NAME), VALUES)),
        passes=a_file(safetensors(b'{"w":%s}' % ONE_NAME, VALUES)),
    ),
    Code.BYTEORDER_UNKNOWN: Case(
        trips=zipped(torch_members(TREE, {"0": VALUES}, byteorder="middle")),
        passes=zipped(torch_members(TREE, {"0": VALUES}, byteorder="big")),
    ),
    Code.NOT_READ: Case(trips=zipped(changed(MEMBERS, "data/0", gap=b"#" * 33)), passes=SOUND),
    Code.SHARD_MISSING: Case(
        trips=sharded({"a": "1.safetensors", "b": "3.safetensors"}), passes=SOUND_SHARDS
    ),
    Code.SHARD_PATH_UNSAFE: Case(
        trips=sharded({"a": "1.safetensors", "b": "../2.safetensors"}), passes=SOUND_SHARDS
    ),
    Code.SHARD_DISAGREES: Case(
        trips=sharded({"a": "1.safetensors", "b": "2.safetensors", "c": "2.safetensors"}),
        passes=SOUND_SHARDS,
    ),
    Code.CHUNK_DISAGREES: Case(trips=distributed_as(Story(held=(3, 2))), passes=distributed_as()),
    Code.CHUNKS_INCOMPLETE: Case(
        trips=distributed_as(Story(whole=(4, 3))), passes=distributed_as()
    ),
    Code.DESCRIPTION_ODD: Case(
        trips=exported(pickled_values=True), passes=exported(pickled_values=False)
    ),
}
