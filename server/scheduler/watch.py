"""Does anybody still wait for the answer? Asked before decode and again before compute."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from accelserve.server.errors import (
    DeadlineExceededError,
    RequestAbandonedError,
    RequestCancelledError,
)


class CallWatch:
    """Deadline and cancellation of one call. Thread-safe."""

    def __init__(self, timeout_seconds: float | None = None) -> None:
        # The monotonic clock: a wall clock that jumps must not expire what is in flight.
        self._deadline = None if timeout_seconds is None else time.monotonic() + timeout_seconds
        self._lock = threading.Lock()
        self._cancelled = False
        self._wake: Callable[[], None] | None = None

    def cancel(self) -> None:
        """The caller went away; wakes the thread that works for it, if it sleeps. Harmless after the end."""
        with self._lock:
            self._cancelled = True
            wake = self._wake
        if wake is not None:
            wake()

    def on_cancel(self, wake: Callable[[], None] | None) -> None:
        """Have ``wake`` called once cancelled; at once if it already happened. None takes it back."""
        with self._lock:
            self._wake = wake
            cancelled = self._cancelled
        if cancelled and wake is not None:
            wake()

    def remaining_seconds(self) -> float | None:
        """Until the deadline, never negative; None without a deadline."""
        return None if self._deadline is None else max(0.0, self._deadline - time.monotonic())

    def abandonment(self) -> RequestAbandonedError | None:
        """Why nobody waits any more, or None."""
        if self._cancelled:
            return RequestCancelledError("the caller cancelled the request")
        if self._deadline is not None and time.monotonic() >= self._deadline:
            return DeadlineExceededError("Deadline Exceeded")
        return None

    def check(self) -> None:
        """Raise RequestCancelledError or DeadlineExceededError if nobody waits any more."""
        abandonment = self.abandonment()
        if abandonment is not None:
            raise abandonment
