"""Names of files → URI references of SARIF.

Enters: a path as the user named it, and the folder of the repository. Leaves: an artifact location:
relative to that folder if the file lies below it, absolute if not.

Source: RFC 3986; SARIF 2.1.0, 3.4 and 3.10.
"""

import os
import urllib.parse
from pathlib import Path
from typing import Final

from ckptscope.reports.gate_phrases import path_below
from ckptscope.reports.sarif_log import ArtifactLocation

#: The name that services know for the root of a repository.
BASE_ID: Final = "%SRCROOT%"


def uri_of(path: str, root: Path | None) -> ArtifactLocation:
    """Return where a file lies; without a root, and relative, as it was named."""
    below = path_below(path, root)
    if below is not None:
        return ArtifactLocation(uri=_quoted(below), uri_base_id=BASE_ID)
    if root is None and not os.path.isabs(path):
        return ArtifactLocation(uri=_quoted(path.replace(os.sep, "/")))
    absolute = path if "\0" in path else os.path.abspath(path)
    return ArtifactLocation(uri=f"file://{_quoted(Path(absolute).as_posix())}")


def _quoted(path: str) -> str:
    """Percent-encode a path, byte by byte where its name is no text."""
    try:
        raw = os.fsencode(path)
    except UnicodeEncodeError:
        raw = path.encode("utf-8", "surrogatepass")
    return urllib.parse.quote(raw, safe="/")
