"""Where a ramp ends, and which step is the knee. Judge: the bounds of a closed network of queues."""

from __future__ import annotations

import math

import pytest

from accelserve.loadgen.ramp import Point, callers_of_ramp, climb, is_over, knee, rates_of_ramp


def server(callers: int, *, service: float, most: float) -> Point:
    """Balanced and without randomness: Denning and Buzen's asymptotes, which meet at service * most callers."""
    throughput = min(callers / service, most)
    return Point(throughput=throughput, mean_seconds=callers / throughput)


@pytest.mark.parametrize("cores", [1, 2, 4, 16, 64])
def test_the_knee_is_where_the_asymptotes_meet(cores: int) -> None:
    service = 0.02
    callers = list(callers_of_ramp(256))
    points = [server(each, service=service, most=cores / service) for each in callers]
    found = knee(points)
    assert found is not None
    assert callers[found] == cores


@pytest.mark.parametrize("load", [0.2, 0.4, 0.5, 0.6, 0.8])
def test_power_of_an_open_queue_is_greatest_at_half_its_capacity(load: float) -> None:
    """Kleinrock 1979: M/M/1."""
    points = [Point(throughput=rho, mean_seconds=1 / (1 - rho)) for rho in (load, 0.5)]
    assert knee(points) == (0 if load == 0.5 else 1)


def test_a_ramp_goes_on_until_more_callers_bring_nothing() -> None:
    asked: list[int] = []

    def measure(callers: int) -> Point:
        asked.append(callers)
        return server(callers, service=0.01, most=400)

    climb(callers_of_ramp(256), measure)
    assert asked == [1, 2, 4, 8, 16]


def test_an_open_ramp_ends_two_steps_behind_the_capacity() -> None:
    asked: list[float] = []

    def measure(rate: float) -> Point:
        asked.append(rate)
        return Point(throughput=min(rate, 400.0), mean_seconds=0.01)

    climb(rates_of_ramp(200), measure)
    assert asked == [200, 250, 312, 391, 488, 610]


def test_a_ramp_ends_at_its_most_callers_and_when_it_is_interrupted() -> None:
    assert list(callers_of_ramp(1)) == [1]
    assert list(callers_of_ramp(6)) == [1, 2, 4, 6]
    asked = []

    def interrupted(callers: int) -> None:
        asked.append(callers)

    climb(callers_of_ramp(8), interrupted)
    assert asked == [1]


def test_no_rate_is_beyond_what_one_may_ask_for() -> None:
    rates = list(rates_of_ramp(0.3))
    assert rates[:3] == [0.3, 0.375, 0.469]
    assert rates == sorted(set(rates))
    assert 0.7e6 < rates[-1] <= 1e6


def test_one_bad_step_does_not_end_a_ramp() -> None:
    points = [Point(throughput=rate, mean_seconds=0.01) for rate in (100, 200, 190, 300)]
    assert not any(is_over(points[:count]) for count in range(5))


def test_without_an_answer_there_is_no_knee() -> None:
    assert knee([]) is None
    assert knee([Point(throughput=0.0, mean_seconds=math.nan)]) is None
