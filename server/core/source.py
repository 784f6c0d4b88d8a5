"""Looks at model folders and says which versions are wanted.

A version is a child folder with a non-negative decimal name. Other children are skipped, so that a publisher can
write beside and rename. The source never loads; it only tells the manager the complete wanted set of each model.

A folder that had versions and shows none is not believed at the first look: a version that is being renamed or
replaced may be missing from a listing, and believing it would unload what serves.
"""

from __future__ import annotations

import hashlib
import logging
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from accelserve.server.config import ModelConfig

_LOG = logging.getLogger(__name__)


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


def versions_under(base_path: Path) -> dict[int, Path]:
    """Version folders under ``base_path``; OSError if it cannot be listed."""
    found: dict[int, Path] = {}
    with os.scandir(base_path) as children:
        for child in children:
            # isascii: int() would take the digits of other scripts too
            if child.name.isascii() and child.name.isdigit() and child.is_dir():
                found[int(child.name)] = Path(child.path)
    return found


def fingerprint(folder: Path) -> str:
    """Hash of names, sizes and times of the files in ``folder``; empty if it vanished meanwhile."""
    digest = hashlib.blake2b(digest_size=16)
    try:
        for path in sorted(folder.rglob("*")):
            status = path.stat()
            digest.update(f"{path.relative_to(folder)}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
    except FileNotFoundError:
        return ""
    return digest.hexdigest()


class FileSystemSource:
    """Polls the folders of a set of models. The set can be replaced while it runs."""

    def __init__(self, aspire: Aspire, poll_seconds: float) -> None:
        self._aspire = aspire
        self._poll_seconds = poll_seconds
        self._lock = threading.Lock()
        self._models: tuple[ModelConfig, ...] = ()
        self._complaints: dict[str, str] = {}
        self._had_versions: set[str] = set()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def watch(self, models: Sequence[ModelConfig]) -> None:
        """Replace the set, look at once, and unload what is no longer in it."""
        with self._lock:
            dropped = {model.name for model in self._models} - {model.name for model in models}
            self._models = tuple(models)
            for name in sorted(dropped):
                self._complaints.pop(name, None)
                self._had_versions.discard(name)
                self._aspire(name, {})
            doubtful = self._look()
            if self._poll_seconds <= 0:  # nobody else would look a second time
                for model in doubtful:
                    self._look_at(model)

    def start(self) -> None:
        """Poll on a thread of its own, if polling is on."""
        if self._poll_seconds > 0 and self._thread is None:
            self._thread = threading.Thread(target=self._poll, name="file-system-source", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Stop polling; returns when the thread has ended."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def look(self) -> None:
        """Look at every folder now."""
        with self._lock:
            self._look()

    def complaint(self, name: str) -> str | None:
        """Why the model's folder yielded nothing at the last look, or None."""
        return self._complaints.get(name)

    def _poll(self) -> None:
        while not self._stop.wait(self._poll_seconds):
            self.look()

    def _look(self) -> list[ModelConfig]:
        """Look at every folder; the models whose folders are to be looked at again before they are believed."""
        return [model for model in self._models if not self._look_at(model)]

    def _look_at(self, model: ModelConfig) -> bool:
        """Whether the look was believed."""
        try:
            present = versions_under(model.base_path)
        except OSError as error:
            # A file system that hiccups must not unload what serves well: the wanted set stays as it was.
            self._complain(
                model,
                f"Could not find base path {model.base_path} for servable {model.name}: {error.strerror}",
            )
            return True
        wanted = model.policy.wanted(present)
        if not wanted and model.name in self._had_versions:
            self._had_versions.discard(model.name)
            return False
        if not wanted:
            self._complain(
                model,
                f"No versions of servable {model.name} found under base path {model.base_path}. "
                "Did you forget to name your leaf directory as a number (eg. '/1/')?",
            )
        else:
            self._complaints.pop(model.name, None)
            self._had_versions.add(model.name)
        self._aspire(
            model.name,
            {version: AspiredVersion(present[version], fingerprint(present[version])) for version in wanted},
        )
        return True

    def _complain(self, model: ModelConfig, sentence: str) -> None:
        # One line per change: a bad path polled every second must not flood the log.
        if self._complaints.get(model.name) != sentence:
            self._complaints[model.name] = sentence
            _LOG.warning(sentence)
