"""What a folder shows becomes what is wanted, but not at the first sight of nothing."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from pathlib import Path

import pytest

from accelserve.server.config import LoadingConfig, ModelConfig
from accelserve.server.core.echo import EchoLoader
from accelserve.server.core.registry import ModelChoice, ModelRegistry
from accelserve.server.core.source import AspiredVersion, FileSystemSource, fingerprint

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
    assert source.fault("echo") is None


def test_a_folder_that_stays_empty_is_believed_at_the_second_look(base: Path) -> None:
    source, aspired = watching(base, NEVER_SECONDS)
    (base / "1").rename(base / ".withdrawn")
    source.look()
    source.look()
    source.look()
    assert aspired.calls == [[1], [], []]
    assert "No versions of servable echo found" in (source.fault("echo") or "")


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
        registry.close(timeout=60)


def odd_children(folder: Path) -> None:
    """What backups, editors and copies of other systems leave behind."""
    (folder / "circle").symlink_to("circle")
    (folder / "nowhere").symlink_to("not-there")
    (folder / os.fsdecode(b"caf\xe9")).touch()
    os.mkfifo(folder / "pipe")


def test_odd_files_beside_versions_are_none_of_ours(base: Path) -> None:
    odd_children(base)
    (base / "7").symlink_to("7")
    _, aspired = watching(base, NEVER_SECONDS)
    assert aspired.calls == [[1]]


def test_odd_files_within_a_version_count_as_files(base: Path) -> None:
    odd_children(base / "1")
    _, aspired = watching(base, NEVER_SECONDS)
    assert aspired.calls == [[1]]
    before = fingerprint(base / "1")
    assert before == fingerprint(base / "1") != ""
    (base / "1" / "not-there").touch()  # where a link leads
    assert fingerprint(base / "1") not in (before, "")


def test_a_look_that_fails_is_said_and_is_not_the_last(base: Path, caplog: pytest.LogCaptureFixture) -> None:
    looked_again = threading.Event()
    looks = 0

    def aspire(_name: str, _versions: Mapping[int, AspiredVersion]) -> None:
        nonlocal looks
        looks += 1
        if looks == 2:
            raise ZeroDivisionError
        if looks == 3:
            looked_again.set()

    source = FileSystemSource(aspire, 0.001)
    source.watch([ModelConfig(name="echo", base_path=base)])
    source.start()
    try:
        assert looked_again.wait(60)
    finally:
        source.stop()
    assert "the models' folders could not be looked at" in caplog.text
