"""``POST /v1/models/NAME:classify`` and ``:regress``."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from starlette.requests import Request
from starlette.responses import Response

from accelserve.server.dataplane.predictor import Predictor
from accelserve.server.protocols.tensorflow_serving.classify import CLASSIFICATION
from accelserve.server.protocols.tensorflow_serving.examples import images_of_examples
from accelserve.server.protocols.tensorflow_serving.regress import REGRESSION
from accelserve.server.protocols.tensorflow_serving.scoring import Scoring, Task
from accelserve.server.rest.errors import json_response
from accelserve.server.rest.json_examples import classification_body, parse_examples, regression_body
from accelserve.server.rest.model_routes import choice_of
from accelserve.server.rest.request_handler import RequestHandler
from accelserve.server.scheduler.watch import CallWatch

ResultT = TypeVar("ResultT")


class ExampleRoutes:
    """Answers as the RPCs do."""

    def __init__(self, predictor: Predictor, handler: RequestHandler) -> None:
        self._scoring = Scoring(predictor, handler.metrics.count_examples)
        self._handler = handler

    async def classify(self, request: Request) -> Response:
        """``{"results": [[[label, score], ...], ...]}``."""
        return await self._answer(request, "Classify", CLASSIFICATION, classification_body)

    async def regress(self, request: Request) -> Response:
        """``{"results": [value, ...]}``."""
        return await self._answer(request, "Regress", REGRESSION, regression_body)

    async def _answer(
        self, request: Request, api: str, task: Task[ResultT], body_of: Callable[[ResultT], object]
    ) -> Response:
        def work(raw: bytes, watch: CallWatch) -> Response:
            signature, examples = parse_examples(raw)
            images = images_of_examples(examples)
            scored = self._scoring.score(task, choice_of(request), signature, images, watch)
            return json_response(body_of(scored.result))

        return await self._handler.handle(request, api, request.path_params["model"], work)
