"""Bounds how many requests decode at once.

More decoders than cores would only slow each other and the device's own threads down; the requests that wait here hold
no pixels yet.
"""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from dataclasses import dataclass
from queue import Empty, SimpleQueue

from accelserve.server.errors import DeadlineExceededError
from accelserve.server.scheduler.watch import CallWatch


class DecodeSlots:
    """As many slots as this process may use cores, unless told otherwise. Thread-safe."""

    def __init__(self, slots: int | None = None) -> None:
        # A queue of tokens, which is C, where a semaphore is Python.
        self._free: SimpleQueue[None] = SimpleQueue()
        for _ in range(slots or len(os.sched_getaffinity(0))):
            self._free.put(None)

    def slot(self, watch: CallWatch) -> AbstractContextManager[None]:
        """Hold a slot; DeadlineExceededError or RequestCancelledError if nobody waits by the time one is free."""
        try:
            self._free.get_nowait()
        except Empty:
            self._wait(watch)
        slot = _Slot(self._free)
        try:
            watch.check()
        except BaseException:
            slot.__exit__()
            raise
        return slot

    def _wait(self, watch: CallWatch) -> None:
        watch.check()
        try:
            self._free.get(timeout=watch.remaining_seconds())
        except Empty:
            raise DeadlineExceededError("Deadline Exceeded") from None


@dataclass(slots=True)
class _Slot:
    free: SimpleQueue[None]

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        self.free.put(None)
