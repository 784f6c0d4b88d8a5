"""What is done around a request that computes: body, deadline, pool, status, count. The event loop only moves bytes."""

from __future__ import annotations

import asyncio
import contextvars
import time
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from accelserve.server.config import RestConfig
from accelserve.server.errors import BodyTooLargeError, DeadlineExceededError
from accelserve.server.metrics.server_metrics import ServerMetrics
from accelserve.server.protocols.status import status_of
from accelserve.server.rest.bodies import decoded, read_body
from accelserve.server.rest.errors import refusal
from accelserve.server.scheduler.watch import CallWatch

Work = Callable[[bytes, CallWatch], Response]

_REST = "REST"
_OK = "OK"
_EXPECT = "expect"


@dataclass(frozen=True, slots=True)
class RequestHandler:
    """Reads a request, has it worked on, and makes a response of whatever happens.

    Attributes:
        config: limits and deadline.
        pool: where the work is done.
        metrics: where it is counted.
    """

    config: RestConfig
    pool: Executor
    metrics: ServerMetrics

    async def handle(self, request: Request, api: str, model: str, work: Work) -> Response:
        """Answer one request; its deadline is ``rest_api_timeout_in_ms``, and it ends when the client leaves.

        Args:
            request: whose body nobody has read yet.
            api: what it is counted as: ``Predict``.
            model: its name in the request; may be empty.
            work: makes the answer of the body, on the pool; whatever it raises becomes a status.
        """
        begin = time.perf_counter()
        name = _OK
        try:
            response = await self._work(request, work)
        except Exception as error:  # noqa: BLE001 - the boundary: whatever happened becomes a status
            status = status_of(error)
            name, response = status.code.name, refusal(error, status)
            if isinstance(error, BodyTooLargeError) and _EXPECT in request.headers:
                # Whoever waits for "100 Continue" does not send the body now; what follows could be it or a request.
                response.headers["connection"] = "close"
        seconds = time.perf_counter() - begin
        self.metrics.count_request(model=model, api=api, entrypoint=_REST, status=name, seconds=seconds)
        return response

    async def _work(self, request: Request, work: Work) -> Response:
        timeout = self.config.timeout_ms / 1000
        watch = CallWatch(timeout)
        try:
            async with asyncio.timeout(timeout):
                body = await read_body(request, self.config)
        except TimeoutError as error:
            raise DeadlineExceededError(f"the body did not arrive within {timeout:g} s") from error
        leaving = asyncio.create_task(_cancel_when_gone(request, watch))

        def begin() -> Response:
            watch.check()
            response = work(decoded(body, request, self.config), watch)
            self.metrics.record_serialized()
            return response

        try:
            # The pool's thread works in the request's context: it says who asks.
            context = contextvars.copy_context()
            return await asyncio.get_running_loop().run_in_executor(self.pool, context.run, begin)
        finally:
            leaving.cancel()


async def _cancel_when_gone(request: Request, watch: CallWatch) -> None:
    """After the body, the next thing that a connection can say is that it is closed."""
    message = await request.receive()
    if message["type"] == "http.disconnect":
        watch.cancel()
