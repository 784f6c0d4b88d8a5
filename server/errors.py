"""What can go wrong in the server, as nouns with fields.

ServerError
├── RequestError                      the caller's fault; the same request would fail again
│   ├── InvalidRequestError           a request that breaks the contract of the API
│   │   └── BodyTooLargeError         more bytes than are read
│   ├── UnknownSignatureError         a signature that the model lacks
│   ├── LabelUnavailableError         a label that points to a version that does not serve
│   ├── ServableNotFoundError         no model, version or file system path of that name
│   ├── UnsupportedMethodError        the model cannot answer this method
│   ├── UnauthenticatedError          no key, or a wrong one
│   └── PermissionDeniedError         a valid key that does not open this model
├── OverloadError                     refused at once, to be sent again later
│   ├── QueueFullError                the batching queue of TensorFlow Serving's parameters is full
│   └── TooManyRequestsError          more work waits than is answered in reasonable time
├── DrainingError                     the server stops and takes nothing new
├── RequestAbandonedError
│   ├── DeadlineExceededError         the caller's deadline passed before compute
│   └── RequestCancelledError         the caller went away
├── ConfigurationError                flags or files that make no sense, found before anything starts
└── LoadError                         a version that could not be loaded

No transport codes here: ``rpc/status.py`` alone maps these to gRPC, ``rest`` derives HTTP codes from that table.
"""

from __future__ import annotations

from collections.abc import Collection


class ServerError(Exception):
    """Base of every error that the server raises on purpose."""


class RequestError(ServerError):
    """The caller's fault; the same request would fail again."""


class InvalidRequestError(RequestError):
    """A request breaks the contract of the API."""


class BodyTooLargeError(InvalidRequestError):
    """A request of more bytes than the server reads.

    Attributes:
        limit_bytes: that it may have.
    """

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        super().__init__(f"the body is larger than {limit_bytes} bytes; send fewer images")


class UnknownSignatureError(RequestError):
    """A signature that the model lacks; the sentence begins as TensorFlow Serving's does.

    Attributes:
        key: the signature asked for.
        known: the model's signatures.
    """

    def __init__(self, key: str, known: Collection[str]) -> None:
        self.key = key
        self.known = tuple(known)
        super().__init__(f'Serving signature key "{key}" not found.')


class ServableNotFoundError(RequestError):
    """No such model, or no such version of it, is available now."""


class LabelUnavailableError(RequestError):
    """A label would point to a version that is not available for inference."""


class UnsupportedMethodError(RequestError):
    """The model cannot answer this method, for example Regress of a classifier."""


class UnauthenticatedError(RequestError):
    """No key, or one that is not in the keys file."""


class PermissionDeniedError(RequestError):
    """A valid key that does not open this model."""


class OverloadError(ServerError):
    """Refused at once, so that what was accepted stays fast.

    Attributes:
        retry_after_ms: when a try has a chance, from the measured speed.
    """

    def __init__(self, message: str, retry_after_ms: int) -> None:
        self.retry_after_ms = retry_after_ms
        super().__init__(message)


class QueueFullError(OverloadError):
    """The bounded queue of an explicit batching configuration is full; TensorFlow Serving's words."""

    def __init__(self, retry_after_ms: int) -> None:
        super().__init__(
            "The batch scheduling queue to which this task was submitted is full", retry_after_ms
        )


class TooManyRequestsError(OverloadError):
    """More images wait than can be answered in reasonable time."""


class DrainingError(ServerError):
    """The server is stopping and takes nothing new; another replica may."""

    def __init__(self) -> None:
        super().__init__("the server is shutting down; send the request to another one")


class RequestAbandonedError(ServerError):
    """Nobody waits for the answer any more."""


class DeadlineExceededError(RequestAbandonedError):
    """The caller's deadline passed before compute began."""


class RequestCancelledError(RequestAbandonedError):
    """The caller cancelled, or its connection broke."""


class ConfigurationError(ServerError):
    """Flags or configuration files make no sense."""


class LoadError(ServerError):
    """A version could not be loaded, for a reason that the models room did not foresee."""
