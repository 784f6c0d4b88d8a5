"""The frontends: gRPC, HTTP, and the metrics alone, with what stands around every request."""

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
from accelserve.server.rpc.call_interceptor import CallInterceptor
from accelserve.server.rpc.listener import GrpcListener, thread_count
from accelserve.server.rpc.message_receiver import MessageReceiver
from accelserve.server.rpc.opening import CallOpener
from accelserve.server.rpc.service_table import handlers
from accelserve.server.rpc.unsent import wait_until_sent
from accelserve.server.security import Security

if TYPE_CHECKING:  # a server without HTTP does not hold its libraries
    from accelserve.server.rest.call_middleware import CallMiddleware
    from accelserve.server.rest.listener import RestListener


@dataclass(frozen=True, slots=True, kw_only=True)
class FrontendParts:
    """What the frontends answer from.

    Attributes:
        methods: of gRPC.
        predictor, readiness, metrics: what HTTP's routes work with.
    """

    methods: list[BoundMethod]
    predictor: Predictor
    readiness: Readiness
    metrics: ServerMetrics


class Frontends:
    """Opened once, closed once.

    Args:
        config: of the server.
        security: keys and certificates.
        parts: what they answer from.
        control: pool of the methods that must answer while predictions fill the server's own.
        control_threads: its size.
    """

    def __init__(
        self,
        config: ServerConfig,
        security: Security,
        parts: FrontendParts,
        control: ThreadPoolExecutor,
        control_threads: int,
    ) -> None:
        self._config = config
        self._control = control
        self._reservation = PortReservation()
        self._security = security
        self._parts = parts
        threads = thread_count(config.grpc, config.batching.max_queued_images)
        self._interceptor = CallInterceptor(
            CallOpener(security.keys),
            control,
            (self._receiver(threads), self._receiver(control_threads)),
            log_requests=config.log_requests,
        )
        identity = security.identity
        self._grpc = GrpcListener(
            config.grpc,
            config.limits,
            handlers(parts.methods),
            threads,
            interceptors=[self._interceptor],
            credentials=None if identity is None else identity.grpc_credentials(),
        )
        http_tls = identity.http_context() if identity is not None and config.security.rest_tls else None
        queued = config.batching.max_queued_images
        self._rest: RestListener | None = None
        self._middleware: CallMiddleware | None = None
        if config.rest.port is not None or config.metrics_port is not None:
            from accelserve.server.rest.listener import RestListener
        if config.rest.port is not None:
            self._rest = RestListener(config.rest, queued, http_tls)
            self._middleware = self._rest_application(self._rest.pool)
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
        """Of HTTP; None if it is not configured."""
        return None if self._rest is None else self._rest.port

    @property
    def metrics_port(self) -> int | None:
        """Of the metrics alone; None if it is not configured."""
        return None if self._monitoring is None else self._monitoring.port

    def reserve(self) -> None:
        """Hold the ports until they are opened; ConfigurationError if one cannot be opened then."""
        grpc, rest = self._config.grpc, self._config.rest
        http = [port for port in (rest.port, self._config.metrics_port) if port is not None]
        self._reservation.take([(grpc.address, grpc.port), *((rest.address, port) for port in http)])
        if grpc.socket_path:
            check_socket_path(Path(grpc.socket_path))

    def open(self) -> None:
        """Listen; ConfigurationError if a port cannot be opened."""
        self._security.start()
        self._interceptor.start()
        self._grpc.start()
        if self._rest is not None and self._middleware is not None:
            self._rest.start(self._middleware)
        if self._monitoring is not None:
            from accelserve.server.rest.application import monitoring_application

            metrics, rest = self._parts.metrics, self._config.rest
            self._monitoring.start(monitoring_application(metrics, rest, self._monitoring.pool))
        self._reservation.release()  # only now: in between somebody else might have got a port

    def stuck(self, within_seconds: float) -> str:
        """What does not get to a new call within that time, as a sentence; empty if all do."""
        try:
            self._control.submit(self._parts.readiness.server).result(within_seconds)
        except TimeoutError:
            return f"no thread has answered a health check of gRPC for {within_seconds:.1f} s"
        for listener in (self._rest, self._monitoring):
            if listener is not None and not listener.answers(within_seconds):
                return (
                    f"the event loop of HTTP port {listener.port} has not answered for {within_seconds:.1f} s"
                )
        return ""

    def refuse_new(self) -> None:
        """Answer new requests that another server should get them."""
        self._interceptor.refuse_new()
        if self._middleware is not None:
            self._middleware.refuse_new()

    def close(self, deadline: float) -> None:
        """Close the ports and finish what is in flight, until ``deadline`` (monotonic seconds); then cut it off."""
        self._reservation.release()
        # gRPC closes a connection, and loses what is on its way to a slow client, as soon as its last call has ended.
        self._interceptor.wait_until_ended(deadline)
        wait_until_sent(self.port, deadline)
        self._grpc.stop(_left(deadline))
        for listener in (self._rest, self._monitoring):
            if listener is not None:
                listener.stop(_left(deadline))
        self._interceptor.stop()
        self._security.stop()

    def _receiver(self, threads: int) -> MessageReceiver:
        limits = self._config.limits
        return MessageReceiver(limits.receive_seconds, limits.late_seconds, threads)

    def _rest_application(self, pool: Executor) -> CallMiddleware:
        from accelserve.server.rest.application import RestParts, application
        from accelserve.server.rest.call_middleware import CallMiddleware

        rest_parts = RestParts(
            predictor=self._parts.predictor,
            readiness=self._parts.readiness,
            metrics=self._parts.metrics,
            config=self._config.rest,
            pool=pool,
        )
        keys, log = self._security.keys, self._config.log_requests
        return CallMiddleware(application(rest_parts), keys, log_requests=log)


def _left(deadline: float) -> float:
    return max(0.0, deadline - time.monotonic())
