"""Pickles that try to get a call past a scanner, and harmless ones that look like it.

Each case says what is to be found. The payloads are harmless: `os.getpid()`, `eval("6*7")`. Where a
case can run as it is, `gives` says what Python's own unpickler returns, so that a test may show
that the way through is real. The techniques are those of the public advisories against picklescan,
fickling and modelscan, and of the write-ups that their issues point to.
"""

import enum
import os
from dataclasses import dataclass

from builders.pickles import CODE, Raw, asm, build, call, global_, new, proto, value


class Outcome(enum.Enum):
    """What the safety checks have to say."""

    #: SAF001 or SAF003, of severity error.
    UNSAFE = "unsafe"
    #: SAF002 and no error.
    UNKNOWN = "unknown"
    #: None of the three.
    CLEAN = "clean"


class _Nothing:
    """No result is known."""


NOTHING = _Nothing()


@dataclass(frozen=True)
class Case:
    """One pickle.

    `told` is a name that a finding has to give, as the unpickler would resolve it.
    """

    name: str
    data: bytes
    outcome: Outcome = Outcome.UNSAFE
    told: str = ""
    gives: object = NOTHING


PID = os.getpid()


def short(content: str) -> Raw:
    raw = content.encode()
    return Raw(CODE["SHORT_BINUNICODE"] + bytes([len(raw)]) + raw)


def stack_global(module: bytes | str, name: bytes | str) -> Raw:
    parts = [short(part) if isinstance(part, str) else part for part in (module, name)]
    return Raw(asm(*parts, "STACK_GLOBAL"))


def reduce(function: bytes, *args: object) -> Raw:
    return Raw(asm(function, value(args), "REDUCE"))


def pickle4(*parts: bytes | str) -> bytes:
    return asm(proto(4), *parts, "STOP")


def pickle2(*parts: bytes | str) -> bytes:
    return asm(proto(2), *parts, "STOP")


def pickle0(*parts: bytes | str) -> bytes:
    return asm(*parts, "STOP")


GETPID = global_("os", "getpid")
RUN = reduce(GETPID)
GETATTR = global_("builtins", "getattr")
IMPORT = global_("builtins", "__import__")
OS = reduce(IMPORT, "os")
CONCAT = global_("_operator", "concat")


def join(*parts: object) -> Raw:
    """`"".join([...])`, by the method of a plain text."""
    return reduce(reduce(GETATTR, "", "join"), list(parts))


def _line(code: str, *lines: str) -> Raw:
    return Raw(CODE[code] + "".join(f"{one}\n" for one in lines).encode())


def _native(content: bytes, code: str = "SHORT_BINSTRING") -> Raw:
    width = 1 if code == "SHORT_BINSTRING" else 4
    return Raw(CODE[code] + len(content).to_bytes(width, "little") + content)


_EMPTY = b""

_SPELLINGS = [
    Case("GLOBAL", pickle2(RUN), told="os.getpid", gives=PID),
    Case("GLOBAL of protocol 0", pickle0(GETPID, "MARK", "TUPLE", "REDUCE"), gives=PID),
    Case("STACK_GLOBAL", pickle4(reduce(stack_global("os", "getpid"))), gives=PID),
    Case("INST", pickle0("MARK", _line("INST", "os", "getpid")), gives=PID),
    Case("OBJ", pickle2("MARK", GETPID, "OBJ"), gives=PID),
    Case("NEWOBJ of a class", pickle2(new("subprocess", "CalledProcessError", 0, "x"))),
    Case(
        "NEWOBJ_EX with keywords",
        pickle4(global_("io", "FileIO"), "EMPTY_TUPLE", value({"file": "x"}), "NEWOBJ_EX"),
    ),
    Case(
        "names from the memo",
        pickle4(
            short("os"),
            "MEMOIZE",
            "POP",
            short("getpid"),
            "MEMOIZE",
            "POP",
            CODE["BINGET"] + b"\x00",
            CODE["BINGET"] + b"\x01",
            "STACK_GLOBAL",
            "EMPTY_TUPLE",
            "REDUCE",
        ),
        gives=PID,
    ),
    Case(
        "names from the memo that harmless ones seem to have overwritten",
        pickle4(
            short("os"),
            CODE["BINPUT"] + b"\x00",
            "POP",
            short("getpid"),
            CODE["BINPUT"] + b"\x01",
            "POP",
            short("torch._utils"),
            "MEMOIZE",
            "POP",
            short("_rebuild_tensor"),
            "MEMOIZE",
            "POP",
            CODE["BINGET"] + b"\x00",
            CODE["LONG_BINGET"] + b"\x01\0\0\0",
            "STACK_GLOBAL",
            "EMPTY_TUPLE",
            "REDUCE",
        ),
        told="os.getpid",
        gives=PID,
    ),
    Case(
        "the memo by decimal numbers",
        pickle4(
            short("os"),
            _line("PUT", "7"),
            short("getpid"),
            _line("PUT", "8"),
            "POP",
            "POP",
            _line("GET", "7"),
            _line("GET", "8"),
            "STACK_GLOBAL",
            "EMPTY_TUPLE",
            "REDUCE",
        ),
        gives=PID,
    ),
    Case(
        "one text twice on the stack",
        pickle4(short("timeit"), "DUP", "STACK_GLOBAL", "EMPTY_TUPLE", "POP"),
        told="timeit.timeit",
    ),
    Case(
        "STRING operands",
        pickle4(
            _line("STRING", "'os'"),
            _line("STRING", "'getpid'"),
            "STACK_GLOBAL",
            "EMPTY_TUPLE",
            "REDUCE",
        ),
        gives=PID,
    ),
    Case(
        "STRING operands with escapes",
        pickle4(
            _line("STRING", r"'\x6fs'"),
            _line("STRING", r"'get\160id'"),
            "STACK_GLOBAL",
            "EMPTY_TUPLE",
            "REDUCE",
        ),
        told="os.getpid",
        gives=PID,
    ),
    Case(
        "UNICODE operands with escapes",
        pickle4(
            _line("UNICODE", r"\u006fs"),
            _line("UNICODE", r"getpi\u0064"),
            "STACK_GLOBAL",
            "EMPTY_TUPLE",
            "REDUCE",
        ),
        told="os.getpid",
        gives=PID,
    ),
    Case(
        "SHORT_BINSTRING operands",
        pickle4(_native(b"os"), _native(b"getpid"), "STACK_GLOBAL", "EMPTY_TUPLE", "REDUCE"),
        gives=PID,
    ),
    Case(
        "BINSTRING operands",
        pickle4(
            _native(b"os", "BINSTRING"),
            _native(b"getpid", "BINSTRING"),
            "STACK_GLOBAL",
            "EMPTY_TUPLE",
            "REDUCE",
        ),
        gives=PID,
    ),
    Case(
        "BINUNICODE8 operands",
        pickle4(
            Raw(CODE["BINUNICODE8"] + (2).to_bytes(8, "little") + b"os"),
            short("getpid"),
            "STACK_GLOBAL",
            "EMPTY_TUPLE",
            "REDUCE",
        ),
        gives=PID,
    ),
    Case("a call whose result is dropped", pickle2(RUN, "POP", value({"w": 1})), gives={"w": 1}),
    Case("a call dropped with its mark", pickle2("MARK", RUN, "POP_MARK", "NONE"), gives=None),
    Case("a call among the items of a dict", pickle2(value({"epoch": RUN})), gives={"epoch": PID}),
    Case("a call as the key of a dict", pickle2(value({RUN: 1})), gives={PID: 1}),
    Case("a call inside a frozenset", pickle4("MARK", RUN, "FROZENSET"), gives=frozenset({PID})),
    Case(
        "a call in the state of a harmless object",
        pickle2(build(call("collections", "OrderedDict"), {"x": RUN})),
    ),
    Case(
        "a call among the arguments of a harmless one",
        pickle2(call("collections", "OrderedDict", [("x", RUN)])),
    ),
    Case("a call in a persistent id", pickle2(value(("storage", RUN)), "BINPERSID")),
    Case("a name that is only a value", pickle2(value([GETPID])), gives=[os.getpid]),
    Case("a second PROTO that changes the protocol", pickle0(proto(4), proto(2), RUN), gives=PID),
]

_DOTTED = [
    Case(
        "a module through another",
        pickle4(reduce(stack_global("shutil", "os.getpid"))),
        told="os.getpid",
        gives=PID,
    ),
    Case(
        "a module through a harmless module",
        pickle4(reduce(stack_global("random", "_os.getpid"))),
        gives=PID,
    ),
    Case(
        "a module through torch",
        pickle4(stack_global("torch", "serialization.os.system")),
        told="os.system",
    ),
    Case(
        "a module through numpy",
        pickle4(stack_global("numpy", "core._internal.sys.modules")),
        told="sys.modules",
    ),
    Case(
        "a module through an unknown package",
        pickle4(stack_global("mylab.nets", "runner.subprocess.Popen")),
        told="subprocess.Popen",
    ),
    Case("a module as a value", pickle4(stack_global("torch.serialization", "os")), told="os"),
    Case("a dangerous submodule of a harmless package", pickle4(stack_global("torch", "hub.load"))),
    Case("a method of a dangerous class", pickle4(stack_global("bdb", "Bdb.run"))),
    Case("a method of a path", pickle4(stack_global("pathlib", "PosixPath.write_text"))),
    Case(
        "a method of an array that writes files", pickle4(stack_global("numpy", "ndarray.tofile"))
    ),
    Case("a storage out of any file", pickle4(stack_global("torch", "FloatStorage.from_file"))),
    Case(
        "the call of a built-in function by its own attribute",
        pickle4(reduce(stack_global("builtins", "eval.__call__"), "6*7")),
        gives=42,
    ),
    Case(
        "the subclasses of everything",
        pickle4(reduce(stack_global("builtins", "int.__base__.__subclasses__"))),
    ),
    Case(
        "the globals of a function of the standard library",
        pickle4(stack_global("json", "loads.__globals__")),
    ),
    Case(
        "the globals of a function of a third party",
        pickle4(stack_global("mylab.nets", "build.__globals__")),
    ),
    Case("the built-in functions of a module", pickle4(stack_global("numpy", "__builtins__"))),
    Case(
        "an item of the built-in functions of a module",
        pickle4(
            reduce(
                stack_global("builtins", "dict.get"), stack_global("json", "__builtins__"), "eval"
            )
        ),
        gives=eval,
    ),
    Case(
        "a function of a module through another",
        pickle4(stack_global("json", "codecs.open")),
        told="codecs.open",
    ),
    Case(
        "torch through a third party",
        pickle4(stack_global("mylab.nets", "torch.load")),
        told="torch.load",
    ),
    Case("the loader of a module", pickle4(stack_global("json", "__loader__.load_module"))),
    Case(
        "the program of a package",
        pickle4(stack_global("torch.utils.bottleneck.__main__", "run_cprofile")),
    ),
]

_PYTHON2 = [
    Case(
        "__builtin__.eval",
        pickle0(call("__builtin__", "eval", "6*7")),
        told="__builtin__.eval",
        gives=42,
    ),
    Case("commands.getoutput", pickle2(global_("commands", "getoutput"))),
    Case("cPickle.loads", pickle2(global_("cPickle", "loads"))),
    Case("urllib2.urlopen", pickle2(global_("urllib2", "urlopen"))),
    Case("urllib.urlopen", pickle2(global_("urllib", "urlopen")), told="urllib.urlopen"),
    Case("httplib.HTTPSConnection", pickle2(global_("httplib", "HTTPSConnection"))),
    Case("__builtin__.reduce", pickle2(global_("__builtin__", "reduce")), told="functools.reduce"),
    Case("itertools.imap", pickle2(global_("itertools", "imap"))),
    Case("__builtin__.apply", pickle2(global_("__builtin__", "apply"))),
    Case("__builtin__.file", pickle2(global_("__builtin__", "file"))),
    Case("__builtin__.execfile", pickle2(global_("__builtin__", "execfile"))),
    Case("the module new", pickle2(global_("new", "function"))),
]

_COMPUTED = [
    Case(
        "added texts",
        pickle4(reduce(stack_global(reduce(CONCAT, "o", "s"), "getpid"))),
        told="os.getpid",
        gives=PID,
    ),
    Case(
        "texts added by operator.add",
        pickle4(reduce(stack_global("os", reduce(global_("operator", "add"), "get", "pid")))),
        told="os.getpid",
        gives=PID,
    ),
    Case(
        "texts joined by a fetched method",
        pickle4(reduce(stack_global(join("o", "s"), join("get", "pid")))),
        told="os.getpid",
        gives=PID,
    ),
    Case(
        "texts joined by a dotted method",
        pickle4(
            reduce(
                stack_global(reduce(stack_global("builtins", "str.join"), "", ["o", "s"]), "getpid")
            )
        ),
        told="os.getpid",
        gives=PID,
    ),
    Case(
        "texts joined backwards",
        pickle4(
            reduce(
                stack_global(
                    "os",
                    reduce(
                        stack_global("builtins", "str.join"),
                        "",
                        reduce(global_("builtins", "reversed"), "dipteg"),
                    ),
                )
            )
        ),
        told="os.getpid",
        gives=PID,
    ),
    Case(
        "a replaced text",
        pickle4(
            reduce(
                stack_global(
                    "os", reduce(stack_global("builtins", "str.replace"), "get_pid", "_", "")
                )
            )
        ),
        told="os.getpid",
        gives=PID,
    ),
    Case(
        "a text in lower case",
        pickle4(
            reduce(stack_global(reduce(stack_global("builtins", "str.lower"), "OS"), "getpid"))
        ),
        told="os.getpid",
        gives=PID,
    ),
    Case(
        "a text in a codec",
        pickle4(reduce(stack_global(reduce(global_("codecs", "decode"), "bf", "rot13"), "getpid"))),
        told="os.getpid",
        gives=PID,
    ),
    Case(
        "bytes decoded",
        pickle4(
            reduce(stack_global(reduce(global_("_codecs", "decode"), b"os", "utf-8"), "getpid"))
        ),
        told="os.getpid",
        gives=PID,
    ),
    Case(
        "bytes of numbers decoded",
        pickle4(
            reduce(
                stack_global(
                    reduce(
                        global_("builtins", "str"),
                        reduce(global_("builtins", "bytes"), [111, 115]),
                        "utf-8",
                    ),
                    "getpid",
                )
            )
        ),
        told="os.getpid",
        gives=PID,
    ),
    Case(
        "single characters by number",
        pickle4(
            reduce(
                stack_global(reduce(CONCAT, reduce(global_("builtins", "chr"), 111), "s"), "getpid")
            )
        ),
        told="os.getpid",
        gives=PID,
    ),
    Case(
        "a slice of a text",
        pickle4(
            reduce(
                stack_global(
                    reduce(
                        global_("_operator", "getitem"),
                        "so",
                        reduce(global_("builtins", "slice"), None, None, -1),
                    ),
                    "getpid",
                )
            )
        ),
        told="os.getpid",
        gives=PID,
    ),
    Case(
        "a harmless name by calls",
        pickle4(reduce(stack_global(reduce(CONCAT, "collec", "tions"), "OrderedDict"))),
        outcome=Outcome.UNKNOWN,
        told="_operator.concat",
    ),
    Case(
        "a text out of a third party's function",
        pickle4(stack_global(call("mylab", "decode", "zz"), "getpid")),
    ),
    Case(
        "a text that an attribute was set to",
        pickle4(stack_global(stack_global("mylab", "name"), "getpid")),
    ),
    Case(
        "texts out of compressed bytes",
        pickle4(stack_global(call("_codecs", "decode", b"x", "zlib"), "getpid")),
    ),
    Case(
        "an item of a persistent object",
        pickle4(stack_global(Raw(asm(value("id"), "BINPERSID")), "getpid")),
    ),
]

_LOOKED_UP = [
    Case(
        "getattr of an imported module",
        pickle2(reduce(reduce(GETATTR, OS, "getpid"))),
        told="os.getpid",
        gives=PID,
    ),
    Case(
        "getattr of importlib's module",
        pickle2(reduce(reduce(GETATTR, call("importlib", "import_module", "os"), "getpid"))),
        told="os.getpid",
        gives=PID,
    ),
    Case(
        "getattr of a module below another",
        pickle2(
            reduce(
                reduce(GETATTR, reduce(GETATTR, global_("shutil", "rmtree"), "__globals__"), "get"),
                "os",
            )
        ),
        told="shutil.rmtree",
    ),
    Case(
        "getattr from a harmless class to everything",
        pickle2(
            reduce(
                GETATTR,
                reduce(GETATTR, global_("collections", "OrderedDict"), "__base__"),
                "__subclasses__",
            )
        ),
        told="collections.OrderedDict.__base__.__subclasses__",
    ),
    Case(
        "getattr from a harmless instance to its class",
        pickle2(reduce(GETATTR, call("collections", "OrderedDict"), "__class__")),
        told="collections.OrderedDict.__class__",
    ),
    Case(
        "getattr from a number to its class",
        pickle2(reduce(GETATTR, 7, "__class__")),
        told="builtins.int.__class__",
    ),
    Case(
        "getattr by a computed name",
        pickle4(reduce(reduce(GETATTR, OS, reduce(CONCAT, "get", "pid")))),
        told="os.getpid",
        gives=PID,
    ),
    Case(
        "getattr by a hidden name",
        pickle2(reduce(GETATTR, global_("mylab", "Net"), call("mylab", "decode", 1))),
    ),
    Case(
        "getattr dropped before the end",
        pickle2(reduce(GETATTR, OS, "getpid"), "POP", "NONE"),
        told="os.getpid",
        gives=None,
    ),
    Case(
        "getattr handed to map",
        pickle2(call("builtins", "list", call("builtins", "map", GETATTR, [OS], ["getpid"]))),
        told="builtins.getattr",
        gives=[os.getpid],
    ),
    Case(
        "getattr handed to a rebuild function of torch",
        pickle2(
            call(
                "torch._tensor",
                "_rebuild_from_type_v2",
                GETATTR,
                global_("torch", "Tensor"),
                (OS, "system"),
                {},
            )
        ),
        told="builtins.getattr",
    ),
    Case(
        "getattr bound by partial",
        pickle2(reduce(reduce(call("functools", "partial", GETATTR, OS), "getpid"))),
        told="builtins.getattr",
        gives=PID,
    ),
    Case(
        "getattr from the memo, once harmless and once not",
        pickle2(
            GETATTR,
            CODE["BINPUT"] + b"\x01",
            value((global_("torch", "Size"), "numel")),
            "REDUCE",
            "POP",
            global_("builtins", "list"),
            value((Raw(CODE["BINGET"] + b"\x01"),)),
            "REDUCE",
        ),
        told="builtins.getattr",
    ),
    Case(
        "getattr found by getattr",
        pickle2(reduce(reduce(GETATTR, reduce(IMPORT, "builtins"), "getattr"), OS, "getpid")),
        told="os.getpid",
        gives=os.getpid,
    ),
    Case("setattr", pickle2(global_("builtins", "setattr"))),
    Case(
        "attrgetter",
        pickle2(reduce(reduce(call("operator", "attrgetter", "getpid"), OS))),
        told="os.getpid",
        gives=PID,
    ),
    Case(
        "attrgetter along a path",
        pickle2(
            reduce(reduce(call("operator", "attrgetter", "os.getpid"), reduce(IMPORT, "shutil")))
        ),
        told="os.getpid",
        gives=PID,
    ),
    Case("attrgetter that is not called", pickle2(call("operator", "attrgetter", "system"))),
    Case(
        "methodcaller",
        pickle2(reduce(call("operator", "methodcaller", "getpid"), OS)),
        told="os.getpid",
        gives=PID,
    ),
    Case(
        "methodcaller of pydoc's module",
        pickle2(reduce(call("operator", "methodcaller", "getpid"), call("pydoc", "locate", "os"))),
        told="os.getpid",
        gives=PID,
    ),
    Case(
        "itemgetter of the loaded modules",
        pickle4(reduce(call("operator", "itemgetter", "os"), stack_global("sys", "modules"))),
        gives=os,
    ),
    Case(
        "getitem of the loaded modules",
        pickle4(
            reduce(
                reduce(
                    GETATTR,
                    reduce(global_("operator", "getitem"), stack_global("sys", "modules"), "os"),
                    "getpid",
                )
            )
        ),
        told="os.getpid",
        gives=PID,
    ),
    Case(
        "get of the loaded modules",
        pickle4(
            reduce(reduce(GETATTR, reduce(stack_global("sys", "modules.get"), "os"), "getpid"))
        ),
        told="os.getpid",
        gives=PID,
    ),
    Case(
        "reduce with getattr",
        pickle2(reduce(call("functools", "reduce", GETATTR, [OS, "path", "os", "getpid"]))),
        told="os.getpid",
        gives=PID,
    ),
    Case(
        "pkgutil.resolve_name",
        pickle2(reduce(call("pkgutil", "resolve_name", "os:getpid"))),
        told="pkgutil.resolve_name",
        gives=PID,
    ),
    Case(
        "a ufunc of numpy that is none",
        pickle2(reduce(call("numpy.core", "_ufunc_reconstruct", "os", "getpid"))),
        told="os.getpid",
    ),
    Case(
        "a path of names that torch resolves",
        pickle2(call("torch._utils", "_import_dotted_name", "os.getpid")),
        told="torch._utils._import_dotted_name",
        gives=os.getpid,
    ),
    Case(
        "getattr with arguments out of another call",
        pickle2(GETATTR, call("builtins", "tuple", [OS, "getpid"]), "REDUCE", value(()), "REDUCE"),
        told="builtins.getattr",
        gives=PID,
    ),
    Case(
        "a storage out of bytes that change after the call",
        pickle4(
            global_("torch.storage", "_load_from_bytes"),
            Raw(CODE["BYTEARRAY8"] + bytes(8)),
            "MEMOIZE",
            "TUPLE1",
            "REDUCE",
            "POP",
            CODE["BINGET"] + b"\x00",
            "MARK",
            value(1),
            "APPENDS",
        ),
        told="torch.storage._load_from_bytes",
    ),
    Case("pydoc.locate", pickle2(reduce(call("pydoc", "locate", "os.getpid"))), gives=PID),
    Case(
        "partial of a call",
        pickle2(reduce(call("functools", "partial", GETPID))),
        told="os.getpid",
        gives=PID,
    ),
    Case(
        "partial whose function is set later",
        pickle2(
            reduce(
                build(
                    call("functools", "partial", global_("builtins", "int")), (GETPID, (), {}, None)
                )
            )
        ),
        told="os.getpid",
        gives=PID,
    ),
    Case(
        "map over a call",
        pickle2(
            call("builtins", "list", call("builtins", "map", global_("builtins", "eval"), ["6*7"]))
        ),
        told="builtins.eval",
        gives=[42],
    ),
    Case(
        "a factory of defaultdict",
        pickle2(call("collections", "defaultdict", GETPID)),
        told="os.getpid",
    ),
    Case(
        "a hook that BUILD hangs on an object and the next BUILD calls",
        pickle2(build(build(call("types", "SimpleNamespace"), {"__setstate__": GETPID}), "id")),
        told="os.getpid",
    ),
    Case(
        "the class of an object changed by its state",
        pickle2(
            build(
                call("argparse", "Namespace"),
                (None, {"__class__": global_("code", "InteractiveConsole")}),
            )
        ),
    ),
    Case(
        "the result of a harmless call is called",
        pickle2(reduce(call("torch.nn.modules.container", "Sequential"))),
        told="torch.nn.modules.container.Sequential",
    ),
    Case(
        "the result of a call of a call is called",
        pickle2(reduce(reduce(call("collections", "OrderedDict")))),
    ),
]

_CHANGED = [
    Case(
        "BUILD on a function",
        pickle4(build(stack_global("mylab", "prod"), (None, {"a": "os"}))),
        told="mylab.prod",
    ),
    Case(
        "BUILD on a harmless class",
        pickle2(build(global_("collections", "OrderedDict"), {"update": 1})),
        told="collections.OrderedDict",
    ),
    Case(
        "items set on the environment",
        pickle2(asm(global_("os", "environ"), value("A"), value("b"), "SETITEM")),
    ),
    Case(
        "items set on a table of torch",
        pickle2(asm(global_("mylab", "REGISTRY"), "MARK", value("A"), value("b"), "SETITEMS")),
        told="mylab.REGISTRY",
    ),
    Case(
        "items appended to a list of the process",
        pickle2(asm(global_("mylab", "hooks"), value(1), "APPEND")),
        told="mylab.hooks",
    ),
    Case(
        "names that a changed module gives",
        pickle4(
            build(stack_global("torch", "_utils"), value({"_rebuild_tensor": "builtins"})),
            "POP",
            stack_global(stack_global("torch._utils", "_rebuild_tensor"), "eval"),
            value(("6*7",)),
            "REDUCE",
        ),
    ),
]

#: Functions that hand on what they are given: what is set there is set on the class.
_NAMESPACE = global_("argparse", "Namespace")
_OBJECTS = call("numpy", "dtype", "O8", False, True)
_SAME = global_("torch.jit._pickle", "build_intlist")
_SET = (None, {"x": 1})

_HANDED_ON = [
    Case(
        "BUILD on a class that a scalar of objects hands back",
        pickle2(build(call("numpy.core.multiarray", "scalar", _OBJECTS, _NAMESPACE), _SET)),
        told="argparse.Namespace",
    ),
    Case(
        "BUILD on a class that an object scalar hands back",
        pickle2(build(call("numpy", "object_", _NAMESPACE), _SET)),
        told="argparse.Namespace",
    ),
    Case(
        "BUILD on a class that a function of TorchScript hands back",
        pickle2(build(reduce(_SAME, _NAMESPACE), _SET)),
        told="argparse.Namespace",
    ),
    Case(
        "BUILD on an alias of a class",
        pickle2(build(call("types", "GenericAlias", _NAMESPACE, ()), {"x": 1})),
        told="argparse.Namespace",
    ),
    Case(
        "BUILD on what a bound function hands back",
        pickle2(build(reduce(call("functools", "partial", _SAME, _NAMESPACE)), _SET)),
        told="argparse.Namespace",
    ),
    Case(
        "BUILD on what copyreg makes by an object of the file",
        pickle2(
            build(
                call(
                    "copyreg",
                    "_reconstructor",
                    _NAMESPACE,
                    call("types", "SimpleNamespace"),
                    None,
                ),
                _SET,
            )
        ),
    ),
    Case(
        "attributes that torch sets on what another function gives",
        pickle2(
            call("torch._tensor", "_rebuild_from_type_v2", _SAME, _NAMESPACE, (_NAMESPACE,), {}),
            "POP",
            "NONE",
        ),
    ),
]

_NUMBERED = [
    Case("EXT1", pickle2(Raw(CODE["EXT1"] + b"\x07"))),
    Case("EXT2", pickle2(Raw(CODE["EXT2"] + b"\x07\x01"))),
    Case("EXT4", pickle2(Raw(CODE["EXT4"] + b"\x07\x01\0\0"))),
    Case(
        "a number given away first",
        pickle2(
            call("copyreg", "add_extension", "os", "getpid", 7), "POP", Raw(CODE["EXT1"] + b"\x07")
        ),
    ),
]

#: What CPython's unpicklers read over, and a stricter reader would stop at.
_READ_OVER = [
    Case(f"a call behind {name}", pickle4(Raw(before), RUN), told="os.getpid", gives=PID)
    for name, before in {
        "a memo index with zeros in front": b"Np010\n0",
        "an octal number of C": b"I010\n0",
        "a number that ends with NUL": b"I1\0x\n0",
        "bytes that are appended to": b"\x96" + bytes(8) + b"(K\x01e0",
        "an item of a list that is replaced": b"]K\x01aK\x00K\x05s0",
        "a state of None on a list": b"]Nb0",
        "nothing that is appended to a number": b"K\x01(e0",
        "nothing that is set in a number": b"K\x01(u0",
        "nothing that is added to a number": b"K\x01(\x900",
        "arguments out of another call": b"cbuiltins\nlist\ncbuiltins\ntuple\n(]tRR0",
    }.items()
]

_DAMAGED = [
    Case(
        "a number as an operand after the call",
        pickle4(RUN, "POP", value(42), short("x"), "STACK_GLOBAL"),
    ),
    Case("the memo lacks an entry after the call", pickle4(RUN, "POP", CODE["BINGET"] + b"\x03")),
    Case(
        "the list changes that a name is computed of",
        pickle4(
            global_("builtins", "bytes"),
            value([0x6F, 0x73]),
            "MEMOIZE",
            "TUPLE1",
            "REDUCE",
            "MEMOIZE",
            "POP",
            CODE["BINGET"] + b"\x00",
            value(0),
            value(0x72),
            "SETITEM",
            "POP",
            reduce(
                stack_global(
                    Raw(
                        asm(
                            global_("_codecs", "decode"),
                            CODE["BINGET"] + b"\x01",
                            "TUPLE1",
                            "REDUCE",
                        )
                    ),
                    "getpid",
                )
            ),
        ),
        gives=PID,
    ),
    Case("no STOP after the call", asm(proto(2), RUN)),
    Case("an unknown opcode after the call", asm(proto(2), RUN, b"\xff")),
]

_BENIGN = [
    Case("plain values", pickle2(value({"epoch": 3, "lr": 0.1})), Outcome.CLEAN),
    Case("an OrderedDict", pickle2(call("collections", "OrderedDict")), Outcome.CLEAN),
    Case("bytes of protocol 2", pickle2(call("_codecs", "encode", "x", "latin1")), Outcome.CLEAN),
    Case(
        "an old object",
        pickle0(
            call(
                "copy_reg",
                "_reconstructor",
                global_("argparse", "Namespace"),
                global_("__builtin__", "object"),
                None,
            )
        ),
        Outcome.CLEAN,
    ),
    Case("a set of Python 2", pickle2(call("__builtin__", "set", [1])), Outcome.CLEAN),
    Case("a long range of Python 2", pickle2(call("__builtin__", "xrange", 3)), Outcome.CLEAN),
    Case("an exception of Python 2", pickle2(call("exceptions", "ValueError", "x")), Outcome.CLEAN),
    Case("the class of None", pickle2(call("builtins", "type", None)), Outcome.CLEAN),
    Case(
        "an annotation",
        pickle2(
            call(
                "operator",
                "getitem",
                global_("typing", "Union"),
                (global_("builtins", "int"), global_("builtins", "str")),
            )
        ),
        Outcome.CLEAN,
    ),
    Case("a UUID", pickle2(build(new("uuid", "UUID"), {"int": 7})), Outcome.CLEAN),
    Case("a path", pickle2(call("pathlib", "PosixPath", "/", "x")), Outcome.CLEAN),
    Case("a buffer in memory", pickle2(new("_io", "BytesIO")), Outcome.CLEAN),
    Case("a layer", pickle2(new("torch.nn.modules.linear", "Linear")), Outcome.CLEAN),
    Case("an optimizer", pickle2(new("torch.optim.adamw", "AdamW")), Outcome.CLEAN),
    Case("an activation", pickle2(value([global_("torch._C._nn", "gelu")])), Outcome.CLEAN),
    Case(
        "a random generator of numpy",
        pickle2(call("numpy.random._pickle", "__generator_ctor", "PCG64")),
        Outcome.CLEAN,
    ),
    Case(
        "a harmless function with arguments bound",
        pickle2(call("functools", "partial", global_("builtins", "int"))),
        Outcome.CLEAN,
    ),
    Case("a class of a script", pickle2(new("__main__", "Net")), Outcome.UNKNOWN, "__main__.Net"),
    Case(
        "a class of a third party",
        pickle2(new("mylab.nets", "PoseNet")),
        Outcome.UNKNOWN,
        "mylab.nets.PoseNet",
    ),
    Case(
        "a nested class by its dotted name",
        pickle4(stack_global("mylab.nets", "Outer.Inner")),
        Outcome.UNKNOWN,
        "mylab.nets.Outer.Inner",
    ),
    Case(
        "a nested class as protocol 2 spells it",
        pickle2(
            new("mylab.nets", "Outer"),
            "POP",
            call("builtins", "getattr", global_("mylab.nets", "Outer"), "Inner"),
            "EMPTY_TUPLE",
            "NEWOBJ",
        ),
        Outcome.UNKNOWN,
        "mylab.nets.Outer.Inner",
    ),
    Case(
        "nested classes by one getattr from the memo",
        pickle2(
            "MARK",
            global_("__builtin__", "getattr"),
            CODE["BINPUT"] + b"\x00",
            value((global_("mylab", "A"), "B")),
            "REDUCE",
            CODE["BINGET"] + b"\x00",
            value((global_("mylab", "C"), "D")),
            "REDUCE",
            "LIST",
        ),
        Outcome.UNKNOWN,
        "mylab.C.D",
    ),
    Case(
        "a method of an object",
        pickle2(reduce(GETATTR, new("mylab.nets", "Trainer"), "fit")),
        Outcome.UNKNOWN,
        "mylab.nets.Trainer.fit",
    ),
    Case(
        "a member of an enumeration",
        pickle2(reduce(GETATTR, global_("mylab.modes", "Mode"), "test")),
        Outcome.UNKNOWN,
        "mylab.modes.Mode.test",
    ),
    Case(
        "a package that is called like a module of Python",
        pickle2(new("code.models", "Net"), "POP", new("profile.nets", "Net")),
        Outcome.UNKNOWN,
        "code.models.Net",
    ),
    Case(
        "a method of a harmless class",
        pickle4(stack_global("collections", "OrderedDict.fromkeys")),
        Outcome.UNKNOWN,
        "collections.OrderedDict.fromkeys",
    ),
    Case(
        "the result of an unknown function is called",
        pickle2(reduce(call("mylab", "make_class", "Net"))),
        Outcome.UNKNOWN,
        "mylab.make_class",
    ),
    Case(
        "a function of torch that is not listed",
        pickle2(value([global_("torch.utils.data.dataloader", "DataLoader")])),
        Outcome.UNKNOWN,
        "torch.utils.data.dataloader.DataLoader",
    ),
    Case(
        "print, which a trainer keeps",
        pickle2(value([global_("builtins", "print")])),
        Outcome.UNKNOWN,
        "builtins.print",
    ),
    Case(
        "a logger",
        pickle2(call("logging", "getLogger", "train")),
        Outcome.UNKNOWN,
        "logging.getLogger",
    ),
    Case(
        "a function that is called like a module",
        pickle2(value([global_("mylab.tools", "inspect"), global_("mylab.web", "requests")])),
        Outcome.UNKNOWN,
        "mylab.tools.inspect",
    ),
    Case(
        "a package that is called like the tests of Python",
        pickle2(new("test.models", "Net"), "POP", new("compiler.nets", "Net")),
        Outcome.UNKNOWN,
        "test.models.Net",
    ),
    Case(
        "the mode of a layer",
        pickle2(reduce(GETATTR, new("torch.nn.modules.linear", "Linear"), "eval")),
        Outcome.UNKNOWN,
        "torch.nn.modules.linear.Linear.eval",
    ),
    Case(
        "the call of an object",
        pickle2(reduce(GETATTR, new("mylab.nets", "Net"), "__call__")),
        Outcome.UNKNOWN,
        "mylab.nets.Net.__call__",
    ),
    Case(
        "a bound method of Python 2",
        pickle2(call("types", "MethodType", global_("mylab.nets", "fit"), new("mylab", "Net"))),
        Outcome.UNKNOWN,
        "types.MethodType",
    ),
    Case(
        "options of optparse",
        pickle2(build(new("optparse", "Values"), {"lr": 0.1})),
        Outcome.UNKNOWN,
        "optparse.Values",
    ),
    Case(
        "a ufunc of numpy",
        pickle2(call("numpy.core", "_ufunc_reconstruct", "numpy", "tanh")),
        Outcome.UNKNOWN,
        "numpy.tanh",
    ),
    Case(
        "a tensor of another type",
        pickle2(
            call(
                "torch._tensor",
                "_rebuild_from_type_v2",
                global_("torch._utils", "_rebuild_tensor_v2"),
                global_("torch.nn.parameter", "Parameter"),
                (),
                {"x": 1},
            )
        ),
        Outcome.CLEAN,
    ),
    Case(
        "an annotation of a list",
        pickle2(call("types", "GenericAlias", global_("builtins", "list"), (1,))),
        Outcome.CLEAN,
    ),
    Case("bytes that can change", pickle4(CODE["BYTEARRAY8"] + bytes(8)), Outcome.CLEAN),
    Case(
        "an operator of arithmetic",
        pickle2(value([global_("_operator", "add")])),
        Outcome.UNKNOWN,
        "_operator.add",
    ),
]


def _words(text: str) -> list[str]:
    return text.split()


#: Names of the public advisories, and those of the same kind that their fixes do not list.
ADVISED = _words(
    """
_aix_support._read_cmd_output _codecs.register _interpreters.run_string _io.FileIO _operator.attrgetter
_operator.methodcaller _osx_support._find_build_tool _osx_support._read_output _pickle.loads
_posixsubprocess.fork_exec _pyrepl.pager.pipe_pager _xxsubinterpreters.run_string
aiohttp.client.ClientSession argparse.FileType ast.literal_eval asyncio.create_subprocess_shell
asyncio.unix_events._UnixSubprocessTransport._start atexit.register bdb.Bdb.run
builtins.__build_class__ builtins.breakpoint builtins.compile builtins.delattr builtins.exec
builtins.globals builtins.help builtins.input builtins.open builtins.vars cProfile.run
cProfile.runctx cloudpickle.cloudpickle._make_function cloudpickle.cloudpickle.subimport
code.InteractiveInterpreter.runcode codecs.open codeop.compile_command compileall.compile_file
concurrent.futures.ProcessPoolExecutor concurrent.futures.process.ProcessPoolExecutor
copyreg.add_extension ctypes.CDLL ctypes.util.find_library dill._dill._create_code dill.loads
distutils.file_util.write_file distutils.spawn.spawn doctest.debug_script ensurepip._run_pip
fileinput.input ftplib.FTP functools.reduce gc.get_objects glob.glob http.client.HTTPSConnection
idlelib.autocomplete.AutoComplete.get_entity idlelib.calltip.Calltip.fetch_tip
idlelib.debugobj.ObjectTreeItem.SetText idlelib.pyshell.ModifiedInterpreter.runcode
idlelib.run.Executive.runcode imaplib.IMAP4_stream importlib.import_module
importlib.machinery.SourceFileLoader importlib.util.spec_from_file_location inspect.getattr_static
io.open joblib.load jsonpickle.decode lib2to3.pgen2.grammar.Grammar.loads
lib2to3.pgen2.pgen.ParserGenerator.make_label linecache.getlines logging.FileHandler
logging.config.dictConfig logging.config.listen logging.handlers.SocketHandler mailcap.findmatch
marshal.loads mock.mock._importer multiprocessing.Process multiprocessing.util.spawnv_passfds
nt.system numpy.DataSource numpy.ctypeslib.load_library numpy.distutils.exec_command.exec_command
numpy.f2py.crackfortran._eval_length numpy.f2py.crackfortran.getlincoef
numpy.f2py.crackfortran.myeval numpy.fromfile numpy.lib.npyio.load numpy.lib.add_newdoc numpy.load numpy.memmap
numpy.save numpy.testing._private.utils.runstring operator.itemgetter os.popen os.posix_spawn
os.startfile pandas.eval pandas.read_pickle pathlib.Path.unlink pdb.run pickle.Unpickler
pip._internal.main pip.main pkg_resources.run_script pkgutil.resolve_name platform.popen
posix.execv posixpath.join profile.Profile.run profile.Profile.runctx profile.run
psutil.Popen pty.spawn py_compile.compile pydoc.locate pydoc.pipepager requests.api.get
rlcompleter.Completer.attr_matches runpy._run_code runpy.run_module setuptools.setup shelve.open
shutil.rmtree signal.signal site.addsitedir smtplib.SMTP socket.create_connection
socketserver.TCPServer sqlite3.connect ssl.get_server_certificate string.Formatter.get_field
subprocess.getoutput sympy.sympify sys._getframe sys.modules sys.settrace tarfile.open
telnetlib.Telnet tempfile.NamedTemporaryFile test.support.script_helper.assert_python_ok
threading.Timer timeit.timeit tkinter.Tcl torch._dynamo.guards.GuardBuilder.get
torch._inductor.codecache.compile_file torch._guards.Source.get_value
torch._strobelight.compile_time_profiler.get_fburl torch.compile torch.cuda.CUDAPluggableAllocator
torch.distributed.checkpoint.filesystem.FileSystemReader.read_metadata
torch.distributed.flight_recorder.components.builder.transform_ft torch.distributed.rpc.rpc_sync
torch.export.pt2_archive._package.load_pt2 torch.fx._graph_pickler.GraphPickler.loads
torch.fx.operator_schemas._torchscript_type_to_python_type
torch.fx.experimental.symbolic_shapes.ShapeEnv.evaluate_guards_expression
torch.fx.graph_module.reduce_graph_module torch.hub.load torch.hub.load_state_dict_from_url
torch.jit.load torch.jit.unsupported_tensor_ops.execWrapper torch.load
torch.multiprocessing.spawn torch.ops.load_library torch.package.PackageImporter torch.save
torch.serialization.add_safe_globals torch.serialization.load torch.testing._internal.common_utils.shell
torch.utils._pytree.treespec_loads torch.utils._config_module.ConfigModule.load_config torch.utils.benchmark.Timer
torch.utils.bottleneck.__main__.run_autograd_prof torch.utils.collect_env.run
torch.utils.collect_env.run_and_read_all torch.utils.cpp_extension.load_inline
torch.utils.data.datapipes.utils.decoder.basichandlers trace.Trace.run trace.Trace.runctx
tracemalloc.Snapshot.load types.CodeType types.FunctionType unittest.mock._importer
urllib.request.urlopen urllib.request.urlretrieve uuid._get_command_stdout venv.create
weakref.finalize webbrowser.open winreg.CreateKey xmlrpc.client.ServerProxy yaml.unsafe_load
zipfile.ZipFile zipimport.zipimporter
"""
)


def _advised(name: str) -> Case:
    """Name it as its module would be: the first part in capitals begins the attribute."""
    parts = name.split(".")
    start = next((i for i, one in enumerate(parts) if one[:1].isupper()), len(parts) - 1)
    start = max(start, 1)
    module, path = ".".join(parts[:start]), ".".join(parts[start:])
    return Case(f"the name {name}", pickle4(stack_global(module, path)), told=name)


CASES: list[Case] = [
    *_SPELLINGS,
    *_DOTTED,
    *_PYTHON2,
    *_COMPUTED,
    *_LOOKED_UP,
    *_CHANGED,
    *_HANDED_ON,
    *_NUMBERED,
    *_READ_OVER,
    *_DAMAGED,
    *_BENIGN,
    *map(_advised, ADVISED),
]
