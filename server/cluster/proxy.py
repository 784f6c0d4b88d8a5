"""What Ray Serve's gRPC proxy answers; runs in the proxy's process, which holds neither models nor a device.

Serve imports ``add_services`` by its name (``grpc_servicer_functions``), calls it with its own server, and puts its routing
to replicas in the place of every handler in ``_method_handlers``. Around that routing stands here what a replica cannot do:
tell how long the caller still waits, which gRPC knows and Serve does not pass on, and put words of ours in the place of
Serve's own errors, in which a caller would read traces, process numbers and addresses.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Any, NoReturn, TypeAlias

import grpc

from accelserve.server.cluster.passage import PASSED, REFUSED, PassedRequest
from accelserve.server.protocols.headers import REQUEST_ID, RETRY_AFTER

Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"  # a generic in its stubs only
Route = Callable[[PassedRequest, Any], Awaitable[bytes]]

SERVICES = "accelserve.server.cluster.proxy.add_services"

_Row = tuple[grpc.StatusCode, str]

# What Serve says by itself -> what the caller is told. INTERNAL is what it makes of a replica that ended with a request in
# hand: asked again, another one answers.
_SERVES_OWN: Mapping[grpc.StatusCode, _Row] = MappingProxyType(
    {
        grpc.StatusCode.INTERNAL: (
            grpc.StatusCode.UNAVAILABLE,
            "the replica that had this request ended; send it again",
        ),
        grpc.StatusCode.UNAVAILABLE: (
            grpc.StatusCode.UNAVAILABLE,
            "no replica can be started; see the cluster's log",
        ),
        grpc.StatusCode.RESOURCE_EXHAUSTED: (
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            "every replica is busy and the proxy's queue is full; send the request again later",
        ),
        grpc.StatusCode.DEADLINE_EXCEEDED: (grpc.StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded"),
        grpc.StatusCode.CANCELLED: (grpc.StatusCode.CANCELLED, "the caller cancelled the request"),
        grpc.StatusCode.NOT_FOUND: (
            grpc.StatusCode.UNAVAILABLE,
            "no application was found; where several are served, the call's metadata name one",
        ),
    }
)
_RETRY_MS = 1000
_UNFORESEEN: _Row = (grpc.StatusCode.UNAVAILABLE, "the cluster's proxy failed; send the request again")


def add_services(_servicer: object, server: Any) -> None:
    """Register every method with Serve's server; Serve's placeholder for a servicer is not needed."""
    services: dict[str, dict[str, Handler]] = defaultdict(dict)
    for method in PASSED:
        services[method.service][method.path] = grpc.unary_unary_rpc_method_handler(_unrouted)
    for name, handlers in services.items():
        server.add_generic_rpc_handlers((RoutedService(name, handlers),))
    server.add_generic_rpc_handlers((RefusedMethods(),))


class RoutedService(grpc.ServiceRpcHandler):
    """One service whose calls go to replicas.

    Args:
        name: of the service.
        handlers: by path; Serve replaces them, and finds them by the attribute's name.
    """

    def __init__(self, name: str, handlers: Mapping[str, Handler]) -> None:
        self._name = name
        self._method_handlers = handlers

    def service_name(self) -> str:
        """Its full name."""
        return self._name

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Handler | None:
        """The handler of a call; None if the method is none of this service's."""
        routed: Any = self._method_handlers.get(str(handler_call_details.method))
        if routed is None:
            return None
        handler: Handler = routed._replace(unary_unary=_through(routed.unary_unary))
        return handler


class RefusedMethods(grpc.GenericRpcHandler):
    """Says why a method is not answered, whatever kind of call it is."""

    def __init__(self) -> None:
        self._method_handlers: dict[str, Handler] = {}  # Serve would route what stands here

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Handler | None:
        """A handler that refuses; None for every other method."""
        reason = REFUSED.get(str(handler_call_details.method))
        if reason is None:
            return None

        async def refuse(_requests: object, context: Any) -> bytes:
            await context.abort(grpc.StatusCode.UNIMPLEMENTED, reason)
            raise AssertionError  # abort raises

        handler: Handler = grpc.stream_unary_rpc_method_handler(refuse)
        return handler


def _through(route: Route) -> Callable[[bytes, Any], Awaitable[bytes]]:
    async def answer(message: bytes, context: Any) -> bytes:
        response = await route(PassedRequest(message, context.time_remaining()), context)
        if not _is_replicas(context):
            code, sentence = _SERVES_OWN.get(context.code(), _UNFORESEEN)
            context.set_code(code)
            context.set_details(sentence)
            if code is grpc.StatusCode.RESOURCE_EXHAUSTED:  # a replica's own refusal says when, too
                context.set_trailing_metadata(((RETRY_AFTER, str(_RETRY_MS)),))
        return response

    return answer


def _is_replicas(context: Any) -> bool:
    """Whether a replica answered, well or not: it says so by the request's id, which Serve knows nothing of."""
    return any(key == REQUEST_ID for key, _ in context.trailing_metadata() or ())


def _unrouted(_message: object, _context: object) -> NoReturn:
    """Serve's routing stands in the place of this."""
    raise AssertionError
