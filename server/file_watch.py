"""Notices that files changed: secrets that an orchestrator replaces, certificates that are renewed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from accelserve.server.polling import Poller

Stamp = tuple[int, int, int] | None


class FileWatch:
    """Polls files and calls back after a change, on a thread of its own.

    Args:
        paths: files; links are followed, so that a link that points elsewhere counts as a change.
        poll_seconds: between looks.
        changed: called on that thread.
    """

    def __init__(self, paths: Sequence[Path], poll_seconds: float, changed: Callable[[], None]) -> None:
        self._paths = tuple(paths)
        self._changed = changed
        self._seen = self._stamps()
        named = ", ".join(map(str, self._paths))
        self._poller = Poller("file-watch", poll_seconds, self.look, named)

    def start(self) -> None:
        """Begin to poll."""
        self._poller.start()

    def stop(self) -> None:
        """Stop polling; returns when the thread has ended. Harmless if it never began."""
        self._poller.stop()

    def look(self) -> None:
        """Call back if something changed since the last look."""
        now = self._stamps()
        if now != self._seen:
            self._seen = now
            self._changed()

    def _stamps(self) -> tuple[Stamp, ...]:
        return tuple(_stamp(path) for path in self._paths)


def _stamp(path: Path) -> Stamp:
    """Inode, size and time; None while there is no such file."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns
