r"""What texts tell of the machine and of the person that saved the file: paths, users, hosts.

Enters: the texts of a checkpoint. Leaves: findings `TRN011` to `TRN013`, one for each folder, user
and host. A text counts as a path if it begins where file systems of servers and of people do
(`/home`, `/mnt`, `C:\`), or if all of it is one and it is the value of a name such as `output_dir`;
`/s/` in a vocabulary is none. Patterns have bounded repeats that exclude what follows them, so that
a search is linear in the text.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from ckptscope.checks.training.credentials import redact
from ckptscope.facts.findings import Code, Finding, Severity, Where
from ckptscope.facts.training import Text

#: Examples that a finding gives.
_MOST_EXAMPLES = 3
_EXAMPLE_CHARACTERS = 160
#: Matches of one text that are looked at; sources list thousands of places of one installation.
_MOST_MATCHES = 2000

#: Top folders below which people and projects keep things.
_OWN = (
    "home|users|root|mnt|data\\d{0,3}|scratch\\d{0,3}|work|storage|nfs|gpfs\\w{0,20}|lustre|media|"
    "export|volumes?|ssd\\d{0,3}|hdd\\d{0,3}|disk\\d{0,3}|raid\\d{0,3}|projects?|proj|share|shared|"
    "cluster|fsx|efs|cephfs|beegfs|net|vol\\d{0,3}|workspace|datasets?|checkpoints?|gdrive"
)
#: Top folders that are alike on every machine, or that a service gives to everybody.
_COMMON = "usr|opt|tmp|var|dev|etc|private|lib|bin|proc|app|content|kaggle"
_SEGMENT = r"[\w.+@~%=-]{1,255}"
#: After the first letter it looks back: `g/data/x` is a part of something that began before.
_POSIX = re.compile(
    rf"/(?:(?<=file:///)|(?<![\w./\\~*)\]}}><-]/))(?:{_OWN}|{_COMMON})/{_SEGMENT}(?:/{_SEGMENT}){{0,64}}",
    re.IGNORECASE,
)
_WINDOWS_SEGMENT = r"[^\\/:*?\"'<>|\r\n\t]{2,120}"
#: Two folders at least: `x:\n` in a source is none.
_WINDOWS = re.compile(rf"(?<![A-Za-z0-9])[A-Za-z]:(?:[\\/]{{1,2}}{_WINDOWS_SEGMENT}){{2,64}}")
#: A path as a whole value, wherever it begins.
_WHOLE = re.compile(rf"(?:/{_SEGMENT}){{2,64}}/?")
_PATH_NAME = re.compile(
    r"(?:^|[_\-. ])(?:path|dir|directory|root|folder|file|filename|ckpt|checkpoint|weights|resume|"
    r"output|outputs|save|log|logs|cwd|pwd|home|prefix|pretrained|load_from|work_dir)s?$",
    re.IGNORECASE,
)
#: The person's folder: `/home/NAME`, `/mnt/home/NAME`, `/Users/NAME`, `C:\Users\NAME`.
_HOME = re.compile(
    r"^(?:[A-Za-z]:)?(?:[\\/]{1,2}[\w.+-]{1,64}){0,2}[\\/]{1,2}(?:home|Users|users|Documents and "
    r"Settings)[\\/]{1,2}([^\\/]{1,64})"
)
_USER_NAME = re.compile(r"(?:^|[_\-.])(?:user|username|user_?name|logname|login)$", re.IGNORECASE)
_USER = re.compile(r"[A-Za-z_][\w.@ -]{0,63}")
#: Accounts that a system, a service or an example has, and words that stand for no person.
_NOBODY = frozenset(
    {
        "user",
        "users",
        "username",
        "user_name",
        "name",
        "your_name",
        "yourname",
        "you",
        "me",
        "root",
        "admin",
        "administrator",
        "ubuntu",
        "debian",
        "centos",
        "runner",
        "runneradmin",
        "jovyan",
        "ec2-user",
        "azureuser",
        "sagemaker-user",
        "docker",
        "vagrant",
        "colab",
        "anonymous",
        "public",
        "shared",
        "share",
        "default",
        "guest",
        "nobody",
        "app",
        "worker",
        "builder",
        "circleci",
        "travis",
        "coder",
        "vscode",
        "node",
        "www-data",
        "hadoop",
        "spark",
        "jenkins",
        "gitlab-runner",
        "build",
        "dev",
        "test",
        "work",
        "data",
        "all",
        "none",
        "null",
        "true",
        "false",
        "assistant",
        "system",
        "human",
        "bot",
        "model",
        "conda",
        "anaconda3",
        "miniconda3",
        "linuxbrew",
        "keras",
        "pytorch",
        "tensorflow",
        "xxx",
    }
)
_HOST_NAME = re.compile(
    r"(?:^|[_\-.])(?:host_?name|node_?name|fqdn|machine_?name|computer_?name|master_addr|"
    r"nodelist|slurm\w{0,30}node(?:list|name))$",
    re.IGNORECASE,
)
_PERHAPS_HOST_NAME = re.compile(r"(?:^|[_\-.])(?:host|node|machine|server)$", re.IGNORECASE)
_HOST = re.compile(
    r"[A-Za-z0-9](?:[A-Za-z0-9\-_\[\],]{0,62}[A-Za-z0-9\]])?(?:\.[A-Za-z0-9-]{1,63}){0,8}"
)
_FULL_HOST = re.compile(r"[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){0,7}\.[A-Za-z]{2,24}")
#: RFC 1918: addresses that mean something in one network alone.
_INNER_ADDRESS = (
    r"(?:10(?:\.\d{1,3}){3}|192\.168(?:\.\d{1,3}){2}|172\.(?:1[6-9]|2\d|3[01])(?:\.\d{1,3}){2})"
)
_ADDRESS = re.compile(rf"{_INNER_ADDRESS}(?::\d{{1,5}})?")
_BUCKET = re.compile(
    r"(?<![a-z0-9+])((?:s3[an]?|gs|gcs|hdfs|wasbs?|abfss?|oss|cos|obs|ssh|sftp|nfs|smb)://"
    r"(?:[^\s/:@'\"<>]{0,64}(?::[^\s/:@'\"<>]{0,128})?@)?)([\w.{}$%-]{1,255})",
    re.IGNORECASE,
)
_INNER_URL = re.compile(
    r"(?<![a-z0-9+])((?:https?|tcp|ftp|wss?|grpc)://"
    r"(?:[^\s/:@'\"<>]{0,64}(?::[^\s/:@'\"<>]{0,128})?@)?)"
    rf"({_INNER_ADDRESS}|[A-Za-z0-9-]{{1,63}}(?:\.[A-Za-z0-9-]{{1,63}}){{0,6}}"
    r"\.(?:local|internal|intranet|lan|corp|cluster))(?![A-Za-z0-9.-])",
    re.IGNORECASE,
)
_COPY = re.compile(
    r"(?<![\w.@/-])[\w.-]{1,64}@([A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){0,6}):[~/]"
)
_SHARE = re.compile(r"(?<![\\\w:])\\\\([A-Za-z0-9][\w.-]{1,62})\\[\w$][^\\\s]{0,120}")
#: Hosts that are the machine itself, and public ones from which everybody fetches code.
_NO_HOST = frozenset(
    {
        "localhost",
        "none",
        "null",
        "auto",
        "github.com",
        "gitlab.com",
        "bitbucket.org",
        "huggingface.co",
        "hf.co",
    }
)
_REMEDY = "save the checkpoint again without it, or with a path relative to the project"


class _Gathered:
    """What was met under one name, and where."""

    def __init__(self, first: Text) -> None:
        self.first = first
        self.examples: dict[str, None] = {}
        self.count = 0

    def add(self, shown: str, text: Text) -> None:
        self.count += 1
        if len(self.examples) < _MOST_EXAMPLES:
            at = f" at {redact(text.path)[-200:]!r}" if text.path else ""
            self.examples[f"{redact(shown)[:_EXAMPLE_CHARACTERS]!r}{at}"] = None

    def evidence(self) -> tuple[str, ...]:
        more = self.count - len(self.examples)
        return (*self.examples, *([f"and {more:,} more"] if more > 0 else []))


def check_traces(texts: Iterable[Text]) -> Iterator[Finding]:
    """Find paths, users and hosts among texts; each folder, user and host is told once."""
    folders: dict[str, _Gathered] = {}
    users: dict[str, _Gathered] = {}
    hosts: dict[str, _Gathered] = {}
    for text in texts:
        for path in find_paths(text):
            _gather(folders, _root_of(path), path, text)
            if user := _user_of(path):
                _gather(users, user, path, text)
        if user := _named_user(text):
            _gather(users, user, text.text, text)
        for host in find_hosts(text):
            _gather(hosts, host, host, text)
    yield from _tell_folders(folders)
    for user, found in users.items():
        yield _finding(
            Code.USER_RECORDED,
            f"a user is named: {redact(user)!r:.100}",
            found,
            "save the checkpoint again without it, if the name is not meant to be published",
        )
    for host, found in hosts.items():
        yield _finding(
            Code.HOST_RECORDED,
            f"a host or a store is named that others cannot reach, or need not know: "
            f"{redact(host)!r:.100}",
            found,
            "save the checkpoint again without it",
        )


def find_paths(text: Text) -> Iterator[str]:
    """Yield the absolute paths in a text."""
    value = text.text
    if "/" not in value and "\\" not in value:
        return
    found = False
    for pattern in (_POSIX, _WINDOWS):
        for match in islice(pattern.finditer(value), _MOST_MATCHES):
            found = True
            yield match.group()
    whole = value.strip()
    if found or len(whole) > _LONGEST_PATH or not _PATH_NAME.search(text.name):
        return
    if _WHOLE.fullmatch(whole):
        yield whole


def find_hosts(text: Text) -> Iterator[str]:
    """Yield the hosts, stores and addresses of inner networks in a text."""
    value, name = text.text, text.name
    short = value.strip() if len(value) <= _LONGEST_HOST else ""
    is_address = _ADDRESS.fullmatch(short) and "version" not in name.casefold()
    if is_address or (short and name and _is_host(name, short)):
        yield short
    if "://" in value:
        for pattern in (_BUCKET, _INNER_URL):
            for match in islice(pattern.finditer(value), _MOST_MATCHES):
                scheme = match.group(1).partition("://")[0]
                if not match.group(2).startswith(("$", "{", "%")) and not _is_none(match.group(2)):
                    yield f"{scheme}://{match.group(2)}"
    if "@" in value:
        copied = (match.group(1) for match in islice(_COPY.finditer(value), _MOST_MATCHES))
        yield from (one for one in copied if not _is_none(one))
    if "\\\\" in value:
        yield from (match.group(1) for match in islice(_SHARE.finditer(value), _MOST_MATCHES))


#: Longer texts are no path and no host as a whole: PATH_MAX of Linux, and a name of the DNS.
_LONGEST_PATH = 4096
_LONGEST_HOST = 253


def _gather(found: dict[str, _Gathered], key: str, shown: str, text: Text) -> None:
    one = found.get(key)
    if one is None:
        one = found[key] = _Gathered(text)
    one.add(shown, text)


def _tell_folders(folders: dict[str, _Gathered]) -> Iterator[Finding]:
    """Tell own folders one by one, and those that every machine has together."""
    common: list[tuple[str, _Gathered]] = []
    for root, found in folders.items():
        if _is_own(root):
            yield _finding(
                Code.PATH_RECORDED,
                f"absolute paths are recorded: below {redact(root)!r:.200}",
                found,
                _REMEDY,
            )
        else:
            common.append((root, found))
    if common:
        evidence = tuple(line for _, found in common[:_MOST_EXAMPLES] for line in found.evidence())
        roots: Sequence[str] = [repr(redact(root))[:60] for root, _ in common[:_MOST_EXAMPLES]]
        more = f" and {len(common) - _MOST_EXAMPLES:,} more" if len(common) > _MOST_EXAMPLES else ""
        first = common[0][1].first
        yield Finding(
            code=Code.PATH_RECORDED,
            severity=Severity.INFO,
            message="absolute paths are recorded, in folders that many machines have: "
            f"{', '.join(roots)}{more}",
            where=Where(member=first.member, key=redact(first.path)[:400] or None),
            evidence=evidence[:_MOST_EXAMPLES],
        )


def _finding(code: Code, message: str, found: _Gathered, advice: str) -> Finding:
    return Finding(
        code=code,
        severity=Severity.WARNING,
        message=message,
        where=Where(member=found.first.member, key=redact(found.first.path)[:400] or None),
        evidence=found.evidence(),
        help=advice,
    )


def _root_of(path: str) -> str:
    r"""Return the first two folders of a path, of a home the person's; of `C:\` likewise."""
    home = _HOME.match(path)
    if home is not None:
        return home.group()
    parts = re.split(r"[\\/]+", path, maxsplit=4)
    separator = "\\" if "\\" in path[:4] else "/"
    return separator.join(parts[:3])


def _is_own(root: str) -> bool:
    """Whether a folder is a person's or a project's, not one that every machine has."""
    top = re.split(r"[\\/]+", root)[1] if root.startswith("/") else ""
    return re.fullmatch(_COMMON, top, re.IGNORECASE) is None


def _user_of(path: str) -> str:
    """Return the person whose home a path leads through; empty for nobody."""
    home = _HOME.match(path)
    return home.group(1) if home is not None and _is_somebody(home.group(1)) else ""


def _named_user(text: Text) -> str:
    value = text.text.strip()
    named = bool(text.name) and _USER_NAME.search(text.name) is not None
    return value if named and _USER.fullmatch(value) and _is_somebody(value) else ""


def _is_somebody(name: str) -> bool:
    return name.casefold() not in _NOBODY and name[:1] not in ("$", "<", "{", "%", "*", ".")


def _is_host(name: str, value: str) -> bool:
    """Whether a value is a host in view of its name."""
    if _is_none(value) or _is_loopback(value):
        return False
    if _HOST_NAME.search(name):
        return _HOST.fullmatch(value) is not None
    return _PERHAPS_HOST_NAME.search(name) is not None and bool(
        _FULL_HOST.fullmatch(value) or _ADDRESS.fullmatch(value)
    )


def _is_none(host: str) -> bool:
    return host.casefold() in _NO_HOST or _is_loopback(host)


def _is_loopback(host: str) -> bool:
    return host.startswith("127.") or host in ("0.0.0.0", "::1")  # noqa: S104
