"""Routes whose handlers may raise: whatever happens becomes a status."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from accelserve.server.rest.errors import error_response

Handler = Callable[[Request], Awaitable[Response]]


def get(path: str, handler: Handler) -> Route:
    """GET of a path."""
    return Route(path, _guarded(handler), methods=["GET"])


def post(path: str, handler: Handler) -> Route:
    """POST to a path."""
    return Route(path, _guarded(handler), methods=["POST"])


def in_any_case(route: Route) -> Route:
    """The same route, whatever the case of the path's own words; names in it stay as they are."""
    route.path_regex = re.compile(route.path_regex.pattern, re.IGNORECASE)
    return route


def _guarded(handler: Handler) -> Handler:
    async def guarded(request: Request) -> Response:
        try:
            return await handler(request)
        except Exception as error:  # noqa: BLE001 - the boundary: whatever happened becomes a status
            return error_response(error)

    return guarded
