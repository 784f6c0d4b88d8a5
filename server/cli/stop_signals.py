"""What signals mean to a server process."""

from __future__ import annotations

import logging
import signal
import socket
from types import FrameType

_LOG = logging.getLogger(__name__)
_STOPPING = (signal.SIGTERM, signal.SIGINT)


class StoppedWhileStarting(BaseException):
    """SIGTERM or SIGINT came before the server was done with its start."""


class StopSignals:
    """SIGTERM and SIGINT: an exception while models load, a mark from the opening of the ports on. SIGHUP: reload.

    As long as no port is open, a second one ends the process as if nobody handled it: nothing is in flight that would be lost.

    Made before anything slow is imported: as process 1, which has no default actions, an early SIGTERM would be lost.
    Belongs to the main thread, where Python runs handlers.

    Attributes:
        stopped: one of the first two came.

    The system may hand a signal to any thread. Python then marks it, and runs the handler when the main thread next
    executes Python code, which a main thread asleep on a lock never does: so it sleeps on a socket that the mark writes
    to (``signal.set_wakeup_fd``).
    """

    def __init__(self) -> None:
        self._strikes = True
        self._opened = False
        self.stopped = False
        self._reload = False
        self._awake, self._bell = socket.socketpair()
        self._bell.setblocking(False)
        self._before = {number: signal.getsignal(number) for number in (*_STOPPING, signal.SIGHUP)}
        self._bell_before = signal.set_wakeup_fd(-1)
        self.listen()

    def listen(self) -> None:
        """Take the signals' handlers; again, after a library put its own in their place."""
        signal.set_wakeup_fd(self._bell.fileno(), warn_on_full_buffer=False)
        for number in _STOPPING:
            signal.signal(number, self._on_stop)
        signal.signal(signal.SIGHUP, self._on_reload)

    def leave(self) -> None:
        """Give the signals back to who had them before."""
        for number, handler in self._before.items():
            if handler is not None:  # as of one that is not Python's
                signal.signal(number, handler)
        signal.set_wakeup_fd(self._bell_before)
        self._awake.close()
        self._bell.close()

    def hold(self) -> None:
        """Ports open, or everything has started: a signal is a mark from now on, since requests may be in flight."""
        self._strikes = False
        self._opened = True

    def strike(self) -> None:
        """Ports are open and models are still to load: a signal is an exception again, and so is one that was marked.

        Raises:
            StoppedWhileStarting: one was.
        """
        self._strikes = True
        if self.stopped:
            raise StoppedWhileStarting

    def wait(self) -> bool:
        """Sleep until a signal; True for a reload, False for the end."""
        while not (self.stopped or self._reload):
            self._awake.recv(1)
        self._reload = False
        return not self.stopped

    def _on_stop(self, number: int, _frame: FrameType | None) -> None:
        if self.stopped:
            return
        self.stopped = True
        name = signal.Signals(number).name
        if not self._strikes:
            _LOG.info("%s: no new requests; finishing those in flight", name)
            return
        if not self._opened:
            for each in _STOPPING:
                signal.signal(each, signal.SIG_DFL)
        _LOG.info("%s: stopped while starting", name)
        raise StoppedWhileStarting

    def _on_reload(self, _number: int, _frame: FrameType | None) -> None:
        self._reload = True
