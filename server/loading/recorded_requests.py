"""Replays a version's warm-up file before the version is available."""

from __future__ import annotations

import logging
import time
from pathlib import Path

from accelserve.server.core.servable import ServableId
from accelserve.server.dataplane.servable import ImageServable
from accelserve.server.errors import LoadError
from accelserve.server.loading.stages import Load, Version
from accelserve.server.warm_up.record_file import records
from accelserve.server.warm_up.requests import calls_of, replay

_LOG = logging.getLogger(__name__)

WARM_UP_FILE = Path("assets.extra") / "tf_serving_warmup_requests"
MOST_RECORDS = 1000


class RecordedRequests:
    """Replays a version's warm-up file.

    Args:
        iterations: how often each record is replayed.
        batch_images: at most so many on the device at once.
    """

    def __init__(self, iterations: int, batch_images: int) -> None:
        self._iterations = iterations
        self._batch_images = batch_images

    def __call__(self, version: Version, load: Load) -> ImageServable:
        """Load and replay; LoadError if the file cannot be replayed."""
        servable = load()
        file = version.path / WARM_UP_FILE
        if file.exists():
            self._replay(version.servable_id, servable, file)
        return servable

    def _replay(self, servable_id: ServableId, servable: ImageServable, file: Path) -> None:
        begin = time.perf_counter()
        count = 0
        for index, record in enumerate(records(file)):
            if index == MOST_RECORDS:
                raise LoadError(f"Number of warmup records exceeds the maximum ({MOST_RECORDS}) at {file}")
            try:
                for call in calls_of(record):
                    for _ in range(self._iterations):
                        replay(call, servable, self._batch_images)
            except Exception as error:
                raise LoadError(f"Failed to replay warmup record {index} of {file}: {error}") from error
            count += 1
        seconds = time.perf_counter() - begin
        _LOG.info("%s: replayed %d warm-up requests in %.1f s", servable_id, count, seconds)
