"""What all tests of the models share."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def code_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where machine code is kept for the length of the session: most of a small network's conversion is compiling."""
    return tmp_path_factory.mktemp("machine-code")
