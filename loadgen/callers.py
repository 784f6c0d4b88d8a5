"""When requests are sent: one after the other, or as they arrive."""

from __future__ import annotations

import math
import random
import threading
import time
from collections.abc import Callable, Iterator
from typing import Protocol

from accelserve.loadgen.recorder import Recorder
from accelserve.loadgen.senders import TIMEOUT, Outcome

_GIVEN_UP = Outcome(code=TIMEOUT, words="no caller was free for it in --timeout")


class Clock(Protocol):
    """Seconds, and a way to let them pass."""

    def now(self) -> float:
        """Monotonic, the same in every process of the machine."""

    def sleep_until(self, when: float) -> bool:
        """Return at that time, or at once if it has passed; False, at once, if everything is to stop."""


class MonotonicClock:
    """The system's, until ``stop`` is set."""

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop

    def now(self) -> float:
        """``time.monotonic``, which Linux counts from its start for every process."""
        return time.monotonic()

    def sleep_until(self, when: float) -> bool:
        """As ``Clock`` says."""
        left = when - time.monotonic()
        return not (self._stop.wait(left) if left > 0 else self._stop.is_set())


class Arrivals:
    """A Poisson process: times between arrivals are exponential and know nothing of each other. Thread-safe.

    Processes that each draw one of rate R/P make one of rate R together.

    Args:
        rate: arrivals a second.
        begin: seconds of the clock.
        end: no arrival is later.
        seed: the same arrivals for the same seed.
    """

    def __init__(self, rate: float, begin: float, end: float, seed: str) -> None:
        self._random = random.Random(seed)  # noqa: S311 - no secret
        self._rate = rate
        self._time = begin
        self._end = end
        self._lock = threading.Lock()

    def __iter__(self) -> Iterator[float]:
        return self

    def __next__(self) -> float:
        with self._lock:
            self._time += self._random.expovariate(self._rate)
            if self._time > self._end:
                raise StopIteration
            return self._time


def call_in_turn(send: Callable[[], Outcome], clock: Clock, end: float, recorder: Recorder) -> None:
    """One caller of a closed loop: it sends until ``end``, each request when the one before is answered."""
    while (sent := clock.now()) < end and clock.sleep_until(sent):
        outcome = send()
        recorder.record(intended=sent, free=sent, sent=sent, done=clock.now(), outcome=outcome)


def call_at(
    arrivals: Iterator[float],
    send: Callable[[], Outcome],
    clock: Clock,
    recorder: Recorder,
    patience: float = math.inf,
) -> None:
    """One caller of an open loop: it takes the next arrival whenever it is free, late or not.

    An arrival that nobody was free for in ``patience`` seconds counts as a time-out: who asks would have given up.
    """
    free = clock.now()
    for intended in arrivals:
        if not clock.sleep_until(intended):
            return
        sent = clock.now()
        outcome = send() if sent - intended <= patience else _GIVEN_UP
        done = clock.now()
        recorder.record(intended=intended, free=free, sent=sent, done=done, outcome=outcome)
        free = done
