"""The status page at ``/``, the data that it shows, and a place to try a picture."""

from __future__ import annotations

from dataclasses import asdict
from importlib.metadata import version
from importlib.resources import files

import numpy as np
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from accelserve.server.config import ModelConfig
from accelserve.server.core.registry import ModelChoice
from accelserve.server.core.states import StateReport, VersionState
from accelserve.server.dataplane.predictor import Predictor
from accelserve.server.errors import PermissionDeniedError, ServableNotFoundError
from accelserve.server.metrics.server_metrics import ServerMetrics
from accelserve.server.readiness import Readiness
from accelserve.server.rest.desk import Desk
from accelserve.server.rest.errors import json_response
from accelserve.server.rest.routing import get, post
from accelserve.server.rest.trial import try_picture
from accelserve.server.scheduler.watch import CallWatch

_PAGE = files("accelserve.server.rest") / "status_page"
_TYPES = {"index.html": "text/html", "page.css": "text/css", "page.js": "text/javascript"}
_HEADERS = {
    # Nothing of others, nothing inline, in nobody's frame.
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-cache",
}


class StatusRoutes:
    """Answers from everything that knows something."""

    def __init__(
        self, predictor: Predictor, readiness: Readiness, metrics: ServerMetrics, desk: Desk
    ) -> None:
        self._predictor = predictor
        self._registry = predictor.registry
        self._readiness = readiness
        self._metrics = metrics
        self._desk = desk
        self._files = {name: (_PAGE / name).read_bytes() for name in _TYPES}

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
        return Response(self._files[name], media_type=_TYPES[name], headers=_HEADERS)

    async def models(self, _request: Request) -> Response:
        """What the page shows."""
        return json_response(
            {
                "server": {
                    "version": version("accelserve"),
                    "device": self._metrics.device,
                    "ready": self._readiness.server(),
                },
                "models": [
                    self._model(model)
                    for model in self._registry.models()
                    if self._registry.opens(model.name)
                ],
            }
        )

    async def trial(self, request: Request) -> Response:
        """What the model makes of the picture in the body."""
        model = request.path_params["model"]

        def work(raw: bytes, watch: CallWatch) -> Response:
            return json_response(asdict(try_picture(self._predictor, ModelChoice(name=model), raw, watch)))

        return await self._desk.answer(request, "Try", model, work)

    def _model(self, model: ModelConfig) -> dict[str, object]:
        return {
            "name": model.name,
            "labels": dict(self._registry.labels_of(model.name)),
            "versions": [self._version(report) for report in self._registry.board.of(model.name)],
            "waiting_images": self._predictor.scheduler.gate.waiting_images(model.name),
            "images_answered": self._metrics.images_answered(model.name),
            "latencies": [
                {
                    "stage": latency.stage,
                    "limits_seconds": [limit for limit in latency.limits_seconds if np.isfinite(limit)],
                    "counts": latency.counts,
                    "sum_seconds": latency.sum_seconds,
                }
                for latency in self._metrics.stage_latencies(model.name)
            ],
        }

    def _version(self, report: StateReport) -> dict[str, object]:
        description, memory_bytes, health = None, 0, None
        if report.state is VersionState.AVAILABLE:
            choice = ModelChoice(name=report.servable_id.name, version=report.servable_id.version)
            try:
                with self._registry.acquire(choice) as handle:
                    servable = handle.servable
                    description, memory_bytes, health = (
                        servable.description,
                        servable.memory_bytes,
                        servable.health,
                    )
            except (
                ServableNotFoundError,
                PermissionDeniedError,
            ):  # it went while we looked, or is not the caller's
                pass
        return {
            "version": report.servable_id.version,
            "state": report.state.name,
            "error": None if report.error is None else str(report.error),
            "description": description,
            "memory_bytes": memory_bytes,
            "health": None if health is None else {**asdict(health), "state": health.state.value},
        }
