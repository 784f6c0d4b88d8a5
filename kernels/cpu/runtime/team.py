"""Workers that walk a plan together: one launch per inference, no barrier, no lock, no Python in between.

Every step's items are cut into one range per worker. A worker claims items from its own range and then from the
others', so a worker that the system has suspended holds up one item at most. A step ends when
its items are done, not when all workers have arrived; a late worker reads how far the others are and joins there.

Claims carry the step's *tick*, a number that never repeats, in one compare-and-swap with the position in the range:
a worker that wakes up in the past can claim nothing. A worker that finds nothing to do spins for a bounded time, then parks
in the kernel (futex) and leaves its core to others.

The control block, in int64 unless said otherwise, one cache line per group:

    0    GO: job number, even; odd while a job is being written; negative to end the workers
    64   PROGRESS: tick << 20 | items done of that tick's step
    128  WAITERS: workers parked or about to; EVENT (136): changes when a worker may have to wake up
    192  the job: table, steps, first tick, profile, ACTIVE: workers that take part;
         THREADS and SPIN_NS, which never change
    256  per worker 128 bytes: its range's claims (tick << 20 | next), and room for a clock reading
"""

from __future__ import annotations

import ctypes
import os
import threading
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from accelserve.kernels.cpu.plan.steps import ITEM_BITS
from accelserve.kernels.native.compiled import Compiled

GO = 0
PROGRESS = 64
WAITERS = 128
EVENT = 136
TABLE = 192
STEPS = 200
FIRST_TICK = 208
PROFILE = 216
THREADS = 224
SPIN_NS = 232
ACTIVE = 240
WORKERS = 256
WORKER_BYTES = 128
CLOCK = 64

TABLE_ROW_BYTES = 24
"""A row of a table: the step's function, its items, its record's address."""

SPIN_MICROSECONDS = 40
"""About what waking a parked worker costs; a longer spin burns more than it saves."""


_LIBC = ctypes.PyDLL(None)

_CODE = "accelserve.kernels.cpu.runtime.team_code"
SERVE = Compiled(_CODE, "serve", 2)
LAUNCH = Compiled(_CODE, "launch", 5)
END = Compiled(_CODE, "end", 1)
RUN_IMAGE = Compiled(_CODE, "run_image", 3)
"""The step of a job whose items are whole images."""
FUNCTIONS = (SERVE, LAUNCH, END, RUN_IMAGE)
"""All that a team runs besides the steps."""


class _Elsewhere:
    """Keeps workers off the caller's core.

    Left to itself the system may wake a worker on the very core that the caller works on, where it waits for
    milliseconds while its own core sleeps: virtual machines report a core that halted as taken
    (``vcpu_is_preempted``), so that a scheduler sees no idle one.
    """

    def __init__(self, workers: Sequence[threading.Thread]) -> None:
        self._threads = [each.native_id for each in workers if each.native_id is not None]
        known = hasattr(os, "sched_setaffinity") and hasattr(_LIBC, "sched_getcpu")
        self._cores = os.sched_getaffinity(0) if known and self._threads else set()
        self._left = -1

    def keep(self) -> None:
        """Confine the workers to the other cores, if the caller has come to another one."""
        if len(self._cores) < 2 or (core := int(_LIBC.sched_getcpu())) == self._left:
            return
        self._left = core
        try:
            for each in self._threads:
                os.sched_setaffinity(each, self._cores - {core})
        except OSError:  # the cores that this process may use are others by now
            self._cores = set()


def _serve(entry: Callable[..., None], control: int, worker: int, keeps: object) -> None:
    """A worker's whole life. Its frame holds ``keeps``, since machine code holds nothing."""
    entry(control, worker)
    del keeps


def _end(entry: Callable[..., None], control: int, block: object) -> None:
    """Tell the workers of a control block to end."""
    entry(control)
    del block


class Team:
    """Worker threads of one program. ``run`` may be called from one thread at a time.

    A worker may look at the table of a job that is over, when the system lets it go on so late; so tables, and all that
    they point to, have to stay where they are until the workers have ended. Workers hold on to ``keeps`` until then. A
    team without references ends by itself.

    Attributes:
        size: workers, the caller of ``run`` included.
    """

    def __init__(self, size: int, cache: Path | None, keeps: object = None) -> None:
        """Start the workers.

        Args:
            size: workers, the caller of ``run`` included.
            cache: folder for machine code.
            keeps: what tables of later jobs are part of or point to, if it may go before ``close`` is called.
        """
        self.size = size
        self._block = np.zeros(WORKERS + size * WORKER_BYTES + 64, np.uint8)
        self._control = int(self._block.ctypes.data) + -int(self._block.ctypes.data) % 64
        self._write(THREADS, size)
        self._write(SPIN_NS, SPIN_MICROSECONDS * 1000)
        self._write(PROGRESS, 1 << ITEM_BITS)
        self._launch = LAUNCH.entry(cache)
        # At the interpreter's exit, too: a thread of Python must not wake up in what is left of it.
        self._end = weakref.finalize(self, _end, END.entry(cache), self._control, self._block)
        serve_entry = SERVE.entry(cache)
        self._workers = [
            threading.Thread(
                target=_serve,
                args=(serve_entry, self._control, worker, (self._block, keeps)),
                name=f"accelserve-worker-{worker}",
                daemon=True,
            )
            for worker in range(1, size)
        ]
        for each in self._workers:
            each.start()
        self._elsewhere = _Elsewhere(self._workers)

    def _write(self, at: int, value: int) -> None:
        ctypes.c_int64.from_address(self._control + at).value = value

    def run(self, table: int, steps: int, profile: int = 0, workers: int = 0) -> None:
        """Run a table of steps; the caller works too.

        Args:
            table: address of the rows.
            steps: number of rows, 1 or more.
            profile: address of int64 [steps][workers][2] for first and last nanosecond, or 0.
            workers: how many take part, the caller included; the others stay parked. 0 takes all.
        """
        self._elsewhere.keep()
        self._launch(self._control, table, steps, profile, workers or self.size)

    def close(self) -> None:
        """End and join the workers; no ``run`` may be under way."""
        self._end()
        for each in self._workers:
            each.join()
        self._workers = []
