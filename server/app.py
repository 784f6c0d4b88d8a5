"""The composition root: every part of a running server, put together in one place."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from accelserve.server.backend import Backend
from accelserve.server.config import ServerConfig
from accelserve.server.core.servable import Loader
from accelserve.server.dataplane.servable import ImageServable
from accelserve.server.frontends import FrontendParts, Frontends
from accelserve.server.ports import joined, named_by_others
from accelserve.server.rpc.streams import MAX_STREAMS
from accelserve.server.security import Security
from accelserve.server.usage_notes import UsageNotes

_LOG = logging.getLogger(__name__)

# Every stream may hold one; the rest answer health checks, metadata and reloads.
_CONTROL_THREADS = MAX_STREAMS + 16


class Server:
    """Loads, listens, drains. ``start`` and ``stop`` are called once each, from one thread."""

    def __init__(self, config: ServerConfig, loader: Loader[ImageServable]) -> None:
        self.config = config
        self.backend = Backend(config, loader, _CONTROL_THREADS)
        self.registry = self.backend.registry
        self.metrics = self.backend.metrics
        self.predictor = self.backend.predictor
        self.readiness = self.backend.readiness
        self._frontends = Frontends(
            config,
            Security(config.security),
            FrontendParts(
                methods=self.backend.methods,
                predictor=self.predictor,
                readiness=self.readiness,
                metrics=self.metrics,
            ),
            self.backend.control,
            _CONTROL_THREADS,
        )
        self._usage_notes = UsageNotes(self.registry) if config.usage_notes else None

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

    def start(
        self, opening: Callable[[], None] = lambda: None, opened: Callable[[], None] = lambda: None
    ) -> None:
        """Load the models, then open the ports; the other way round if so configured.

        Args:
            opening: called right before the ports open: requests may be in flight from then on.
            opened: called once the ports are open.

        Raises:
            LoadError: a model has no version that loads.
            LabelUnavailableError: a label points to a version that does not serve, and the flag does not allow it.
            ConfigurationError: a port cannot be opened; found before anything is loaded, unless it is taken meanwhile.
            BaseException: of a signal's handler; whatever loads goes on, and the process should ``give_up`` and end.
        """
        try:
            self._frontends.reserve()
            if self._usage_notes is not None:
                self._usage_notes.start(self._name(self.config.grpc.port))
            if self.config.start_before_ready:
                self._open(opening, opened)
            self.backend.load()
            if not self.config.start_before_ready:
                self._open(opening, opened)
            if self._usage_notes is not None:
                self._usage_notes.name(self._name(self.port))
            self.backend.run()
        except Exception:
            self.backend.streams.close()
            self._frontends.close(time.monotonic())
            self.registry.close(timeout=0)
            if self._usage_notes is not None:
                self._usage_notes.stop()
            raise

    def reload(self) -> None:
        """Read the model configuration file again, if there is one, and apply it."""
        self.backend.reload()

    def stuck(self, device_seconds: float, answer_seconds: float) -> str:
        """What keeps the server from answering, as a sentence; empty if it is alive. For watchdogs, while it runs.

        Args:
            device_seconds: that one batch may take of the device.
            answer_seconds: within which gRPC's and HTTP's own threads answer, however busy the device is.
        """
        at_batch = self.predictor.scheduler.batch_seconds()
        if at_batch > device_seconds:
            return f"the device has been at one batch for {at_batch:.1f} s"
        return self._frontends.stuck(answer_seconds)

    def stop(self) -> None:
        """Refuse new requests, finish those in flight, unload; returns when all is done."""
        self.backend.drain()
        time.sleep(self.config.drain_delay_seconds)
        self.backend.close(self._finish())
        if self._usage_notes is not None:
            self._usage_notes.stop()
        _LOG.info("stopped")

    def give_up(self) -> None:
        """End a start that an exception interrupted: refuse new requests, finish those in flight, wait for no model."""
        self.backend.drain()
        self._finish()
        if self._usage_notes is not None:
            self._usage_notes.stop()

    def _finish(self) -> float:
        """Answer what is in flight and close the ports; until when (monotonic seconds) unloading may wait."""
        deadline = time.monotonic() + self.config.drain_seconds
        self._frontends.refuse_new()
        self.backend.streams.close()
        self._frontends.close(deadline)
        return deadline

    def _name(self, port: int) -> str:
        """What other machines call this server."""
        return joined(named_by_others(self.config.grpc.address), port)

    def _open(self, opening: Callable[[], None], opened: Callable[[], None]) -> None:
        opening()
        self._frontends.open()
        opened()
