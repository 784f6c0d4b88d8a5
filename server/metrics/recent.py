"""How much happened during the last minute."""

from __future__ import annotations

import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable

WINDOW_SECONDS = 60


class RecentCounts:
    """Events by name, second by second. Thread-safe; memory is bounded by the names and the window.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began = clock()
        self._lock = threading.Lock()
        self._seconds: defaultdict[str, deque[list[int]]] = defaultdict(
            deque
        )  # [second, events], oldest first

    def count(self, name: str) -> None:
        """It happened, now."""
        with self._lock:
            second = int(self._clock())
            seconds = self._seconds[name]
            if seconds and seconds[-1][0] == second:
                seconds[-1][1] += 1
                return
            seconds.append([second, 1])
            self._forget(seconds, second)

    def per_second(self, name: str) -> float:
        """The rate during the last ``WINDOW_SECONDS``, or since the start if that is less; 0 for an unknown name."""
        with self._lock:
            now = self._clock()
            seconds = self._seconds.get(name)
            if not seconds:
                return 0.0
            self._forget(seconds, int(now))
            # The window's first second is whole, so it is as long as what was counted in it.
            begin = max(self._began, int(now) - WINDOW_SECONDS + 1)
            return sum(events for _, events in seconds) / max(now - begin, 1.0)

    @staticmethod
    def _forget(seconds: deque[list[int]], now: int) -> None:
        while seconds and seconds[0][0] <= now - WINDOW_SECONDS:
            seconds.popleft()
