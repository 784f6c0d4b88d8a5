"""Applies a model configuration file again when its text changes."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from accelserve.server.config import ModelConfig
from accelserve.server.config_files.models import models_of_file, names_of
from accelserve.server.errors import ServerError
from accelserve.server.polling import Poller

_LOG = logging.getLogger(__name__)


class ModelConfigWatcher:
    """Polls one file. A file that makes no sense changes nothing and is reported once."""

    def __init__(
        self, path: Path, poll_seconds: float, apply: Callable[[Sequence[ModelConfig]], None]
    ) -> None:
        self._path = path
        self._apply = apply
        self._lock = threading.Lock()
        self._seen = _text(path)
        self._poller = Poller("model-config-watcher", poll_seconds, self.look, str(path))

    def start(self) -> None:
        """Poll on a thread of its own, if polling is on."""
        self._poller.start()

    def stop(self, timeout: float | None = None) -> None:
        """Stop polling; returns when the thread has ended, or after ``timeout`` seconds: it may be loading."""
        self._poller.stop(timeout)

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


def _text(path: Path) -> bytes:
    """The file's bytes; empty while it cannot be read, as in the middle of a replacement."""
    try:
        return path.read_bytes()
    except OSError:
        return b""
