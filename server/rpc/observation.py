"""Counts RPCs in the metrics."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from google.protobuf.message import Message

from accelserve.server.metrics.server_metrics import ServerMetrics
from accelserve.server.protocols.status import Status
from accelserve.server.rpc.guard import Observe

RequestT = TypeVar("RequestT", bound=Message)

_GRPC = "GRPC"
_OK = "OK"


def observe(metrics: ServerMetrics, api: str, model_of: Callable[[RequestT], str]) -> Observe[RequestT]:
    """Count the calls of one method.

    Args:
        metrics: where.
        api: TensorFlow Serving's word for it, ``Predict``.
        model_of: the model's name in a request; empty for the default one.
    """

    def count(request: RequestT | None, status: Status | None, seconds: float) -> None:
        if status is None:
            metrics.record_serialized()
        metrics.count_request(
            model="" if request is None else model_of(request),
            api=api,
            entrypoint=_GRPC,
            status=_OK if status is None else status.code.name,
            seconds=seconds,
        )

    return count
