"""``--enable_per_model_batching_parameters``: a version's own ``batching_params.pbtxt``."""

from __future__ import annotations

import logging
from pathlib import Path

from accelserve.server.config_files.batching import batching_of_file
from accelserve.server.core.servable import Loader, S, ServableId
from accelserve.server.scheduler.parameters import BatchingTable

_LOG = logging.getLogger(__name__)

PARAMETERS_FILE = "batching_params.pbtxt"


class BatchingLoader(Loader[S]):
    """A loader that also reads a version's batching parameters: those of the version loaded last apply to its model.

    Args:
        inner: what loads.
        table: where the parameters go.
    """

    def __init__(self, inner: Loader[S], table: BatchingTable) -> None:
        self._inner = inner
        self._table = table

    def load(self, servable_id: ServableId, path: Path) -> S:
        """Load; ConfigurationError if the parameters make no sense, else as ``inner``."""
        file = path / PARAMETERS_FILE
        own = batching_of_file(file) if file.exists() else None
        servable = self._inner.load(servable_id, path)
        self._table.bring(servable_id.name, own)
        if own is not None:
            _LOG.info("%s: batches of up to %d images, as %s says", servable_id, own.max_batch_images, file)
        return servable
