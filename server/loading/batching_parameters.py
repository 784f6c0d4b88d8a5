"""``--enable_per_model_batching_parameters``: a version's own ``batching_params.pbtxt``."""

from __future__ import annotations

import logging

from accelserve.server.config_files.batching import batching_of_file
from accelserve.server.dataplane.servable import ImageServable
from accelserve.server.loading.stages import Load, Version
from accelserve.server.scheduler.parameters import BatchingTable

_LOG = logging.getLogger(__name__)

PARAMETERS_FILE = "batching_params.pbtxt"


class BatchingParameters:
    """Reads a version's own batching parameters: those of the version loaded last apply to its model.

    Args:
        table: where the parameters go.
    """

    def __init__(self, table: BatchingTable) -> None:
        self._table = table

    def __call__(self, version: Version, load: Load) -> ImageServable:
        """Load; ConfigurationError if the parameters make no sense, before anything is loaded."""
        file = version.path / PARAMETERS_FILE
        own = batching_of_file(file) if file.exists() else None
        servable = load()
        self._table.replace(version.servable_id.name, own)
        if own is not None:
            batch = own.max_batch_images
            _LOG.info("%s: batches of up to %d images, as %s says", version.servable_id, batch, file)
        return servable
