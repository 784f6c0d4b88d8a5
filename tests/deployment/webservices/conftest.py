from __future__ import annotations

from pathlib import Path

import pytest
from tests.models.tiny_classifier import publish_tiny_classifier


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Version 1 of ``tiny``, to be copied."""
    return publish_tiny_classifier(tmp_path_factory.mktemp("published")).parent.parent


@pytest.fixture(autouse=True)
def state_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where services have their folders: the test's own."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state" / "accelserve" / "services"
