"""The composition root: every part of a running server, put together in one place."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import replace
from importlib.metadata import version

from accelserve.server.config import ModelConfig, ServerConfig
from accelserve.server.config_files.watcher import ModelConfigWatcher
from accelserve.server.core.registry import ModelRegistry
from accelserve.server.core.servable import Loader
from accelserve.server.dataplane.predictor import Predictor
from accelserve.server.dataplane.servable import ImageServable
from accelserve.server.metrics.server_metrics import ServerMetrics
from accelserve.server.readiness import Phase, Readiness
from accelserve.server.rest.application import RestParts, application, monitoring_application
from accelserve.server.rest.listener import RestListener
from accelserve.server.rpc.listener import GrpcListener
from accelserve.server.rpc.service_table import Parts, handlers, methods
from accelserve.server.rpc.streams import MAX_STREAMS, OpenStreams
from accelserve.server.scheduler.scheduler import DeviceScheduler

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
        self.registry = ModelRegistry(loader, config.loading)
        scheduler = DeviceScheduler(config.batching)
        self.metrics = ServerMetrics(
            self.registry, scheduler.gate.waiting_images, config.device.name, version("accelserve")
        )
        self.predictor = Predictor(self.registry, scheduler, config.limits, self.metrics.record_reply)
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
        self._grpc = GrpcListener(
            config.grpc, config.limits, handlers(table), config.batching.max_queued_images
        )

        queued = config.batching.max_queued_images
        self._rest = RestListener(config.rest, queued) if config.rest.port is not None else None
        self._monitoring = _monitoring_listener(config)
        self._config_watcher = self._watcher()

    @property
    def port(self) -> int:
        """The gRPC port; 0 before ``start``."""
        return self._grpc.port

    @property
    def rest_port(self) -> int | None:
        """The HTTP port; None if that door is shut."""
        return None if self._rest is None else self._rest.port

    @property
    def metrics_port(self) -> int | None:
        """The port of the metrics alone; None if that door is shut."""
        return None if self._monitoring is None else self._monitoring.port

    def start(self) -> None:
        """Load the models, then open the ports.

        Raises:
            LoadError: a model has no version that loads.
            ConfigurationError: a port cannot be opened.
        """
        sys.setswitchinterval(_SWITCH_INTERVAL_SECONDS)
        try:
            self.registry.start(self.config.models)
            self._grpc.start()
            if self._rest is not None:
                self._rest.start(application(self._rest_parts(self._rest.pool)))
            if self._monitoring is not None:
                self._monitoring.start(
                    monitoring_application(self.metrics, self.config.rest, self._monitoring.pool)
                )
            self.readiness.enter(Phase.RUNNING)
            if self._config_watcher is not None:
                self._config_watcher.start()
        except BaseException:
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
        self._streams.close()
        self._grpc.stop(self.config.drain_seconds)
        if self._rest is not None:
            self._rest.stop(self.config.drain_seconds)
        if self._monitoring is not None:
            self._monitoring.stop(self.config.drain_seconds)
        self.registry.close(timeout=self.config.drain_seconds)
        self._control.shutdown(wait=True)
        _LOG.info("stopped")

    def _rest_parts(self, pool: Executor) -> RestParts:
        return RestParts(
            predictor=self.predictor,
            readiness=self.readiness,
            metrics=self.metrics,
            config=self.config.rest,
            pool=pool,
        )

    def _watcher(self) -> ModelConfigWatcher | None:
        path = self.config.model_config_file
        if path is None:
            return None

        def apply(models: Sequence[ModelConfig]) -> None:
            self.registry.reload(models, allow_unavailable_labels=self.config.allow_unavailable_labels)

        return ModelConfigWatcher(path, self.config.model_config_poll_seconds, apply)


def _monitoring_listener(config: ServerConfig) -> RestListener | None:
    if config.metrics_port is None:
        return None
    # One thread scrapes while another is refused nothing: there is no queue to wait in.
    return RestListener(replace(config.rest, port=config.metrics_port, threads=2), 0)
