"""``POST /v1/models/NAME:classify`` and ``:regress``."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from accelserve.server.dataplane.predictor import Predictor
from accelserve.server.protocols.tensorflow_serving.classify import classification, classify_request
from accelserve.server.protocols.tensorflow_serving.examples import pictures_of
from accelserve.server.protocols.tensorflow_serving.regress import regress_request, regression
from accelserve.server.rest.desk import Desk
from accelserve.server.rest.errors import json_response
from accelserve.server.rest.json_examples import classification_body, parse_examples, regression_body
from accelserve.server.rest.model_routes import choice_of
from accelserve.server.scheduler.watch import CallWatch


class ExampleRoutes:
    """Answers from the data plane, as the RPCs do."""

    def __init__(self, predictor: Predictor, desk: Desk) -> None:
        self._predictor = predictor
        self._desk = desk

    async def classify(self, request: Request) -> Response:
        """``{"results": [[[label, score], ...], ...]}``."""

        def work(raw: bytes, watch: CallWatch) -> Response:
            signature, examples = parse_examples(raw)
            pictures = pictures_of(examples)
            with self._predictor.registry.acquire(choice_of(request)) as handle:
                asked = classify_request(handle, signature, pictures)
                reply = self._predictor.predict_on(handle, asked, watch)
                result = classification(reply, handle.servable.labels)
                self._desk.metrics.count_examples(handle.servable_id.name, len(pictures))
            return json_response(classification_body(result))

        return await self._desk.answer(request, "Classify", request.path_params["model"], work)

    async def regress(self, request: Request) -> Response:
        """``{"results": [value, ...]}``."""

        def work(raw: bytes, watch: CallWatch) -> Response:
            signature, examples = parse_examples(raw)
            pictures = pictures_of(examples)
            with self._predictor.registry.acquire(choice_of(request)) as handle:
                asked = regress_request(handle, signature, pictures)
                result = regression(self._predictor.predict_on(handle, asked, watch))
                self._desk.metrics.count_examples(handle.servable_id.name, len(pictures))
            return json_response(regression_body(result))

        return await self._desk.answer(request, "Regress", request.path_params["model"], work)
