"""The composition root: every part of a running server, put together in one place."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version

from accelserve.server.config import ModelConfig, ServerConfig
from accelserve.server.config_files.watcher import ModelConfigWatcher
from accelserve.server.core.registry import ModelRegistry
from accelserve.server.core.servable import Loader
from accelserve.server.dataplane.predictor import Predictor, SignatureResult
from accelserve.server.dataplane.servable import ImageServable, computed_by
from accelserve.server.frontends import FrontendParts, Frontends
from accelserve.server.loading.pipeline import LoadingPipeline, loading_stages
from accelserve.server.metrics.server_metrics import ServerMetrics
from accelserve.server.readiness import Phase, Readiness
from accelserve.server.rpc.service_table import Parts, methods
from accelserve.server.rpc.streams import MAX_STREAMS, OpenStreams
from accelserve.server.scheduler.parameters import BatchingTable
from accelserve.server.scheduler.scheduler import DeviceScheduler
from accelserve.server.security import Security
from accelserve.server.tracing import tracing_to

_LOG = logging.getLogger(__name__)

# Python hands its lock over every 5 ms by default, which is a third of a ResNet-50: a thread that returns from compute
# would wait that long behind one that parses a message.
_SWITCH_INTERVAL_SECONDS = 0.0005

# Every stream may hold one; the rest answer health checks, metadata and reloads.
_CONTROL_THREADS = MAX_STREAMS + 16


class Server:
    """Loads, listens, drains. ``start`` and ``stop`` are called once each, from one thread."""

    def __init__(self, config: ServerConfig, loader: Loader[ImageServable]) -> None:
        self.config = config
        batching = BatchingTable(config.batching)
        stages = loading_stages(config, batching, self._announce)
        self.registry = ModelRegistry(LoadingPipeline(loader, stages), config.loading)
        scheduler = DeviceScheduler(config.batching, batching)
        self.metrics = ServerMetrics(
            self.registry, scheduler.gate.waiting_images, config.device.name, version("accelserve")
        )
        self._tracing = tracing_to(config.otel_endpoint) if config.otel_endpoint else None
        self.predictor = Predictor(self.registry, scheduler, config.limits, self._record)
        self.readiness = Readiness(
            self.registry.board, lambda: [model.name for model in self.registry.models()]
        )
        self._streams = OpenStreams()
        self._control = ThreadPoolExecutor(_CONTROL_THREADS, "control")
        table = methods(
            Parts(
                registry=self.registry,
                predictor=self.predictor,
                metrics=self.metrics,
                readiness=self.readiness,
                streams=self._streams,
                control=self._control,
                tensor_content=config.grpc.tensor_content,
                allow_unavailable_labels=config.allow_unavailable_labels,
            )
        )
        self._frontends = Frontends(
            config,
            Security(config.security),
            FrontendParts(
                methods=table,
                predictor=self.predictor,
                readiness=self.readiness,
                metrics=self.metrics,
            ),
            self._control,
            _CONTROL_THREADS,
        )
        self._config_watcher = self._watcher()

    @property
    def port(self) -> int:
        """The gRPC port; 0 before ``start``."""
        return self._frontends.port

    @property
    def rest_port(self) -> int | None:
        """The HTTP port; None if it is not configured."""
        return self._frontends.rest_port

    @property
    def metrics_port(self) -> int | None:
        """The port of the metrics alone; None if it is not configured."""
        return self._frontends.metrics_port

    def start(self, opened: Callable[[], None] = lambda: None) -> None:
        """Load the models, then open the ports; the other way round if so configured.

        Args:
            opened: called once the ports are open.

        Raises:
            LoadError: a model has no version that loads.
            LabelUnavailableError: a label points to a version that does not serve, and the flag does not allow it.
            ConfigurationError: a port cannot be opened; found before anything is loaded, unless it is taken meanwhile.
            BaseException: of a signal's handler; whatever loads goes on, and the process should end.
        """
        sys.setswitchinterval(_SWITCH_INTERVAL_SECONDS)
        try:
            self._frontends.reserve()
            if self.config.start_before_ready:
                self._open(opened)
            self.registry.start(
                self.config.models, allow_unavailable_labels=self.config.allow_unavailable_labels
            )
            if not self.config.start_before_ready:
                self._open(opened)
            self.readiness.enter(Phase.RUNNING)
            if self._config_watcher is not None:
                self._config_watcher.start()
        except Exception:
            self._streams.close()
            self._frontends.close(time.monotonic())
            self.registry.close(timeout=0)
            raise

    def reload(self) -> None:
        """Read the model configuration file again, if there is one, and apply it."""
        if self._config_watcher is not None:
            self._config_watcher.look(anyway=True)

    def stop(self) -> None:
        """Refuse new requests, finish those in flight, unload; returns when all is done."""
        if self._config_watcher is not None:
            self._config_watcher.stop()
        self.readiness.enter(Phase.DRAINING)
        time.sleep(self.config.drain_delay_seconds)
        deadline = time.monotonic() + self.config.drain_seconds
        self._frontends.refuse_new()
        self._streams.close()
        self._frontends.close(deadline)
        self.registry.close(timeout=max(0.0, deadline - time.monotonic()))
        self._control.shutdown(wait=True)
        if self._tracing is not None:
            self._tracing.close()
        _LOG.info("stopped")

    def _announce(self, model: str, servable: ImageServable) -> None:
        self.metrics.announce(model, computed_by(servable))

    def _record(self, result: SignatureResult) -> None:
        self.metrics.record_result(result)
        if self._tracing is not None:
            self._tracing.record(result)

    def _open(self, opened: Callable[[], None]) -> None:
        self._frontends.open()
        opened()

    def _watcher(self) -> ModelConfigWatcher | None:
        path = self.config.model_config_file
        if path is None:
            return None

        def apply(models: Sequence[ModelConfig]) -> None:
            self.registry.reload(models, allow_unavailable_labels=self.config.allow_unavailable_labels)

        return ModelConfigWatcher(path, self.config.model_config_poll_seconds, apply)
