"""The only table from errors to status codes."""

from __future__ import annotations

import logging
import secrets
from dataclasses import dataclass

import grpc

from accelserve.kernels.errors import DeviceError
from accelserve.kernels.preprocess import ImageError
from accelserve.protos.errors import TensorError, TensorTooLargeError
from accelserve.server.errors import (
    ConfigurationError,
    DeadlineExceededError,
    DrainingError,
    InvalidRequestError,
    LabelUnavailableError,
    LoadError,
    OverloadError,
    PermissionDeniedError,
    QueueFullError,
    RequestCancelledError,
    ServableNotFoundError,
    UnauthenticatedError,
    UnknownSignatureError,
    UnsupportedMethodError,
)

_LOG = logging.getLogger(__name__)

# Bytes. TensorFlow Serving cuts longer messages: they travel in HTTP/2 trailers, percent-encoded, which clients and proxies
# bound; gRPC's clients refuse trailers above 8 KiB at random, and then report RESOURCE_EXHAUSTED.
_MAX_MESSAGE = 1024
_TRUNCATED = "...TRUNCATED"

# The first row that an error is an instance of decides, so a subclass stands above its base.
_CODES: tuple[tuple[type[Exception], grpc.StatusCode], ...] = (
    (ServableNotFoundError, grpc.StatusCode.NOT_FOUND),
    (UnknownSignatureError, grpc.StatusCode.FAILED_PRECONDITION),
    (LabelUnavailableError, grpc.StatusCode.FAILED_PRECONDITION),
    (UnsupportedMethodError, grpc.StatusCode.FAILED_PRECONDITION),
    (UnauthenticatedError, grpc.StatusCode.UNAUTHENTICATED),
    (PermissionDeniedError, grpc.StatusCode.PERMISSION_DENIED),
    (InvalidRequestError, grpc.StatusCode.INVALID_ARGUMENT),
    (ConfigurationError, grpc.StatusCode.INVALID_ARGUMENT),
    (ImageError, grpc.StatusCode.INVALID_ARGUMENT),
    (TensorTooLargeError, grpc.StatusCode.INVALID_ARGUMENT),
    (TensorError, grpc.StatusCode.INVALID_ARGUMENT),
    (QueueFullError, grpc.StatusCode.UNAVAILABLE),
    (OverloadError, grpc.StatusCode.RESOURCE_EXHAUSTED),
    (DrainingError, grpc.StatusCode.UNAVAILABLE),
    (DeadlineExceededError, grpc.StatusCode.DEADLINE_EXCEEDED),
    (RequestCancelledError, grpc.StatusCode.CANCELLED),
    (LoadError, grpc.StatusCode.FAILED_PRECONDITION),
    (DeviceError, grpc.StatusCode.INTERNAL),
)


@dataclass(frozen=True, slots=True)
class Status:
    """What the caller is told.

    Attributes:
        code: gRPC's.
        message: at most 1024 bytes of UTF-8, and the mark of the cut.
        retry_after_ms: for the caller's back-off, or None.
    """

    code: grpc.StatusCode
    message: str
    retry_after_ms: int | None = None


def status_of(error: Exception) -> Status:
    """The status of an error. One that no row foresees becomes INTERNAL with an id; its trace goes to the log."""
    for kind, code in _CODES:
        if isinstance(error, kind):
            retry = error.retry_after_ms if isinstance(error, OverloadError) else None
            return Status(code, cut(str(error)), retry)
    incident = secrets.token_hex(6)
    _LOG.error("internal error %s", incident, exc_info=error)
    return Status(
        grpc.StatusCode.INTERNAL, f"internal error {incident}; the server's log has the details under this id"
    )


def cut(message: str) -> str:
    """The message as it may travel."""
    encoded = message.encode(errors="replace")
    if len(encoded) <= _MAX_MESSAGE:
        return message
    return encoded[:_MAX_MESSAGE].decode(errors="ignore") + _TRUNCATED
