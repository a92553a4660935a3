"""Shared by all tests: a tiny corpus, a tiny GPT-2, the real data where there is any."""

import os
from pathlib import Path

import pytest


REAL_DATA = os.environ.get("MAMLVIAPP_DATA", "")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    skip = pytest.mark.skip(reason="MAMLVIAPP_DATA names no folder with the real data")
    for item in items:
        if "real_data" in item.keywords and not Path(REAL_DATA or "/nonexistent").is_dir():
            item.add_marker(skip)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data; only tests marked `real_data` may ask for it."""
    return Path(REAL_DATA).resolve()
