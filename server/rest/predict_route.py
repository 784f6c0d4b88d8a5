"""``POST /v1/models/NAME:predict``."""

from __future__ import annotations

import asyncio
from concurrent.futures import Executor

from starlette.requests import Request
from starlette.responses import Response

from accelserve.server.config import RestConfig
from accelserve.server.dataplane.predictor import Predictor, PredictRequest, signature_of
from accelserve.server.rest.bodies import read_body
from accelserve.server.rest.errors import error_response, json_response
from accelserve.server.rest.json_tensors import arrays_of, parse_predict, response_body
from accelserve.server.rest.model_routes import choice_of
from accelserve.server.scheduler.watch import CallWatch


class PredictRoute:
    """Answers from the data plane, on a pool: the event loop only moves bytes."""

    def __init__(self, predictor: Predictor, config: RestConfig, pool: Executor) -> None:
        self._predictor = predictor
        self._config = config
        self._pool = pool

    async def predict(self, request: Request) -> Response:
        """Answer one request; its deadline is ``rest_api_timeout_in_ms``, and it ends when the client leaves."""
        watch = CallWatch(self._config.timeout_ms / 1000)
        leaving: asyncio.Task[None] | None = None
        try:
            body = await read_body(request, self._config)
            leaving = asyncio.create_task(_cancel_when_gone(request, watch))
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._pool, self._answer, request, body, watch)
        except Exception as error:  # noqa: BLE001 - the boundary: whatever happened becomes a status
            return error_response(error)
        finally:
            if leaving is not None:
                leaving.cancel()

    def _answer(self, request: Request, raw: bytes, watch: CallWatch) -> Response:
        watch.check()
        choice = choice_of(request)
        body = parse_predict(raw)
        with self._predictor.registry.acquire(choice) as handle:
            _, signature = signature_of(handle.servable, body.signature_name)
            inputs = arrays_of(body, signature.inputs)
        reply = self._predictor.predict(
            PredictRequest(model=choice, signature=body.signature_name, inputs=inputs), watch
        )
        return json_response(response_body(body, reply.outputs))


async def _cancel_when_gone(request: Request, watch: CallWatch) -> None:
    """After the body, the next thing that a connection can say is that it is closed."""
    message = await request.receive()
    if message["type"] == "http.disconnect":
        watch.cancel()
