"""How many workers share an image, on machines whose times are made up."""

from __future__ import annotations

from collections.abc import Callable
from statistics import median

import numpy as np
import pytest

from accelserve.kernels.cpu.runtime.team_size import MOST_WAIT_IN_DOUBT, TeamSize


def quiet(workers: int) -> float:
    """Milliseconds where every worker has a core."""
    return 0.3 + 6.0 / workers


def contended(workers: int, cores: int) -> float:
    """One core belongs to somebody else: a team that needs it waits for a slice of its time."""
    return quiet(workers) + (4.0 if workers == cores else 0.0)


def run(size: TeamSize, images: int, machine: Callable[[int], float], jitter: float = 0.03) -> list[int]:
    """Sizes that were used."""
    rng = np.random.default_rng(images)
    used = []
    for _ in range(images):
        used.append(size.now)
        size.took(machine(size.now) * (1 + jitter * rng.random()))
    return used


@pytest.mark.parametrize("most", [2, 4, 16])
def test_on_a_quiet_machine_everybody_works_but_for_a_rare_trial(most: int) -> None:
    used = run(TeamSize(most), 10_000, quiet)
    assert set(used) == {most, most - 1}
    assert used.count(most - 1) < 20


@pytest.mark.parametrize("most", [2, 3])
@pytest.mark.parametrize("before", [0, 100], ids=["from the start", "later"])
def test_a_busy_core_is_left_to_whoever_keeps_it_busy(most: int, before: int) -> None:
    size = TeamSize(most)
    run(size, before, quiet)
    used = run(size, 1000, lambda workers: contended(workers, most))[MOST_WAIT_IN_DOUBT:]
    assert set(used) == {most, most - 1}
    assert used.count(most) < 20, "a larger team is only tried now and then"


def test_when_the_core_is_free_again_everybody_works_again() -> None:
    size = TeamSize(2)
    run(size, 100, quiet)
    run(size, 1000, lambda workers: contended(workers, 2))
    assert run(size, MOST_WAIT_IN_DOUBT + 10, quiet)[-1] == 2
    assert run(size, 1000, quiet).count(1) < 10


def test_a_machine_that_is_slow_however_many_work_costs_few_trials() -> None:
    size = TeamSize(2)
    run(size, 100, quiet)
    used = run(size, 2000, lambda workers: 2 * quiet(workers))
    assert used.count(1) <= 2000 / MOST_WAIT_IN_DOUBT + 5
    assert median(used) == 2


def test_single_slow_images_change_nothing() -> None:
    size = TeamSize(2)
    used = []
    for image in range(1000):
        used.append(size.now)
        size.took(20.0 if image % 10 == 9 else quiet(size.now))
    assert used.count(1) < 10


def cost_of_trials(machine: Callable[[np.random.Generator, int], tuple[float, float]], seed: int) -> float:
    """What trying other sizes adds to the time of 20000 images by two workers.

    Args:
        machine: milliseconds of image ``number`` by one worker and by two.
        seed: of what happens to the machine.
    """
    rng, size, took, by_two = np.random.default_rng(seed), TeamSize(2), 0.0, 0.0
    for image in range(20_000):
        times = machine(rng, image)
        image_took = times[size.now - 1] * (1 + 0.03 * rng.random())
        size.took(image_took)
        took += image_took
        by_two += times[1]
    return took / (by_two * 1.015) - 1  # by the jitter's mean


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("slower", [1.3, 1.6, 2.0])
def test_phases_on_a_shared_physical_core_cost_little(slower: float, seed: int) -> None:
    """Two virtual cores that share one are together at least as fast as one worker alone."""

    def machine(_: np.random.Generator, image: int) -> tuple[float, float]:
        return 12.6, 6.3 * (slower if image % 200 < 30 else 1)

    assert cost_of_trials(machine, seed) < 0.015


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("share", [0.02, 0.05, 0.2])
def test_being_preempted_now_and_then_costs_little(share: float, seed: int) -> None:
    """Something urgent takes one of the cores for up to 12 ms; a worker alone is on that core every other time."""

    def machine(rng: np.random.Generator, _: int) -> tuple[float, float]:
        lost = 12 * rng.random() if rng.random() < share else 0.0
        return 18 + lost * rng.integers(2), 9.3 + lost

    assert cost_of_trials(machine, seed) < 0.015


def test_one_worker_has_no_choice() -> None:
    size = TeamSize(1)
    run(size, 100, lambda _: float(np.random.default_rng(0).random()))
    assert size.now == 1
