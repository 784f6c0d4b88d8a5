"""Keeps the wanted versions of remote models in local folders, which the file system source then looks at."""

from __future__ import annotations

import hashlib
import logging
import shutil
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from accelserve.models.errors import ModelError
from accelserve.models.registry.documents import documents_at
from accelserve.models.registry.labels import KEY as LABELS
from accelserve.models.registry.labels import read_labels
from accelserve.models.repository import versions_among
from accelserve.models.repository.location import folder_of
from accelserve.models.repository.object_store import Store, store_of
from accelserve.server.config import ModelConfig
from accelserve.server.errors import LoadError
from accelserve.server.faults import FaultLog, Faults
from accelserve.server.polling import Poller
from accelserve.server.remote.download import MANIFEST, UNFINISHED, download_version
from accelserve.server.version_policy import Unusable, VersionPolicy, with_labelled, with_stand_ins

_LOG = logging.getLogger(__name__)


@dataclass(slots=True)
class _Origin:
    """One remote model. Guarded by the mirror's lock.

    Attributes:
        model: as configured, with its local folder for a base path.
        faults: of each version, None standing for the listing, ``LABELS`` for the labels.
    """

    model: ModelConfig
    faults: Faults[int | str | None]


class RemoteMirror:
    """Thread-safe.

    Args:
        cache: folder under which every remote model has its own.
        poll_seconds: between looks at the stores; 0 looks only when models are configured.
        changed: called after a version came or went, on the polling thread.
        unusable: the versions that are here and did not load.
        log: of what is wrong.
        kept: the versions that labels keep loaded.
    """

    def __init__(
        self,
        cache: Path,
        poll_seconds: float,
        changed: Callable[[], None],
        unusable: Unusable,
        log: FaultLog,
        kept: Callable[[str], frozenset[int]] = lambda _name: frozenset(),
    ) -> None:
        self._cache = cache
        self._changed = changed
        self._unusable = unusable
        self._log = log
        self._kept = kept
        self._lock = threading.Lock()
        self._origins: dict[str, _Origin] = {}
        self._poller = Poller("remote-mirror", poll_seconds, self.look, "the remote models")

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
                    self._origins[model.name] = _Origin(
                        local, old.faults if old and same else Faults(self._log)
                    )
            for origin in self._origins.values():
                self._refresh(origin)
            return [
                self._origins[model.name].model if model.name in self._origins else model for model in models
            ]

    def start(self) -> None:
        """Poll on a thread of its own, if polling is on."""
        self._poller.start()

    def stop(self, timeout: float | None = None) -> None:
        """Stop polling; returns when the thread has ended, or after ``timeout`` seconds: it may be at a download."""
        self._poller.stop(timeout)

    def look(self) -> None:
        """Look at every store now."""
        with self._lock:
            changes = [self._refresh(origin) for origin in self._origins.values()]
        if any(changes):
            self._changed()

    def fault(self, name: str) -> str | None:
        """Why a remote model is not here, in whole or in part; None if it is."""
        origin = self._origins.get(name)
        return "; ".join(origin.faults.all().values()) or None if origin else None

    def _refresh(self, origin: _Origin) -> bool:
        """Bring what is wanted, then drop what is not; whether anything changed."""
        model = origin.model
        try:
            store, root = store_of(model.origin)
            present = _versions(store, root)
        except Exception as error:  # noqa: BLE001 - stores raise what they like; what is here stays and serves
            origin.faults.report(None, f"{model.origin} cannot be listed: {_sentence(error)}")
            return False
        origin.faults.clear(None)
        changed, labelled = self._bring_labels(origin)
        changes = [changed]
        # Those that labels mean now, and those that they are about to mean.
        labelled |= self._kept(model.name)
        policy = with_labelled(model.policy, labelled)
        wanted = {version: present[version] for version in policy.wanted(present)}
        changes += [self._download(origin, store, version, path) for version, path in sorted(wanted.items())]
        # Where nothing of that can be brought or used, the next lower versions stand in for it.
        while stand_ins := self._stand_ins(origin, policy, present, wanted):
            wanted |= stand_ins
            changes += [self._download(origin, store, version, path) for version, path in stand_ins.items()]
        origin.faults.keep({None, LABELS, *wanted})
        # A version that is not wanted any more stays until its successor is here.
        if all((model.base_path / str(version)).is_dir() for version in policy.wanted(present)):
            changes.append(self._drop_others(model.base_path, wanted))
        return any(changes)

    def _bring_labels(self, origin: _Origin) -> tuple[bool, frozenset[int]]:
        """Have the labels here that are there: whether they changed, and the versions that have one."""
        here = documents_at(str(origin.model.base_path))
        try:
            labelled = frozenset(read_labels(origin.model.origin).values())
            there, known = documents_at(origin.model.origin).get(LABELS), here.get(LABELS)
            if there is None:
                changed = here.delete(LABELS)
            elif changed := known is None or known[0] != there[0]:
                here.overwrite(LABELS, there[0])
        except Exception as error:  # noqa: BLE001 - stores raise what they like; the labels stay as they were
            origin.faults.report(
                LABELS, f"{origin.model.origin}: labels stay as they were: {_sentence(error)}"
            )
            return False, frozenset()
        origin.faults.clear(LABELS)
        return changed, labelled

    def _stand_ins(
        self, origin: _Origin, policy: VersionPolicy, present: Mapping[int, str], wanted: Mapping[int, str]
    ) -> dict[int, str]:
        failed = self._unusable(origin.model.name) | {
            each for each in origin.faults.all() if isinstance(each, int)
        }
        if set(wanted) - failed:
            return {}
        others = with_stand_ins(policy, present, failed) - set(wanted)
        return {version: present[version] for version in sorted(others)}

    def _download(self, origin: _Origin, store: Store, version: int, remote: str) -> bool:
        folder = origin.model.base_path
        try:
            if _manifest_here(folder / str(version)) == _manifest_there(store, remote):
                origin.faults.clear(version)
                return False
            download_version(store, remote, folder, version)
        except Exception as error:  # noqa: BLE001 - as above
            origin.faults.report(version, _sentence(error))
            return False
        origin.faults.clear(version)
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
    if isinstance(error, LoadError | ModelError):
        return str(error)
    return f"{type(error).__name__}: {error}"
