"""HTTP codes, derived from the one table of statuses."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import grpc
from starlette.responses import Response

from accelserve.server.errors import BodyTooLargeError
from accelserve.server.protocols.status import Status, status_of
from accelserve.server.rest.numbers import encode

HTTP_CODES: Mapping[grpc.StatusCode, int] = MappingProxyType(
    {
        grpc.StatusCode.OK: 200,
        grpc.StatusCode.INVALID_ARGUMENT: 400,
        grpc.StatusCode.FAILED_PRECONDITION: 400,
        grpc.StatusCode.OUT_OF_RANGE: 400,
        grpc.StatusCode.UNAUTHENTICATED: 401,
        grpc.StatusCode.PERMISSION_DENIED: 403,
        grpc.StatusCode.NOT_FOUND: 404,
        grpc.StatusCode.ALREADY_EXISTS: 409,
        grpc.StatusCode.ABORTED: 409,
        grpc.StatusCode.RESOURCE_EXHAUSTED: 429,
        grpc.StatusCode.CANCELLED: 499,
        grpc.StatusCode.UNKNOWN: 500,
        grpc.StatusCode.INTERNAL: 500,
        grpc.StatusCode.DATA_LOSS: 500,
        grpc.StatusCode.UNIMPLEMENTED: 501,
        grpc.StatusCode.UNAVAILABLE: 503,
        grpc.StatusCode.DEADLINE_EXCEEDED: 504,
    }
)

_CONTENT_TOO_LARGE = 413


def json_response(content: object, code: int = 200) -> Response:
    """A JSON body; numbers of numpy arrays must have been made plain."""
    return Response(encode(content), code, media_type="application/json")


def error_response(error: Exception) -> Response:
    """TensorFlow Serving's error body with the code of the error's status, and when to try again."""
    return refusal(error, status_of(error))


def refusal(error: Exception, status: Status) -> Response:
    """The body of an error whose status is known; HTTP has a code of its own for bodies that are too large."""
    response = status_response(status)
    if isinstance(error, BodyTooLargeError):
        response.status_code = _CONTENT_TOO_LARGE
    return response


def status_response(status: Status) -> Response:
    """The body of a status that is no success."""
    response = json_response({"error": status.message}, HTTP_CODES[status.code])
    if status.retry_after_ms is not None:
        # The header has whole seconds; at least one, or clients would try at once.
        response.headers["retry-after"] = str(max(1, -(-status.retry_after_ms // 1000)))
    return response
