"""Times and counts of a client process, and of all of them together. Judge: numpy's percentiles of the sorted list."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelserve.loadgen.recorder import Recorder, Times, merged
from accelserve.loadgen.senders import OK, Outcome

ANSWERED = Outcome(code=OK)
DURATIONS = st.lists(st.floats(1e-6, 3599.0), min_size=1, max_size=120)
PERCENTILES = (0.5, 50, 90, 99, 99.9, 100)


def recorder(durations: list[float], deadline_ms: float | None = None) -> Recorder:
    made = Recorder(deadline_ms)
    for duration in durations:
        made.record(intended=100.0, free=100.0, sent=100.0, done=100.0 + duration, outcome=ANSWERED)
    return made


def assert_percentiles(times: Times, durations: list[float]) -> None:
    for percentile in PERCENTILES:
        expected = 1000 * float(np.percentile(durations, percentile, method="inverted_cdf"))
        # Three digits, and microseconds: half of one is rounded away, and a float of 100 s and something holds less.
        assert times.percentile_ms(percentile) == pytest.approx(expected, rel=1.1e-3, abs=1.1e-3)


@given(DURATIONS)
def test_percentiles_are_those_of_the_sorted_list(durations: list[float]) -> None:
    assert_percentiles(
        merged([recorder(durations).recorded(began=0, ended=1, cpu_seconds=0)]).latency, durations
    )


@settings(max_examples=40)
@given(st.lists(DURATIONS, min_size=2, max_size=4))
def test_processes_together_have_the_percentiles_of_all_their_times(parts: list[list[float]]) -> None:
    whole = merged(recorder(part).recorded(began=0, ended=1, cpu_seconds=0) for part in parts)
    everything = [duration for part in parts for duration in part]
    assert whole.answered == whole.good == len(everything)
    assert_percentiles(whole.latency, everything)
    assert whole.latency.mean_ms == pytest.approx(1000 * float(np.mean(everything)), rel=2e-3, abs=2e-3)
    assert whole.latency.max_ms == pytest.approx(1000 * max(everything), rel=1.1e-3, abs=1.1e-3)


@pytest.mark.parametrize(("seconds", "milliseconds"), [(-1.0, 0.001), (0.0, 0.001), (7200.0, 3_600_000.0)])
def test_what_no_histogram_holds_is_its_nearest_value(seconds: float, milliseconds: float) -> None:
    times = Times()
    times.add(seconds)
    assert times.count == 1
    assert times.percentile_ms(50) == pytest.approx(milliseconds, rel=1e-3)


def test_no_times_have_no_percentile() -> None:
    times = merged([]).latency
    assert all(
        math.isnan(each) for each in (times.percentile_ms(50), times.mean_ms, times.min_ms, times.max_ms)
    )


def test_latency_counts_from_the_intended_moment_and_service_from_the_real_one() -> None:
    made = Recorder(deadline_ms=300.0)
    made.record(intended=1.0, free=1.25, sent=1.26, done=1.36, outcome=ANSWERED)
    made.record(intended=2.0, free=1.5, sent=2.03, done=2.13, outcome=ANSWERED)
    seen = merged([made.recorded(began=1.0, ended=2.0, cpu_seconds=0.5)])
    assert seen.latency.max_ms == pytest.approx(360, rel=1e-3)
    assert seen.latency.min_ms == pytest.approx(130, rel=1e-3)
    assert seen.service.max_ms == pytest.approx(100, rel=1e-3)
    # Behind the caller that became free, behind the schedule: never the time that the server itself took.
    assert seen.lag.min_ms == pytest.approx(10, rel=1e-3)
    assert seen.lag.max_ms == pytest.approx(30, rel=1e-3)
    assert (seen.waited, seen.good, seen.answered) == (1, 1, 2)
    assert seen.seconds == pytest.approx(1.13)
    assert seen.cpu_seconds == [0.5]


def test_errors_are_counted_by_code_and_have_no_latency() -> None:
    made = recorder([0.1, 0.2], deadline_ms=150)
    for words in ("first", "second"):
        outcome = Outcome(code="UNAVAILABLE", words=words)
        made.record(intended=0, free=0, sent=0, done=30, outcome=outcome)
    seen = merged([made.recorded(began=0, ended=1, cpu_seconds=0)] * 2)
    assert (seen.sent, seen.answered, seen.failed, seen.good) == (8, 4, 4, 2)
    assert seen.errors == {"UNAVAILABLE": 4}
    assert seen.words == {"UNAVAILABLE": "first"}
    assert seen.latency.max_ms == pytest.approx(200, rel=1e-3)


def test_what_is_not_final_brings_the_latency_alone() -> None:
    seen = merged([recorder([0.1]).recorded(began=0, ended=1, cpu_seconds=0, final=False)])
    assert (seen.latency.count, seen.service.count, seen.lag.count) == (1, 0, 0)
