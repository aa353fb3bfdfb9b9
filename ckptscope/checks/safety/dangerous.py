"""Names by which a pickle can do more than build values, and what they do.

Enters: nothing. Leaves: tables, read by `judging`: modules and packages that are dangerous as a
whole, single names, methods, words. Imported only for files that name what is not known to be
harmless; the harmless names of a dangerous module (`uuid.UUID`) were looked through before.

A module of the standard library is dangerous as a whole if its functions start processes, evaluate
code, open files, reach the network, import by name, fetch attributes by name or change the
interpreter. The others are unknown: neither harmless nor dangerous. A package, written with `/`
behind it, counts with everything below; a module only by its own name, for a `code.models` is no
part of the standard library's `code`.

Sources: the module indexes of the Python documentation, 2.7 and 3.8 to 3.14; the sources of torch
2.0 to 2.13 and numpy 1.19 to 2.4; the public advisories against pickle scanners up to 2026.
"""

COMMANDS = "runs commands or starts processes"
CODE = "evaluates or builds code"
FILES = "opens, changes or removes files"
NETWORK = "reaches the network"
IMPORTS = "imports modules by name"
LOOKUP = "looks attributes or items up by name, and so reaches whatever else is loaded"
LOADS = "loads another pickle"
NATIVE = "loads native code or reaches into memory"
INTERPRETER = "reaches into the running interpreter"
CALLS = "calls whatever it is given"
PROGRAM = "is a program, which starts when it is imported"

#: What several names of one reason are written as: words of a text.
Groups = dict[str, str]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_STANDARD: Groups = {
    COMMANDS: "os/ posix nt os2 ce riscos mac subprocess _posixsubprocess _winapi popen2 pty "
    "pipes commands platform multiprocessing/ _multiprocessing concurrent/ asyncio/ _asyncio "
    "_overlapped threading _thread thread dummy_thread _dummy_thread dummy_threading sched "
    "mailcap uuid _uuid _aix_support _osx_support _apple_support _ios_support _android_support "
    "_bootsubprocess ensurepip/ venv/ pydoc _pyrepl/ test.support/ test.libregrtest/ "
    "test.regrtest test.script_helper test.test_support distutils/ webbrowser",
    CODE: "code codeop compileall py_compile timeit cProfile profile _lsprof pdb bdb trace "
    "doctest unittest/ idlelib/ lib2to3/ ast _ast symtable _symtable dis opcode _opcode compiler "
    "compiler.pycodegen compiler.transformer new rlcompleter cmd cgitb rexec Bastion tkinter/ "
    "_tkinter Tkinter turtle",
    FILES: "io _io _pyio shutil tempfile fileinput filecmp glob pathlib pathlib._local posixpath "
    "ntpath genericpath macpath linecache tokenize zipfile/ zipapp tarfile gzip bz2 _bz2 lzma "
    "_lzma mmap sqlite3/ _sqlite3 dbm/ _dbm _gdbm anydbm dbhash dumbdbm gdbm whichdb bsddb/ netrc "
    "mailbox mimetypes wave aifc sunau sndhdr imghdr fcntl tabnanny dircache statvfs posixfile "
    "wsgiref/ nis pwd grp spwd _posixshmem msilib _msi pyclbr uu binhex pstats xml.sax/ "
    "logging.handlers xml.dom.expatbuilder xml.etree.ElementInclude",
    NETWORK: "socket _socket ssl _ssl socketserver http/ urllib.request urllib.robotparser "
    "urllib2 httplib ftplib smtplib smtpd imaplib poplib nntplib telnetlib xmlrpc/ xmlrpclib "
    "robotparser asyncore asynchat antigravity",
    IMPORTS: "importlib/ imp _imp _frozen_importlib _frozen_importlib_external zipimport pkgutil "
    "runpy modulefinder imputil ihooks site sitecustomize usercustomize sysconfig _sitebuiltins "
    "encodings/ logging.config xml.dom.domreg",
    LOOKUP: "inspect",
    LOADS: "pickle _pickle cPickle marshal shelve pickletools",
    NATIVE: "ctypes/ _ctypes dl winreg _winreg msvcrt winsound",
    INTERPRETER: "sys gc atexit signal _signal faulthandler tracemalloc _tracemalloc resource "
    "readline copyreg copy_reg crypt termios tty _interpreters _xxsubinterpreters _interpchannels "
    "_interpqueues _testcapi _testinternalcapi _testlimitedcapi",
    PROGRAM: "turtledemo/ this",
}
_FOREIGN: Groups = {
    COMMANDS: "pip/ setuptools/ pkg_resources/ wheel/ psutil/ sh plumbum/ pexpect/ ptyprocess/ "
    "fabric/ invoke/ paramiko/ win32api win32process win32com/ pythoncom billiard/ loky/ "
    "sympy.printing.preview sympy.printing.gtk sympy.utilities._compilation/",
    CODE: "IPython/ pytest _pytest/ py nose/ mock/ numexpr/ asteval/ cffi/ Cython/ pyximport/ "
    "scipy.weave/ sympy.parsing/ sympy.utilities.lambdify sympy.utilities.autowrap "
    "sympy.plotting.experimental_lambdify sympy.plotting.pygletplot/ sympy.polys.polyconfig "
    "pandas.core.computation/ jinja2/ mako/",
    NETWORK: "requests/ urllib3/ httpx/ httpcore/ aiohttp/ websockets/ websocket/ pycurl boto/ "
    "boto3/ botocore/ gdown/",
    LOADS: "dill/ cloudpickle/ pickle5/ jsonpickle/ zodbpickle/ klepto/ srsly.cloudpickle/ "
    "sklearn.externals.joblib/ joblib.externals/ joblib.memory joblib.numpy_pickle_compat "
    "pandas.io.pickle pandas.compat.pickle_compat numba.core.serialize",
    IMPORTS: "six.moves/ hydra.utils hydra._internal/ werkzeug.utils django.utils.module_loading "
    "sympy.external.importtools sympy.utilities.source",
}
_FRAMEWORKS: Groups = {
    COMMANDS: "torch.utils.collect_env torch.utils.cpp_extension torch.utils.hipify/ torchgen/ "
    "torch.utils._cpp_extension_versioner torch._inductor/ torch.distributed.elastic/ "
    "torch.distributed.launcher/ torch.distributed.run torch.distributed.launch torch.testing/ "
    "torch.multiprocessing/ torch.cuda._memory_viz torch.backends.xeon/ numpy.distutils/ "
    "torch._strobelight/ torch.utils._strobelight/ torch.utils._get_clean_triton "
    "torch.distributed._symmetric_memory/",
    CODE: "torch.jit/ torch._jit_internal torch._dynamo/ torch._functorch/ torch.compiler/ "
    "torch.fx.graph_module torch.fx._lazy_graph_module torch.fx._symbolic_trace "
    "torch.fx.interpreter torch.fx.experimental/ torch.package/ torch._export/ torch._sources "
    "torch.utils.bottleneck/ torch.utils.benchmark/ torch.utils._config_module "
    "torch.utils._sympy/ torch.cuda.jiterator numpy.f2py/ numpy.testing/ torch._guards "
    "torch._library/ torch._higher_order_ops/ torch.fx.operator_schemas torch.export._unlift "
    "torch.utils._traceback torch.distributed.flight_recorder/",
    FILES: "torch.utils.tensorboard/ torch.utils.file_baton torch.utils._filelock torch.profiler/ "
    "torch.onnx/ torch.utils.model_dump/ torch.utils._content_store numpy.lib.npyio "
    "numpy.lib._npyio_impl numpy.lib.format numpy.lib._format_impl numpy.lib._datasource "
    "numpy.core.memmap numpy._core.memmap numpy.random._examples/ torch.numa/ torch.utils.jit/ "
    "torch.utils._cpp_embed_headers torch.utils._triton torch.distributed._tools/ "
    "torch.distributed.debug/ torch.distributed.tensor.debug/ torch.export._draft_export "
    "torch.export.experimental/ torch.distributed.checkpoint._consolidate_hf_safetensors "
    "torch.distributed.checkpoint.staging torch.cuda.tunable torch.cuda.gds",
    NETWORK: "torch.hub torch.utils.model_zoo torch.distributed.rpc/ torch.distributed.rendezvous",
    LOADS: "torch.serialization torch.utils.serialization/ torch.utils.show_pickle "
    "torch._weights_only_unpickler torch.utils.data.datapipes/ torch.distributed._serialization "
    "torch.distributed.checkpoint.format_utils torch.distributed.checkpoint._experimental/ "
    "torch.distributed.checkpoint._pg_transport torch.export.pt2_archive/ "
    "torch.cuda._annotate_cuda_graph_trace numpy.core._methods numpy._core._methods",
    IMPORTS: "torch._utils_internal torch.utils._import_utils torch.utils.backend_registration "
    "torch._logging/ torch.fx._graph_pickler torch.nn.utils._deprecation_utils",
    NATIVE: "torch.ops torch._ops torch.classes torch._classes torch._native/ torch.cuda._utils "
    "numpy.ctypeslib/",
}
_NAMES: dict[str, Groups] = {
    "builtins": {
        CODE: "eval exec compile execfile __build_class__",
        FILES: "open file license credits copyright",
        IMPORTS: "__import__ reload help",
        LOOKUP: "getattr setattr delattr globals locals vars dir super",
        INTERPRETER: "breakpoint exit quit input raw_input",
        CALLS: "map filter apply",
    },
    "argparse": {FILES: "FileType"},
    "cgi": {CODE: "test", FILES: "initlog FieldStorage"},
    "configparser.RawConfigParser": {FILES: "read"},
    "configparser.ConfigParser": {FILES: "read"},
    "optparse.Values": {CODE: "read_file read_module"},
    "shlex.shlex": {FILES: "sourcehook"},
    "types": {
        CODE: "FunctionType LambdaType CodeType ModuleType CellType new_class prepare_class "
        "coroutine",
        INTERPRETER: "FrameType TracebackType",
    },
    "warnings": {IMPORTS: "_getcategory _setoption"},
    "operator": {
        LOOKUP: "attrgetter itemgetter methodcaller getitem setitem delitem",
        CALLS: "call",
    },
    "functools": {CALLS: "reduce", LOOKUP: "update_wrapper wraps partialmethod singledispatch"},
    "itertools": {CALLS: "starmap accumulate imap ifilter filterfalse takewhile dropwhile groupby"},
    "logging": {FILES: "FileHandler basicConfig fileConfig"},
    "codecs": {FILES: "open EncodedFile", CALLS: "register register_error"},
    "copy": {CALLS: "_reconstruct"},
    "weakref": {CALLS: "finalize"},
    "string": {LOOKUP: "Formatter"},
    "_string": {LOOKUP: "formatter_parser formatter_field_name_split"},
    "typing": {CODE: "get_type_hints ForwardRef _eval_type"},
    "annotationlib": {CODE: "ForwardRef get_annotations"},
    "dataclasses": {CODE: "make_dataclass _create_fn"},
    "gettext": {CODE: "c2py", FILES: "find translation install"},
    "xml.etree.ElementTree": {FILES: "parse iterparse"},
    "xml.etree.ElementTree.ElementTree": {FILES: "parse write"},
    "xml.dom.minidom": {FILES: "parse"},
    "xml.dom.pulldom": {FILES: "parse"},
    "locale": {INTERPRETER: "setlocale"},
    "urllib": {NETWORK: "urlopen urlretrieve URLopener FancyURLopener"},
    "torch": {LOADS: "load", FILES: "save from_file", CODE: "compile", NATIVE: "from_dlpack"},
    "torch._C": {
        CODE: "CompilationUnit ScriptModule ScriptFunction import_ir_module "
        "import_ir_module_from_buffer _import_ir_module_from_package _load_for_lite_interpreter "
        "_load_for_lite_interpreter_from_buffer",
        FILES: "PyTorchFileWriter PyTorchFileReader",
    },
    "torch.storage": {LOADS: "_load_from_bytes"},
    "torch._utils": {
        IMPORTS: "_import_dotted_name",
        LOADS: "_augment_memory_snapshot_stack_traces",
    },
    "torch.utils._pytree": {IMPORTS: "_defaultdict_deserialize enum_object_hook treespec_loads"},
    "torch.distributed.checkpoint.filesystem": {
        LOADS: "FileSystemReader",
        FILES: "FileSystemWriter",
    },
    "torch.distributed.optim.zero_redundancy_optimizer": {LOADS: "_broadcast_object"},
    "numpy.ma.mrecords": {FILES: "openfile fromtextfile"},
    "torch.cuda.memory": {FILES: "_dump_snapshot _save_segment_usage _save_memory_usage"},
    "torch.fx": {CODE: "GraphModule symbolic_trace Tracer Interpreter"},
    "torch.export": {LOADS: "load", FILES: "save"},
    "torch.distributed": {NETWORK: "init_process_group TCPStore FileStore broadcast_object_list"},
    "torch.distributed.distributed_c10d": {NETWORK: "init_process_group _object_to_tensor"},
    "numpy": {
        LOADS: "load loads",
        FILES: "save savez savez_compressed savetxt loadtxt genfromtxt fromfile fromregex memmap "
        "DataSource recfromcsv recfromtxt mafromtxt ndfromtxt",
        CODE: "safe_eval",
        IMPORTS: "lookfor source",
    },
    "numpy.lib.utils": {CODE: "safe_eval", IMPORTS: "lookfor source"},
    "joblib": {LOADS: "load Memory", COMMANDS: "Parallel"},
    "joblib.numpy_pickle": {LOADS: "load load_temporary_memmap _unpickle NumpyUnpickler"},
    "joblib.parallel": {COMMANDS: "Parallel BatchedCalls"},
    "pandas": {LOADS: "read_pickle", CODE: "eval", FILES: "HDFStore read_hdf"},
    "sympy": {CODE: "sympify lambdify parse_expr"},
    "sympy.core.sympify": {CODE: "sympify"},
    "sympy.utilities.matchpy_connector": {CODE: "Replacer"},
    "yaml": {CODE: "load load_all unsafe_load unsafe_load_all full_load UnsafeLoader Loader"},
    "yaml.loader": {CODE: "UnsafeLoader Loader FullLoader"},
    "six": {CODE: "exec_", IMPORTS: "_import_module MovedModule"},
    "future.utils": {CODE: "exec_"},
    "past.builtins": {CODE: "execfile"},
    "tensorflow": {NATIVE: "load_op_library load_library"},
    "keras.models": {LOADS: "load_model"},
    "keras.layers": {CODE: "Lambda"},
    "tensorflow.keras.models": {LOADS: "load_model"},
    "skops.io": {LOADS: "load loads"},
    "ply.yacc": {LOADS: "LRTable"},
    "transformers": {LOADS: "pipeline"},
}

#: Methods and functions of torch and numpy, wherever in them they stand.
_METHODS: Groups = {
    FILES: "from_file tofile dump fromfile save savez memmap open_memmap _new_shared_filename_cpu "
    "_dump_csv export_chrome_trace export_stacks save_op_profiles",
    NATIVE: "CUDAPluggableAllocator XPUPluggableAllocator _preload_cuda_lib _load_global_deps",
    LOADS: "load loads load_config",
    CODE: "eval exec compile runstring execWrapper runcode runsource runctx exec_module safe_eval "
    "evaluate_guards_expression",
    COMMANDS: "system popen Popen spawn check_output check_call run",
    IMPORTS: "import_module resolve_name load_module find_module add_newdoc _makenamedict "
    "_ufunc_reconstruct",
    LOOKUP: "getattr setattr attrgetter methodcaller itemgetter get_submodule",
    NETWORK: "urlopen urlretrieve download_url_to_file load_state_dict_from_url",
}

#: Names in a path that are modules whatever they stand below: nobody calls a class so.
MODULE_WORDS = _words(
    "os sys subprocess builtins __builtin__ importlib posix nt shutil ctypes socket pickle cPickle "
    "_pickle marshal runpy pty multiprocessing threading tempfile urllib requests webbrowser "
    "inspect pkgutil zipimport _os _sys _io"
)
#: Those of them that functions and attributes of other people are called by as well: at the end of
#: a name they may be anything.
COMMON_WORDS = _words("inspect requests socket pickle tempfile threading multiprocessing urllib")
#: Attributes that lead from an object to its class, its code, or the globals of a function. Those
#: with two underscores on both sides do so without exception.
REVEALING = _words(
    "mro func_globals func_code func_closure im_func im_class im_self f_globals f_locals "
    "f_builtins f_back gi_frame gi_code cr_frame cr_code ag_frame tb_frame co_consts"
)
#: The same module under another name.
ALIASES = {
    "__builtin__": "builtins",
    "_operator": "operator",
    "_functools": "functools",
    "_codecs": "codecs",
}
#: Packages whose functions are known by their methods' names too.
FRAMEWORK_ROOTS = frozenset(("torch", "numpy"))


def _table(groups: Groups) -> dict[str, str]:
    return {name: reason for reason, names in groups.items() for name in names.split()}


_ALL = _table(_STANDARD) | _table(_FOREIGN) | _table(_FRAMEWORKS)
#: Modules, and packages with what is below them → what they do.
PACKAGES = {name[:-1]: reason for name, reason in _ALL.items() if name.endswith("/")}
MODULES = {name: reason for name, reason in _ALL.items() if not name.endswith("/")} | PACKAGES
#: Module → name → what it does.
NAMES = {module: _table(groups) for module, groups in _NAMES.items()}
METHODS = _table(_METHODS)
