"""One request's pixels on their way through the device, possibly in several slices."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from accelserve.server.scheduler.watch import CallWatch

Array = NDArray[np.generic]
Results = Mapping[str, Array]


@dataclass(frozen=True, slots=True)
class ComputeReport:
    """What the device answered to one request, and what it took.

    Attributes:
        results: by output, batch first, in the order of the request's images.
        queue_seconds: from the hand-over to the first slice's start.
        compute_seconds: time of the batches that held a slice of the request.
        batch_images: images in the largest of those batches, other requests' included.
    """

    results: dict[str, Array]
    queue_seconds: float
    compute_seconds: float
    batch_images: int


@dataclass(slots=True, eq=False)
class Job:
    """Guarded by the scheduler's lock, but for ``woken``.

    Attributes:
        pixels: [N, H, W, C], uint8 or what else the network reads.
        watch: whether anybody waits.
        taken: images handed to the device so far.
        done: images answered so far.
        leads: this job's thread shall run the next batches.
        error: why it failed, if it did.
        woken: something changed for this job; its thread looks again.
    """

    pixels: Array
    watch: CallWatch
    taken: int = 0
    done: int = 0
    leads: bool = False
    error: Exception | None = None
    woken: threading.Event = field(default_factory=threading.Event)
    submitted: float = field(default_factory=time.perf_counter)
    _started: float = 0.0
    _compute_seconds: float = 0.0
    _batch_images: int = 0
    _parts: dict[int, Results] = field(default_factory=dict)

    @property
    def images(self) -> int:
        """Images in the request."""
        return int(self.pixels.shape[0])

    @property
    def waiting(self) -> int:
        """Images that the device has not been handed yet."""
        return self.images - self.taken

    @property
    def in_flight(self) -> bool:
        """A slice is on the device now."""
        return self.taken > self.done

    @property
    def finished(self) -> bool:
        """Answered or failed, and no slice is on the device."""
        return (self.error is not None or self.done == self.images) and not self.in_flight

    def take(self, room: int) -> Slice:
        """The next slice, of at most ``room`` images."""
        start = self.taken
        self.taken = min(self.images, start + room)
        if start == 0:
            self._started = time.perf_counter()
        return Slice(self, start, self.taken)

    def deliver(self, part: Slice, results: Results, seconds: float, batch_images: int) -> None:
        """Keep the results of one slice. Who runs the batch wakes the job's thread, if that was the last one."""
        self._parts[part.start] = results
        self.done = part.stop
        self._compute_seconds += seconds
        self._batch_images = max(self._batch_images, batch_images)

    def fail(self, error: Exception) -> None:
        """Give the job up; what is on the device is waited for but not kept."""
        if self.error is None:
            self.error = error
        self.done = self.taken
        self.woken.set()

    def report(self) -> ComputeReport:
        """The whole answer; only once finished without an error."""
        parts = [self._parts[start] for start in sorted(self._parts)]
        results = (
            dict(parts[0])
            if len(parts) == 1
            else {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        )
        return ComputeReport(
            results, self._started - self.submitted, self._compute_seconds, self._batch_images
        )


@dataclass(frozen=True, slots=True)
class Slice:
    """Images ``start`` to ``stop`` of a job."""

    job: Job
    start: int
    stop: int

    @property
    def images(self) -> int:
        """How many."""
        return self.stop - self.start

    @property
    def pixels(self) -> Array:
        """A view of the job's pixels."""
        return self.job.pixels[self.start : self.stop]
