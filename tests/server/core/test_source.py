"""What a folder shows becomes what is wanted, but not at the first sight of nothing."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from accelserve.server.config import LoadingConfig, ModelConfig
from accelserve.server.core.echo import EchoLoader
from accelserve.server.core.registry import ModelChoice, ModelRegistry
from accelserve.server.core.source import AspiredVersion, FileSystemSource

NEVER_SECONDS = 3600.0


@pytest.fixture
def base(tmp_path: Path) -> Path:
    folder = tmp_path / "echo"
    (folder / "1").mkdir(parents=True)
    (folder / "1" / "greeting.txt").write_text("hello")
    return folder


class Aspired:
    """Remembers the wanted versions of every call."""

    def __init__(self) -> None:
        self.calls: list[list[int]] = []

    def __call__(self, name: str, versions: Mapping[int, AspiredVersion]) -> None:
        assert name == "echo"
        self.calls.append(sorted(versions))


def watching(base: Path, poll_seconds: float) -> tuple[FileSystemSource, Aspired]:
    aspired = Aspired()
    source = FileSystemSource(aspired, poll_seconds)
    source.watch([ModelConfig(name="echo", base_path=base)])
    return source, aspired


def test_a_version_that_is_away_for_one_look_stays_wanted(base: Path) -> None:
    source, aspired = watching(base, NEVER_SECONDS)
    away = (base / "1").rename(base / ".replaced")
    source.look()
    away.rename(base / "2")
    source.look()
    assert aspired.calls == [[1], [2]]
    assert source.complaint("echo") is None


def test_a_folder_that_stays_empty_is_believed_at_the_second_look(base: Path) -> None:
    source, aspired = watching(base, NEVER_SECONDS)
    (base / "1").rename(base / ".withdrawn")
    source.look()
    source.look()
    source.look()
    assert aspired.calls == [[1], [], []]
    assert "No versions of servable echo found" in (source.complaint("echo") or "")


def test_every_time_is_doubted_anew(base: Path) -> None:
    source, aspired = watching(base, NEVER_SECONDS)
    for version in (2, 3):
        away = (base / str(version - 1)).rename(base / ".replaced")
        source.look()
        away.rename(base / str(version))
        source.look()
    assert aspired.calls == [[1], [2], [3]]


def test_a_source_that_does_not_poll_looks_twice_at_once(base: Path) -> None:
    source, aspired = watching(base, 0)
    (base / "1").rename(base / ".withdrawn")
    source.watch([ModelConfig(name="echo", base_path=base)])
    assert aspired.calls == [[1], []]


def test_requests_are_answered_while_the_only_version_is_replaced_step_by_step(base: Path) -> None:
    registry = ModelRegistry(EchoLoader(), LoadingConfig(poll_seconds=NEVER_SECONDS))
    served = [ModelConfig(name="echo", base_path=base)]
    registry.start(served)
    try:
        away = (base / "1").rename(base / ".replaced")
        registry.reload(served)
        with registry.acquire(ModelChoice(name="echo")) as handle:
            assert handle.servable.answer("there") == "hello there"
        (away / "greeting.txt").write_text("good day")
        away.rename(base / "2")
        registry.reload(served)
        with registry.acquire(ModelChoice(name="echo")) as handle:
            assert handle.servable.answer("there") == "good day there"
    finally:
        registry.close(timeout=30)
