"""Entries that are written later, all at once: what a request leaves behind must not hold up its answer."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

# Written together they find their code and their counters in the processor's caches, which a network's weights empty:
# two dozen take about as long as three that are written one by one. A request enters three.
_MOST_WAITING = 24


class Ledger:
    """Calls to be made before anybody looks at what they count. Thread-safe."""

    def __init__(self) -> None:
        self._waiting: deque[Callable[[], None]] = deque()
        self._lock = threading.Lock()

    def enter(self, write: Callable[[], None]) -> None:
        """Have ``write`` called, by ``settle`` at the latest; now, with all that wait, if they are many."""
        self._waiting.append(write)
        if len(self._waiting) >= _MOST_WAITING:
            self.settle()

    def settle(self) -> None:
        """Call everything that was entered before; returns when all of it is written."""
        with self._lock:
            while self._waiting:
                self._waiting.popleft()()
