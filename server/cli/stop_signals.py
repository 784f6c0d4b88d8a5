"""What signals mean to a server process."""

from __future__ import annotations

import logging
import signal
import threading
from types import FrameType

_LOG = logging.getLogger(__name__)


class StoppedWhileStarting(BaseException):
    """SIGTERM came before the ports were open."""


class StopSignals:
    """SIGTERM and SIGINT: an exception while the server starts, an event once it runs. SIGHUP: reload.

    Made before anything slow is imported: as process 1, which has no default actions, an early SIGTERM would be lost.
    """

    def __init__(self) -> None:
        self.starting = True
        self.received = threading.Event()
        self._changed = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_stop)
        signal.signal(signal.SIGHUP, self._on_reload)

    def wait(self) -> bool:
        """Sleep until a signal; True for a reload, False for the end."""
        self._changed.wait()
        self._changed.clear()
        return not self.received.is_set()

    def _on_stop(self, number: int, _frame: FrameType | None) -> None:
        if self.received.is_set():
            return
        self.received.set()
        self._changed.set()
        _LOG.info("%s: no new requests; finishing those in flight", signal.Signals(number).name)
        if self.starting:
            raise StoppedWhileStarting

    def _on_reload(self, _number: int, _frame: FrameType | None) -> None:
        self._changed.set()
