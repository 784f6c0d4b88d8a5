"""The routes and the middleware, in one list each."""

from __future__ import annotations

from concurrent.futures import Executor

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from accelserve.server.config import RestConfig
from accelserve.server.core.registry import ModelRegistry
from accelserve.server.dataplane.predictor import Predictor
from accelserve.server.dataplane.servable import ImageServable
from accelserve.server.errors import InvalidRequestError
from accelserve.server.rest.errors import error_response
from accelserve.server.rest.model_routes import ModelRoutes
from accelserve.server.rest.predict_route import PredictRoute

_MODEL = "/v1/models/{model:str}"
# Where a model, one of its versions, or one of its labels is meant; longest first, since a name may hold a colon.
_MODEL_PATHS = (f"{_MODEL}/versions/{{version:str}}", f"{_MODEL}/labels/{{label:str}}", _MODEL)
_SMALLEST_GZIP_BYTES = 1024


def application(
    registry: ModelRegistry[ImageServable], predictor: Predictor, config: RestConfig, pool: Executor
) -> Starlette:
    """The ASGI application."""
    models = ModelRoutes(registry)
    predictions = PredictRoute(predictor, config, pool)
    routes = [
        Route("/v1/models", models.listed, methods=["GET"]),
        *(Route(f"{path}:predict", predictions.predict, methods=["POST"]) for path in _MODEL_PATHS),
        *(Route(f"{path}/metadata", models.metadata, methods=["GET"]) for path in _MODEL_PATHS),
        *(Route(path, models.status, methods=["GET"]) for path in _MODEL_PATHS),
    ]
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
