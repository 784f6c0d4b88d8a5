"""The most answers a second of which ninety-nine in a hundred come within a bound, found by halving."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from benchmarks.serving.effort import Effort
from benchmarks.serving.loads import Loader, Seen, arriving

WITHIN = 0.99
REQUESTS = 150
"""Of a probe, at least: of fewer, one in a hundred is none."""
NEARLY = 0.95
LOWEST, HIGHEST = 0.2, 1.2
"""Of what eight callers get: where the search begins."""


@dataclass(frozen=True, slots=True)
class Found:
    """Where the search ended.

    Attributes:
        goodput: answers within the bound a second, at the highest rate that kept it; 0 if none did.
        kept: that rate.
        broken: the lowest rate that did not keep it; the truth lies between.
    """

    goodput: float
    kept: float
    broken: float

    def to_json(self) -> dict[str, Any]:
        """For the results file."""
        return {"goodput": self.goodput, "kept_rate": self.kept, "broken_rate": self.broken}


Probe = Callable[[float, int], Seen]
"""Takes requests a second and a seed."""


def search(probe: Probe, capacity: float, probes: int) -> Found:
    """Halve the interval between a rate that keeps the bound and one that does not.

    A probe that nearly keeps it is asked again with other arrivals: one stall of the machine shall not decide.

    Args:
        probe: makes a load.
        capacity: answers a second with eight callers.
        probes: halvings.
    """
    kept, broken, goodput = LOWEST * capacity, HIGHEST * capacity, 0.0
    for number in range(probes):
        rate = (kept + broken) / 2
        seen = probe(rate, number)
        if NEARLY <= share_within(seen) < WITHIN:
            seen = probe(rate, probes + number)
        if share_within(seen) >= WITHIN:
            kept, goodput = rate, seen.measured.good / seen.measured.seconds
        else:
            broken = rate
    return Found(goodput=goodput, kept=kept if goodput else 0.0, broken=broken)


def share_within(seen: Seen) -> float:
    """Of all requests, those that were answered within the bound."""
    return seen.measured.good / seen.measured.sent if seen.measured.sent else 0.0


def prober(loader: Loader, effort: Effort, bound_ms: float) -> Probe:
    """Open loops long enough to hold some requests."""

    def probe(rate: float, seed: int) -> Seen:
        seconds = max(effort.probe, min(REQUESTS / rate, 3 * effort.probe))
        return loader.take(arriving(rate), seconds, seed=seed, deadline_ms=bound_ms)

    return probe
