"""What every unary method does around its work: parse, watch the caller, translate errors, serialise."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, NoReturn, TypeVar

import grpc
from google.protobuf.message import DecodeError, Message

from accelserve.protos.services import BoundMethod, UnaryMethod
from accelserve.server.errors import InvalidRequestError
from accelserve.server.protocols.headers import RETRY_AFTER
from accelserve.server.protocols.status import Status, status_of
from accelserve.server.scheduler.watch import CallWatch

RequestT = TypeVar("RequestT", bound=Message)
ResponseT = TypeVar("ResponseT", bound=Message)
A = TypeVar("A")
R = TypeVar("R")

# Told of every call that ended: its request, None if it could not be parsed; its error, or None; its seconds.
Observe = Callable[[RequestT | None, Status | None, float], None]

# gRPC reports "no deadline" as a time in the far future.
_NO_DEADLINE_SECONDS = 10 * 365 * 24 * 3600.0


class _OnPool(Generic[A, R]):
    """A function with the attribute by which gRPC runs it on another pool than the server's."""

    def __init__(self, pool: ThreadPoolExecutor, function: Callable[[A, grpc.ServicerContext], R]) -> None:
        self.experimental_thread_pool = pool
        self._function = function

    def __call__(self, request: A, context: grpc.ServicerContext) -> R:
        return self._function(request, context)


def on_pool(
    pool: ThreadPoolExecutor, function: Callable[[A, grpc.ServicerContext], R]
) -> Callable[[A, grpc.ServicerContext], R]:
    """Have gRPC run a method on its own pool, where a flood of other requests does not hold it up."""
    return _OnPool(pool, function)


def guarded(
    method: UnaryMethod[RequestT, ResponseT],
    answer: Callable[[RequestT, CallWatch], ResponseT | bytes],
    pool: ThreadPoolExecutor | None = None,
    observe: Observe[RequestT] | None = None,
) -> BoundMethod:
    """Bind ``answer`` to an RPC, on a pool of its own if one is given; ``observe`` is told how each call went.

    An answer is a message, or one that is encoded already.

    Messages are parsed here, on the handler's thread, rather than by gRPC on its only polling thread: a large request
    does not hold up the others, and one that is no protobuf is the caller's fault instead of an INTERNAL error.
    """

    def handle(raw: bytes, context: grpc.ServicerContext) -> bytes:
        begin = time.perf_counter()
        request: RequestT | None = None
        try:
            request = _parse(method, raw)
            response = answer(request, watch_of(context))
            encoded = response if isinstance(response, bytes) else response.SerializeToString()
        except Exception as error:  # noqa: BLE001 - the boundary: whatever happened becomes a status
            status = status_of(error)
        else:
            if observe is not None:
                observe(request, None, time.perf_counter() - begin)
            return encoded
        if observe is not None:
            observe(request, status, time.perf_counter() - begin)
        abort(context, status)

    behaviour = handle if pool is None else on_pool(pool, handle)
    return BoundMethod(path=method.path, handler=grpc.unary_unary_rpc_method_handler(behaviour))


def watch_of(context: grpc.ServicerContext) -> CallWatch:
    """The deadline and the cancellation of a call in progress."""
    remaining = context.time_remaining()
    watch = CallWatch(None if remaining is None or remaining > _NO_DEADLINE_SECONDS else remaining)
    if not context.add_callback(watch.cancel):  # it ended before we began
        watch.cancel()
    return watch


def _parse(method: UnaryMethod[RequestT, ResponseT], raw: bytes) -> RequestT:
    try:
        return method.request.FromString(raw)
    except DecodeError as error:
        raise InvalidRequestError(
            f"{method.name}: {len(raw)} bytes are not a {method.request.DESCRIPTOR.full_name}: {error}"
        ) from error


def abort(context: grpc.ServicerContext, status: Status) -> NoReturn:
    """End a call with a status, and keep the trailing metadata that are set already."""
    if status.retry_after_ms is not None:
        hint = (RETRY_AFTER, str(status.retry_after_ms))
        context.set_trailing_metadata((*(context.trailing_metadata() or ()), hint))
    context.abort(status.code, status.message)
    raise AssertionError  # abort raises
