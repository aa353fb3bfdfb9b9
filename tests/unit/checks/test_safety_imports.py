"""Names → findings: what is said, how often, and against which tables the judging holds."""

import _compat_pickle
import subprocess
import sys
from pathlib import Path

import pytest
from builders.adversarial_pickles import pickle2
from builders.pickles import call, global_, pickled, value
from builders.zips import Member, torch_members, zip_bytes
from hypothesis import given
from hypothesis import strategies as st

from ckptscope.checks.safety import check_imports
from ckptscope.checks.safety.dangerous import ALIASES, MODULES, NAMES
from ckptscope.checks.safety.harmless import HARMLESS
from ckptscope.checks.safety.judging import Verdict, judge
from ckptscope.checks.safety.python2 import translate
from ckptscope.facts.findings import Code, Severity
from ckptscope.facts.pickled import Import, Naming
from ckptscope.pipeline import inspect
from ckptscope.pipeline.gating import gate
from ckptscope.policies.policy import Policy

ROOT = Path(__file__).parents[3]


def named(module: str, name: str, member: str | None = None, offset: int = 0, **more) -> Import:
    return Import(
        module=module, name=name, opcode="GLOBAL", member=member, offset_bytes=offset, **more
    )


# What is said


def test_a_dangerous_name_is_an_error_that_says_what_it_does_and_where() -> None:
    (found,) = check_imports([named("os", "system", "a/data.pkl", 12)])
    assert (found.code, found.severity) == (Code.IMPORT_DANGEROUS, Severity.ERROR)
    assert found.message == "'os.system' runs commands or starts processes"
    assert (found.where.member, found.where.offset_bytes) == ("a/data.pkl", 12)
    assert found.evidence == ("'os.system' by GLOBAL at byte 12 of 'a/data.pkl'",)


def test_a_name_that_leads_elsewhere_says_where_to() -> None:
    (found,) = check_imports([named("torch", "serialization.os.system")])
    assert found.message.startswith("'torch.serialization.os.system' is 'os.system', which runs")


@pytest.mark.parametrize(
    ("module", "says"),
    [
        ("mylab.nets", "loading needs the package 'mylab', and runs its code"),
        ("__main__", "loading needs a script that defines it"),
        ("statistics", "is a part of Python that is not known to be harmless"),
        ("torch.futures", "is a part of torch that is not known to be harmless"),
    ],
)
def test_an_unknown_name_is_a_warning_that_says_what_loading_takes(module: str, says: str) -> None:
    (found,) = check_imports([named(module, "Thing")])
    assert (found.code, found.severity) == (Code.IMPORT_UNKNOWN, Severity.WARNING)
    assert says in found.message


def test_a_number_of_a_registry_is_told_by_its_number() -> None:
    hidden = named("copyreg", "extension 7", naming=Naming.HIDDEN)
    (found,) = check_imports([Import(**{**_fields(hidden), "opcode": "EXT1"})])
    assert found.code is Code.IMPORT_HIDDEN
    assert "number 7 of a registry" in found.message


def _fields(one: Import) -> dict:
    return {name: getattr(one, name) for name in one.__struct_fields__}


def test_one_name_in_one_member_is_one_finding_with_its_first_places_and_their_number() -> None:
    imports = [named("os", "system", "a.pkl", place) for place in range(8)]
    (found,) = check_imports(imports)
    assert len(found.evidence) == 6
    assert found.evidence[-1] == "8 places in all"
    both = check_imports([*imports, named("os", "system", "b.pkl", 0)])
    assert [one.where.member for one in both] == ["a.pkl", "b.pkl"]


def test_many_names_are_bounded_and_the_rest_is_counted() -> None:
    imports = [named("mylab", f"Class{n}") for n in range(5_000)]
    findings = check_imports(imports)
    assert len(findings) == 201
    assert findings[-1].message == "the same of 4,800 more names"


def test_text_of_the_file_is_quoted_and_cut() -> None:
    for one in check_imports([named("os\n\x1b[31m", "x" * 10_000), named("os.x" * 999, "\n")]):
        assert "\n" not in one.message
        assert "\x1b" not in one.message
        assert len(one.message) < 700
        assert all(len(line) < 700 and "\n" not in line for line in one.evidence)


@pytest.mark.parametrize(
    ("patterns", "left"),
    [
        ((), 3),
        (("mylab.nets.PoseNet",), 2),
        (("mylab.*",), 1),
        (("mylab.nets",), 3),
        (("*",), 1),
    ],
)
def test_allowed_names_pass_if_they_are_unknown_and_never_if_they_are_dangerous(
    patterns: tuple[str, ...], left: int
) -> None:
    imports = [named("mylab.nets", "PoseNet"), named("mylab", "Head"), named("os", "system")]
    findings = check_imports(imports, allowed=patterns)
    assert len(findings) == left
    assert findings[-1].code is Code.IMPORT_DANGEROUS or findings[0].code is Code.IMPORT_DANGEROUS


def test_an_allowed_name_does_not_allow_to_change_it() -> None:
    changed = named("mylab", "TABLE", naming=Naming.CHANGED)
    (found,) = check_imports([changed], allowed=("mylab.*",))
    assert found.code is Code.IMPORT_DANGEROUS


# Where it is shown


def test_inspect_and_the_gate_list_a_dangerous_name_once(tmp_path: Path) -> None:
    path = tmp_path / "evil.pt"
    path.write_bytes(zip_bytes(torch_members(value({"x": call("os", "system", "true")}), {})))
    (report,) = inspect(path).files
    assert report.manifest is not None
    assert [one.code for one in report.manifest.findings].count(Code.IMPORT_DANGEROUS) == 1
    (held,) = gate(path).files
    codes = [one.finding.code for one in held.rulings]
    assert codes.count(Code.IMPORT_DANGEROUS) == 1
    assert held.verdict == "refused"


def test_a_policy_that_allows_a_class_lets_it_pass_at_the_gate(tmp_path: Path) -> None:
    path = tmp_path / "net.pkl"
    path.write_bytes(pickle2(value([global_("mylab.nets", "PoseNet")])))
    (unknown,) = gate(path).files
    assert unknown.verdict == "inconclusive"
    (allowed,) = gate(path, Policy(imports=("mylab.nets.*",))).files
    assert Code.IMPORT_UNKNOWN not in [one.finding.code for one in allowed.rulings]


def test_what_a_damaged_pickle_had_named_counts_at_the_gate(tmp_path: Path) -> None:
    path = tmp_path / "cut.pkl"
    path.write_bytes(pickled({"x": call("os", "system", "true")})[:-1])
    (held,) = gate(path).files
    assert held.verdict == "unreadable"
    assert Code.IMPORT_DANGEROUS in [one.finding.code for one in held.rulings]


@pytest.mark.parametrize("flag", [0x1, 0x40])
def test_a_pickle_behind_a_false_mark_of_encryption_counts_at_the_gate(
    tmp_path: Path, flag: int
) -> None:
    path = tmp_path / "marked.zip"
    data = pickled({"x": call("os", "system", "true")})
    path.write_bytes(zip_bytes([Member(name="model/config.pkl", data=data, flags=flag)]))
    (held,) = gate(path).files
    assert held.verdict == "unreadable"
    assert Code.IMPORT_DANGEROUS in [one.finding.code for one in held.rulings]


def test_names_of_an_ordinary_checkpoint_cost_no_tables() -> None:
    program = (
        "import sys\n"
        "from ckptscope.checks.safety import check_imports\n"
        "from ckptscope.facts.pickled import Import\n"
        "names = [('collections', 'OrderedDict'), ('torch._utils', '_rebuild_tensor_v2'),\n"
        "         ('torch', 'FloatStorage'), ('numpy', 'dtype')]\n"
        "made = [Import(module=m, name=n, opcode='GLOBAL', member=None, offset_bytes=0)\n"
        "        for m, n in names]\n"
        "assert check_imports(made) == ()\n"
        "print(*(one for one in sys.modules if one.startswith('ckptscope.checks.safety')))"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT
    )
    loaded = {one.rpartition(".")[2] for one in run.stdout.split()}
    assert loaded == {"safety", "imports", "harmless"}


# The tables


@pytest.mark.parametrize("key", sorted(_compat_pickle.NAME_MAPPING), ids=".".join)
def test_a_renamed_name_of_python_2_is_judged_as_what_python_imports(key: tuple[str, str]) -> None:
    target = _compat_pickle.NAME_MAPPING[key]
    verdicts = {judge(*key).verdict, judge(*target).verdict}
    assert len(verdicts) == 1 or judge(*key).verdict is Verdict.DANGEROUS


@pytest.mark.parametrize("module", sorted(_compat_pickle.IMPORT_MAPPING))
def test_a_moved_module_of_python_2_is_translated_as_python_translates_it(module: str) -> None:
    assert translate(module, "some_name") == (_compat_pickle.IMPORT_MAPPING[module], "some_name")


@pytest.mark.torch
def test_what_torch_itself_loads_with_weights_only_is_harmless() -> None:
    pytest.importorskip("torch")
    from torch._weights_only_unpickler import _get_allowed_globals  # noqa: PLC0415

    odd = [
        name
        for name in _get_allowed_globals()
        if judge(*name.rsplit(".", 1)).verdict is not Verdict.HARMLESS
    ]
    assert odd == []


@pytest.mark.torch
def test_every_layer_and_optimizer_of_torch_is_harmless_where_it_is_defined() -> None:
    torch = pytest.importorskip("torch")
    classes = [
        found
        for room in (torch.nn.modules, torch.optim, torch.optim.lr_scheduler)
        for found in vars(room).values()
        if isinstance(found, type) and issubclass(found, torch.nn.Module | torch.optim.Optimizer)
    ]
    assert len(classes) > 150
    odd = [
        f"{one.__module__}.{one.__qualname__}"
        for one in classes
        if judge(one.__module__, one.__qualname__).verdict is not Verdict.HARMLESS
    ]
    # Its loss is younger than the newest torch that the list was compared with.
    assert [one for one in odd if "LinearCrossEntropy" not in one] == []


@pytest.mark.torch
def test_a_harmless_name_of_torch_is_a_class_a_constant_or_a_rebuild_function() -> None:
    torch = pytest.importorskip("torch")
    values = (torch.dtype, torch.layout, torch.memory_format, torch.qscheme, type)
    odd = [
        name
        for name in HARMLESS["torch"]
        if hasattr(torch, name) and not isinstance(getattr(torch, name), values)
    ]
    assert odd == []


#: The rest of the standard library: values, computations, formats of text.
UNKNOWN_MODULES = set(
    """
    __future__ abc argparse array _abc _bisect _blake2 _codecs _collections _collections_abc
    _compat_pickle _compression _contextvars _csv _curses _curses_panel _crypt _datetime _decimal
    _elementtree _functools _hashlib _heapq _json _locale _markupbase _md5 _multibytecodec
    _operator _py_abc _pydecimal _queue _random _scproxy _sha1 _sha256 _sha3 _sha512 _sre _stat
    _statistics _string _strptime _struct _threading_local _tokenize _typing _warnings _weakref
    _weakrefset _zoneinfo _codecs_cn _codecs_hk _codecs_iso2022 _codecs_jp _codecs_kr _codecs_tw
    _compat_pickle audioop base64 binascii bisect builtins calendar cgi chunk cmath codecs
    collections colorsys configparser contextlib contextvars copy csv curses dataclasses datetime
    decimal difflib email enum errno fnmatch fractions functools getopt getpass gettext graphlib
    hashlib heapq hmac html ipaddress itertools json keyword locale logging math nturl2path numbers
    operator optparse ossaudiodev plistlib pprint pydoc_data pyexpat queue quopri random re
    reprlib secrets select selectors shlex sre_compile sre_constants sre_parse stat statistics
    string stringprep struct sunau syslog textwrap time token tomllib traceback types typing
    unicodedata urllib warnings weakref xdrlib xml zlib zoneinfo
    """.split()  # noqa: SIM905 - a table of words
)


def test_every_module_of_the_standard_library_was_thought_of() -> None:
    known = {name.partition(".")[0] for name in MODULES}
    platform_data = {one for one in sys.stdlib_module_names if one.startswith("_sysconfigdata")}
    newer = sys.stdlib_module_names - known - UNKNOWN_MODULES - platform_data
    assert sys.version_info[:2] != (3, 11) or newer == set()


@pytest.mark.parametrize("module", sorted(NAMES))
def test_a_dangerous_name_of_the_tables_is_judged_dangerous(module: str) -> None:
    spelled = [module, *(old for old, new in ALIASES.items() if new == module)]
    for one in spelled:
        for name in NAMES[module]:
            assert judge(one, name).verdict is Verdict.DANGEROUS, (one, name)


@pytest.mark.parametrize("module", sorted(HARMLESS))
def test_no_harmless_name_hides_a_dangerous_one_below_it(module: str) -> None:
    for name in HARMLESS[module]:
        assert judge(module, name).verdict is Verdict.HARMLESS
        assert judge(module, f"{name}.__init__").verdict is Verdict.DANGEROUS
        assert judge(module, f"{name}.os.system").verdict is Verdict.DANGEROUS


@given(st.text(max_size=40), st.text(max_size=80), st.sampled_from(list(Naming)))
def test_judging_any_text_gives_findings_and_no_error(module: str, name: str, naming) -> None:
    for one in check_imports([named(module, name, naming=naming)]):
        assert one.message
