"""The ports: gRPC, HTTP, metrics alone; and what stands around every request that comes through one."""

from __future__ import annotations

import time
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from accelserve.protos.services import BoundMethod
from accelserve.server.config import ServerConfig
from accelserve.server.dataplane.predictor import Predictor
from accelserve.server.metrics.server_metrics import ServerMetrics
from accelserve.server.ports import PortReservation, check_socket_path
from accelserve.server.readiness import Readiness
from accelserve.server.rpc.envelope import Envelope
from accelserve.server.rpc.listener import GrpcListener, thread_count
from accelserve.server.rpc.receiving import Reception
from accelserve.server.rpc.service_table import handlers
from accelserve.server.security import Security

if TYPE_CHECKING:  # a server without HTTP does not hold its libraries
    from accelserve.server.rest.envelope import RestEnvelope
    from accelserve.server.rest.listener import RestListener


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What the doors lead to.

    Attributes:
        methods: of gRPC.
        predictor, readiness, metrics: what HTTP's routes work with.
    """

    methods: list[BoundMethod]
    predictor: Predictor
    readiness: Readiness
    metrics: ServerMetrics


class Doors:
    """Opened once, closed once.

    Args:
        config: of the server.
        security: keys and certificates.
        answers: what they lead to.
        control: pool of the methods that must answer while predictions fill the server's own.
        control_threads: its size.
    """

    def __init__(
        self,
        config: ServerConfig,
        security: Security,
        answers: Answers,
        control: ThreadPoolExecutor,
        control_threads: int,
    ) -> None:
        self._config = config
        self._reservation = PortReservation()
        self._security = security
        self._answers = answers
        threads = thread_count(config.grpc, config.batching.max_queued_images)
        self._envelope = Envelope(
            security.keys,
            control,
            (self._reception(threads), self._reception(control_threads)),
            log_requests=config.log_requests,
        )
        identity = security.identity
        self._grpc = GrpcListener(
            config.grpc,
            config.limits,
            handlers(answers.methods),
            threads,
            interceptors=[self._envelope],
            credentials=None if identity is None else identity.grpc_credentials(),
        )
        http_tls = identity.http_context() if identity is not None and config.security.rest_tls else None
        queued = config.batching.max_queued_images
        self._rest: RestListener | None = None
        self._rest_envelope: RestEnvelope | None = None
        if config.rest.port is not None or config.metrics_port is not None:
            from accelserve.server.rest.listener import RestListener
        if config.rest.port is not None:
            self._rest = RestListener(config.rest, queued, http_tls)
            self._rest_envelope = self._around(self._rest.pool)
        self._monitoring: RestListener | None = None
        if config.metrics_port is not None:
            # One thread scrapes while another is refused nothing: there is no queue to wait in.
            alone = replace(config.rest, port=config.metrics_port, threads=2)
            self._monitoring = RestListener(alone, 0, http_tls)

    @property
    def port(self) -> int:
        """Of gRPC; 0 before ``open``."""
        return self._grpc.port

    @property
    def rest_port(self) -> int | None:
        """Of HTTP; None if that door stays shut."""
        return None if self._rest is None else self._rest.port

    @property
    def metrics_port(self) -> int | None:
        """Of the metrics alone; None if that door stays shut."""
        return None if self._monitoring is None else self._monitoring.port

    def reserve(self) -> None:
        """Hold the ports until ``open``; ConfigurationError if one cannot be opened then."""
        grpc, rest = self._config.grpc, self._config.rest
        http = [port for port in (rest.port, self._config.metrics_port) if port is not None]
        self._reservation.take([(grpc.address, grpc.port), *((rest.address, port) for port in http)])
        if grpc.socket_path:
            check_socket_path(Path(grpc.socket_path))

    def open(self) -> None:
        """Listen; ConfigurationError if a port cannot be opened."""
        self._reservation.release()
        self._security.start()
        self._envelope.start()
        self._grpc.start()
        if self._rest is not None and self._rest_envelope is not None:
            self._rest.start(self._rest_envelope)
        if self._monitoring is not None:
            from accelserve.server.rest.application import monitoring_application

            metrics, rest = self._answers.metrics, self._config.rest
            self._monitoring.start(monitoring_application(metrics, rest, self._monitoring.pool))

    def refuse_new(self) -> None:
        """Answer new requests that another server should get them."""
        self._envelope.refuse_new()
        if self._rest_envelope is not None:
            self._rest_envelope.refuse_new()

    def close(self, deadline: float) -> None:
        """Shut the doors and finish what is in flight, until ``deadline`` (monotonic seconds); then cut it off."""
        self._reservation.release()
        self._grpc.stop(_left(deadline))
        for listener in (self._rest, self._monitoring):
            if listener is not None:
                listener.stop(_left(deadline))
        self._envelope.stop()
        self._security.stop()

    def _reception(self, threads: int) -> Reception:
        limits = self._config.limits
        return Reception(limits.receive_seconds, limits.late_seconds, threads)

    def _around(self, pool: Executor) -> RestEnvelope:
        from accelserve.server.rest.application import RestParts, application
        from accelserve.server.rest.envelope import RestEnvelope

        parts = RestParts(
            predictor=self._answers.predictor,
            readiness=self._answers.readiness,
            metrics=self._answers.metrics,
            config=self._config.rest,
            pool=pool,
        )
        keys, log = self._security.keys, self._config.log_requests
        return RestEnvelope(application(parts), keys, log_requests=log)


def _left(deadline: float) -> float:
    return max(0.0, deadline - time.monotonic())
