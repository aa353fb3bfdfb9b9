"""Names of Python 2, as the unpickler of Python 3 translates them.

Enters: a name as a pickle of protocol 0 to 2 spells it. Leaves: the name that is imported instead,
if it is translated.

Source: the tables IMPORT_MAPPING and NAME_MAPPING of CPython's `Lib/_compat_pickle.py`, which
`pickle.Unpickler` applies below protocol 3; `torch.load` translates `torch.tensor` besides.
"""

#: Module → module. Whole of the standard library that moved.
_MODULES: dict[str, str] = {
    "BaseHTTPServer": "http.server",
    "CGIHTTPServer": "http.server",
    "ConfigParser": "configparser",
    "Cookie": "http.cookies",
    "Dialog": "tkinter.dialog",
    "DocXMLRPCServer": "xmlrpc.server",
    "FileDialog": "tkinter.filedialog",
    "HTMLParser": "html.parser",
    "Queue": "queue",
    "ScrolledText": "tkinter.scrolledtext",
    "SimpleDialog": "tkinter.simpledialog",
    "SimpleHTTPServer": "http.server",
    "SimpleXMLRPCServer": "xmlrpc.server",
    "SocketServer": "socketserver",
    "StringIO": "io",
    "Tix": "tkinter.tix",
    "Tkconstants": "tkinter.constants",
    "Tkdnd": "tkinter.dnd",
    "Tkinter": "tkinter",
    "UserDict": "collections",
    "UserList": "collections",
    "UserString": "collections",
    "__builtin__": "builtins",
    "_abcoll": "collections.abc",
    "_elementtree": "xml.etree.ElementTree",
    "_winreg": "winreg",
    "anydbm": "dbm",
    "cPickle": "pickle",
    "cStringIO": "io",
    "commands": "subprocess",
    "cookielib": "http.cookiejar",
    "copy_reg": "copyreg",
    "dbhash": "dbm.bsd",
    "dbm": "dbm.ndbm",
    "dumbdbm": "dbm.dumb",
    "dummy_thread": "_dummy_thread",
    "exceptions": "builtins",
    "gdbm": "dbm.gnu",
    "htmlentitydefs": "html.entities",
    "httplib": "http.client",
    "markupbase": "_markupbase",
    "repr": "reprlib",
    "robotparser": "urllib.robotparser",
    "test.test_support": "test.support",
    "thread": "_thread",
    "tkColorChooser": "tkinter.colorchooser",
    "tkCommonDialog": "tkinter.commondialog",
    "tkFileDialog": "tkinter.filedialog",
    "tkFont": "tkinter.font",
    "tkMessageBox": "tkinter.messagebox",
    "tkSimpleDialog": "tkinter.simpledialog",
    "torch.tensor": "torch._tensor",
    "ttk": "tkinter.ttk",
    "urllib2": "urllib.request",
    "urlparse": "urllib.parse",
    "whichdb": "dbm",
    "xmlrpclib": "xmlrpc.client",
}
#: Single names that moved or were renamed, and weigh otherwise than their module does.
_NAMES: dict[tuple[str, str], tuple[str, str]] = {
    ("__builtin__", "xrange"): ("builtins", "range"),
    ("__builtin__", "reduce"): ("functools", "reduce"),
    ("__builtin__", "intern"): ("sys", "intern"),
    ("__builtin__", "unichr"): ("builtins", "chr"),
    ("__builtin__", "unicode"): ("builtins", "str"),
    ("__builtin__", "long"): ("builtins", "int"),
    ("__builtin__", "basestring"): ("builtins", "str"),
    ("exceptions", "StandardError"): ("builtins", "Exception"),
    ("itertools", "izip"): ("builtins", "zip"),
    ("itertools", "imap"): ("builtins", "map"),
    ("itertools", "ifilter"): ("builtins", "filter"),
    ("itertools", "ifilterfalse"): ("itertools", "filterfalse"),
    ("itertools", "izip_longest"): ("itertools", "zip_longest"),
    ("UserDict", "IterableUserDict"): ("collections", "UserDict"),
    ("_socket", "fromfd"): ("socket", "fromfd"),
    ("_multiprocessing", "Connection"): ("multiprocessing.connection", "Connection"),
    ("multiprocessing.process", "Process"): ("multiprocessing.context", "Process"),
    ("multiprocessing.forking", "Popen"): ("multiprocessing.popen_fork", "Popen"),
    ("socket", "_socketobject"): ("socket", "SocketType"),
    ("urllib", "getproxies"): ("urllib.request", "getproxies"),
    ("urllib", "pathname2url"): ("urllib.request", "pathname2url"),
    ("urllib", "quote"): ("urllib.parse", "quote"),
    ("urllib", "quote_plus"): ("urllib.parse", "quote_plus"),
    ("urllib", "unquote"): ("urllib.parse", "unquote"),
    ("urllib", "unquote_plus"): ("urllib.parse", "unquote_plus"),
    ("urllib", "url2pathname"): ("urllib.request", "url2pathname"),
    ("urllib", "urlcleanup"): ("urllib.request", "urlcleanup"),
    ("urllib", "urlencode"): ("urllib.parse", "urlencode"),
    ("urllib", "urlopen"): ("urllib.request", "urlopen"),
    ("urllib", "urlretrieve"): ("urllib.request", "urlretrieve"),
    ("urllib2", "HTTPError"): ("urllib.error", "HTTPError"),
    ("urllib2", "URLError"): ("urllib.error", "URLError"),
}


def translate(module: str, name: str) -> tuple[str, str] | None:
    """Return what Python 3 imports instead of a name of Python 2; None if it is none."""
    found = _NAMES.get((module, name))
    if found is not None:
        return found
    moved = _MODULES.get(module)
    return (moved, name) if moved is not None else None
