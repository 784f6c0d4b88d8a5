"""What is done before and after every gRPC call: key, request id, route, and whether the server takes anything new at all.

Runs before a message is received, on gRPC's own thread: a call without a key costs neither memory nor a thread of the
pool. gRPC runs the handler in the same context, so what is set here is seen there.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeAlias, cast

import grpc

from accelserve.server.core.access import CURRENT_CALL
from accelserve.server.errors import ServerError
from accelserve.server.protocols.headers import REQUEST_ID
from accelserve.server.protocols.status import status_of
from accelserve.server.rpc.guard import abort, on_pool
from accelserve.server.rpc.message_receiver import MessageReceiver
from accelserve.server.rpc.opening import CallOpener

_LOG = logging.getLogger(__name__)

Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"  # a generic in its stubs only


class CallInterceptor(grpc.ServerInterceptor):
    """Opens every call.

    Args:
        opener: whom it lets in.
        control: pool on which refusals are spoken, and which some methods run on.
        receivers: of the server's pool, and of ``control``.
        log_requests: one line a call.
    """

    def __init__(
        self,
        opener: CallOpener,
        control: ThreadPoolExecutor,
        receivers: tuple[MessageReceiver, MessageReceiver],
        *,
        log_requests: bool = False,
    ) -> None:
        self._opener = opener
        self._control = control
        self._receivers = receivers
        self._log_requests = log_requests
        self._opened: dict[str, Handler] = {}
        self._in_flight = 0
        self._ended = threading.Condition()

    def start(self) -> None:
        """Begin to cut off callers that do not send."""
        for receiver in self._receivers:
            receiver.start()

    def stop(self) -> None:
        """Stop; returns when all has ended."""
        for receiver in self._receivers:
            receiver.stop()

    def refuse_new(self) -> None:
        """From now on, answer new calls that another server should get them; health goes on."""
        self._opener.refuse_new()

    def wait_until_ended(self, deadline: float) -> None:
        """Return once every call with one message that was let in has ended, or at ``deadline`` (monotonic seconds)."""
        with self._ended:
            self._ended.wait_for(lambda: not self._in_flight, max(0.0, deadline - time.monotonic()))

    def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Handler | None],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler | None:
        """The method's own handler, behind a bounded wait for its message; or one that refuses."""
        path = str(handler_call_details.method)
        metadata = handler_call_details.invocation_metadata or ()
        try:
            CURRENT_CALL.set(self._opener.open(path, metadata))
        except ServerError as error:
            return _refusal(error, self._control)
        opened = self._opened.get(path)
        if opened is None:
            handler = continuation(handler_call_details)
            if handler is None:
                return None
            opened = self._opened[path] = self._receiving(path, handler)
        return opened

    def _receiving(self, path: str, handler: Handler) -> Handler:
        """A method that takes one message as one that takes a stream, of which the first message is awaited here."""
        if handler.request_streaming:
            return handler
        inner: Any = handler.unary_stream if handler.response_streaming else handler.unary_unary
        pool = getattr(inner, "experimental_thread_pool", None)
        receiver = self._receivers[0 if pool is None else 1]

        def answer(requests: Iterator[Any], context: grpc.ServicerContext) -> Any:
            self._begin(context)
            call = CURRENT_CALL.get()
            if call is not None:
                context.set_trailing_metadata(((REQUEST_ID, call.request_id),))
            begin = time.perf_counter()
            try:
                message = receiver.message(requests, context)
            except ServerError as error:
                abort(context, status_of(error))
            try:
                return inner(message, context)
            finally:
                if self._log_requests:
                    log_call(path, context, time.perf_counter() - begin)

        behaviour = answer if pool is None else on_pool(pool, answer)
        make = (
            grpc.stream_stream_rpc_method_handler
            if handler.response_streaming
            else grpc.stream_unary_rpc_method_handler
        )
        opened: Handler = make(behaviour, handler.request_deserializer, handler.response_serializer)
        return opened

    def _begin(self, context: grpc.ServicerContext) -> None:
        with self._ended:
            self._in_flight += 1
        if not context.add_callback(self._end):
            self._end()  # it has ended before it began

    def _end(self) -> None:
        with self._ended:
            self._in_flight -= 1
            if not self._in_flight:
                self._ended.notify_all()


def _refusal(error: ServerError, pool: ThreadPoolExecutor) -> grpc.RpcMethodHandler[bytes, bytes]:
    """Speaks the error without waiting for a message. Streaming both ways fits every kind of call."""

    def refuse(_requests: Iterator[bytes], context: grpc.ServicerContext) -> bytes:
        abort(context, status_of(error))

    handler: grpc.RpcMethodHandler[bytes, bytes] = grpc.stream_unary_rpc_method_handler(on_pool(pool, refuse))
    return handler


def log_call(path: str, context: grpc.ServicerContext, seconds: float) -> None:
    """A line for a call that ended: its method, status, time and caller."""
    code = cast(Any, context).code()  # its stubs lack it
    name = "OK" if code is None else code.name
    _LOG.info("%s %s %.1f ms %s", path, name, seconds * 1e3, context.peer())
