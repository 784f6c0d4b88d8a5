"""More and more callers, until more of them bring no more answers; and where the knee is.

The knee is the load beyond which latency grows fast and throughput hardly does (R. Jain, "The Art of Computer Systems
Performance Analysis", 1991, section 3.3). It is computed as the step with the greatest *power*, throughput divided by
mean latency (L. Kleinrock, "Power and Deterministic Rules of Thumb for Probabilistic Problems in Computer
Communications", ICC 1979). Where throughput grows by a share and latency by a greater one, power falls.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

KNEE = "the step with the greatest throughput / mean latency (Kleinrock's power; Jain 1991, section 3.3)"
_GAIN = 1.05
_PATIENCE = 2


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


def is_over(points: Sequence[Point]) -> bool:
    """Whether the last two steps brought less than a twentieth more answers than the best before them."""
    if len(points) <= _PATIENCE:
        return False
    best = max(point.throughput for point in points[:-_PATIENCE])
    return all(point.throughput < _GAIN * best for point in points[-_PATIENCE:])


def climb(most: int, measure: Callable[[int], Point | None]) -> None:
    """Measure with more and more callers until the ramp is over, or ``measure`` gives None."""
    points: list[Point] = []
    for callers in callers_of_ramp(most):
        point = measure(callers)
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
