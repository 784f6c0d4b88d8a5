"""Applies a model configuration file again when its text changes."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from accelserve.server.config import ModelConfig
from accelserve.server.config_files.models import models_of_file, names_of
from accelserve.server.errors import ServerError

_LOG = logging.getLogger(__name__)


class ModelConfigWatcher:
    """Polls one file. A file that makes no sense changes nothing and is reported once."""

    def __init__(
        self, path: Path, poll_seconds: float, apply: Callable[[Sequence[ModelConfig]], None]
    ) -> None:
        self._path = path
        self._poll_seconds = poll_seconds
        self._apply = apply
        self._lock = threading.Lock()
        self._seen = _text(path)
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Poll on a thread of its own, if polling is on."""
        if self._poll_seconds > 0:
            self._thread = threading.Thread(target=self._poll, name="model-config-watcher", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Stop polling; returns when the thread has ended."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def look(self, *, anyway: bool = False) -> None:
        """Apply the file if its text changed since the last look, or ``anyway``."""
        with self._lock:
            text = _text(self._path)
            if text == self._seen and not anyway:
                return
            self._seen = text
            try:
                models = models_of_file(self._path)
                self._apply(models)
            except ServerError as error:
                _LOG.error("%s was not applied in full: %s", self._path, error)
            else:
                _LOG.info("applied %s: %s", self._path, names_of(models))

    def _poll(self) -> None:
        while not self._stop.wait(self._poll_seconds):
            self.look()


def _text(path: Path) -> bytes:
    """The file's bytes; empty while it cannot be read, as in the middle of a replacement."""
    try:
        return path.read_bytes()
    except OSError:
        return b""
