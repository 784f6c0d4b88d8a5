"""Keeps the wanted versions of remote models in local folders, which the file system source then looks at."""

from __future__ import annotations

import hashlib
import logging
import shutil
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from accelserve.models.repository import versions_among
from accelserve.server.complaints import Complaints
from accelserve.server.config import ModelConfig
from accelserve.server.errors import LoadError
from accelserve.server.location import folder_of
from accelserve.server.remote.download import MANIFEST, UNFINISHED, download_version
from accelserve.server.remote.store import Store, store_of
from accelserve.server.version_policy import Unusable, with_stand_ins

_LOG = logging.getLogger(__name__)


@dataclass(slots=True)
class _Origin:
    """One remote model. Guarded by the mirror's lock.

    Attributes:
        model: as configured, with its local folder for a base path.
        complaints: about each version, None standing for the listing; each was logged once.
    """

    model: ModelConfig
    complaints: dict[int | None, str]


class RemoteMirror:
    """Thread-safe.

    Args:
        cache: folder under which every remote model has its own.
        poll_seconds: between looks at the stores; 0 looks only when models are configured.
        changed: called after a version came or went, on the polling thread.
        unusable: the versions that are here and did not load.
        complaints: where they go.
    """

    def __init__(
        self,
        cache: Path,
        poll_seconds: float,
        changed: Callable[[], None],
        unusable: Unusable,
        complaints: Complaints,
    ) -> None:
        self._cache = cache
        self._poll_seconds = poll_seconds
        self._changed = changed
        self._unusable = unusable
        self._log = complaints
        self._lock = threading.Lock()
        self._origins: dict[str, _Origin] = {}
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def watch(self, models: Sequence[ModelConfig]) -> list[ModelConfig]:
        """Follow the remote ones among these models, from now on only these.

        Returns:
            The same models with local base paths; what is wanted of the remote ones has been brought there.
        """
        with self._lock:
            known, self._origins = self._origins, {}
            for model in models:
                if model.origin:
                    local = replace(model, base_path=folder_of(self._cache, model.origin))
                    old = known.get(model.name)
                    same = old is not None and old.model.origin == model.origin
                    self._origins[model.name] = _Origin(local, old.complaints if old and same else {})
            for origin in self._origins.values():
                self._refresh(origin)
            return [
                self._origins[model.name].model if model.name in self._origins else model for model in models
            ]

    def start(self) -> None:
        """Poll on a thread of its own, if polling is on."""
        if self._poll_seconds > 0 and self._thread is None:
            self._thread = threading.Thread(target=self._poll, name="remote-mirror", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Stop polling; returns when the thread has ended."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def look(self) -> None:
        """Look at every store now."""
        with self._lock:
            changes = [self._refresh(origin) for origin in self._origins.values()]
        if any(changes):
            self._changed()

    def complaint(self, name: str) -> str | None:
        """Why a remote model is not here, in whole or in part; None if it is."""
        origin = self._origins.get(name)
        return "; ".join(origin.complaints.values()) or None if origin else None

    def _poll(self) -> None:
        while not self._stop.wait(self._poll_seconds):
            self.look()

    def _refresh(self, origin: _Origin) -> bool:
        """Bring what is wanted, then drop what is not; whether anything changed."""
        model = origin.model
        try:
            store, root = store_of(model.origin)
            present = _versions(store, root)
        except Exception as error:  # noqa: BLE001 - stores raise what they like; what is here stays and serves
            self._complain(origin, None, f"{model.origin} cannot be listed: {_sentence(error)}")
            return False
        origin.complaints.pop(None, None)
        wanted = {version: present[version] for version in model.policy.wanted(present)}
        changes = [self._bring(origin, store, version, path) for version, path in sorted(wanted.items())]
        # Where nothing of that can be brought or used, the next lower versions stand in for it.
        while stand_ins := self._stand_ins(origin, present, wanted):
            wanted |= stand_ins
            changes += [self._bring(origin, store, version, path) for version, path in stand_ins.items()]
        for gone in set(origin.complaints) - {None, *wanted}:
            del origin.complaints[gone]
        # A version that is not wanted any more stays until its successor is here.
        if all((model.base_path / str(version)).is_dir() for version in model.policy.wanted(present)):
            changes.append(self._drop_others(model.base_path, wanted))
        return any(changes)

    def _stand_ins(
        self, origin: _Origin, present: Mapping[int, str], wanted: Mapping[int, str]
    ) -> dict[int, str]:
        failed = self._unusable(origin.model.name) | {each for each in origin.complaints if each is not None}
        if set(wanted) - failed:
            return {}
        others = with_stand_ins(origin.model.policy, present, failed) - set(wanted)
        return {version: present[version] for version in sorted(others)}

    def _bring(self, origin: _Origin, store: Store, version: int, remote: str) -> bool:
        folder = origin.model.base_path
        try:
            if _manifest_here(folder / str(version)) == _manifest_there(store, remote):
                origin.complaints.pop(version, None)
                return False
            download_version(store, remote, folder, version)
        except Exception as error:  # noqa: BLE001 - as above
            self._complain(origin, version, _sentence(error))
            return False
        origin.complaints.pop(version, None)
        _LOG.info("%s: version %d is in %s", origin.model.origin, version, folder)
        return True

    def _drop_others(self, folder: Path, wanted: Mapping[int, str]) -> bool:
        dropped = False
        for child in folder.iterdir() if folder.is_dir() else ():
            version = child.name.isascii() and child.name.isdigit() and int(child.name) not in wanted
            if version or child.name.startswith(UNFINISHED):
                shutil.rmtree(child, ignore_errors=True)
                dropped = dropped or version
        return dropped

    def _complain(self, origin: _Origin, version: int | None, sentence: str) -> None:
        # One line per change, however often it is tried.
        if origin.complaints.get(version) != sentence:
            origin.complaints[version] = sentence
            self._log.say(logging.WARNING, sentence)


def _versions(store: Store, root: str) -> dict[int, str]:
    folders = [
        str(child["name"]).rstrip("/")
        for child in store.ls(root, detail=True)
        if child["type"] == "directory"
    ]
    paths = {path.rpartition("/")[2]: path for path in folders}
    return {version: paths[names[0]] for version, names in versions_among(paths).items()}


def _manifest_there(store: Store, remote: str) -> str | None:
    try:
        return hashlib.sha256(store.cat_file(f"{remote}/{MANIFEST}")).hexdigest()
    except FileNotFoundError:
        return None


def _manifest_here(version: Path) -> str:
    try:
        return hashlib.sha256((version / MANIFEST).read_bytes()).hexdigest()
    except OSError:
        return ""


def _sentence(error: Exception) -> str:
    if isinstance(error, LoadError):
        return str(error)
    return f"{type(error).__name__}: {error}"
