"""torch.export archives (`.pt2`): raw weights that a JSON describes.

Enters: members below a root with `archive_format`. Leaves: `Contents` with a table of weights and
one of constants. Pickled members (sample inputs, pickled weights) are traced for their imports.
The layout of 2024 (`serialized_exported_program.json`) holds whole torch zips, which the reading of
wrappers finds by itself.

Source: `torch/export/pt2_archive/_package.py`, `torch/_export/serde/schema.py`.
"""

from ckptscope.containers.contents import Contents, TensorTable, finding
from ckptscope.containers.described import as_layout, as_mapping, as_number
from ckptscope.containers.further_pickles import FurtherPickles
from ckptscope.containers.json_text import read_json
from ckptscope.containers.marks import EXPORT_FORMAT, EXPORT_MEMBER
from ckptscope.containers.member_storages import MemberStorages
from ckptscope.containers.members import MemberTable
from ckptscope.containers.zip_headers import is_loadable
from ckptscope.errors import ContainerFormatError
from ckptscope.facts.containers import ContainerKind, Storage
from ckptscope.facts.findings import Code, Finding
from ckptscope.facts.limits import Limits
from ckptscope.facts.tensors import Kind, Origin, TensorInfo

_WEIGHTS, _CONSTANTS = "data/weights/", "data/constants/"
#: Compiled code of AOTInductor: `AOTINDUCTOR_DIR` of the same package.
_COMPILED_FOLDER = "data/aotinductor/"
_CONFIGS = (
    (_WEIGHTS, "model_weights_config.json", ""),
    (_CONSTANTS, "model_constants_config.json", "constants"),
)
#: `ScalarType` of the schema → dtype.
_DTYPES = {
    1: "uint8",
    2: "int8",
    3: "int16",
    4: "int32",
    5: "int64",
    6: "float16",
    7: "float32",
    8: "float64",
    9: "complex32",
    10: "complex64",
    11: "complex128",
    12: "bool",
    13: "bfloat16",
    28: "uint16",
    29: "float8_e4m3fn",
    30: "float8_e5m2",
    31: "float8_e4m3fnuz",
    32: "float8_e5m2fnuz",
    33: "float8_e8m0fnu",
    34: "uint32",
    35: "uint64",
}


def read_torch_export(
    members: MemberTable, root: str, limits: Limits, *, containers: tuple[ContainerKind, ...]
) -> Contents:
    """Read the archive's descriptions of weights and constants.

    Raises:
        ArtifactError: A description is damaged.
    """
    findings: list[Finding] = []
    storages: dict[str, Storage] = {}
    tables: list[TensorTable] = []
    further = FurtherPickles(limits, findings, containers=containers)
    pickled: set[str] = set()
    described = 0
    for folder, config, path in _CONFIGS:
        for name in members.entries:
            # A package of several models has a description for each.
            if not name.startswith(root + folder) or not name.endswith("_config.json"):
                continue
            described += members.entries[name].stored_bytes
            tensors = _read_config(
                members, name, root + folder, limits, storages, pickled, findings
            )
            label = name.rpartition("/")[2]
            tables.append(
                TensorTable(path=path if label == config else label, tensors=tuple(tensors))
            )
    claimed = {storage.member for storage in storages.values()} - pickled
    loadable = {name for name, start in members.starts(root) if is_loadable(start)}
    unclaimed = []
    for name in members.entries:
        if not name.startswith(root) or (name in claimed and name not in loadable):
            continue
        found = further.look_at_member(members, name)
        if not found and "/" in name[len(root) :] and not name.endswith(".json"):
            unclaimed.append(name)
    return Contents(
        source=members.source,
        containers=containers,
        tables=tuple(table for table in tables if table.tensors),
        further_graphs=further.finish(),
        reached=tuple(further.reached),
        storages=storages,
        byteorder=_byteorder(members, root),
        pickle_bytes=described,
        format_facts=((EXPORT_MEMBER, EXPORT_FORMAT.decode()),),
        unclaimed_members=tuple(n for n in unclaimed if ".data/" not in n),
        code_members=tuple(
            name for name in members.entries if name.startswith(root + _COMPILED_FOLDER)
        ),
        findings=findings,
        read_storage=MemberStorages(members),
    )


def _byteorder(members: MemberTable, root: str) -> str:
    name = f"{root}byteorder"
    return "big" if name in members.entries and members.head(name, 3) == b"big" else "little"


def _read_config(
    members: MemberTable,
    name: str,
    folder: str,
    limits: Limits,
    storages: dict[str, Storage],
    pickled: set[str],
    findings: list[Finding],
) -> list[TensorInfo]:
    document = as_mapping(read_json(members.open(name), limits.header_bytes), "the file", name)
    config = as_mapping(document.get("config"), "config", name)
    tensors = []
    for key, value in config.items():
        entry = as_mapping(value, repr(key[:100]), name)
        meta = as_mapping(entry.get("tensor_meta"), "tensor_meta", name)
        path = str(entry.get("path_name"))
        if entry.get("use_pickle") is True:
            findings.append(_pickled(key, path, name))
            pickled.add(folder + path)
        member = folder + path
        if member in members.entries:
            held = members.entries[member]
            storages[path] = Storage(
                key=path,
                size_bytes=held.size_bytes,
                stored_bytes=held.stored_bytes,
                member=member,
                offset_bytes=held.offset_bytes,
                compressed=held.offset_bytes is None,
            )
        tensors.append(_tensor(key, path, entry, meta, name, limits))
    return tensors


def _pickled(key: str, path: str, name: str) -> Finding:
    return finding(
        Code.DESCRIPTION_ODD,
        f"the values of {key[:100]!r} are pickled in {path[:100]!r}: its shape is known, its "
        "bytes are not read",
        member=name,
    )


def _tensor(
    key: str,
    path: str,
    entry: dict[str, object],
    meta: dict[str, object],
    name: str,
    limits: Limits,
) -> TensorInfo:
    code = meta.get("dtype")
    dtype = _DTYPES.get(code) if isinstance(code, int) else None
    if dtype is None:
        raise ContainerFormatError(f"expected a dtype number, found {code!r:.40}", member=name)
    device = meta.get("device")
    kind = device.get("type") if isinstance(device, dict) else None
    shape, stride = as_layout(meta.get("sizes"), meta.get("strides"), key, name, limits)
    parameter = entry.get("is_param") is True
    return TensorInfo(
        key=key,
        shape=shape,
        dtype=dtype,
        stride=stride,
        offset=as_number(meta.get("storage_offset", 0), "storage_offset", name),
        storage=path,
        device=kind if isinstance(kind, str) else None,
        kind=Kind.PARAMETER if parameter else Kind.BUFFER,
        kind_origin=Origin.OBSERVED,
        requires_grad=meta.get("requires_grad") is True,
    )
