"""grpc.health.v1.Health, true to the state: of the whole server, of each service, and of each model by its name."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc

from accelserve.protos import grpc_health_v1 as health
from accelserve.protos.services import BoundMethod, HealthService
from accelserve.server.errors import ServableNotFoundError
from accelserve.server.readiness import Readiness
from accelserve.server.rpc.guard import guarded, on_pool
from accelserve.server.rpc.streams import OpenStreams
from accelserve.server.scheduler.watch import CallWatch

_SERVING = health.HealthCheckResponse.SERVING
_NOT_SERVING = health.HealthCheckResponse.NOT_SERVING
_UNKNOWN = health.HealthCheckResponse.SERVICE_UNKNOWN


class Health:
    """Answers from the server's readiness; needs no key, or orchestrators could not ask."""

    def __init__(self, readiness: Readiness, services: Collection[str], streams: OpenStreams) -> None:
        self._readiness = readiness
        self._services = frozenset(services)
        self._streams = streams

    def methods(self, pool: ThreadPoolExecutor) -> list[BoundMethod]:
        """The service's RPCs, on a pool that a flood of other requests does not fill."""
        watch = HealthService.WATCH.bind(on_pool(pool, self.watch))
        return [
            guarded(HealthService.CHECK, self.check, pool),
            guarded(HealthService.LIST, self.list, pool),
            watch,
        ]

    def check(self, request: health.HealthCheckRequest, _watch: CallWatch) -> health.HealthCheckResponse:
        """The status now; ServableNotFoundError for a name that is neither service nor model."""
        status = self._status(request.service)
        if status == _UNKNOWN:
            raise ServableNotFoundError(f"unknown service {request.service}")
        return health.HealthCheckResponse(status=status)

    def list(self, _request: health.HealthListRequest, _watch: CallWatch) -> health.HealthListResponse:
        """Every name and its status."""
        names = ["", *sorted(self._services), *self._readiness.models()]
        return health.HealthListResponse(
            statuses={name: health.HealthCheckResponse(status=self._status(name)) for name in names}
        )

    def watch(
        self, request: health.HealthCheckRequest, context: grpc.ServicerContext
    ) -> Iterator[health.HealthCheckResponse]:
        """The status now, and again whenever it changes, until the client leaves or the server drains."""
        return self._streams.run(context, lambda: self._statuses(request.service, context))

    def _statuses(self, name: str, context: grpc.ServicerContext) -> Iterator[health.HealthCheckResponse]:
        context.add_callback(self._readiness.wake)
        last: int | None = None
        for _ in self._readiness.changes(context.is_active):
            # Before the status: it may begin while a response is on its way, and the next look tells of it.
            draining = self._readiness.draining
            status = self._status(name)
            if status != last:
                yield health.HealthCheckResponse(status=status)
                last = status
            if draining:
                return

    def _status(self, name: str) -> int:
        if name == "" or name in self._services:
            return _SERVING if self._readiness.server() else _NOT_SERVING
        if name in self._readiness.models():
            return _SERVING if self._readiness.model(name) else _NOT_SERVING
        return _UNKNOWN
