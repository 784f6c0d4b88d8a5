"""Replays a version's warm-up file before the version is available."""

from __future__ import annotations

import logging
import time
from pathlib import Path

from accelserve.server.core.servable import Loader, ServableId
from accelserve.server.dataplane.servable import ImageServable
from accelserve.server.errors import LoadError
from accelserve.server.warm_up.record_file import records
from accelserve.server.warm_up.requests import calls_of, replay

_LOG = logging.getLogger(__name__)

WARM_UP_FILE = Path("assets.extra") / "tf_serving_warmup_requests"
MOST_RECORDS = 1000


class WarmingLoader:
    """A loader behind which every version has answered before.

    Args:
        inner: what loads.
        iterations: how often each record is replayed.
        batch_images: at most so many on the device at once.
    """

    def __init__(self, inner: Loader[ImageServable], iterations: int, batch_images: int) -> None:
        self._inner = inner
        self._iterations = iterations
        self._batch_images = batch_images

    def load(self, servable_id: ServableId, path: Path) -> ImageServable:
        """Load and warm up.

        Raises:
            LoadError: the warm-up file cannot be replayed.
            Exception: as ``inner``.
        """
        servable = self._inner.load(servable_id, path)
        file = path / WARM_UP_FILE
        if not file.exists():
            return servable
        try:
            self._warm_up(servable_id, servable, file)
        except BaseException:
            servable.close()
            raise
        return servable

    def _warm_up(self, servable_id: ServableId, servable: ImageServable, file: Path) -> None:
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
