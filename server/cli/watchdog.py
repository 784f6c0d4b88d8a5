"""Signs of life for the service manager, for as long as the server can answer and no longer."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from accelserve.server.cli.service_manager import ServiceManager

_LOG = logging.getLogger(__name__)


class Watchdog:
    """A thread that gives a sign twice in the manager's time while nothing is stuck; no thread if it wants no signs.

    Args:
        manager: who waits for the signs.
        stuck: seconds for a batch, seconds for an answer -> what is stuck, as a sentence; empty if nothing is.
    """

    def __init__(self, manager: ServiceManager, stuck: Callable[[float, float], str]) -> None:
        self._manager = manager
        self._stuck = stuck
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)

    def start(self) -> None:
        """Begin, at once."""
        if self._manager.watchdog_seconds > 0:
            self._thread.start()

    def stop(self) -> None:
        """No further signs."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def _watch(self) -> None:
        whole = self._manager.watchdog_seconds
        interval = whole / 2  # as sd_watchdog_enabled(3) recommends
        while not self._stopping.is_set():
            stuck = self._stuck(whole, interval / 2)
            if stuck:
                _LOG.error("no sign of life for the service manager: %s", stuck)
            else:
                self._manager.alive()
            self._stopping.wait(interval)
