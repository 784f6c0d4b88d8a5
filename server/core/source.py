"""Looks at model folders and says which versions are wanted, and what they are labelled.

A version is a child folder with a non-negative decimal name. Other children are skipped, so that a publisher can
write beside and rename. The source never loads; it only tells the manager the complete wanted set of each model.

A folder that had versions and shows none is not believed at the first look: a version that is being renamed or
replaced may be missing from a listing, and believing it would unload what serves.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from accelserve.models.errors import ModelError
from accelserve.models.registry.labels import read_labels
from accelserve.models.repository import versions_among
from accelserve.server.config import ModelConfig
from accelserve.server.core.labels import LabelTable
from accelserve.server.faults import FaultLog, Faults
from accelserve.server.polling import Poller
from accelserve.server.version_policy import Unusable, with_labelled, with_stand_ins


@dataclass(frozen=True, slots=True)
class AspiredVersion:
    """A version that shall be served.

    Attributes:
        path: its folder.
        fingerprint: changes when a file in it is added, removed, resized or rewritten.
    """

    path: Path
    fingerprint: str


Aspire = Callable[[str, Mapping[int, AspiredVersion]], None]


def versions_under(base_path: Path) -> dict[int, list[str]]:
    """Version -> names of its folders under ``base_path``, the shortest first; OSError if it cannot be listed."""
    with os.scandir(base_path) as children:
        return versions_among(child.name for child in children if _is_folder(child))


def fingerprint(folder: Path) -> str:
    """Hash of names, sizes and times of the files in ``folder``; empty if it cannot be listed any more.

    Names may be bytes of any encoding. A file that cannot be looked at (no right to, a link that leads nowhere or in a
    circle) counts by that: whoever mends it changes the hash.
    """
    digest = hashlib.blake2b(digest_size=16)
    try:
        for path in sorted(folder.rglob("*")):
            digest.update(os.fsencode(path.relative_to(folder)) + f"\0{_size_and_time(path)}\n".encode())
    except OSError:
        return ""
    return digest.hexdigest()


def _is_folder(child: os.DirEntry[str]) -> bool:
    try:
        return child.is_dir()
    except OSError:  # a link that leads in a circle, or where nobody may look, is none of ours
        return False


def _size_and_time(path: Path) -> str:
    try:
        status = path.stat()
    except OSError as error:
        return f"error {error.errno}"
    return f"{status.st_size}\0{status.st_mtime_ns}"


class FileSystemSource:
    """Polls the folders of a set of models. The set can be replaced while it runs."""

    def __init__(
        self,
        aspire: Aspire,
        poll_seconds: float,
        unusable: Unusable = lambda _name: frozenset(),
        log: FaultLog | None = None,
        labels: LabelTable | None = None,
    ) -> None:
        self._aspire = aspire
        self._labels = labels or LabelTable(lambda _name, _version: False, FaultLog())
        self._unusable = unusable
        self._faults: Faults[str] = Faults(log or FaultLog())
        self._label_faults: Faults[str] = Faults(log or FaultLog())
        self._lock = threading.Lock()
        self._models: tuple[ModelConfig, ...] = ()
        self._had_versions: set[str] = set()
        self._poller = Poller("file-system-source", poll_seconds, self.look, "the models' folders")

    def watch(self, models: Sequence[ModelConfig]) -> None:
        """Replace the set, look at once, and unload what is no longer in it."""
        with self._lock:
            dropped = {model.name for model in self._models} - {model.name for model in models}
            self._models = tuple(models)
            for name in sorted(dropped):
                self._faults.clear(name)
                self._had_versions.discard(name)
                self._aspire(name, {})
            doubtful = self._look()
            if not self._poller.on:  # nobody else would look a second time
                for model in doubtful:
                    self._look_at(model)

    def start(self) -> None:
        """Poll on a thread of its own, if polling is on."""
        self._poller.start()

    def stop(self) -> None:
        """Stop polling; returns when the thread has ended."""
        self._poller.stop()

    def look(self) -> None:
        """Look at every folder now."""
        with self._lock:
            self._look()

    def fault(self, name: str) -> str | None:
        """Why the model's folder yielded nothing at the last look, or None."""
        return self._faults.of(name)

    def _look(self) -> list[ModelConfig]:
        """Look at every folder; the models whose folders are to be looked at again before they are believed."""
        return [model for model in self._models if not self._look_at(model)]

    def _look_at(self, model: ModelConfig) -> bool:
        """Whether the look was believed."""
        try:
            present = versions_under(model.base_path)
        except OSError as error:
            # A file system that hiccups must not unload what serves well: the wanted set stays as it was.
            self._faults.report(
                model.name,
                f"Could not find base path {model.base_path} for servable {model.name}: {error.strerror}",
            )
            return True
        policy = with_labelled(model.policy, self._labelled(model))
        wanted = with_stand_ins(policy, present, self._unusable(model.name))
        if not wanted and model.name in self._had_versions:
            self._had_versions.discard(model.name)
            return False
        if not wanted:
            self._faults.report(
                model.name,
                f"No versions of servable {model.name} found under base path {model.base_path}. "
                "Did you forget to name your leaf directory as a number (eg. '/1/')?",
            )
        else:
            self._had_versions.add(model.name)
            self._report_doubles(model, present)
        folders = {version: model.base_path / present[version][0] for version in wanted}
        self._aspire(
            model.name,
            {version: AspiredVersion(folder, fingerprint(folder)) for version, folder in folders.items()},
        )
        return True

    def _labelled(self, model: ModelConfig) -> frozenset[int]:
        """Read the labels in the model's folder; the versions that they keep loaded."""
        try:
            self._labels.found(model.name, read_labels(str(model.base_path)))
        except (ModelError, OSError) as error:
            self._label_faults.report(model.name, f"labels of {model.name} stay as they were: {error}")
        else:
            self._label_faults.clear(model.name)
        return self._labels.kept(model.name)

    def _report_doubles(self, model: ModelConfig, present: Mapping[int, Sequence[str]]) -> None:
        doubles = [names for names in present.values() if len(names) > 1]
        if not doubles:
            self._faults.clear(model.name)
            return
        said = "; ".join(f"{', '.join(names)} are the same version, {names[0]} counts" for names in doubles)
        self._faults.report(model.name, f"{model.base_path}: {said}")
