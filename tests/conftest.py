"""What several tests share: where real data lies, and small experiments."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("abkit", settings.default, deadline=None)  # a busy machine is no failure
settings.load_profile("abkit")

pytest_plugins = ("tests.databases", "tests.forked", "tests.spark")

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of data sets that may be tested against but not shipped."""
    place = Path(os.environ.get("ABKIT_SHARED", ROOT.parent / "shared"))
    if not (place / "data").is_dir():
        pytest.skip(f"no folder {place} with the data sets that are not shipped; set ABKIT_SHARED")
    return place
