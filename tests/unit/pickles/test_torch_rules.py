"""Each of torch's rebuild functions, read from the graph; and what it refuses."""

import msgspec
import pytest
from builders.pickles import (
    Raw,
    asm,
    build,
    call,
    get,
    global_,
    new,
    ordered_dict,
    parameter,
    persistent,
    pickled,
    put,
    storage,
    tensor,
    value,
)
from builders.reading import manifest, root_of

from ckptscope.errors import LimitError
from ckptscope.facts.findings import Code, Severity
from ckptscope.facts.limits import DEFAULT_LIMITS
from ckptscope.facts.tensors import Kind, Origin, TensorInfo
from ckptscope.pickles.torch_rules import TensorRules

FLOAT32 = global_("torch", "float32")
STRIDED = call("torch.serialization", "_get_layout", "torch.strided")
COO = call("torch.serialization", "_get_layout", "torch.sparse_coo")


def read(node: Raw, key: str = "w"):
    """Return the tensor and the findings of the rules."""
    rules = TensorRules(DEFAULT_LIMITS)
    found = rules.read(root_of(pickled(node)), key)
    return found, rules.findings


def good(node: Raw, key: str = "w") -> TensorInfo:
    found, findings = read(node, key)
    assert found is not None
    assert not findings
    return found


def odd(node: Raw) -> str:
    """Return the sentence of the one finding that refuses a call."""
    found, findings = read(node)
    assert found is None
    assert [f.code for f in findings] == [Code.PICKLE_REBUILD_ODD]
    assert findings[0].code.value == "PKL005"
    assert findings[0].severity is Severity.ERROR
    assert findings[0].where.key == "w"
    return findings[0].message


def utils(name: str, *args: object) -> Raw:
    return call("torch._utils", name, *args)


def test_rebuild_tensor_v2_gives_every_field():
    node = tensor(
        "7", (2, 3), "HalfStorage", stride=(1, 2), offset=4, elements=20, location="cuda:1",
        requires_grad=True,
    )  # fmt: skip
    found = good(node)
    assert (found.key, found.shape, found.dtype) == ("w", (2, 3), "float16")
    assert (found.stride, found.offset, found.storage) == ((1, 2), 4, "7")
    assert (found.device, found.requires_grad, found.layout) == ("cuda:1", True, "strided")
    assert (found.elements, found.class_name, found.parts) == (6, None, ())


def test_the_old_rebuild_tensor_has_no_flags():
    found = good(utils("_rebuild_tensor", storage("0", 6), 0, (2, 3), (3, 1)))
    assert (found.shape, found.stride, found.requires_grad) == ((2, 3), (3, 1), False)


def test_a_tensor_of_no_dimensions_and_one_of_no_elements():
    assert good(tensor("0", ())).shape == ()
    assert good(tensor("0", ())).elements == 1
    assert good(tensor("0", (0, 3), elements=0)).elements == 0


def test_a_size_may_be_a_torch_size():
    size = call("torch", "Size", (2, 3))
    found = good(
        utils("_rebuild_tensor_v2", storage("0", 6), 0, size, (3, 1), False, ordered_dict())
    )
    assert found.shape == (2, 3)


@pytest.mark.parametrize(
    ("cls", "dtype"),
    [
        ("DoubleStorage", "float64"), ("FloatStorage", "float32"), ("HalfStorage", "float16"),
        ("BFloat16Storage", "bfloat16"), ("LongStorage", "int64"), ("IntStorage", "int32"),
        ("ShortStorage", "int16"), ("CharStorage", "int8"), ("ByteStorage", "uint8"),
        ("BoolStorage", "bool"), ("ComplexFloatStorage", "complex64"),
        ("ComplexDoubleStorage", "complex128"), ("QInt8Storage", "qint8"),
        ("QUInt8Storage", "quint8"), ("QInt32Storage", "qint32"), ("QUInt4x2Storage", "quint4x2"),
    ],
)  # fmt: skip
def test_the_storage_class_gives_the_dtype_also_under_torch_cuda(cls, dtype):
    assert good(tensor("0", (2,), cls)).dtype == dtype
    node = utils(
        "_rebuild_tensor_v2", storage("0", 2, cls, module="torch.cuda", location="cuda:0"),
        0, (2,), (1,), False, ordered_dict(),
    )  # fmt: skip
    assert good(node).dtype == dtype


def v3(dtype: object, *, args: int = 7) -> Raw:
    full = (
        storage("3", 16, "UntypedStorage", module="torch.storage"),
        1,
        (2, 2),
        (2, 1),
        True,
        ordered_dict(),
        dtype,
    )
    return utils("_rebuild_tensor_v3", *full[:args])


def test_rebuild_tensor_v3_takes_the_dtype_from_its_arguments():
    found = good(v3(global_("torch", "float8_e4m3fn")))
    assert (found.dtype, found.shape, found.offset) == ("float8_e4m3fn", (2, 2), 1)
    assert (found.storage, found.requires_grad) == ("3", True)


def test_rebuild_tensor_v3_without_a_dtype_is_odd():
    assert "dtype" in odd(v3("float32"))
    assert "7 arguments" in odd(v3(FLOAT32, args=6))


@pytest.mark.parametrize("module", ["torch._utils"])
@pytest.mark.parametrize("name", ["_rebuild_parameter", "_rebuild_parameter_with_state"])
def test_a_parameter_is_observed_and_keeps_its_gradient_flag(module, name):
    for flag in (True, False):
        found = good(call(module, name, tensor("0", (3,)), flag, ordered_dict(), {}))
        assert (found.kind, found.kind_origin) == (Kind.PARAMETER, Origin.OBSERVED)
        assert found.requires_grad is flag


def test_a_parameter_of_whole_numbers_is_still_a_parameter():
    assert good(parameter(tensor("0", (3,), "LongStorage"), False)).kind is Kind.PARAMETER


def test_a_parameter_of_something_else_is_odd():
    assert "tensor" in odd(utils("_rebuild_parameter", 7, True, ordered_dict()))
    assert "2 arguments" in odd(utils("_rebuild_parameter", tensor("0")))


@pytest.mark.parametrize("module", ["torch._utils", "torch.nn.parameter"])
def test_a_buffer_object_is_observed_as_buffer(module):
    found = good(call(module, "_rebuild_buffer", tensor("0", (3,)), False, True))
    assert (found.kind, found.kind_origin) == (Kind.BUFFER, Origin.OBSERVED)
    assert odd(call(module, "_rebuild_buffer", 1))


def test_a_quantized_tensor_has_its_scales_as_parts():
    scheme = global_("torch", "per_channel_affine")
    quantizer = (scheme, tensor("1", (2,), "DoubleStorage"), tensor("2", (2,), "LongStorage"), 0)
    node = utils(
        "_rebuild_qtensor", storage("0", 4, "QInt8Storage"), 0, (2, 2), (2, 1), quantizer, False,
        ordered_dict(),
    )  # fmt: skip
    found = good(node)
    assert (found.dtype, found.shape, found.storage) == ("qint8", (2, 2), "0")
    assert [(p.storage, p.dtype, p.shape) for p in found.parts] == [
        ("1", "float64", (2,)),
        ("2", "int64", (2,)),
    ]
    assert found.kind is Kind.PARAMETER
    assert odd(utils("_rebuild_qtensor", storage("0", 4), 0, (2,), (1,)))


def test_a_quantized_tensor_per_tensor_has_no_parts():
    quantizer = (global_("torch", "per_tensor_affine"), 0.5, 3)
    node = utils(
        "_rebuild_qtensor",
        storage("0", 2, "QUInt8Storage"),
        0,
        (2,),
        (1,),
        quantizer,
        False,
        ordered_dict(),
    )
    assert good(node).parts == ()


def test_a_sparse_tensor_has_a_shape_and_no_storage_of_its_own():
    indices, values = tensor("0", (2, 3), "LongStorage"), tensor("1", (3,), "DoubleStorage")
    found = good(utils("_rebuild_sparse_tensor", COO, (indices, values, (10, 20), True)))
    assert (found.shape, found.dtype, found.layout) == ((10, 20), "float64", "sparse_coo")
    assert (found.storage, found.stride) == (None, None)
    assert [(p.storage, p.shape) for p in found.parts] == [("0", (2, 3)), ("1", (3,))]


def test_a_compressed_sparse_tensor_has_three_parts():
    parts = [tensor(str(n), (4,), "LongStorage") for n in range(2)] + [tensor("2", (4,))]
    layout = call("torch.serialization", "_get_layout", "torch.sparse_csr")
    found = good(utils("_rebuild_sparse_tensor", layout, (*parts, call("torch", "Size", (3, 5)))))
    assert (found.shape, found.layout, len(found.parts)) == ((3, 5), "sparse_csr", 3)
    assert found.dtype == "float32"


@pytest.mark.parametrize(
    "arguments",
    [
        (COO,),
        (COO, 5),
        (COO, (tensor("0", (2, 3)),)),
        (COO, (tensor("0", (2, 3)), (3, 4))),
        (COO, ((3, 4), 1)),
        (COO, (tensor("0", (2, 3)), tensor("1", (3,)))),
        (COO, (tensor("0", (2, 3)), tensor("1", (3,)), ("a",))),
    ],
)
def test_a_sparse_tensor_without_its_parts_is_odd(arguments):
    assert odd(utils("_rebuild_sparse_tensor", *arguments))


def array(shape=(2, 3), code: str = "f4", data: bytes = bytes(24), fortran: bool = False) -> Raw:
    dtype = build(call("numpy", "dtype", code, False, True), (3, "<", None, None, None, -1, -1, 0))
    made = call("numpy._core.multiarray", "_reconstruct", global_("numpy", "ndarray"), (0,), b"b")
    return build(made, (1, shape, dtype, fortran, data))


@pytest.mark.parametrize("name", ["_rebuild_device_tensor_from_numpy", "_rebuild_xla_tensor"])
def test_a_tensor_from_a_numpy_array_takes_shape_from_it(name):
    found = good(utils(name, array(), global_("torch", "bfloat16"), "xla:0", False))
    assert (found.shape, found.dtype, found.device) == ((2, 3), "bfloat16", "xla:0")
    assert found.storage is None
    assert odd(utils(name, 5, FLOAT32, "xla:0", False))
    assert odd(utils(name, array()))


def test_a_device_tensor_from_a_cpu_tensor_keeps_shape_and_takes_device_and_dtype():
    device = call("torch", "device", "mtia", 2)
    found = good(
        utils("_rebuild_device_tensor_from_cpu_tensor", tensor("0", (3,)), FLOAT32, device, False)
    )
    assert (found.shape, found.device, found.storage) == ((3,), "mtia:2", "0")
    assert odd(utils("_rebuild_device_tensor_from_cpu_tensor", 1, FLOAT32, device, False))


def test_a_meta_tensor_has_a_shape_and_no_bytes():
    found = good(utils("_rebuild_meta_tensor_no_storage", FLOAT32, (4, 5), (5, 1), True))
    assert (found.shape, found.stride, found.dtype) == ((4, 5), (5, 1), "float32")
    assert (found.storage, found.device) == (None, "meta")


def test_a_meta_tensor_keeps_its_gradient_flag():
    assert good(utils("_rebuild_meta_tensor_no_storage", FLOAT32, (4,), (1,), True)).requires_grad


@pytest.mark.parametrize(
    "arguments",
    [
        (FLOAT32, (1,)),
        ("float32", (1,), (1,), False),
        (FLOAT32, 1, (1,), False),
        (FLOAT32, (1, 2), (1,), False),
    ],
)
def test_a_meta_tensor_with_odd_arguments_is_odd(arguments):
    assert odd(utils("_rebuild_meta_tensor_no_storage", *arguments))


def wrapper(*, dtype: object = FLOAT32, stride: object = (2, 1), state: object = None) -> Raw:
    made = utils(
        "_rebuild_wrapper_subclass", global_("torchao", "Quantized"), dtype, (3, 2), stride, 0,
        STRIDED, call("torch", "device", "cuda", 0), False,
    )  # fmt: skip
    return made if state is None else build(made, state)


def test_a_wrapper_subclass_has_its_parts_in_the_state():
    found = good(
        wrapper(
            state={"data": tensor("0", (3, 2), "CharStorage"), "scale": tensor("1", (3,)), "n": 1}
        )
    )
    assert (found.class_name, found.shape, found.dtype) == ("torchao.Quantized", (3, 2), "float32")
    assert (found.device, found.layout, found.storage) == ("cuda:0", "strided", None)
    assert [(p.key, p.storage) for p in found.parts] == [("data", "0"), ("scale", "1")]


def test_a_wrapper_subclass_with_odd_arguments_is_odd():
    assert odd(wrapper(dtype="float32"))
    assert odd(wrapper(stride=(1,)))
    assert odd(utils("_rebuild_wrapper_subclass", global_("a", "b"), FLOAT32))


def test_a_nested_tensor_shows_its_buffer_and_parts():
    parts = [tensor("0", (7,))] + [tensor(str(n), (2, 1), "LongStorage") for n in (1, 2, 3)]
    found = good(utils("_rebuild_nested_tensor", *parts))
    assert (found.layout, found.storage, found.stride) == ("nested", None, None)
    assert [p.key for p in found.parts] == ["buffer", "sizes", "strides", "offsets"]
    assert found.dtype == "float32"
    assert odd(utils("_rebuild_nested_tensor", 1, 2))


def from_type(cls: Raw, inner: Raw | None = None, args: object = None) -> Raw:
    function = inner or global_("torch._utils", "_rebuild_tensor_v2")
    given = args or (storage("0", 3), 0, (3,), (1,), True, ordered_dict())
    return call("torch._tensor", "_rebuild_from_type_v2", function, cls, given, {})


def test_a_subclass_names_its_class():
    found = good(from_type(global_("mylab", "Special")))
    assert (found.class_name, found.shape, found.storage) == ("mylab.Special", (3,), "0")


def test_a_tensor_with_attributes_is_no_subclass():
    assert good(from_type(global_("torch", "Tensor"))).class_name is None


def test_a_parameter_by_type_is_a_parameter():
    found = good(from_type(global_("torch.nn.parameter", "Parameter")))
    assert (found.kind, found.kind_origin) == (Kind.PARAMETER, Origin.OBSERVED)
    assert found.requires_grad
    buffer = good(from_type(global_("torch.nn.parameter", "Buffer")))
    assert (buffer.kind, buffer.kind_origin) == (Kind.BUFFER, Origin.OBSERVED)


@pytest.mark.parametrize(
    "node",
    [
        from_type(global_("torch", "Tensor"), inner=Raw(value(5))),
        from_type(global_("torch", "Tensor"), inner=global_("os", "system")),
        from_type(global_("torch", "Tensor"), args=5),
        call(
            "torch._tensor", "_rebuild_from_type_v2", global_("torch._utils", "_rebuild_tensor_v2")
        ),
    ],
)
def test_a_subclass_of_no_tensor_is_odd(node):
    _, findings = read(node)
    assert findings
    assert {f.code for f in findings} == {Code.PICKLE_REBUILD_ODD}


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        (storage("0", 6), 0, (2, 3)),
        ("0", 0, (2, 3), (3, 1), False, ordered_dict()),
        (persistent("0"), 0, (2, 3), (3, 1), False, ordered_dict()),
        (storage("0", "six"), 0, (2, 3), (3, 1), False, ordered_dict()),
        (storage(None, 6), 0, (2, 3), (3, 1), False, ordered_dict()),
        (storage("0", 6), "0", (2, 3), (3, 1), False, ordered_dict()),
        (storage("0", 6), 0.0, (2, 3), (3, 1), False, ordered_dict()),
        (storage("0", 6), True, (2, 3), (3, 1), False, ordered_dict()),
        (storage("0", 6), 0, 6, (3, 1), False, ordered_dict()),
        (storage("0", 6), 0, (2, "3"), (3, 1), False, ordered_dict()),
        (storage("0", 6), 0, (2, 3.0), (3, 1), False, ordered_dict()),
        (storage("0", 6), 0, (2, True), (3, 1), False, ordered_dict()),
        (storage("0", 6), 0, (2, 3), (1,), False, ordered_dict()),
        (storage("0", 6), 0, (2, 3), None, False, ordered_dict()),
    ],
    ids=range(15),
)
def test_a_strided_tensor_with_odd_arguments_is_odd(arguments):
    assert odd(utils("_rebuild_tensor_v2", *arguments))


@pytest.mark.parametrize(
    ("offset", "shape", "stride"),
    [
        (-1, (2, 3), (3, 1)),
        (1 << 63, (2, 3), (3, 1)),
        (1 << 8_000, (2, 3), (3, 1)),
        (0, (2, -3), (3, 1)),
        (0, (2, 1 << 63), (3, 1)),
        (0, (2, 1 << 8_000), (3, 1)),
        (0, (1 << 35, 1 << 35), (0, 0)),
        (0, (2, 3), (1 << 70, 1)),
        (0, (2, 3), (-3, 1)),
        (0, (1,) * 65, (1,) * 65),
    ],
    ids=range(10),
)
def test_a_shape_that_no_tensor_can_have_is_a_finding_of_its_own(offset, shape, stride):
    found, findings = read(
        utils("_rebuild_tensor_v2", storage("0", 6), offset, shape, stride, False, ordered_dict())
    )
    assert found is None
    assert [f.code.value for f in findings] == ["TEN007"]
    assert findings[0].severity is Severity.ERROR
    assert len(findings[0].message) < 3000


def test_a_tensor_of_as_many_dimensions_as_torch_allows_is_read():
    assert len(good(tensor("0", (1,) * 64)).shape) == 64


def test_a_storage_named_by_a_plain_tuple_is_read_and_noted():
    pid = ("storage", global_("torch", "FloatStorage"), "0", "cpu", 3)
    node = utils("_rebuild_tensor_v2", pid, 0, (3,), (1,), False, ordered_dict())
    found, findings = read(node)
    assert (found.storage, found.shape) == ("0", (3,))
    assert [f.code.value for f in findings] == ["PKL003"]


@pytest.mark.parametrize(
    ("flags", "lazy"),
    [({"conj": True}, ("conj",)), ({"neg": True}, ("neg",)), ({"conj": False}, ())],
)
def test_conjugate_and_negative_bits_are_kept(flags, lazy):
    arguments = (
        storage("0", 3, "ComplexFloatStorage"),
        0,
        (3,),
        (1,),
        False,
        ordered_dict(),
        flags,
    )
    assert good(utils("_rebuild_tensor_v2", *arguments)).lazy == lazy


def test_a_storage_inside_a_typed_storage_object_is_found():
    inner = storage("5", 12, "UntypedStorage", module="torch.storage")
    typed = asm(
        global_("torch.storage", "TypedStorage"), "EMPTY_TUPLE",
        value({"wrap_storage": inner, "dtype": FLOAT32, "_internal": True}), "NEWOBJ_EX",
    )  # fmt: skip
    node = utils("_rebuild_tensor_v2", Raw(typed), 0, (3,), (1,), False, ordered_dict())
    assert good(node).storage == "5"


def test_a_view_of_a_storage_adds_its_offset():
    node = tensor("root", (2,), elements=10, view=("view", 4, 3), offset=1)
    found = good(node)
    assert (found.storage, found.offset) == ("root", 5)


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("torch.nn.parameter", "Parameter"),
        ("torch.autograd.variable", "Variable"),
        ("torch.autograd", "Variable"),
        ("torch.tensor", "Tensor"),
    ],
)
def test_the_objects_of_2017_hold_their_tensor_in_the_state(module, name):
    node = build(new(module, name), (tensor("0", (3,)), True, ordered_dict()))
    found = good(node)
    assert (found.shape, found.requires_grad) == ((3,), True)
    expected = Origin.OBSERVED if name == "Parameter" else Origin.ASSUMED
    assert found.kind_origin is expected


def test_an_object_of_2017_with_another_state_is_no_tensor():
    for state in ({"data": tensor("0")}, (), (5, True)):
        assert read(build(new("torch.nn.parameter", "Parameter"), state)) == (None, [])


@pytest.mark.parametrize(
    "node",
    [value(5), value("text"), value([1]), call("mylab", "make", 1), storage("0"), persistent("7")],
)
def test_what_is_no_tensor_gives_nothing_and_no_finding(node):
    assert read(node) == (None, [])


@pytest.mark.parametrize(
    ("key", "cls", "kind"),
    [
        ("a.weight", "FloatStorage", Kind.PARAMETER),
        ("a.weight", "BFloat16Storage", Kind.PARAMETER),
        ("a.weight", "ComplexFloatStorage", Kind.PARAMETER),
        ("a.running_mean", "FloatStorage", Kind.BUFFER),
        ("running_var", "FloatStorage", Kind.BUFFER),
        ("bn.num_batches_tracked", "LongStorage", Kind.BUFFER),
        ("a.index", "LongStorage", Kind.BUFFER),
        ("a.mask", "BoolStorage", Kind.BUFFER),
        ("my_running_mean", "FloatStorage", Kind.PARAMETER),
    ],
)
def test_the_kind_is_assumed_from_name_and_dtype(key, cls, kind):
    found = good(tensor("0", (1,), cls), key)
    assert (found.kind, found.kind_origin) == (kind, Origin.ASSUMED)


def test_calls_nested_without_end_are_refused_and_not_followed():
    node = tensor("0", (3,))
    for _ in range(500):
        node = parameter(node)
    found, findings = read(node)
    assert found is None
    assert findings
    assert {f.code for f in findings} == {Code.PICKLE_REBUILD_ODD}


def doubling(levels: int, wide: int = 2) -> Raw:
    """Sparse tensors whose parts are the level below, shared: wide**levels when unfolded."""
    made = asm(tensor("0", (1,)), put(0), "POP")
    for level in range(levels):
        parts = [get(level)] * wide
        made += asm(utils("_rebuild_sparse_tensor", COO, (*parts, (1,))), put(level + 1), "POP")
    return Raw(asm(b"K\0", made, "POP", get(levels)))


def test_parts_that_double_at_every_level_stay_within_the_walk_limit():
    limits = msgspec.structs.replace(DEFAULT_LIMITS, walk_steps=2000)
    data = pickled({"w": doubling(14)})
    calls = []
    original = TensorRules.read

    def counted(self, node, key, depth=0):
        calls.append(depth)
        return original(self, node, key, depth)

    TensorRules.read = counted
    try:
        manifest(data, limits)
    except LimitError as error:
        assert error.limit == "walk_steps"  # noqa: PT017
    finally:
        TensorRules.read = original
    assert len(calls) < 5000
