"""The rate of the last minute."""

from __future__ import annotations

import pytest

from accelserve.server.metrics.recent import RecentCounts


class Clock:
    seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_the_rate_is_that_of_the_last_minute(clock: Clock) -> None:
    recent = RecentCounts(clock)
    for second in range(200):
        clock.seconds = 1000.5 + second
        for _ in range(3 if second < 100 else 5):
            recent.count("colour")
    clock.seconds = 1200.0
    assert recent.per_second("colour") == pytest.approx(5, rel=0.02)
    clock.seconds = 1229.0
    assert recent.per_second("colour") == pytest.approx(5 * 30 / 59)
    clock.seconds = 1260.0
    assert recent.per_second("colour") == 0


def test_soon_after_the_start_it_is_that_since_the_start(clock: Clock) -> None:
    recent = RecentCounts(clock)
    for _ in range(20):
        recent.count("colour")
    clock.seconds += 10
    assert recent.per_second("colour") == 2


def test_the_first_moment_is_no_rush(clock: Clock) -> None:
    recent = RecentCounts(clock)
    recent.count("colour")
    clock.seconds += 0.001
    assert recent.per_second("colour") == 1


def test_names_are_counted_apart(clock: Clock) -> None:
    recent = RecentCounts(clock)
    recent.count("colour")
    assert recent.per_second("other") == 0


def test_what_is_remembered_is_bounded(clock: Clock) -> None:
    recent = RecentCounts(clock)
    for second in range(1000):
        clock.seconds = float(second)
        recent.count("colour")
    assert len(recent._seconds["colour"]) == 60
