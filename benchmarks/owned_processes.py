"""What a benchmark has started ends with it, however it ends.

    @owned_processes()
    def main() -> None: ...

Servers start workers, some in sessions of their own and some that outlive their parents. So the kernel is asked to hand every
orphan to this process (``PR_SET_CHILD_SUBREAPER``, prctl(2)), and all descendants are looked up in /proc. A signal's handler ends
them itself, since the exception that it raises may be lost where nothing passes it on.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

_SET_CHILD_SUBREAPER = 36
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_PATIENCE_SECONDS = 10.0
_LOOK_SECONDS = 0.02
_ENDED = ("Z", "X")
# Python's own; it ignores SIGTERM, and ends with the process that it works for.
_TRACKER = b"multiprocessing.resource_tracker"


@contextmanager
def owned_processes() -> Iterator[None]:
    """Ends all that the block started, and what that started: at its end, when it fails, on SIGTERM, SIGINT and SIGHUP.

    They are asked by SIGTERM, and killed if they are there after ten seconds. The exit code is 128 and the signal's number then, as
    shells have it; SIGINT raises KeyboardInterrupt. A signal that was ignored stays so.
    """
    ctypes.CDLL(None).prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    heard = [number for number, handler in before.items() if handler != signal.SIG_IGN]
    for number in heard:
        signal.signal(number, _end)
    try:
        yield
    finally:
        end_descendants()
        for number in heard:
            signal.signal(number, before[number])


def _end(number: int, _frame: FrameType | None) -> None:
    for each in _SIGNALS:
        signal.signal(each, signal.SIG_IGN)
    end_descendants()
    for each in _SIGNALS:
        signal.signal(each, signal.SIG_DFL)  # a second one ends what is left of this process at once
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    sys.exit(128 + number)


def end_descendants() -> None:
    """End everything that this process started, and return when it is gone."""
    asked: set[int] = set()
    begin = time.monotonic()
    while left := set(_descendants(os.getpid())):
        waited = time.monotonic() - begin
        if waited > 2 * _PATIENCE_SECONDS:
            return  # not even SIGKILL ends what hangs in the kernel
        is_late = waited > _PATIENCE_SECONDS
        for pid in left if is_late else left - asked:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL if is_late else signal.SIGTERM)
        asked |= left
        time.sleep(_LOOK_SECONDS)


def stat_of(pid: int) -> list[str]:
    """What /proc/PID/stat has after the name, which may hold anything: the state first; nothing if the process is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def running() -> Iterator[tuple[int, list[str]]]:
    """The processes of this machine with their ``stat_of``, without those that have ended and wait to be collected."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            fields = stat_of(int(entry.name))
            if fields and fields[0] not in _ENDED:
                yield int(entry.name), fields


def _descendants(ancestor: int) -> Iterator[int]:
    children = defaultdict(list)
    for pid, fields in running():
        children[int(fields[1])].append(pid)
    below = children[ancestor]
    while below:
        pid = below.pop()
        below += children[pid]
        if not _is_tracker(pid):
            yield pid


def _is_tracker(pid: int) -> bool:
    try:
        return _TRACKER in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
