"""tensorflow.serving.ModelService/HandleReloadConfigRequest."""

from __future__ import annotations

from dataclasses import dataclass

from accelserve.protos import tensorflow_serving as serving
from accelserve.server.config_files.models import models_of
from accelserve.server.core.registry import ModelRegistry
from accelserve.server.dataplane.servable import ImageServable
from accelserve.server.scheduler.watch import CallWatch


@dataclass(frozen=True, slots=True)
class HandleReloadConfig:
    """Replaces what the registry serves; labels may point to versions that do not serve if ``allow_unavailable_labels``."""

    registry: ModelRegistry[ImageServable]
    allow_unavailable_labels: bool

    def __call__(
        self, request: serving.ReloadConfigRequest, _watch: CallWatch
    ) -> serving.ReloadConfigResponse:
        """Serve exactly the listed models from now on; returns when each new one has loaded or failed.

        Raises:
            ConfigurationError: the configuration makes no sense; nothing changed.
            LabelUnavailableError, LoadError: see ``ModelRegistry.reload``.
        """
        self.registry.reload(
            models_of(request.config), allow_unavailable_labels=self.allow_unavailable_labels
        )
        return serving.ReloadConfigResponse(status=serving.StatusProto(error_code=0))
