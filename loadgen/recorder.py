"""What came of requests: HDR histograms of their times, and counts. One recorder a client process; merged afterwards.

Times are kept in microseconds with three significant digits (G. Tene, HdrHistogram), so a percentile is within 0.1 % of
the value that a sorted list of all times would give, whatever their number.
"""

from __future__ import annotations

import math
import threading
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from hdrh.histogram import HdrHistogram

from accelserve.loadgen.senders import OK, Outcome

_MICROSECONDS = 10**6
_LONGEST_US = 3600 * _MICROSECONDS
_DIGITS = 3
_RANK_NOISE = 1e-9  # 99.9 / 100 has no exact float


class Times:
    """A histogram of durations. Not thread-safe."""

    def __init__(self) -> None:
        self._histogram = HdrHistogram(1, _LONGEST_US, _DIGITS)

    def add(self, seconds: float) -> None:
        """One duration; what is beyond an hour counts as an hour, below a microsecond as one."""
        self._histogram.record_value(min(max(round(seconds * _MICROSECONDS), 1), _LONGEST_US))

    def merge(self, encoded: bytes) -> None:
        """Add what another process recorded; nothing if it sent none."""
        if encoded:
            self._histogram.decode_and_add(encoded)

    def encoded(self) -> bytes:
        """HdrHistogram's V2 compressed encoding in base64, which its tools in other languages read."""
        encoded: bytes = self._histogram.encode()
        return encoded

    @property
    def count(self) -> int:
        """Of durations."""
        return int(self._histogram.get_total_count())

    def percentile_ms(self, percentile: float) -> float:
        """The least time within which at least so many of a hundred were done; not a number if there are none.

        That is the value of rank ceil(percentile / 100 * count), as HdrHistogram for Java has it; the library rounds the
        rank to the nearest, so it is asked for a percentile that is a whole rank.
        """
        count = self.count
        if not count:
            return math.nan
        rank = max(1, math.ceil(percentile * count / 100 - _RANK_NOISE))
        return float(self._histogram.get_value_at_percentile(100 * rank / count)) / 1000

    def milliseconds(self) -> list[float]:
        """Every duration, shortest first, as exact as the histogram keeps it."""
        return [
            item.value_iterated_to / 1000
            for item in self._histogram.get_recorded_iterator()
            for _ in range(item.count_added_in_this_iter_step)
        ]

    @property
    def mean_ms(self) -> float:
        """Not a number if there are none."""
        return float(self._histogram.get_mean_value()) / 1000 if self.count else math.nan

    @property
    def min_ms(self) -> float:
        """Not a number if there are none."""
        return float(self._histogram.get_min_value()) / 1000 if self.count else math.nan

    @property
    def max_ms(self) -> float:
        """Not a number if there are none."""
        return float(self._histogram.get_max_value()) / 1000 if self.count else math.nan


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """What one client process has seen; crosses to the one that leads.

    Attributes:
        latency: of the answers, from when the request was meant to be sent; encoded.
        service: of the answers, from when it was sent; encoded.
        lag: of every request, how much later than it could have been was it sent: behind its arrival, or behind the
            moment from which a caller was free for it; encoded.
        good: answers within the deadline.
        errors: code -> requests.
        words: code -> what the first such error said.
        waited: arrivals that found no caller free.
        began: when the step did, monotonic seconds.
        ended: when it did, or when the last answer or error came, if that was later.
        cpu_seconds: that the process took.
    """

    latency: bytes
    service: bytes
    lag: bytes
    good: int
    errors: dict[str, int]
    words: dict[str, str]
    waited: int
    began: float
    ended: float
    cpu_seconds: float


class Recorder:
    """Thread-safe.

    Args:
        deadline_ms: answers within it are good; None: all are.
    """

    def __init__(self, deadline_ms: float | None) -> None:
        self._deadline = math.inf if deadline_ms is None else deadline_ms / 1000
        self._lock = threading.Lock()
        self._latency, self._service, self._lag = Times(), Times(), Times()
        self._good = self._waited = 0
        self._errors: Counter[str] = Counter()
        self._words: dict[str, str] = {}
        self._ended = -math.inf

    def record(self, *, intended: float, free: float, sent: float, done: float, outcome: Outcome) -> None:
        """One request, all in seconds of one clock.

        Args:
            intended: when it was meant to be sent; latency counts from here, which is what coordinated omission leaves
                out (G. Tene, "How NOT to Measure Latency").
            free: when a caller was free for it; later than ``intended`` if all were busy.
            sent: when it was sent.
            done: when the answer was there.
            outcome: what it was.
        """
        with self._lock:
            self._ended = max(self._ended, done)
            self._lag.add(sent - max(intended, free))
            self._waited += free > intended
            if outcome.code != OK:
                self._errors[outcome.code] += 1
                self._words.setdefault(outcome.code, outcome.words)
                return
            latency = done - intended
            self._latency.add(latency)
            self._service.add(done - sent)
            self._good += latency <= self._deadline

    def recorded(self, *, began: float, ended: float, cpu_seconds: float, final: bool = True) -> Recorded:
        """Everything up to now; without ``service`` and ``lag`` if it is not final, since reading them takes a while.

        The other arguments are ``Recorded``'s, ``ended`` that of the step alone.
        """
        with self._lock:
            return Recorded(
                latency=self._latency.encoded(),
                service=self._service.encoded() if final else b"",
                lag=self._lag.encoded() if final else b"",
                good=self._good,
                errors=dict(self._errors),
                words=dict(self._words),
                waited=self._waited,
                began=began,
                ended=max(ended, self._ended),
                cpu_seconds=cpu_seconds,
            )


@dataclass(slots=True, kw_only=True)
class Merged:
    """What all client processes have seen together; the attributes are ``Recorded``'s."""

    latency: Times = field(default_factory=Times)
    service: Times = field(default_factory=Times)
    lag: Times = field(default_factory=Times)
    good: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    words: dict[str, str] = field(default_factory=dict)
    waited: int = 0
    began: float = math.inf
    ended: float = -math.inf
    cpu_seconds: list[float] = field(default_factory=list)

    @property
    def answered(self) -> int:
        """Requests that got what they asked for."""
        return self.latency.count

    @property
    def failed(self) -> int:
        """Requests that got an error, or nothing."""
        return self.errors.total()

    @property
    def sent(self) -> int:
        """Both."""
        return self.answered + self.failed

    @property
    def seconds(self) -> float:
        """From the begin of the step to its end and its last answer; 0 if nothing is known yet."""
        return max(self.ended - self.began, 0.0)


def merged(parts: Iterable[Recorded]) -> Merged:
    """The processes' histograms added up, which is exact: percentiles themselves cannot be averaged."""
    whole = Merged()
    for part in parts:
        whole.latency.merge(part.latency)
        whole.service.merge(part.service)
        whole.lag.merge(part.lag)
        whole.good += part.good
        whole.errors.update(part.errors)
        whole.words = {**part.words, **whole.words}
        whole.waited += part.waited
        whole.began, whole.ended = min(whole.began, part.began), max(whole.ended, part.ended)
        whole.cpu_seconds.append(part.cpu_seconds)
    return whole
