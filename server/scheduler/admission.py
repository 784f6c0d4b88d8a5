"""Refuses what is too much before any work is done for it.

What is admitted is bounded in images and in estimated time, so that the p99 of accepted requests stays bounded
whatever the load. A request that finds nothing ahead of it is always admitted, however large.
"""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager
from dataclasses import dataclass

from accelserve.server.errors import InvalidRequestError, QueueFullError, TooManyRequestsError
from accelserve.server.scheduler.parameters import BatchingTable

# Weight of the newest batch in the moving average: about the last ten batches count.
_NEWEST = 0.2


@dataclass(slots=True)
class _Load:
    """Admitted images of one model, and how long one takes. Guarded by the gate's lock."""

    images: int = 0
    seconds_per_image: float = 0.0


@dataclass(slots=True)
class _Place:
    """Images that were admitted, until the end of a block; a generator would take three times as long."""

    lock: threading.Lock
    load: _Load
    images: int

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        with self.lock:
            self.load.images -= self.images


class AdmissionGate:
    """Counts what one device has been asked for and has not answered. Thread-safe."""

    def __init__(self, table: BatchingTable) -> None:
        self._table = table
        self._lock = threading.Lock()
        self._loads: dict[str, _Load] = {}

    def admitted(self, model: str, images: int) -> AbstractContextManager[None]:
        """Hold a place in the queue for the length of the block.

        Args:
            model: whose queue.
            images: in the request.

        Raises:
            InvalidRequestError: more images than an explicitly configured batch.
            QueueFullError: the explicitly configured queue is full.
            TooManyRequestsError: too many images, or too much time, is ahead.
        """
        with self._lock:
            load = self._loads.get(model) or self._loads.setdefault(model, _Load())
            self._refuse_overload(model, load, images)
            load.images += images
        return _Place(self._lock, load, images)

    def record(self, model: str, images: int, seconds: float) -> None:
        """Learn from one batch how long an image takes."""
        with self._lock:
            load = self._loads.get(model) or self._loads.setdefault(model, _Load())
            measured = seconds / images
            old = load.seconds_per_image
            load.seconds_per_image = measured if old == 0 else old + _NEWEST * (measured - old)

    def waiting_images(self, model: str) -> int:
        """Images of ``model`` admitted and not yet answered."""
        with self._lock:
            load = self._loads.get(model)
            return 0 if load is None else load.images

    def _refuse_overload(self, model: str, load: _Load, images: int) -> None:
        config = self._table.of(model)
        if config.explicit and images > config.max_batch_images:
            raise InvalidRequestError(
                f"Task size {images} is larger than maximum input batch size {config.max_batch_images}"
            )
        if load.images == 0:
            return
        wait_ms = round(1000 * sum(other.images * other.seconds_per_image for other in self._loads.values()))
        retry_ms = max(1, wait_ms // 2)
        if load.images + images > config.max_queued_images:
            if config.explicit:
                raise QueueFullError(retry_ms)
            raise TooManyRequestsError(
                f"model {model} is overloaded: {load.images} images are queued, {images} more would exceed "
                f"{config.max_queued_images}; retry in {retry_ms} ms",
                retry_ms,
            )
        if wait_ms > config.max_queue_delay_ms:
            raise TooManyRequestsError(
                f"model {model} is overloaded: the queue is {wait_ms} ms long and may be "
                f"{config.max_queue_delay_ms} ms; retry in {retry_ms} ms",
                retry_ms,
            )
