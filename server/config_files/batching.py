"""``--enable_batching`` with ``--batching_parameters_file``."""

from __future__ import annotations

import logging
from pathlib import Path

from accelserve.protos import tensorflow_serving as serving
from accelserve.server.config import BatchingConfig
from accelserve.server.errors import ConfigurationError
from accelserve.server.text_format_file import read_text_format

_LOG = logging.getLogger(__name__)

# TensorFlow Serving's defaults.
_MAX_BATCH_SIZE = 1000
_MAX_ENQUEUED_BATCHES = 10


def batching_of_file(path: Path) -> BatchingConfig:
    """The file's settings, with TensorFlow Serving's defaults; ConfigurationError if it makes no sense."""
    return batching_of(read_text_format(path, serving.BatchingParameters))


def batching_of(parameters: serving.BatchingParameters) -> BatchingConfig:
    """The message's settings, with TensorFlow Serving's defaults; ConfigurationError if they make no sense."""
    max_batch = parameters.max_batch_size.value if parameters.HasField("max_batch_size") else _MAX_BATCH_SIZE
    batches = (
        parameters.max_enqueued_batches.value
        if parameters.HasField("max_enqueued_batches")
        else _MAX_ENQUEUED_BATCHES
    )
    _check_allowed_sizes(list(parameters.allowed_batch_sizes), max_batch)
    for name in ("num_batch_threads", "thread_pool_name"):
        if parameters.HasField(name):
            _LOG.info("batching parameter %s does nothing here: the device runs one batch at a time", name)
    return BatchingConfig(
        max_batch_images=max_batch,
        batch_timeout_us=parameters.batch_timeout_micros.value,
        max_queued_images=max_batch * batches,
        explicit=True,
    )


def _check_allowed_sizes(sizes: list[int], max_batch: int) -> None:
    if not sizes:
        return
    if sizes != sorted(set(sizes)) or sizes[-1] != max_batch:
        raise ConfigurationError(
            f"allowed_batch_sizes must increase and end with max_batch_size ({max_batch}), got {sizes}"
        )
    _LOG.info("batching parameter allowed_batch_sizes does nothing here: batches of any size run unpadded")
