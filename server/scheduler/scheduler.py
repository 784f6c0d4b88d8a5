"""Orders the work of one device: no thread of its own, no wait when idle, batches form by themselves under load.

A request's own thread computes. The thread that finds the device idle leads: it runs batches until its own request is
answered, then hands the lead to the first request that waits. So a lone request never changes threads, and whatever
queued up while the device was busy is the next batch, or as much of it as the device works on side by side: a larger
batch would gain nothing there, and all of it would be answered when its last image is. Models take turns; a request
larger than a batch is split, and the rest goes behind the others of its model, so that one album does not hold up
single pictures.
"""

from __future__ import annotations

import itertools
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np

from accelserve.server.config import BatchingConfig
from accelserve.server.core.servable import ServableId
from accelserve.server.scheduler.admission import AdmissionGate
from accelserve.server.scheduler.job import Array, ComputeReport, Job, Results, Slice
from accelserve.server.scheduler.parameters import BatchingTable
from accelserve.server.scheduler.watch import CallWatch

Run = Callable[[Array], Results]

_START_SECONDS = 0.002
"""At most, how long who hands the device over waits until the successor has started it."""


@dataclass(slots=True, eq=False)
class _VersionQueue:
    """What waits for one loaded version."""

    servable_id: ServableId
    run: Run
    side_by_side: int | None
    jobs: deque[Job] = field(default_factory=deque)

    @property
    def images(self) -> int:
        return sum(job.waiting for job in self.jobs)

    def room(self, most: int) -> int:
        """Images that the next batch should hold: the first request's, and others only if they keep every worker busy.

        Args:
            most: images of a batch.
        """
        if self.side_by_side is None or not self.jobs:
            return most
        first = min(most, self.jobs[0].waiting)
        full = math.ceil(first / self.side_by_side) * self.side_by_side
        return full if full <= most and self._begins_with(full) else first

    def _begins_with(self, images: int) -> bool:
        """Whether the first requests, each of them whole, are exactly so many images."""
        for together in itertools.accumulate(job.waiting for job in self.jobs):
            if together >= images:
                return together == images
        return False


@dataclass(frozen=True, slots=True)
class _Batch:
    queue: _VersionQueue
    slices: list[Slice]

    @property
    def images(self) -> int:
        return sum(part.images for part in self.slices)

    def pixels(self) -> Array:
        parts = [part.pixels for part in self.slices]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)


class DeviceScheduler:
    """One per device. ``compute`` may be called from any thread and blocks it."""

    def __init__(self, config: BatchingConfig, table: BatchingTable | None = None) -> None:
        """Batches as ``config`` says, or as ``table`` says for each model."""
        self._table = table or BatchingTable(config)
        self.gate = AdmissionGate(self._table)
        self._lock = threading.Lock()
        self._arrived = threading.Condition(self._lock)
        self._busy = False
        self._batch_since: float | None = None
        self._started = threading.Event()
        self._turns: deque[_VersionQueue] = deque()
        self._queues: dict[ServableId, _VersionQueue] = {}

    def compute(
        self,
        servable_id: ServableId,
        run: Run,
        pixels: Array,
        watch: CallWatch,
        side_by_side: int | None = None,
    ) -> ComputeReport:
        """Run the images on the device, in company if there is some.

        Args:
            servable_id: whose turn it is; calls with the same id must have the same ``run`` and ``side_by_side``.
            run: the network: [N, H, W, C] -> name -> [N, ...]; called by one thread at a time per scheduler.
            pixels: [N, H, W, C], N at least 1; not written to.
            watch: whether anybody still waits; asked right before compute.
            side_by_side: images that the device works on at once, each by a worker of its own; None if it gains by
                every further image of a batch.

        Raises:
            DeadlineExceededError, RequestCancelledError: nobody waits; nothing more was computed.
            Exception: whatever ``run`` raised.
        """
        if self._take_idle_device(servable_id.name, pixels.shape[0]):
            return self._run_alone(servable_id.name, run, pixels, watch)
        job = Job(pixels, watch)
        self._submit(servable_id, run, job, side_by_side)
        if not job.leads:
            watch.on_cancel(job.woken.set)
        try:
            self._see_through(job)
        finally:
            watch.on_cancel(None)
        if job.error is not None:
            raise job.error
        return job.report()

    def batch_seconds(self) -> float:
        """How long the device has been at the present batch; 0 if it is at none."""
        since = self._batch_since
        return 0.0 if since is None else time.perf_counter() - since

    def _take_idle_device(self, model: str, images: int) -> bool:
        """Whether nothing waits and the request is a batch as it is; it leads from now on, without a job."""
        config = self._table.of(model)
        if config.batch_timeout_us > 0 or images > config.max_batch_images:
            return False
        with self._lock:
            taken = not self._busy
            self._busy = True
        return taken

    def _run_alone(self, model: str, run: Run, pixels: Array, watch: CallWatch) -> ComputeReport:
        images = pixels.shape[0]
        arrived = time.perf_counter()
        try:
            watch.check()
            begin = self._batch_since = time.perf_counter()
            results = run(pixels)
            seconds = time.perf_counter() - begin
            self.gate.record(model, images, seconds)
        finally:
            self._batch_since = None
            self._hand_over()
        return ComputeReport(dict(results), begin - arrived, seconds, images)

    def _submit(self, servable_id: ServableId, run: Run, job: Job, side_by_side: int | None) -> None:
        with self._lock:
            queue = self._queues.get(servable_id)
            if queue is None:
                queue = self._queues[servable_id] = _VersionQueue(servable_id, run, side_by_side)
                self._turns.append(queue)
            queue.jobs.append(job)
            job.leads = not self._busy
            self._busy = True
            self._arrived.notify()

    def _see_through(self, job: Job) -> None:
        """Wait for the job, or lead; returns when it is finished."""
        while True:
            if job.leads:
                self._lead(job)
                return
            job.woken.wait(None if job.in_flight else job.watch.remaining_seconds())
            with self._lock:
                job.woken.clear()
                if job.finished:
                    return
                abandonment = None if job.leads else job.watch.abandonment()
                if abandonment is not None and not job.in_flight:
                    self._withdraw(job)
                    job.fail(abandonment)
                    return

    def _withdraw(self, job: Job) -> None:
        for queue in self._queues.values():
            if job in queue.jobs:
                queue.jobs.remove(job)
                return

    def _lead(self, job: Job) -> None:
        answered: list[Job] = []
        try:
            while not job.finished:
                _wake(answered)
                batch = self._next_batch()
                answered = [] if batch is None else self._run(batch)
        finally:
            self._started.set()
            self._hand_over()
            _wake(answered)

    def _hand_over(self) -> None:
        with self._lock:
            for queue in self._turns:
                if queue.jobs:
                    successor = queue.jobs[0]
                    break
            else:
                self._turns.clear()
                self._queues.clear()
                self._busy = False
                return
            successor.leads = True
            started = self._started = threading.Event()
            successor.woken.set()
        # This thread, and those of the requests that ran beside its own, have answers to write, in Python: meanwhile the
        # device would stand idle, since the successor needs the interpreter's lock to start it.
        started.wait(_START_SECONDS)

    def _next_batch(self) -> _Batch | None:
        with self._lock:
            queue = self._turns.popleft()
            self._await_company(queue)
            slices = self._fill(queue)
            if queue.jobs:
                self._turns.append(queue)
            else:
                del self._queues[queue.servable_id]
        return _Batch(queue, slices) if slices else None

    def _await_company(self, queue: _VersionQueue) -> None:
        """Where a batch timeout is configured, let the batch fill until the oldest request has waited that long."""
        config = self._table.of(queue.servable_id.name)
        timeout = config.batch_timeout_us / 1e6
        while queue.jobs and queue.images < config.max_batch_images:
            left = queue.jobs[0].submitted + timeout - time.perf_counter()
            if left <= 0:
                return
            self._started.set()
            self._arrived.wait(left)

    def _fill(self, queue: _VersionQueue) -> list[Slice]:
        slices: list[Slice] = []
        while queue.jobs and (abandonment := queue.jobs[0].watch.abandonment()) is not None:
            queue.jobs.popleft().fail(abandonment)
        config = self._table.of(queue.servable_id.name)
        most = config.max_batch_images
        # Who configured a time to wait for company wants batches.
        room = most if config.batch_timeout_us > 0 else queue.room(most)
        while queue.jobs and room > 0:
            job = queue.jobs.popleft()
            abandonment = job.watch.abandonment()
            if abandonment is not None:
                job.fail(abandonment)
                continue
            part = job.take(room)
            slices.append(part)
            room -= part.images
            if job.taken < job.images:
                queue.jobs.append(job)  # room is 0 now: the rest goes behind the others
        return slices

    def _run(self, batch: _Batch) -> list[Job]:
        """Compute a batch; the jobs that are answered by it, whose threads are still to be woken."""
        begin = self._batch_since = time.perf_counter()
        try:
            pixels = batch.pixels()
            self._started.set()
            results = batch.queue.run(pixels)
        except Exception as error:  # noqa: BLE001 - it belongs to the requests of this batch, not to the leader alone
            with self._lock:
                for part in batch.slices:
                    self._fail(batch.queue, part.job, error)
            return []
        finally:
            self._batch_since = None
        seconds = time.perf_counter() - begin
        self.gate.record(batch.queue.servable_id.name, batch.images, seconds)
        with self._lock:
            offset = 0
            for part in batch.slices:
                own = {name: rows[offset : offset + part.images] for name, rows in results.items()}
                part.job.deliver(part, own, seconds, batch.images)
                offset += part.images
            return [part.job for part in batch.slices if part.job.finished]

    def _fail(self, queue: _VersionQueue, job: Job, error: Exception) -> None:
        if job in queue.jobs:
            queue.jobs.remove(job)
        job.fail(error)


def _wake(jobs: Iterable[Job]) -> None:
    for each in jobs:
        each.woken.set()
