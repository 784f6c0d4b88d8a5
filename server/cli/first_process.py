"""A container's first process adopts every orphan and hears signals with no default action. This one does both well.

Where the server is process 1 it forks: the parent passes signals on, collects whoever ends, and ends with the server's
own exit code. The server itself is then an ordinary process, which may wait for its own children only.
"""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType

_PASSED_ON = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)
_KILLED = 128


def as_first_process() -> None:
    """Fork if this is process 1; returns in the server's process only. To be called before any thread is started."""
    if os.getpid() == 1:
        fork_and_collect()


def fork_and_collect() -> None:
    """Return in a new process; the old one collects orphans until that ends, and ends with its exit code."""
    # Blocked over the fork, so that none is lost between it and the handlers.
    signal.pthread_sigmask(signal.SIG_BLOCK, _PASSED_ON)
    child = os.fork()
    if child != 0:
        _collect(child)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _PASSED_ON)


def _collect(child: int) -> None:
    def pass_on(number: int, _frame: FrameType | None) -> None:
        try:
            os.kill(child, number)
        except ProcessLookupError:  # it ended in this very moment
            return

    for number in _PASSED_ON:
        signal.signal(number, pass_on)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _PASSED_ON)
    while True:
        ended, status = os.wait()
        if ended == child:
            code = os.waitstatus_to_exitcode(status)
            sys.stdout.flush()
            os._exit(code if code >= 0 else _KILLED - code)
