"""Notes in the models' folders which versions this server has loaded, so that nobody deletes one that serves.

A folder that may not be written gets none, which the log says once. ``accelserve models delete`` then has to be told of this
server.
"""

from __future__ import annotations

import logging
import os
import threading
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from accelserve.models.errors import ReadOnlyError
from accelserve.models.registry.clock import now
from accelserve.models.registry.in_use import RENEWAL_SECONDS, InUse, Note
from accelserve.models.repository.location import is_remote
from accelserve.server.config import ModelConfig
from accelserve.server.core.states import ServableStateMonitor, StateReport, VersionState
from accelserve.server.faults import FaultLog, Faults

_LOG = logging.getLogger(__name__)
_LOADED = frozenset((VersionState.LOADING, VersionState.AVAILABLE, VersionState.UNLOADING))


class _Models(Protocol):
    """The part of the registry that is asked."""

    states: ServableStateMonitor

    def models(self) -> list[ModelConfig]:
        """What is configured."""


@dataclass(frozen=True, slots=True)
class _Written:
    """A note, and what was written when."""

    note: Note
    server: str
    versions: tuple[int, ...]
    at: float

    def fresh(self, server: str, versions: tuple[int, ...], renewal_seconds: float) -> bool:
        """Whether it says this, and need not be renewed yet."""
        same = (self.server, self.versions) == (server, versions)
        return same and time.monotonic() - self.at < renewal_seconds


class UsageNotes:
    """Writes when versions come or go, renews in between, removes at the end; on a thread of its own.

    Args:
        registry: of the models.
        renewal_seconds: between two writes of what did not change.
    """

    def __init__(self, registry: _Models, renewal_seconds: float = RENEWAL_SECONDS) -> None:
        self._registry = registry
        self._renewal_seconds = renewal_seconds
        self._server_id = uuid.uuid4().hex
        self._since = now()
        self._server = ""
        self._written: dict[str, _Written] = {}
        self._read_only: set[str] = set()
        self._faults: Faults[str] = Faults(FaultLog())
        self._wake = threading.Event()
        self._stopping = False
        self._thread: threading.Thread | None = None

    def start(self, server: str) -> None:
        """Begin to write, before the first model is loaded. ``server`` is HOST:PORT, as others will reach it."""
        self._server = server
        self._registry.states.subscribe(self._changed)
        self._thread = threading.Thread(target=self._run, name="usage-notes", daemon=True)
        self._thread.start()

    def name(self, server: str) -> None:
        """From now on it is called so: the port may have been the system's to choose."""
        self._server = server
        self._wake.set()

    def stop(self) -> None:
        """Remove the notes; harmless if it never began. To be called when everything is unloaded."""
        self._stopping = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join()
        for folder in list(self._written):
            self._remove(folder)

    def _changed(self, _report: StateReport) -> None:
        self._wake.set()

    def _run(self) -> None:
        while not self._stopping:
            self._wake.clear()
            try:
                self._write_all()
            except Exception:  # noqa: BLE001 - the boundary: nobody else would ever renew them
                _LOG.exception("the notes of loaded versions could not be written")
            self._wake.wait(self._renewal_seconds)

    def _write_all(self) -> None:
        loaded = self._loaded()
        folders = {_folder(model): model.name for model in self._registry.models()}
        for folder, name in folders.items():
            if loaded.get(name):
                self._write(folder, name, loaded[name])
        for folder in set(self._written) - {folder for folder, name in folders.items() if loaded.get(name)}:
            self._remove(folder)

    def _loaded(self) -> Mapping[str, tuple[int, ...]]:
        found: dict[str, list[int]] = {}
        for report in self._registry.states.all():
            if report.state in _LOADED:
                found.setdefault(report.servable_id.name, []).append(report.servable_id.version)
        return {name: tuple(sorted(versions)) for name, versions in found.items()}

    def _write(self, folder: str, name: str, versions: tuple[int, ...]) -> None:
        known, server = self._written.get(folder), self._server
        if folder in self._read_only or (known and known.fresh(server, versions, self._renewal_seconds)):
            return
        note = InUse(
            server=server,
            process=os.getpid(),
            model=name,
            versions=versions,
            since=self._since,
            expires="",
        )
        try:
            place = known.note if known else Note(folder, self._server_id)
            place.write(note)
        except ReadOnlyError:
            self._read_only.add(folder)
            _LOG.info(
                "%s may not be written, so nobody can see there that this server uses it; "
                "'accelserve models delete' sees it with --server %s",
                folder,
                server,
            )
        except Exception as error:  # noqa: BLE001 - stores raise what they like; it is tried again
            if isinstance(error, FileNotFoundError) and not is_remote(folder):
                return  # deleted while it serves
            self._faults.report(
                folder, f"{folder}: the note of loaded versions could not be written: {error}"
            )
        else:
            self._written[folder] = _Written(place, server, versions, time.monotonic())
            self._faults.clear(folder)

    def _remove(self, folder: str) -> None:
        written = self._written.pop(folder)
        try:
            written.note.remove()
        except Exception as error:  # noqa: BLE001 - stores raise what they like
            _LOG.warning(
                "%s: the note of loaded versions could not be removed and expires: %s", folder, error
            )


def _folder(model: ModelConfig) -> str:
    return model.origin or str(model.base_path)
