"""What judges a start: how fast its process can be, not what its neighbours let it be."""

from __future__ import annotations

import numpy as np
from benchmarks.starts import JUDGED_PERCENTILE, MOST, judged


def started(
    rng: np.random.Generator, factor: float = 1.0, disturbed: float = 0.0, machine: float = 1.0
) -> dict[str, float]:
    """A start of 60 inferences of 9 ms by so much, a share of which some neighbour doubles, on a machine that is slow by so much."""

    def p10(factor: float) -> float:
        hit = np.where(rng.random(60) < disturbed, 2.0, 1.0)
        times = factor * machine * 9.0 * (1 + 0.03 * rng.random(60)) * hit
        return float(np.percentile(times, JUDGED_PERCENTILE))

    return {"p10_ms": p10(factor), "witness_p10_ms": p10(1.0)}


def test_a_process_that_is_slow_for_its_whole_life_is_told() -> None:
    rng = np.random.default_rng(0)
    verdict = judged([*(started(rng) for _ in range(49)), started(rng, factor=1.3)])
    assert verdict["slowest_times_median"] > MOST


def test_a_start_among_busy_neighbours_is_not() -> None:
    rng = np.random.default_rng(0)
    verdict = judged([*(started(rng) for _ in range(45)), *(started(rng, disturbed=0.7) for _ in range(5))])
    assert verdict["slowest_times_median"] < 1.05


def test_a_start_that_lives_while_the_machine_is_slow_is_not() -> None:
    rng = np.random.default_rng(0)
    verdict = judged([*(started(rng) for _ in range(45)), *(started(rng, machine=1.3) for _ in range(5))])
    assert verdict["slowest_times_median"] < 1.05
    assert verdict["slowest_p10_times_median"] > MOST, "it is recorded all the same"
