"""The routes and the middleware, in one list each."""

from __future__ import annotations

from concurrent.futures import Executor
from dataclasses import dataclass

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from accelserve.server.config import RestConfig
from accelserve.server.dataplane.predictor import Predictor
from accelserve.server.errors import InvalidRequestError
from accelserve.server.metrics.server_metrics import ServerMetrics
from accelserve.server.readiness import Readiness
from accelserve.server.rest.errors import error_response
from accelserve.server.rest.example_routes import ExampleRoutes
from accelserve.server.rest.inference_routes import InferenceRoutes
from accelserve.server.rest.model_routes import ModelRoutes
from accelserve.server.rest.monitoring_route import MonitoringRoute
from accelserve.server.rest.predict_route import PredictRoute
from accelserve.server.rest.request_handler import RequestHandler
from accelserve.server.rest.routing import get, in_any_case, post
from accelserve.server.rest.status_routes import StatusRoutes

_MODEL = "/v1/models/{model:str}"
# Where a model, one of its versions, or one of its labels is meant; longest first, since a name may hold a colon.
_MODEL_PATHS = (f"{_MODEL}/versions/{{version:str}}", f"{_MODEL}/labels/{{label:str}}", _MODEL)
_SMALLEST_GZIP_BYTES = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class RestParts:
    """What the routes work with.

    Attributes:
        predictor: the data plane, and with it the registry.
        readiness: of server and models.
        metrics: where requests are counted.
        config: of this frontend.
        pool: where requests compute.
    """

    predictor: Predictor
    readiness: Readiness
    metrics: ServerMetrics
    config: RestConfig
    pool: Executor


def application(parts: RestParts) -> Starlette:
    """The ASGI application: TensorFlow Serving's paths, the Open Inference Protocol's, metrics, the status page."""
    handler = RequestHandler(parts.config, parts.pool, parts.metrics)
    models = ModelRoutes(parts.predictor.registry)
    predictions = PredictRoute(parts.predictor, handler)
    examples = ExampleRoutes(parts.predictor, handler)
    return _starlette(
        [
            *_monitoring(parts.metrics, parts.config, parts.pool),
            *map(in_any_case, _tensorflow_serving(models, predictions, examples)),
            *InferenceRoutes(parts.predictor, parts.readiness, handler).routes(),
            *StatusRoutes(parts.predictor, parts.readiness, parts.metrics, handler).routes(),
        ],
        parts.config,
    )


def _tensorflow_serving(
    models: ModelRoutes, predictions: PredictRoute, examples: ExampleRoutes
) -> list[Route]:
    """TensorFlow Serving's paths, whose words it takes in any case."""
    return [
        get("/v1/models", models.listed),
        *(post(f"{path}:predict", predictions.predict) for path in _MODEL_PATHS),
        *(post(f"{path}:classify", examples.classify) for path in _MODEL_PATHS),
        *(post(f"{path}:regress", examples.regress) for path in _MODEL_PATHS),
        *(get(f"{path}/metadata", models.metadata) for path in _MODEL_PATHS),
        *(get(path, models.status) for path in _MODEL_PATHS),
    ]


def monitoring_application(metrics: ServerMetrics, config: RestConfig, pool: Executor) -> Starlette:
    """The metrics alone, for a port that only the operator's network reaches."""
    return _starlette(_monitoring(metrics, config, pool), config)


def _monitoring(metrics: ServerMetrics, config: RestConfig, pool: Executor) -> list[BaseRoute]:
    if config.metrics_path is None:
        return []
    return [get(config.metrics_path, MonitoringRoute(metrics, pool).page)]


def _starlette(routes: list[BaseRoute], config: RestConfig) -> Starlette:
    middleware = [Middleware(GZipMiddleware, minimum_size=_SMALLEST_GZIP_BYTES)]
    if config.cors:
        middleware.append(
            Middleware(
                CORSMiddleware, allow_origins=["*"], allow_methods=["GET", "POST"], allow_headers=["*"]
            )
        )
    # Starlette calls a handler for 404 and 405 with the exception as a second argument.
    return Starlette(
        routes=routes, middleware=middleware, exception_handlers={404: _malformed, 405: _malformed}
    )


async def _malformed(request: Request, _error: Exception) -> Response:
    return error_response(InvalidRequestError(f"Malformed request: {request.method} {request.url.path}"))
