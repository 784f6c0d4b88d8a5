"""``POST /v1/models/NAME:predict``."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from accelserve.server.dataplane.predictor import Predictor, SignatureCall, signature_of
from accelserve.server.rest.errors import json_response
from accelserve.server.rest.json_tensors import arrays_of, parse_predict, response_body
from accelserve.server.rest.model_routes import choice_of
from accelserve.server.rest.request_handler import RequestHandler
from accelserve.server.scheduler.watch import CallWatch


class PredictRoute:
    """Answers from the data plane."""

    def __init__(self, predictor: Predictor, handler: RequestHandler) -> None:
        self._predictor = predictor
        self._handler = handler

    async def predict(self, request: Request) -> Response:
        """Answer one request."""

        def work(raw: bytes, watch: CallWatch) -> Response:
            choice = choice_of(request)
            body = parse_predict(raw)
            with self._predictor.registry.acquire(choice) as handle:
                _, signature = signature_of(handle.servable, body.signature_name)
                call = SignatureCall(signature=body.signature_name, inputs=arrays_of(body, signature.inputs))
                (found,) = self._predictor.predict(handle, [call], watch)
            return json_response(response_body(body, found.outputs))

        return await self._handler.handle(request, "Predict", request.path_params["model"], work)
