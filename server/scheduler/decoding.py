"""Bounds how many requests decode at once.

More decoders than cores would only slow each other and the device's own threads down; the requests that wait here hold
no pixels yet.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from accelserve.server.errors import DeadlineExceededError
from accelserve.server.scheduler.watch import CallWatch


class DecodeSlots:
    """As many slots as this process may use cores, unless told otherwise. Thread-safe."""

    def __init__(self, slots: int | None = None) -> None:
        self._slots = threading.BoundedSemaphore(slots or len(os.sched_getaffinity(0)))

    @contextmanager
    def slot(self, watch: CallWatch) -> Iterator[None]:
        """Hold a slot; DeadlineExceededError or RequestCancelledError if nobody waits by the time one is free."""
        if not self._slots.acquire(timeout=watch.remaining_seconds()):
            raise DeadlineExceededError("Deadline Exceeded")
        try:
            watch.check()
            yield
        finally:
            self._slots.release()
