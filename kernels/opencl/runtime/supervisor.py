"""Keeps a program on a device across faults: a watchdog, restarts, and a device marked down that is tried again."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from accelserve.kernels.device_health import DeviceHealth, DeviceState
from accelserve.kernels.errors import DeviceError
from accelserve.kernels.ir import Array
from accelserve.kernels.opencl.runtime.lease import Lease
from accelserve.kernels.opencl.runtime.messages import Start
from accelserve.kernels.opencl.runtime.process import DeviceProcess

WARM_DEADLINE_FACTOR = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultPolicy:
    """What happens after faults.

    Attributes:
        faults_before_down: consecutive faults after which the device is marked down.
        backoff_s: until the first try after that; each further one waits ``backoff_factor`` times as long.
        backoff_limit_s: the longest wait.
    """

    faults_before_down: int = 3
    backoff_s: float = 1.0
    backoff_factor: float = 2.0
    backoff_limit_s: float = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadlines:
    """How long the device may take.

    Attributes:
        start_s: building the program and uploading the weights.
        run_s: one image, before any has been seen.
        warm_least_s: the least deadline once images have been seen, else 20 times the slowest of them.
    """

    start_s: float = 300.0
    run_s: float = 60.0
    warm_least_s: float = 10.0


class Supervisor:
    """One program on one device. Not for several threads at once: the program orders its runs."""

    def __init__(
        self,
        start: Start,
        lease: Lease,
        deadlines: Deadlines,
        policy: FaultPolicy,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start the device's process.

        Raises:
            DeviceError: it did not come up; the lease is the caller's to release.
        """
        self._start, self._lease, self._deadlines, self._policy, self._clock = (
            start,
            lease,
            deadlines,
            policy,
            clock,
        )
        self._consecutive = 0
        self._retry_at = 0.0
        self._slowest_s = 0.0
        self.health = DeviceHealth(state=DeviceState.UP)
        self.process = DeviceProcess(start, lease.descriptor, deadlines.start_s)

    def ready(self) -> bool:
        """Whether a run should be tried now: the device is up, or its next try is due."""
        state = self.health.state
        if state is DeviceState.DOWN:
            return self._clock() >= self._retry_at
        return state is not DeviceState.GONE

    def run(self, segment: int, images: Sequence[Mapping[str, Array]]) -> list[dict[str, Array]]:
        """Run a segment on a batch, restarting the process first if the last one ended.

        Raises:
            DeviceError: the fault is counted, and the process has ended.
        """
        try:
            if self.health.state is not DeviceState.UP:
                self._restart()
            results, seconds = self.process.run(segment, images, self.deadline_s)
        except DeviceError as error:
            self._count_fault(error)
            raise
        self._consecutive = 0
        self._slowest_s = max(self._slowest_s, *seconds)
        self.health = replace(self.health, device_seconds=self.health.device_seconds + sum(seconds))
        return results

    def profile(self, segment: int, runs: int) -> tuple[tuple[float, ...], ...]:
        """Seconds of every layer, one row a run, on the image that ran last.

        Raises:
            DeviceError: as ``run``.
        """
        try:
            return self.process.profile(segment, runs, self._deadlines.run_s)
        except DeviceError as error:
            self._count_fault(error)
            raise

    @property
    def deadline_s(self) -> float:
        """Seconds that the next image gets."""
        if not self._slowest_s:
            return self._deadlines.run_s
        warm = max(self._deadlines.warm_least_s, WARM_DEADLINE_FACTOR * self._slowest_s)
        return min(warm, self._deadlines.run_s)

    def count_images(self, images: int, *, on_device: bool) -> None:
        """Count a batch for the device or the host that answered it."""
        if on_device:
            self.health = replace(self.health, images=self.health.images + images)
        else:
            self.health = replace(self.health, fallback_images=self.health.fallback_images + images)

    def close(self, reason: str) -> None:
        """End the process and release the device; a second call does nothing."""
        if self.health.state is DeviceState.GONE:
            return
        self.health = replace(self.health, state=DeviceState.GONE, last_error=reason)
        self.process.end()
        self._lease.release()

    def _restart(self) -> None:
        self.process = DeviceProcess(self._start, self._lease.descriptor, self._deadlines.start_s)
        self.health = replace(self.health, state=DeviceState.UP, restarts=self.health.restarts + 1)

    def _count_fault(self, error: DeviceError) -> None:
        self._consecutive += 1
        self.process.end()
        state = DeviceState.RECOVERING
        beyond = self._consecutive - self._policy.faults_before_down
        if beyond >= 0:
            state = DeviceState.DOWN
            wait = self._policy.backoff_s * self._policy.backoff_factor**beyond
            self._retry_at = self._clock() + min(wait, self._policy.backoff_limit_s)
        self.health = replace(self.health, state=state, faults=self.health.faults + 1, last_error=str(error))
