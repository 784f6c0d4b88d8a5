"""What can go wrong for a caller.

    Exception
    └── ClientError
        ├── ClientClosedError             the client was closed before or during the call
        ├── UnexpectedResponseError       the server answered, but not with what was asked for
        └── CallError                     the call failed with a gRPC status
            ├── InvalidRequestError       INVALID_ARGUMENT, FAILED_PRECONDITION, OUT_OF_RANGE, ALREADY_EXISTS
            ├── ModelNotFoundError        NOT_FOUND
            ├── AccessDeniedError         UNAUTHENTICATED, PERMISSION_DENIED
            ├── OverloadedError           RESOURCE_EXHAUSTED
            ├── MessageTooLargeError      RESOURCE_EXHAUSTED too, but about the size of a message
            ├── UnavailableError          UNAVAILABLE
            ├── DeadlineError             DEADLINE_EXCEEDED
            ├── CancelledError            CANCELLED
            └── ServerError               every other status

A mistake in an argument that is found before anything is sent is a ValueError: `accelserve.protos.errors` for tensors.
"""

import re

import grpc


class ClientError(Exception):
    """A call that gave no result."""


class ClientClosedError(ClientError):
    """The client was closed before or during the call."""


class UnexpectedResponseError(ClientError):
    """The server answered, but not with what was asked for.

    Attributes:
        output: name of the output that is missing or cannot be read; empty where the whole answer is wrong.
    """

    def __init__(self, message: str, *, output: str = "") -> None:
        super().__init__(message)
        self.output = output


class CallError(ClientError):
    """The call failed with a gRPC status.

    Attributes:
        code: the status code.
        details: the server's (or, for a call that reached no server, gRPC's) own words.
        method: the RPC, `/tensorflow.serving.PredictionService/Predict` for instance.
        target: the server, `localhost:8500` for instance.
        attempts: how many times the request was sent, at least once.
        retry_after_s: seconds after which the server asks to be tried again; None where it said nothing.
    """

    def __init__(
        self,
        *,
        code: grpc.StatusCode,
        details: str,
        method: str,
        target: str,
        attempts: int,
        retry_after_s: float | None,
    ) -> None:
        tries = "" if attempts == 1 else f" after {attempts} attempts"
        super().__init__(f"{method.rsplit('/', 1)[-1]} at {target} failed{tries}: {code.name}: {details}")
        self.code = code
        self.details = details
        self.method = method
        self.target = target
        self.attempts = attempts
        self.retry_after_s = retry_after_s


class InvalidRequestError(CallError):
    """The request is wrong for this model; sending it again will not help."""


class ModelNotFoundError(CallError):
    """No such model, version or label."""


class AccessDeniedError(CallError):
    """The key or the certificate is missing, wrong, or not good for this model."""


class OverloadedError(CallError):
    """The server has too much to do."""


class MessageTooLargeError(CallError):
    """A request or an answer has more bytes than the server, or this client (`max_message_bytes`), takes."""


class UnavailableError(CallError):
    """The server cannot be reached, is starting or is stopping."""


class DeadlineError(CallError):
    """No answer in time."""


class CancelledError(CallError):
    """The call was cancelled."""


class ServerError(CallError):
    """The server failed."""


_BY_CODE: dict[grpc.StatusCode, type[CallError]] = {
    grpc.StatusCode.INVALID_ARGUMENT: InvalidRequestError,
    grpc.StatusCode.FAILED_PRECONDITION: InvalidRequestError,
    grpc.StatusCode.OUT_OF_RANGE: InvalidRequestError,
    grpc.StatusCode.ALREADY_EXISTS: InvalidRequestError,
    grpc.StatusCode.NOT_FOUND: ModelNotFoundError,
    grpc.StatusCode.UNAUTHENTICATED: AccessDeniedError,
    grpc.StatusCode.PERMISSION_DENIED: AccessDeniedError,
    grpc.StatusCode.RESOURCE_EXHAUSTED: OverloadedError,
    grpc.StatusCode.UNAVAILABLE: UnavailableError,
    grpc.StatusCode.DEADLINE_EXCEEDED: DeadlineError,
    grpc.StatusCode.CANCELLED: CancelledError,
}


# gRPC has no status for it, only words: those of its core (Python, C++, C#'s old one), of Go, of Java and of .NET.
_TOO_LARGE = re.compile(r"message larger than max|message exceeds (the )?maximum", re.IGNORECASE)


def error_class(code: grpc.StatusCode, details: str) -> type[CallError]:
    """The exception for a status and its message."""
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED and _TOO_LARGE.search(details):
        return MessageTooLargeError
    return _BY_CODE.get(code, ServerError)
