"""``accelserve serve`` with a clock around every step of a Predict request.

    python -m benchmarks.spans FILE serve FLAG ...

When the server has stopped, FILE holds an array for each request, in the order in which they began: ``[name, begin, end]``
of every step, in nanoseconds of the clock that all processes of a machine share (``time.perf_counter_ns`` on Linux).
"""

from __future__ import annotations

import functools
import json
import sys
import time
from collections.abc import Callable
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import grpc

from accelserve.kernels.preprocess import preprocessor
from accelserve.models.serving.servable import Servable
from accelserve.protos.services import BoundMethod, PredictionService, UnaryMethod
from accelserve.server.cli import main as accelserve
from accelserve.server.core.registry import ModelRegistry
from accelserve.server.dataplane.predictor import Predictor
from accelserve.server.metrics.server_metrics import ServerMetrics
from accelserve.server.protocols.tensorflow_serving import predict
from accelserve.server.rpc import guard, service_table
from accelserve.server.rpc.call_interceptor import CallInterceptor
from accelserve.server.rpc.message_receiver import MessageReceiver
from accelserve.server.scheduler.scheduler import DeviceScheduler

Span = tuple[str, int, int]

INTERCEPT, RECEIVE, HANDLE, PARSE, ARRAYS, ACQUIRE = (
    "intercept",
    "receive",
    "handle",
    "parse",
    "arrays",
    "acquire",
)
PREDICT, DECODE, TRANSFORM, PREPARE = "predict", "decode", "transform", "prepare"
SCHEDULE, COMPUTE, RESPOND, OBSERVE, BUILD = "schedule", "compute", "respond", "observe", "build"

# What is timed: the name in the file, where the function is found, and its name there.
_STEPS: tuple[tuple[str, object, str], ...] = (
    (RECEIVE, MessageReceiver, "message"),
    (PARSE, guard, "_parse"),
    (ARRAYS, predict, "inputs_of"),
    (ACQUIRE, ModelRegistry, "acquire"),
    (PREDICT, Predictor, "predict"),
    (PREPARE, Servable, "decode"),
    (DECODE, preprocessor, "decode_image"),
    (TRANSFORM, preprocessor.Preprocessor, "transform"),
    (SCHEDULE, DeviceScheduler, "compute"),
    (COMPUTE, Servable, "run"),
    (RESPOND, Servable, "respond"),
    (OBSERVE, ServerMetrics, "record_result"),
    (OBSERVE, ServerMetrics, "count_request"),
    (BUILD, predict.Predict, "__call__"),
)

_CURRENT: ContextVar[list[Span] | None] = ContextVar("current", default=None)
_REQUESTS: list[list[Span]] = []


def timed(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, whose calls for a request are noted under ``name``."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        spans = _CURRENT.get()
        if spans is None:
            return function(*args, **kwargs)
        begin = time.perf_counter_ns()
        try:
            return function(*args, **kwargs)
        finally:
            spans.append((name, begin, time.perf_counter_ns()))

    return call


def _opening(intercept: Callable[..., Any]) -> Callable[..., Any]:
    """The interceptor, which opens the notes of every Predict; gRPC runs the handler in the same context."""
    inner = timed(INTERCEPT, intercept)

    def call(self: Any, continuation: Any, details: grpc.HandlerCallDetails) -> Any:
        if details.method == PredictionService.PREDICT.path:
            _REQUESTS.append([])
            _CURRENT.set(_REQUESTS[-1])
        return inner(self, continuation, details)

    return call


def _timing_the_handler(guarded: Callable[..., BoundMethod]) -> Callable[..., BoundMethod]:
    def bind(method: UnaryMethod[Any, Any], *args: Any, **kwargs: Any) -> BoundMethod:
        bound = guarded(method, *args, **kwargs)
        if method is not PredictionService.PREDICT:
            return bound
        handler: Any = bound.handler
        return BoundMethod(
            path=bound.path,
            handler=grpc.unary_unary_rpc_method_handler(timed(HANDLE, handler.unary_unary)),
        )

    return bind


def main(file: str, *arguments: str) -> None:
    """Serve as ``accelserve`` does, and write the file in the end."""
    for name, owner, attribute in _STEPS:
        setattr(owner, attribute, timed(name, getattr(owner, attribute)))
    CallInterceptor.intercept_service = _opening(CallInterceptor.intercept_service)  # type: ignore[method-assign]
    service_table.guarded = _timing_the_handler(guard.guarded)  # type: ignore[attr-defined]
    sys.argv = ["accelserve", *arguments]
    try:
        accelserve()
    finally:
        Path(file).write_text(json.dumps(_REQUESTS), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
