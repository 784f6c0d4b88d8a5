"""What a command that cleans up after itself does when it is told to end."""

from __future__ import annotations

import signal
import sys
import threading
from types import FrameType

_EXIT_CODE = 128 + signal.SIGTERM


def unwind_on_sigterm() -> None:
    """From now on SIGTERM ends the command as Ctrl-C does, through every ``finally``: schedulers and CI send it."""
    if threading.current_thread() is threading.main_thread():  # where alone signals can be handled
        signal.signal(signal.SIGTERM, _unwind)


def _unwind(_number: int, _frame: FrameType | None) -> None:
    sys.exit(_EXIT_CODE)
