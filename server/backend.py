"""What answers, whatever carries the requests: models, device, metrics and the methods of every protocol."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version

from accelserve.server.config import ModelConfig, ServerConfig
from accelserve.server.config_files.watcher import ModelConfigWatcher
from accelserve.server.core.registry import ModelRegistry
from accelserve.server.core.servable import Loader, StopsLoading
from accelserve.server.dataplane.predictor import Predictor, SignatureResult
from accelserve.server.dataplane.servable import ImageServable, computed_by
from accelserve.server.loading.pipeline import LoadingPipeline, loading_stages
from accelserve.server.metrics.server_metrics import ServerMetrics
from accelserve.server.readiness import Phase, Readiness
from accelserve.server.rpc.service_table import Parts, methods
from accelserve.server.rpc.streams import OpenStreams
from accelserve.server.scheduler.decoding import DecodeSlots
from accelserve.server.scheduler.parameters import BatchingTable
from accelserve.server.scheduler.scheduler import DeviceScheduler
from accelserve.server.tracing import tracing_to

# Python hands its lock over every 5 ms by default, which is a third of a ResNet-50: a thread that returns from compute
# would wait that long behind one that parses a message.
_SWITCH_INTERVAL_SECONDS = 0.0005


class Backend:
    """Loads models and answers from them; opens no port.

    Args:
        config: of the server.
        loader: onto the device.
        control_threads: of the pool of the methods that must answer while predictions fill the server's own.
        cores: that this server may use; None takes every core that the process may run on.

    Attributes:
        registry, metrics, predictor, readiness: what the frontends answer from.
        streams: calls that last.
        control: the pool.
        methods: of gRPC.
    """

    def __init__(
        self,
        config: ServerConfig,
        loader: Loader[ImageServable],
        control_threads: int,
        cores: int | None = None,
    ) -> None:
        self._config = config
        self._loader = loader
        batching = BatchingTable(config.batching)
        stages = loading_stages(config, batching, self._announce)
        self.registry = ModelRegistry(LoadingPipeline(loader, stages), config.loading)
        scheduler = DeviceScheduler(config.batching, batching)
        self.metrics = ServerMetrics(
            self.registry, scheduler.gate.waiting_images, config.device.name, version("accelserve")
        )
        self._tracing = tracing_to(config.otel_endpoint) if config.otel_endpoint else None
        decoding = DecodeSlots(cores)
        self.predictor = Predictor(self.registry, scheduler, config.limits, self._record, decoding)
        self.readiness = Readiness(
            self.registry.states, lambda: [model.name for model in self.registry.models()]
        )
        self.streams = OpenStreams()
        self.control = ThreadPoolExecutor(control_threads, "control")
        self.methods = methods(
            Parts(
                registry=self.registry,
                predictor=self.predictor,
                metrics=self.metrics,
                readiness=self.readiness,
                streams=self.streams,
                control=self.control,
                tensor_content=config.grpc.tensor_content,
                allow_unavailable_labels=config.allow_unavailable_labels,
            )
        )
        self._config_watcher = self._watcher()

    def load(self) -> None:
        """Load the models.

        Raises:
            LoadError: a model has no version that loads.
            LabelUnavailableError: a label points to a version that does not serve, and the flag does not allow it.
        """
        sys.setswitchinterval(_SWITCH_INTERVAL_SECONDS)
        self.registry.start(
            self._config.models, allow_unavailable_labels=self._config.allow_unavailable_labels
        )

    def run(self) -> None:
        """From now on it is ready, and follows the model configuration file."""
        self.readiness.enter(Phase.RUNNING)
        if self._config_watcher is not None:
            self._config_watcher.start()

    def reload(self) -> None:
        """Read the model configuration file again, if there is one, and apply it."""
        if self._config_watcher is not None:
            self._config_watcher.look(anyway=True)

    def drain(self) -> None:
        """From now on it is not ready, and nothing loads any more; what comes is answered all the same."""
        self.readiness.enter(Phase.DRAINING)
        if self._config_watcher is not None:
            self._config_watcher.stop(timeout=0)
        self.registry.stop_loading()
        if isinstance(self._loader, StopsLoading):
            self._loader.stop()

    def close(self, deadline: float) -> None:
        """Unload, once nothing new comes; waits for handles and loads until ``deadline`` (monotonic seconds)."""
        self.registry.close(timeout=max(0.0, deadline - time.monotonic()))
        if self._config_watcher is not None:
            self._config_watcher.stop(timeout=max(0.0, deadline - time.monotonic()))
        self.control.shutdown(wait=True)
        self.close_tracing()

    def close_tracing(self) -> None:
        """Send the spans that are left."""
        if self._tracing is not None:
            self._tracing.close()

    def _announce(self, model: str, servable: ImageServable) -> None:
        self.metrics.announce(model, computed_by(servable))

    def _record(self, result: SignatureResult) -> None:
        if self._tracing is not None:
            self._tracing.record(result)
        self.metrics.record_result(result)  # last: from here on an answer is serialized

    def _watcher(self) -> ModelConfigWatcher | None:
        path = self._config.model_config_file
        if path is None:
            return None

        def apply(models: Sequence[ModelConfig]) -> None:
            self.registry.reload(models, allow_unavailable_labels=self._config.allow_unavailable_labels)

        return ModelConfigWatcher(path, self._config.model_config_poll_seconds, apply)
