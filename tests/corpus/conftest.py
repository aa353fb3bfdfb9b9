"""The folder of real and hostile files; without it each module says that it was not run."""

import os
from pathlib import Path

import pytest

ROOT = os.environ.get("CKPTSCOPE_CORPUS")


@pytest.fixture(scope="session")
def corpus() -> Path:
    assert ROOT is not None
    return Path(ROOT)
