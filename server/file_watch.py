"""Notices that files changed: secrets that an orchestrator replaces, certificates that are renewed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path

Stamp = tuple[int, int, int] | None


class FileWatch:
    """Polls files and calls back after a change, on a thread of its own.

    Args:
        paths: files; links are followed, so that a link that points elsewhere counts as a change.
        poll_seconds: between looks.
        changed: must not raise.
    """

    def __init__(self, paths: Sequence[Path], poll_seconds: float, changed: Callable[[], None]) -> None:
        self._paths = tuple(paths)
        self._poll_seconds = poll_seconds
        self._changed = changed
        self._seen = self._stamps()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._poll, name="file-watch", daemon=True)

    def start(self) -> None:
        """Begin to poll."""
        self._thread.start()

    def stop(self) -> None:
        """Stop polling; returns when the thread has ended. Harmless if it never began."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join()

    def look(self) -> None:
        """Call back if something changed since the last look."""
        now = self._stamps()
        if now != self._seen:
            self._seen = now
            self._changed()

    def _poll(self) -> None:
        while not self._stop.wait(self._poll_seconds):
            self.look()

    def _stamps(self) -> tuple[Stamp, ...]:
        return tuple(_stamp(path) for path in self._paths)


def _stamp(path: Path) -> Stamp:
    """Inode, size and time; None while there is no such file."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns
