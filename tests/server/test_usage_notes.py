"""Servers note in the models' folders what they have loaded."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.server.conftest import ColourLoader, ColourNetwork
from tests.server.waiting import until

from accelserve.models.registry.in_use import InUse, in_use
from accelserve.server.app import Server
from accelserve.server.config import GrpcConfig, ModelConfig, ServerConfig
from accelserve.server.core.servable import ServableId
from accelserve.server.core.states import ServableStateMonitor, StateReport, VersionState
from accelserve.server.errors import LoadError
from accelserve.server.usage_notes import UsageNotes

Serve = Callable[..., SimpleNamespace]


def versions(folder: Path) -> list[tuple[int, ...]]:
    return [note.versions for note in in_use(str(folder))]


def notes(folder: Path) -> list[InUse]:
    return [note for model in ("colour", "other") for note in in_use(str(folder / model))]


def test_what_is_loaded_is_noted_and_a_stop_takes_the_note_away(
    serve: Serve, publish: Callable[..., Path]
) -> None:
    server = serve({"colour": {1: "1.0"}, "other": {7: "1.0"}})
    address = f"127.0.0.1:{server.server.port}"
    noted = {("colour", address, (1,)), ("other", address, (7,))}
    until(lambda: {(note.model, note.server, note.versions) for note in notes(server.folder)} == noted)
    publish(server.folder / "colour", 2)
    server.server.registry.reload(server.server.registry.models())
    until(lambda: versions(server.folder / "colour") == [(2,)])
    server.server.registry.reload([ModelConfig(name="other", base_path=server.folder / "other")])
    until(lambda: versions(server.folder / "colour") == [])
    assert versions(server.folder / "other") == [(7,)]


class WaitsForItsNote(ColourLoader):
    """Loads once the model's folder says that this server is at it."""

    def load(self, servable_id: ServableId, path: Path) -> ColourNetwork:
        until(lambda: versions(path.parent) == [(1,)])
        return super().load(servable_id, path)


def starting(folder: Path, **settings: Any) -> Server:
    models = (ModelConfig(name="colour", base_path=folder / "colour"),)
    config = ServerConfig(models=models, grpc=GrpcConfig(address="127.0.0.1", port=0), **settings)
    return Server(config, WaitsForItsNote())


def test_a_version_is_protected_while_it_loads_for_the_first_time(
    tmp_path: Path, publish: Callable[..., Path]
) -> None:
    """Which may take minutes, before any port is open; then the note has the port that the system chose."""
    publish(tmp_path / "colour", 1)
    server = starting(tmp_path)
    server.start()
    try:
        until(lambda: in_use(str(tmp_path / "colour"))[0].server == f"127.0.0.1:{server.port}")
    finally:
        server.stop()
    assert in_use(str(tmp_path / "colour")) == []


def test_a_server_that_does_not_start_leaves_no_note(tmp_path: Path, publish: Callable[..., Path]) -> None:
    publish(tmp_path / "colour", 1, "no gain")
    with pytest.raises(LoadError):
        starting(tmp_path).start()
    assert in_use(str(tmp_path / "colour")) == []


def test_nothing_is_written_if_it_is_not_wanted(serve: Serve) -> None:
    server = serve(server_settings={"usage_notes": False})
    assert not (server.folder / "colour" / ".accelserve").exists()


class Registry:
    """Two versions of a model on a state states, without loading anything."""

    def __init__(self, folder: Path) -> None:
        self.states = ServableStateMonitor()
        self._folder = folder
        self.say(1, VersionState.AVAILABLE)

    def say(self, version: int, state: VersionState) -> None:
        self.states.publish(StateReport(ServableId("net", version), state))

    def models(self) -> list[ModelConfig]:
        return [ModelConfig(name="net", base_path=self._folder)]


def test_a_note_is_renewed(tmp_path: Path) -> None:
    notes = UsageNotes(Registry(tmp_path), renewal_seconds=0.01)
    notes.start("box:8500")
    (file,) = wait_for_notes(tmp_path)
    first = file.stat().st_mtime_ns
    until(lambda: file.stat().st_mtime_ns != first)
    notes.stop()
    assert in_use(str(tmp_path)) == []


def test_a_folder_that_is_deleted_while_it_serves_does_not_come_back(tmp_path: Path) -> None:
    registry = Registry(tmp_path / "net")
    (tmp_path / "net").mkdir()
    notes = UsageNotes(registry, renewal_seconds=0.01)
    notes.start("box:8500")
    wait_for_notes(tmp_path / "net")
    moved = (tmp_path / "net").rename(tmp_path / "away")
    registry.say(2, VersionState.AVAILABLE)
    notes.stop()
    assert not (tmp_path / "net").exists()
    assert versions(moved) == [(1,)]


def test_a_folder_that_may_not_be_written_is_said_once_and_quietly(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """sysfs refuses everybody, root too."""
    caplog.set_level(logging.INFO)
    registry = Registry(Path("/sys/kernel"))
    notes = UsageNotes(registry, renewal_seconds=0.01)
    notes.start("box:8500")
    until(lambda: bool(caplog.records))
    for version in range(2, 20):
        registry.say(version, VersionState.AVAILABLE)
    notes.stop()
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        (
            "INFO",
            (
                "/sys/kernel may not be written, so nobody can see there that this server uses it; "
                "'accelserve models delete' sees it with --server box:8500"
            ),
        )
    ]


def wait_for_notes(folder: Path) -> list[Path]:
    until(lambda: bool(in_use(str(folder))))
    return list((folder / ".accelserve" / "in-use").glob("*.json"))
