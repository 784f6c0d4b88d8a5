"""When requests are sent, with a clock that the tests move: nothing here sleeps."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from accelserve.loadgen.callers import Arrivals, call_at, call_in_turn
from accelserve.loadgen.recorder import Merged, Recorder, merged
from accelserve.loadgen.senders import OK, TIMEOUT, Outcome


class Clock:
    """Time passes when somebody sleeps or is served; it stops for everybody at ``stop``."""

    def __init__(self, stop: float = float("inf")) -> None:
        self.time = 0.0
        self._stop = stop

    def now(self) -> float:
        return self.time

    def sleep_until(self, when: float) -> bool:
        self.time = max(self.time, when)
        return self.time < self._stop


def serving(clock: Clock, seconds: float) -> Callable[[], Outcome]:
    def send() -> Outcome:
        clock.time += seconds
        return Outcome(code=OK)

    return send


def seen(recorder: Recorder) -> Merged:
    return merged([recorder.recorded(began=0, ended=0, cpu_seconds=0)])


def waits_of_a_queue(arrivals: list[float], service: float) -> list[float]:
    """Lindley's recursion: how long each waits where one is served at a time, in order."""
    waits = [0.0]
    for before, after in itertools.pairwise(arrivals):
        waits.append(max(0.0, waits[-1] + service - (after - before)))
    return waits


@pytest.mark.parametrize("load", [0.3, 0.8, 0.95])
def test_latency_in_an_open_loop_is_that_of_the_queue(load: float) -> None:
    """One caller, a server that takes 10 ms: an M/D/1 queue. Judges: Lindley's recursion, and Pollaczek-Khinchine."""
    service, rate, end = 0.01, load / 0.01, 400.0
    clock, recorder = Clock(), Recorder(None)
    call_at(Arrivals(rate, 0.0, end, "seed"), serving(clock, service), clock, recorder)
    arrivals = list(Arrivals(rate, 0.0, end, "seed"))
    latencies = service + np.array(waits_of_a_queue(arrivals, service))
    found = seen(recorder)
    assert found.answered == len(arrivals)
    for percentile in (50, 90, 99, 99.9):
        expected = 1000 * float(np.percentile(latencies, percentile, method="inverted_cdf"))
        assert found.latency.percentile_ms(percentile) == pytest.approx(expected, rel=2e-3)
    # Counted from when it was sent, no request would have waited: that is what coordinated omission hides.
    assert found.service.max_ms == pytest.approx(10, rel=1e-3)
    assert found.lag.max_ms == pytest.approx(0.001)
    mean_wait = load * service / (2 * (1 - load))
    assert found.latency.mean_ms / 1000 - service == pytest.approx(mean_wait, rel=0.25)


def test_a_stall_is_seen_by_all_who_arrive_in_it() -> None:
    """A second's stall at 100 requests a second: a hundred of them are late, and a closed loop would know of one."""
    clock, recorder = Clock(), Recorder(None)
    times = iter([1.0 if number == 50 else 0.001 for number in range(1000)])

    def send() -> Outcome:
        clock.time += next(times)
        return Outcome(code=OK)

    call_at(iter([number / 100 for number in range(1000)]), send, clock, recorder)
    found = seen(recorder)
    assert found.latency.percentile_ms(95) == pytest.approx(550, rel=0.1)
    assert found.service.percentile_ms(95) == pytest.approx(1, rel=1e-3)
    assert 90 <= found.waited <= 115


def test_who_waited_too_long_for_a_caller_has_given_up() -> None:
    clock, recorder = Clock(), Recorder(None)
    call_at(iter([0.0, 0.1, 0.2, 5.0]), serving(clock, 3.0), clock, recorder, patience=1.0)
    found = seen(recorder)
    assert found.errors == {TIMEOUT: 2}
    assert found.answered == 2


def test_a_closed_loop_sends_when_the_answer_is_there() -> None:
    clock, recorder = Clock(), Recorder(None)
    call_in_turn(serving(clock, 0.25), clock, 2.0, recorder)
    found = seen(recorder)
    assert found.answered == 8
    assert found.latency.max_ms == pytest.approx(250, rel=1e-3)
    assert found.waited == 0


def test_both_loops_stop_when_they_are_told() -> None:
    clock, recorder = Clock(stop=1.0), Recorder(None)
    call_in_turn(serving(clock, 0.3), clock, 100.0, recorder)
    assert seen(recorder).answered == 4
    clock, recorder = Clock(stop=1.0), Recorder(None)
    call_at(iter([0.5, 0.9, 1.5, 2.0]), serving(clock, 0.01), clock, recorder)
    assert seen(recorder).answered == 2


@given(st.floats(0.5, 2000), st.integers(0, 2**31))
def test_arrivals_rise_within_their_time_and_are_the_same_for_a_seed(rate: float, seed: int) -> None:
    first = list(Arrivals(rate, 5.0, 6.0, str(seed)))
    assert first == list(Arrivals(rate, 5.0, 6.0, str(seed)))
    assert first == sorted(first)
    assert all(5.0 < each <= 6.0 for each in first)


def test_arrivals_of_two_processes_are_one_poisson_process() -> None:
    """Counts in a second have the rate as their mean and as their variance, and gaps are exponential."""
    arrivals = sorted([*Arrivals(50, 0, 2000, "0 0"), *Arrivals(50, 0, 2000, "0 1")])
    counts = np.histogram(arrivals, bins=2000, range=(0, 2000))[0]
    assert counts.mean() == pytest.approx(100, rel=0.02)
    assert counts.var() == pytest.approx(100, rel=0.1)
    gaps = np.diff(arrivals)
    assert np.median(gaps) == pytest.approx(np.log(2) / 100, rel=0.02)
