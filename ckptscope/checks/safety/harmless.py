"""Names that cannot run code of a file's choosing, whatever they are called with.

Enters: nothing. Leaves: `HARMLESS`, module → names, for what nearly every checkpoint names. Classes
of layers, optimizers and records are in `harmless_classes`, which is imported for files that hold
whole objects.

A name is here if calling it with any arguments, and appending, setting items and setting state on
what it gives, does no more than build the value: it may call what it is given, for that has a name
of its own which is judged in its turn; it may not look up attributes or modules whose names come
from the file, touch files, the network or processes, or change what others in the process use.

Names of Python 2 stand beside those of Python 3: pickles of protocol 0 to 2 spell them so.
"""


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Types of Python itself: they copy, convert or count their arguments. `type`, which makes classes,
# and everything that fetches attributes are not among them.
_BUILTINS = _names(
    "object bool int long float complex str unicode basestring bytes bytearray list tuple dict set "
    "frozenset slice range xrange Ellipsis NotImplemented None True False iter reversed enumerate "
    "zip"
)

# Rebuild functions of torch: they lay tensors over storages that the container holds.
# `_rebuild_from_type_v2` calls the function that it is given, which the pickle has to name.
_REBUILD = _names(
    "_rebuild_tensor _rebuild_tensor_v2 _rebuild_tensor_v3 _rebuild_parameter "
    "_rebuild_parameter_with_state _rebuild_qtensor _rebuild_sparse_tensor "
    "_rebuild_sparse_csr_tensor _rebuild_nested_tensor _rebuild_wrapper_subclass "
    "_rebuild_meta_tensor_no_storage _rebuild_device_tensor_from_numpy "
    "_rebuild_device_tensor_from_cpu_tensor _rebuild_xla_tensor _rebuild_mlc_tensor "
    "_rebuild_ort_tensor"
)

# Storages and tensors by element type: classes of torch that hold bytes.
_ELEMENTS = _names(
    "Float Double Half BFloat16 Byte Char Short Int Long Bool ComplexFloat ComplexDouble QInt8 "
    "QUInt8 QInt32 QUInt4x2 QUInt2x4 Untyped Typed _Untyped _Typed"
)
_STORAGES = frozenset(f"{element}Storage" for element in _ELEMENTS)
_TENSORS = frozenset(f"{element}Tensor" for element in _ELEMENTS)

# Constants of torch: dtypes, layouts, memory formats, quantization schemes; and the three value
# types that pickles call: a shape, a device, a random generator's state.
_CONSTANTS = _names(
    "uint8 uint16 uint32 uint64 int8 int16 int32 int64 short int long half float double float16 "
    "float32 float64 bfloat16 bool complex32 complex64 complex128 chalf cfloat cdouble qint8 "
    "quint8 qint32 quint4x2 quint2x4 bit bits8 bits16 bits1x8 bits2x4 bits4x2 uint1 uint2 uint3 "
    "uint4 uint5 uint6 uint7 int1 int2 int3 int4 int5 int6 int7 float8_e4m3fn float8_e4m3fnuz "
    "float8_e5m2 float8_e5m2fnuz float8_e8m0fnu float4_e2m1fn_x2 strided sparse_coo sparse_csr "
    "sparse_csc sparse_bsr sparse_bsc jagged _mkldnn contiguous_format preserve_format "
    "channels_last channels_last_3d legacy_contiguous_format per_tensor_affine "
    "per_tensor_symmetric per_channel_affine per_channel_symmetric "
    "per_channel_affine_float_qparams Size device dtype layout memory_format qscheme Generator "
    "Tensor Storage finfo iinfo"
)

# numpy: arrays, their types and scalars, as `ndarray.__reduce__` and its like spell them. The
# bytes of an array of objects hold a pickle only inside .npy files, whose reader traces it.
_NUMPY_ARRAYS = _names("_reconstruct scalar")
_NUMPY = _names(
    "ndarray dtype matrix recarray record void flexible generic bool_ bool8 int8 int16 int32 int64 "
    "uint8 uint16 uint32 uint64 intc uintc intp uintp longlong ulonglong long ulong short ushort "
    "byte ubyte half single double longdouble float_ float16 float32 float64 float128 complex_ "
    "complex64 complex128 complex256 csingle cdouble clongdouble object_ str_ bytes_ unicode_ "
    "string_ datetime64 timedelta64 longlong"
)
_NUMPY_RANDOM = _names(
    "__randomstate_ctor __generator_ctor __bit_generator_ctor __RandomState_ctor __generator_ctor"
)

# Paths: building one does not touch the file system, methods of it would.
_PATHS = _names("Path PurePath PosixPath PurePosixPath WindowsPath PureWindowsPath")

_COLLECTIONS = _names("OrderedDict defaultdict Counter deque ChainMap UserDict UserList UserString")

# Makes an object of a class that the pickle names, without more than `__new__`.
_COPYREG = _names("_reconstructor __newobj__ __newobj_ex__")

HARMLESS: dict[str, frozenset[str]] = {
    "builtins": _BUILTINS,
    "__builtin__": _BUILTINS,
    "collections": _COLLECTIONS,
    "copyreg": _COPYREG,
    "copy_reg": _COPYREG,
    # Text to bytes and back, by codecs of the standard library.
    "_codecs": _names("encode decode"),
    "torch": _STORAGES | _TENSORS | _CONSTANTS,
    "torch.cuda": _STORAGES | _TENSORS,
    "torch.sparse": _TENSORS,
    "torch.cuda.sparse": _TENSORS,
    "torch.storage": _STORAGES | _names("_StorageBase"),
    "torch._utils": _REBUILD,
    "torch._tensor": _names("Tensor _rebuild_from_type _rebuild_from_type_v2"),
    "torch.tensor": _names("Tensor _rebuild_from_type"),
    # Layouts by name, out of a table.
    "torch.serialization": _names("_get_layout"),
    "torch.nn.parameter": _names(
        "Parameter Buffer UninitializedParameter UninitializedBuffer UninitializedTensorMixin"
    ),
    "torch.autograd.variable": _names("Variable"),
    "torch.autograd": _names("Variable"),
    "numpy": _NUMPY,
    "numpy.core.multiarray": _NUMPY_ARRAYS,
    "numpy._core.multiarray": _NUMPY_ARRAYS,
    "numpy.core.numeric": _names("_frombuffer"),
    "numpy._core.numeric": _names("_frombuffer"),
    "numpy.dtypes": _names(
        "BoolDType Int8DType UInt8DType Int16DType UInt16DType Int32DType UInt32DType Int64DType "
        "UInt64DType Float16DType Float32DType Float64DType Complex64DType Complex128DType "
        "StrDType BytesDType VoidDType ObjectDType DateTime64DType TimeDelta64DType"
    ),
    "numpy.random._pickle": _NUMPY_RANDOM,
    "numpy.random": _NUMPY_RANDOM | _names("RandomState Generator MT19937 PCG64 Philox SFC64"),
    "numpy.random.mtrand": _names("RandomState __RandomState_ctor"),
    "numpy.random._mt19937": _names("MT19937"),
    "numpy.random._pcg64": _names("PCG64 PCG64DXSM"),
    "numpy.random._philox": _names("Philox"),
    "numpy.random._sfc64": _names("SFC64"),
    "numpy.random.bit_generator": _names("SeedSequence"),
    "numpy.ma.core": _names("_mareconstruct MaskedArray"),
    # Namespaces of options: attributes that the pickle sets and nothing else.
    "argparse": _names("Namespace"),
    "types": _names(
        "SimpleNamespace MappingProxyType NoneType EllipsisType NotImplementedType GenericAlias"
    ),
    # Dates, numbers, identifiers: immutable values out of text, bytes and numbers.
    "datetime": _names("date time datetime timedelta timezone tzinfo"),
    "decimal": _names("Decimal Context"),
    "fractions": _names("Fraction"),
    "uuid": _names("UUID SafeUUID"),
    "ipaddress": _names(
        "IPv4Address IPv6Address IPv4Network IPv6Network IPv4Interface IPv6Interface"
    ),
    # Looks a time zone up in the data base of the system; keys that leave it are refused.
    "zoneinfo": _names("ZoneInfo ZoneInfo._unpickle"),
    "time": _names("struct_time"),
    "pathlib": _PATHS,
    "pathlib._local": _PATHS,
    # Compiles a pattern; a costly one costs where it is used.
    "re": _names("_compile compile"),
    "random": _names("Random"),
    "array": _names("array _array_reconstructor"),
    # Binds arguments to a function that has a name of its own, and does not call it.
    "functools": _names("partial"),
    "_functools": _names("partial"),
    # Counts, and repeats what it is given.
    "itertools": _names("count repeat chain cycle islice product"),
    # Buffers in memory; files are other classes of these modules.
    "io": _names("BytesIO StringIO"),
    "_io": _names("BytesIO StringIO"),
    "StringIO": _names("StringIO"),
    # Words of annotations, which configurations keep beside their values.
    "typing": _names(
        "Any Union Optional List Dict Tuple Set FrozenSet Type Callable Sequence Mapping Iterable "
        "Iterator Literal"
    ),
    "inspect": _names("_empty Signature Parameter _ParameterKind"),
    "urllib.parse": _names("ParseResult SplitResult"),
    # Python 2 kept sets and dictionaries' kin in modules of their own.
    "sets": _names("Set ImmutableSet"),
    "UserDict": _names("UserDict IterableUserDict"),
    "UserList": _names("UserList"),
}
