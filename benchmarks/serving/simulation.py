"""What queueing alone costs: the same arrivals at a server that takes them one by one, each as long as a lone request took.

A server without batches and without overlap of one request's decoding with another's inference would have these latencies
(an M/G/1 queue, first come first served); one that overlaps may do better, and one that gets in its own way does worse.

Every service time is drawn for itself, so a machine that is slow for a third of a second is not in the model: a queue
that such a phase builds up stands in the measured rounds alone. That is why rounds are compared one by one, and the
median of their ratios counts. A server that *is* this queue, on a machine that takes twice as long for 0.3 s of every
4 s, is judged 0.76 to 1.02 so (four runs in five, of five rounds each); 99th percentiles of all rounds together would say 0.9 to 3.3.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np

from accelserve.loadgen.callers import Arrivals

DRAWS = 20


def arrivals(rate: float, seconds: float, seed: int, processes: int) -> list[float]:
    """The seconds at which the load generator's requests arrive, in order: the same that it sends at."""
    each = [Arrivals(rate / processes, 0.0, seconds, f"{seed} {number}") for number in range(processes)]
    return sorted(time for process in each for time in process)


def latencies(times: Sequence[float], services: Sequence[float]) -> list[float]:
    """How long each arrival is there: waiting for those before it, then its own service; all seconds.

    Args:
        times: of the arrivals, in order.
        services: how long each of them takes.
    """
    free, found = 0.0, []
    for time, service in zip(times, services, strict=True):
        free = max(free, time) + service
        found.append(free - time)
    return found


def simulated_p99(rounds: Sequence[Sequence[float]], measured: Sequence[float]) -> float:
    """The 99th percentile over all rounds' arrivals, in the unit of the service times.

    Args:
        rounds: arrivals of each round, seconds.
        measured: service times of lone requests, seconds, from which each arrival's is drawn, several times.
    """
    draw = random.Random(0)  # noqa: S311 - no secret
    found = [
        latency
        for _ in range(DRAWS)
        for times in rounds
        for latency in latencies(times, draw.choices(measured, k=len(times)))
    ]
    return float(np.percentile(found, 99, method="higher"))
