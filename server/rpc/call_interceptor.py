"""What is done before and after every gRPC call: key, request id, route, and whether the server takes anything new at all.

Runs before a message is received, on gRPC's own thread: a call without a key costs neither memory nor a thread of the
pool. gRPC runs the handler in the same context, so what is set here is seen there.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeAlias, cast

import grpc

from accelserve.protos.services import (
    HealthService,
    InferenceService,
    ModelService,
)
from accelserve.server.auth.keyring import KeyRing
from accelserve.server.core.access import CURRENT_CALL, Call, everyone
from accelserve.server.errors import DrainingError, ServerError
from accelserve.server.protocols.headers import AUTHORIZATION, REQUEST_ID, TRACE_PARENT, request_id_of
from accelserve.server.protocols.status import status_of
from accelserve.server.rpc.guard import abort, on_pool
from accelserve.server.rpc.message_receiver import MessageReceiver

_LOG = logging.getLogger(__name__)

# The Azure service's own routing header: /api/v1/service/NAME
ROUTE = "x-ms-aml-grpc-service-route"
_ROUTE_PATTERN = re.compile(r"/api/v1/service/([^/]+)/?")

# Orchestrators ask without a key.
OPEN_METHODS = frozenset(
    {
        f"/{HealthService.NAME}/Check",
        f"/{HealthService.NAME}/List",
        f"/{HealthService.NAME}/Watch",
        InferenceService.SERVER_LIVE.path,
        InferenceService.SERVER_READY.path,
    }
)
ADMIN_METHODS = frozenset(
    {
        ModelService.HANDLE_RELOAD_CONFIG_REQUEST.path,
        InferenceService.REPOSITORY_MODEL_LOAD.path,
        InferenceService.REPOSITORY_MODEL_UNLOAD.path,
    }
)


Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"  # a generic in its stubs only


class CallInterceptor(grpc.ServerInterceptor):
    """Opens every call.

    Args:
        keys: None lets everybody in.
        control: pool on which refusals are spoken, and which some methods run on.
        receptions: of the server's pool, and of ``control``.
        log_requests: one line a call.
    """

    def __init__(
        self,
        keys: KeyRing | None,
        control: ThreadPoolExecutor,
        receivers: tuple[MessageReceiver, MessageReceiver],
        *,
        log_requests: bool = False,
    ) -> None:
        self._keys = keys
        self._control = control
        self._receivers = receivers
        self._log_requests = log_requests
        self._refusing = False
        self._opened: dict[str, Handler] = {}

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
        self._refusing = True

    def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Handler | None],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler | None:
        """The method's own handler, behind a bounded wait for its message; or one that refuses."""
        path = str(handler_call_details.method)
        metadata = _texts(handler_call_details.invocation_metadata or ())
        try:
            CURRENT_CALL.set(self._open(path, metadata))
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
                    _log(path, context, time.perf_counter() - begin)

        behaviour = answer if pool is None else on_pool(pool, answer)
        make = (
            grpc.stream_stream_rpc_method_handler
            if handler.response_streaming
            else grpc.stream_unary_rpc_method_handler
        )
        opened: Handler = make(behaviour, handler.request_deserializer, handler.response_serializer)
        return opened

    def _open(self, path: str, metadata: Mapping[str, str]) -> Call:
        if path not in OPEN_METHODS:
            if self._refusing:
                raise DrainingError
            if self._keys is not None:
                caller = self._keys.caller(metadata.get(AUTHORIZATION))
                if path in ADMIN_METHODS:
                    caller.check_admin()
                return _described(metadata, caller.check_model)
        return _described(metadata)


def routed_model_of(route: str | None) -> str:
    """NAME of ``/api/v1/service/NAME``; empty for anything else."""
    match = _ROUTE_PATTERN.fullmatch(route or "")
    return match[1] if match else ""


def _described(metadata: Mapping[str, str], check_model: Callable[[str], None] = everyone) -> Call:
    return Call(
        request_id=request_id_of(metadata.get(REQUEST_ID)),
        check_model=check_model,
        routed_model=routed_model_of(metadata.get(ROUTE)),
        trace_parent=metadata.get(TRACE_PARENT, ""),
    )


def _texts(metadata: Collection[tuple[str, str | bytes]]) -> dict[str, str]:
    return {key: value for key, value in metadata if isinstance(value, str)}


def _refusal(error: ServerError, pool: ThreadPoolExecutor) -> grpc.RpcMethodHandler[bytes, bytes]:
    """Speaks the error without waiting for a message. Streaming both ways fits every kind of call."""

    def refuse(_requests: Iterator[bytes], context: grpc.ServicerContext) -> bytes:
        abort(context, status_of(error))

    handler: grpc.RpcMethodHandler[bytes, bytes] = grpc.stream_unary_rpc_method_handler(on_pool(pool, refuse))
    return handler


def _log(path: str, context: grpc.ServicerContext, seconds: float) -> None:
    code = cast(Any, context).code()  # its stubs lack it
    name = "OK" if code is None else code.name
    _LOG.info("%s %s %.1f ms %s", path, name, seconds * 1e3, context.peer())
