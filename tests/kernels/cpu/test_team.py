"""Workers: every item runs exactly once, in steps, however many workers there are and whenever they come."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from accelserve.kernels.cpu.runtime.team import TABLE_ROW_BYTES, Team
from accelserve.kernels.native.jit import entry_point
from accelserve.kernels.native.memory import atomic_add, field

SEEN = 0
PREVIOUS_TOTAL = 1
TOTAL = 2
WRONG = 3
PREVIOUS_ITEMS = 4


@entry_point(3)
def count(record: int, item: int, thread: int) -> None:
    """Counts the item, and whether the step before was over."""
    if atomic_add(field(record, PREVIOUS_TOTAL), 0) % max(1, field(record, PREVIOUS_ITEMS)) != 0:
        atomic_add(field(record, WRONG), 1)
    atomic_add(field(record, SEEN) + 8 * item, 1)
    atomic_add(field(record, TOTAL), 1)


class CountingPlan:
    """Steps that count their items, and check that the step before them was complete."""

    def __init__(self, items: list[int], cache: Path) -> None:
        self.items = items
        self.seen = [np.zeros(each, np.int64) for each in items]
        self.totals = np.zeros(len(items) + 1, np.int64)
        self.wrong = np.zeros(1, np.int64)
        self.records = np.zeros((len(items), 8), np.int64)
        self.table = np.zeros((len(items), TABLE_ROW_BYTES // 8), np.int64)
        address = count.address(cache)
        for i, each in enumerate(items):
            self.records[i, : PREVIOUS_ITEMS + 1] = (
                self.seen[i].ctypes.data,
                self.totals[i:].ctypes.data,
                self.totals[i + 1 :].ctypes.data,
                self.wrong.ctypes.data,
                items[i - 1] if i > 0 else 1,
            )
            self.table[i] = address, each, self.records[i:].ctypes.data

    def run(self, team: Team, profile: NDArray[np.int64] | None = None) -> None:
        team.run(self.table.ctypes.data, len(self.items), profile.ctypes.data if profile is not None else 0)


@pytest.mark.parametrize("workers", [1, 2, 3, 5])
def test_every_item_runs_once_a_run_and_steps_keep_their_order(workers: int, code_cache: Path) -> None:
    plan = CountingPlan([1, 7, 64, 2, 1000, 1, 1, 3], code_cache)
    team = Team(workers, code_cache)
    for _ in range(300):
        plan.run(team)
    team.close()
    assert all((seen == 300).all() for seen in plan.seen)
    assert plan.wrong[0] == 0


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_part_of_a_team_does_all_of_the_work(workers: int, code_cache: Path) -> None:
    plan = CountingPlan([1, 7, 64, 2, 1000, 1, 1, 3], code_cache)
    team = Team(3, code_cache)
    clocks = np.zeros((len(plan.items), 3, 2), np.int64)
    for turn in range(300):
        team.run(
            plan.table.ctypes.data,
            len(plan.items),
            clocks.ctypes.data if turn % 2 else 0,
            workers=workers if turn % 3 else 3,
        )
    clocks[:] = 0
    team.run(plan.table.ctypes.data, len(plan.items), clocks.ctypes.data, workers=workers)
    team.close()
    assert all((seen == 301).all() for seen in plan.seen)
    assert plan.wrong[0] == 0
    assert not clocks[:, workers:].any()


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="there is one core")
def test_workers_leave_the_callers_core_to_the_caller(code_cache: Path) -> None:
    cores, caller = os.sched_getaffinity(0), threading.get_native_id()
    before = {each.native_id for each in threading.enumerate()}
    team = Team(3, code_cache)
    workers = [each.native_id for each in threading.enumerate() if each.native_id not in before]
    plan = CountingPlan([10], code_cache)
    try:
        for core in sorted(cores)[:2]:
            os.sched_setaffinity(caller, {core})
            plan.run(team)
            assert [os.sched_getaffinity(each or 0) for each in workers] == 2 * [cores - {core}]
    finally:
        os.sched_setaffinity(caller, cores)
        team.close()


def test_workers_that_parked_come_back(code_cache: Path) -> None:
    plan = CountingPlan([50, 50], code_cache)
    team = Team(3, code_cache)
    pause = threading.Event()
    for _ in range(5):
        plan.run(team)
        pause.wait(0.02)  # longer than a worker spins
    team.close()
    assert all((seen == 5).all() for seen in plan.seen)


def test_teams_side_by_side_do_not_disturb_each_other(code_cache: Path) -> None:
    plans = [CountingPlan([5, 40, 3], code_cache) for _ in range(4)]

    def work(plan: CountingPlan) -> None:
        team = Team(2, code_cache)
        for _ in range(200):
            plan.run(team)
        team.close()

    threads = [threading.Thread(target=work, args=(plan,)) for plan in plans]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    for plan in plans:
        assert all((seen == 200).all() for seen in plan.seen)
        assert plan.wrong[0] == 0


def test_a_profile_has_times_for_every_step(code_cache: Path) -> None:
    plan = CountingPlan([10, 20, 30], code_cache)
    team = Team(2, code_cache)
    clock = np.zeros((3, 2, 2), np.int64)
    plan.run(team, clock)
    team.close()
    worked = clock[..., 1] > 0
    assert worked.any(axis=1).all()
    assert (clock[..., 1] >= clock[..., 0])[worked].all()


def test_closing_joins_the_threads(code_cache: Path) -> None:
    before = set(threading.enumerate())  # some of which may end meanwhile
    team = Team(4, code_cache)
    workers = set(threading.enumerate()) - before
    assert len(workers) == 3
    team.close()
    assert not any(each.is_alive() for each in workers)


def test_a_stray_store_is_not_what_counts(code_cache: Path) -> None:
    """The counting step itself can tell a step that ran before the one it depends on."""
    plan = CountingPlan([2, 2], code_cache)
    plan.totals[1] = 1
    team = Team(1, code_cache)
    plan.run(team)
    team.close()
    assert plan.wrong[0] > 0
