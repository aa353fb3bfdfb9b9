"""TorchScript of 2019 (torch 1.0 to 1.2): `model.json`, code and raw tensors.

Enters: members below a root with `model.json`. Leaves: `Contents` with the tensors under their
names by nesting.

Source: `caffe2/proto/torch.proto` (ModelDef, ModuleDef, ParameterDef, TensorDef) in its JSON form.
"""

from ckptscope.containers.contents import Contents, TensorTable, finding
from ckptscope.containers.described import as_layout, as_list, as_mapping, as_number
from ckptscope.containers.further_pickles import scan_members
from ckptscope.containers.json_text import read_json
from ckptscope.containers.marks import MODEL_JSON
from ckptscope.containers.member_storages import MemberStorages
from ckptscope.containers.members import MemberTable
from ckptscope.errors import ContainerFormatError, LimitError
from ckptscope.facts.containers import ContainerKind, Storage
from ckptscope.facts.findings import Code, Finding
from ckptscope.facts.limits import Limits
from ckptscope.facts.tensors import Kind, Origin, TensorInfo

#: caffe2's `TensorProto.DataType` by name → dtype.
_DTYPES = {
    "FLOAT": "float32",
    "INT32": "int32",
    "BYTE": "uint8",
    "BOOL": "bool",
    "UINT8": "uint8",
    "INT8": "int8",
    "UINT16": "uint16",
    "INT16": "int16",
    "INT64": "int64",
    "FLOAT16": "float16",
    "DOUBLE": "float64",
}


def read_model_json(
    members: MemberTable, root: str, limits: Limits, *, containers: tuple[ContainerKind, ...]
) -> Contents:
    """Read the description of modules and tensors.

    Raises:
        ArtifactError: The description is damaged.
    """
    name = root + MODEL_JSON
    document = as_mapping(read_json(members.open(name), limits.header_bytes), "the file", name)
    reader = _Reader(members, root, limits, document)
    tensors = reader.module(as_mapping(document.get("mainModule"), "mainModule", name), "", 0)
    names = [member for member in members.entries if member.startswith(root)]
    claimed = {storage.member for storage in reader.storages.values()}
    code = [member for member in names if member.startswith(f"{root}code/")]
    further = scan_members(
        members,
        (member for member in names if member not in claimed and member != name),
        limits,
        reader.findings,
        containers=containers,
    )
    return Contents(
        source=members.source,
        containers=containers,
        tables=(TensorTable(path="", tensors=tuple(tensors)),),
        further_graphs=further.finish(),
        reached=tuple(further.reached),
        storages=reader.storages,
        pickle_bytes=members.entries[name].stored_bytes,
        format_facts=(
            ("producer", f"{document.get('producerName')} {document.get('producerVersion')}"[:80]),
            ("code members", str(len(code))),
        ),
        unclaimed_members=tuple(
            member
            for member in names
            if member not in claimed
            and member not in code
            and member not in (name, f"{root}version", f"{root}attributes.pkl")
            and not member.startswith(f"{root}debug/")
        ),
        code_members=tuple(member for member in code if member.endswith(".py")),
        findings=reader.findings,
        read_storage=MemberStorages(members),
    )


class _Reader:
    """Resolves the tensors that modules name by number."""

    def __init__(
        self, members: MemberTable, root: str, limits: Limits, document: dict[str, object]
    ) -> None:
        self._members = members
        self._root = root
        self._name = root + MODEL_JSON
        self._limits = limits
        self._tensors = as_list(document.get("tensors", []), "tensors", self._name)
        self.storages: dict[str, Storage] = {}
        self.findings: list[Finding] = []

    def module(self, node: dict[str, object], prefix: str, depth: int) -> list[TensorInfo]:
        """Return the tensors of a module and of those below it."""
        if depth > self._limits.tree_depth:
            raise LimitError(
                "tree_depth", allowed=self._limits.tree_depth, actual=depth, member=self._name
            )
        found = []
        for item in as_list(node.get("parameters", []), "parameters", self._name):
            entry = as_mapping(item, "a parameter", self._name)
            # proto3 leaves out zeros and falses.
            index = as_number(entry.get("tensorId", 0), "tensorId", self._name)
            if index >= len(self._tensors):
                raise ContainerFormatError(
                    f"expected tensor {index}, found {len(self._tensors)} tensors",
                    member=self._name,
                )
            kind = Kind.BUFFER if entry.get("isBuffer") is True else Kind.PARAMETER
            described = as_mapping(self._tensors[index], "a tensor", self._name)
            found.append(self._tensor(f"{prefix}{entry.get('name', '')}", described, kind))
        for item in as_list(node.get("submodules", []), "submodules", self._name):
            child = as_mapping(item, "a module", self._name)
            found += self.module(child, f"{prefix}{child.get('name', '')}.", depth + 1)
        return found

    def _tensor(self, key: str, entry: dict[str, object], kind: Kind) -> TensorInfo:
        dtype = str(entry.get("dataType", "UNDEFINED"))
        data = as_mapping(entry.get("data", {}), "data", self._name)
        storage = self._storage(str(data.get("key", "")))
        if dtype not in _DTYPES:
            self.findings.append(
                finding(
                    Code.DTYPE_UNKNOWN,
                    f"{key[:200]!r} has the unknown dtype {dtype!r:.40}",
                    key=key[:400],
                )
            )
        device = entry.get("device")
        shape, stride = as_layout(
            entry.get("dims", []), entry.get("strides", []), key, self._name, self._limits
        )
        return TensorInfo(
            key=key,
            shape=shape,
            dtype=_DTYPES.get(dtype, dtype[:40]),
            stride=stride,
            offset=as_number(entry.get("offset", 0), "offset", self._name),
            storage=storage,
            device=device if isinstance(device, str) else None,
            kind=kind,
            kind_origin=Origin.OBSERVED,
            requires_grad=entry.get("requiresGrad") is True,
        )

    def _storage(self, key: str) -> str:
        member = self._root + key
        entry = self._members.entries.get(member)
        if entry is not None and key not in self.storages:
            self.storages[key] = Storage(
                key=key,
                size_bytes=entry.size_bytes,
                stored_bytes=entry.stored_bytes,
                member=member,
                offset_bytes=entry.offset_bytes,
                compressed=entry.offset_bytes is None,
            )
        return key
