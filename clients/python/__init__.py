"""A client for servers that speak TensorFlow Serving's gRPC API; needs grpcio, protobuf and numpy, nothing else.

    from accelserve.client import PredictionClient

    with PredictionClient("localhost", 8500) as client:
        probabilities = client.score_file("photo.jpg")

In the order in which a call passes through: base.py takes the arguments, addresses.py reads where the servers are,
prediction.py makes the request, connection.py the channel, blocking.py and asynchronous.py (with asyncio_channel.py) send
it, retry.py decides what to do when that fails, errors.py says what went wrong, prediction.py reads the answer.
description.py reads the answers about models.
"""

from accelserve.client.asynchronous import AsyncPredictionClient
from accelserve.client.blocking import PredictionClient
from accelserve.client.connection import DEFAULT_MAX_MESSAGE_BYTES, TlsOptions
from accelserve.client.description import (
    ModelDescription,
    SignatureDescription,
    TensorDescription,
    VersionStatus,
)
from accelserve.client.errors import (
    AccessDeniedError,
    CallError,
    CancelledError,
    ClientClosedError,
    ClientError,
    DeadlineError,
    InvalidRequestError,
    MessageTooLargeError,
    ModelNotFoundError,
    OverloadedError,
    ServerError,
    UnavailableError,
    UnexpectedResponseError,
)
from accelserve.client.prediction import ModelSelection, RawTensor, Scores
from accelserve.client.retry import RetryPolicy

__all__ = [
    "DEFAULT_MAX_MESSAGE_BYTES",
    "AccessDeniedError",
    "AsyncPredictionClient",
    "CallError",
    "CancelledError",
    "ClientClosedError",
    "ClientError",
    "DeadlineError",
    "InvalidRequestError",
    "MessageTooLargeError",
    "ModelDescription",
    "ModelNotFoundError",
    "ModelSelection",
    "OverloadedError",
    "PredictionClient",
    "RawTensor",
    "RetryPolicy",
    "Scores",
    "ServerError",
    "SignatureDescription",
    "TensorDescription",
    "TlsOptions",
    "UnavailableError",
    "UnexpectedResponseError",
    "VersionStatus",
]
