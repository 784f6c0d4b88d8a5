"""More and more load, callers or arrivals a second, until more of it brings no more answers; and where the knee is.

The knee is the load beyond which latency grows fast and throughput hardly does (R. Jain, "The Art of Computer Systems
Performance Analysis", 1991, section 3.3). It is computed as the step with the greatest *power*, throughput divided by
mean latency (L. Kleinrock, "Power and Deterministic Rules of Thumb for Probabilistic Problems in Computer
Communications", ICC 1979). Where throughput grows by a share and latency by a greater one, power falls.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

KNEE = "the step with the greatest throughput / mean latency (Kleinrock's power; Jain 1991, section 3.3)"
RATE_STEP = 1.25
MOST_RATE = 1e6
_GAIN = 1.05
_PATIENCE = 2

LoadT = TypeVar("LoadT", int, float)


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A step of a ramp.

    Attributes:
        throughput: answers a second.
        mean_seconds: of their latency; not a number without answers.
    """

    throughput: float
    mean_seconds: float

    @property
    def power(self) -> float:
        """Answers a second squared; 0 for a step without answers."""
        return self.throughput / self.mean_seconds if self.throughput > 0 and self.mean_seconds > 0 else 0.0


def callers_of_ramp(most: int) -> Iterator[int]:
    """1, 2, 4, ... and the most."""
    callers = 1
    while callers < most:
        yield callers
        callers *= 2
    yield most


def rates_of_ramp(first: float) -> Iterator[float]:
    """The first arrivals a second, and a quarter more each time, to three digits."""
    rate = first
    while rate <= MOST_RATE:
        yield float(f"{rate:.3g}")
        rate *= RATE_STEP


def is_over(points: Sequence[Point]) -> bool:
    """Whether the last two steps brought less than a twentieth more answers than the best before them."""
    if len(points) <= _PATIENCE:
        return False
    best = max(point.throughput for point in points[:-_PATIENCE])
    return all(point.throughput < _GAIN * best for point in points[-_PATIENCE:])


def climb(loads: Iterator[LoadT], measure: Callable[[LoadT], Point | None]) -> None:
    """Measure load after load until the ramp is over, or ``measure`` gives None.

    Args:
        loads: in ascending order: callers, or arrivals a second.
        measure: makes one.
    """
    points: list[Point] = []
    for load in loads:
        point = measure(load)
        if point is None:
            return
        points.append(point)
        if is_over(points):
            return


def knee(points: Sequence[Point]) -> int | None:
    """The index of the step with the greatest power; None if no step had an answer."""
    powers = [point.power for point in points]
    best = max(powers, default=0.0)
    return powers.index(best) if best > 0 else None
