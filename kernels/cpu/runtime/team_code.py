"""What the workers of a ``team`` run, for numba to compile."""

from __future__ import annotations

import platform
from collections.abc import Callable

import numpy as np
from numba import types

from accelserve.kernels.cpu.plan.steps import ITEM_BITS, MOST_ITEMS
from accelserve.kernels.cpu.records import batch
from accelserve.kernels.cpu.runtime.team import (
    ACTIVE,
    CLOCK,
    EVENT,
    FIRST_TICK,
    GO,
    PROFILE,
    PROGRESS,
    SPIN_NS,
    STEPS,
    TABLE,
    TABLE_ROW_BYTES,
    THREADS,
    WAITERS,
    WORKER_BYTES,
    WORKERS,
)
from accelserve.kernels.native.jit import entry_point, inlined
from accelserve.kernels.native.memory import (
    atomic_add,
    atomic_load,
    atomic_store,
    atomic_swap_if,
    call3,
    field,
    load_i64,
    relax,
    store_i64,
)

_FUTEX = {"x86_64": 202, "AMD64": 202, "aarch64": 98, "arm64": 98}.get(platform.machine(), 202)
_FUTEX_WAIT_PRIVATE = 128
_FUTEX_WAKE_PRIVATE = 129
_CLOCK_MONOTONIC = 1

_syscall: Callable[..., int] = types.ExternalFunction(
    "syscall",
    types.int64(types.int64, types.int64, types.int64, types.int64, types.int64, types.int64, types.int64),
)
_clock_gettime: Callable[..., int] = types.ExternalFunction(
    "clock_gettime", types.int32(types.int32, types.int64)
)


@inlined
def now_ns(scratch: int) -> int:
    """Nanoseconds of the monotonic clock; ``scratch`` is room for 16 bytes."""
    _clock_gettime(np.int32(_CLOCK_MONOTONIC), scratch)
    return field(scratch, 0) * 1_000_000_000 + field(scratch, 1)


@inlined
def announce(control: int) -> None:
    """Wake the parked workers, after a change that they may wait for."""
    if atomic_load(control + WAITERS) > 0:
        atomic_add(control + EVENT, 1)
        _syscall(_FUTEX, control + EVENT, _FUTEX_WAKE_PRIVATE, 1 << 30, 0, 0, 0)


@inlined
def await_change(control: int, word: int, seen: int, thread: int) -> int:
    """Wait until the word at ``word`` differs from ``seen``; what it holds then."""
    clock = control + WORKERS + thread * WORKER_BYTES + CLOCK
    value: int = atomic_load(word)
    deadline = now_ns(clock) + load_i64(control + SPIN_NS)
    spins = 0
    while value == seen:
        relax()
        spins += 1
        if spins & 15 == 0 and now_ns(clock) > deadline:
            atomic_add(control + WAITERS, 1)
            event = atomic_load(control + EVENT)
            if atomic_load(word) == seen:
                # The kernel compares the low half of EVENT, so a change since then is not slept through.
                _syscall(_FUTEX, control + EVENT, _FUTEX_WAIT_PRIVATE, event & 0xFFFFFFFF, 0, 0, 0)
            atomic_add(control + WAITERS, -1)
        value = atomic_load(word)
    return value


@inlined
def work_on_step(control: int, row: int, tick: int, thread: int, threads: int) -> int:
    """Claim and run items until none is left; how many this worker ran."""
    function, items, record = load_i64(row), load_i64(row + 8), load_i64(row + 16)
    ran = 0
    for turn in range(threads):
        owner = thread + turn
        if owner >= threads:
            owner -= threads
        first, last = items * owner // threads, items * (owner + 1) // threads
        claims = control + WORKERS + owner * WORKER_BYTES
        while True:
            held = atomic_load(claims)
            if held >> ITEM_BITS > tick:
                return ran  # others have gone on; this step was over before we came
            position = held & MOST_ITEMS if held >> ITEM_BITS == tick else 0
            if first + position >= last:
                break
            if atomic_swap_if(claims, held, (tick << ITEM_BITS) + position + 1):
                call3(function, record, first + position, thread)
                ran += 1
    return ran


@inlined
def walk(
    control: int, table: int, steps: int, first_tick: int, profile: int, thread: int, active: int
) -> None:
    """Take part in a job until its last step is done."""
    threads = load_i64(control + THREADS)
    clock = control + WORKERS + thread * WORKER_BYTES + CLOCK
    while True:
        progress = atomic_load(control + PROGRESS)
        tick = progress >> ITEM_BITS
        index = tick - first_tick
        if index >= steps:
            return
        row = table + index * TABLE_ROW_BYTES
        slot = profile + (index * threads + thread) * 16
        if profile != 0:
            store_i64(slot, now_ns(clock))
        ran = work_on_step(control, row, tick, thread, threads)
        if profile != 0:
            store_i64(slot + 8, now_ns(clock) if ran > 0 else 0)
        if ran > 0:
            done = atomic_add(control + PROGRESS, ran) + ran
            if done & MOST_ITEMS == load_i64(row + 8):
                atomic_store(control + PROGRESS, (tick + 1) << ITEM_BITS)
                if active > 1:
                    announce(control)
                continue
        progress = atomic_load(control + PROGRESS)
        while progress >> ITEM_BITS == tick:
            progress = await_change(control, control + PROGRESS, progress, thread)


@entry_point(2)
def serve(control: int, thread: int) -> None:
    """What a worker thread does for its whole life."""
    seen = 0
    while True:
        go = atomic_load(control + GO)
        if go < 0:
            return
        if go == seen or go & 1 == 1:
            await_change(control, control + GO, go, thread)
            continue
        table, steps = atomic_load(control + TABLE), atomic_load(control + STEPS)
        first_tick, profile = atomic_load(control + FIRST_TICK), atomic_load(control + PROFILE)
        active = atomic_load(control + ACTIVE)
        if atomic_load(control + GO) != go:
            continue  # the job changed while it was read
        seen = go
        if thread < active:
            walk(control, table, steps, first_tick, profile, thread, active)


@entry_point(5)
def launch(control: int, table: int, steps: int, profile: int, active: int) -> None:
    """Publish a job for the first ``active`` workers, take part in it as worker 0, and return when it is done."""
    go = atomic_load(control + GO)
    atomic_store(control + GO, go + 1)
    first_tick = atomic_load(control + PROGRESS) >> ITEM_BITS
    atomic_store(control + TABLE, table)
    atomic_store(control + STEPS, steps)
    atomic_store(control + FIRST_TICK, first_tick)
    atomic_store(control + PROFILE, profile)
    atomic_store(control + ACTIVE, active)
    atomic_store(control + GO, go + 2)
    if active > 1:
        announce(control)
    walk(control, table, steps, first_tick, profile, 0, active)


@entry_point(1)
def end(control: int) -> None:
    """Tell the workers to return."""
    atomic_store(control + GO, -1)
    announce(control)


@entry_point(3)
def run_image(record: int, item: int, thread: int) -> None:
    """All steps of one image on one worker."""
    patches, patch_list = field(record, batch.PATCHES), field(record, batch.PATCH_LIST)
    fields = field(record, batch.WORKSPACE_PATCHES) + thread * patches * 8
    for k in range(patches):
        value = load_i64(patch_list + 16 * k) + item * load_i64(patch_list + 16 * k + 8)
        store_i64(load_i64(fields + 8 * k), value)
    table = load_i64(field(record, batch.WORKSPACE_TABLES) + 8 * thread)
    for index in range(field(record, batch.WORKSPACE_STEPS)):
        row = table + index * TABLE_ROW_BYTES
        function, items, step_record = load_i64(row), load_i64(row + 8), load_i64(row + 16)
        for each in range(items):
            call3(function, step_record, each, thread)
