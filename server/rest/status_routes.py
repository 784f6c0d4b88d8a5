"""The status page at ``/``, the data that it shows, and a place to try a picture."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from importlib.resources import files
from pathlib import PurePath

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from accelserve.server.core.registry import ModelChoice
from accelserve.server.dataplane.predictor import Predictor
from accelserve.server.metrics.server_metrics import ServerMetrics
from accelserve.server.readiness import Readiness
from accelserve.server.rest.errors import json_response
from accelserve.server.rest.request_handler import RequestHandler
from accelserve.server.rest.routing import get, post
from accelserve.server.rest.status_data import StatusData
from accelserve.server.rest.trial import try_image
from accelserve.server.scheduler.watch import CallWatch

_PAGE = files("accelserve.server.rest") / "status_page"
_TYPES = {".html": "text/html", ".svg": "image/svg+xml", ".css": "text/css", ".js": "text/javascript"}
_HEADERS = {
    # Nothing of others, nothing inline, in nobody's frame, and no text becomes markup.
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-cache",
}


class StatusRoutes:
    """Answers from everything that knows something."""

    def __init__(
        self, predictor: Predictor, readiness: Readiness, metrics: ServerMetrics, handler: RequestHandler
    ) -> None:
        self._predictor = predictor
        self._data = StatusData(predictor, readiness, metrics, handler.config)
        self._handler = handler
        self._files = {file.name: file.read_bytes() for file in _PAGE.iterdir()}

    def routes(self) -> list[Route]:
        """The paths."""
        return [
            get("/", self.page),
            get("/status/models", self.models),
            post("/status/try/{model:str}", self.trial),
            get("/status/{name:str}", self.page),
        ]

    async def page(self, request: Request) -> Response:
        """The page itself, its script, its style sheet."""
        name = request.path_params.get("name", "index.html")
        if name not in self._files:
            return Response(status_code=404)
        return Response(self._files[name], media_type=_TYPES[PurePath(name).suffix], headers=_HEADERS)

    async def models(self, _request: Request) -> Response:
        """What the page shows; gathered on the pool, as with many models it takes a while."""
        loop = asyncio.get_running_loop()
        return json_response(await loop.run_in_executor(self._handler.pool, self._data.content))

    async def trial(self, request: Request) -> Response:
        """What the model makes of the picture in the body."""
        model = request.path_params["model"]

        def work(raw: bytes, watch: CallWatch) -> Response:
            return json_response(asdict(try_image(self._predictor, ModelChoice(name=model), raw, watch)))

        return await self._handler.handle(request, "Try", model, work)
