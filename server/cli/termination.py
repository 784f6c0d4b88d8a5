"""What a command does when it is told to end: it cleans up after itself."""

from __future__ import annotations

import math
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGTERM, signal.SIGHUP)
_SIGNALLED = 128
_SAME_SECONDS = 1.0


@contextmanager
def unwinding_when_terminated() -> Iterator[None]:
    """While the block runs, SIGTERM and SIGHUP end it as Ctrl-C does, through every ``finally``.

    Schedulers and CI send the one, a terminal that is closed the other. The exit code is a shell's: 143 and 129. Further
    ones right behind the first are the same (timeout(1) sends two), and do not cut off what cleans up. A signal that
    somebody handles or ignores already, as under ``nohup``, stays theirs.
    """
    if threading.current_thread() is not threading.main_thread():  # where alone signals can be handled
        yield
        return
    unwinding = _Unwinding()
    taken = [each for each in _SIGNALS if signal.getsignal(each) is signal.SIG_DFL]
    for each in taken:
        signal.signal(each, unwinding)
    try:
        yield
    finally:
        for each in taken:
            if signal.getsignal(each) is unwinding:  # a server's own handlers stay to its very end
                signal.signal(each, signal.SIG_DFL)


class _Unwinding:
    """A handler."""

    def __init__(self) -> None:
        self._since = -math.inf

    def __call__(self, number: int, _frame: FrameType | None) -> None:
        # An exception that strikes in a destructor is lost: whoever asks again, later, is heard again.
        if (now := time.monotonic()) - self._since >= _SAME_SECONDS:
            self._since = now
            sys.exit(_SIGNALLED + number)
