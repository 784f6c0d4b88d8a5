"""Looks at something every so often, on a thread of its own."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

_LOG = logging.getLogger(__name__)


class Poller:
    """Calls ``look`` again and again between ``start`` and ``stop``.

    Args:
        name: of the thread.
        poll_seconds: between two looks; 0 or less never looks.
        look: whatever it raises is logged, and it is called again the next time, since nobody else would ever look.
        what: is looked at, for the log.
    """

    def __init__(self, name: str, poll_seconds: float, look: Callable[[], None], what: str) -> None:
        self._name = name
        self._poll_seconds = poll_seconds
        self._look = look
        self._what = what
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def on(self) -> bool:
        """Whether it looks at all, once started."""
        return self._poll_seconds > 0

    def start(self) -> None:
        """Begin to look, if polling is on. A second call does nothing."""
        if self.on and self._thread is None:
            self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            self._thread.start()

    def stop(self, timeout: float | None = None) -> None:
        """Stop; returns when the thread has ended, or after ``timeout`` seconds. Harmless if it never began."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout)

    def _run(self) -> None:
        while not self._stop.wait(self._poll_seconds):
            try:
                self._look()
            except Exception:  # noqa: BLE001 - the boundary: nobody else would ever look again
                _LOG.exception("%s could not be looked at", self._what)
