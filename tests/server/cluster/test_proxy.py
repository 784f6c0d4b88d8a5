"""What stands in Ray Serve's proxy, on a server that treats its handlers as Serve's does; without Ray."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Future
from threading import Thread
from typing import Any

import grpc
import grpc.aio
import pytest

from accelserve.protos.services import PredictionService
from accelserve.server.cluster.passage import PassedRequest
from accelserve.server.cluster.proxy import add_services

Route = Callable[[PassedRequest, Any], Awaitable[bytes]]

_TRACE = "\x1b[36mray::ServeReplica\x1b[39m (pid=7, ip=10.0.0.7) Traceback: secret"


class ServeLike:
    """Puts a routing of its own in the place of every handler, as Serve's ``gRPCGenericServer`` does."""

    def __init__(self, server: grpc.aio.Server, route: Route) -> None:
        self._server = server
        self._route = route

    def add_generic_rpc_handlers(self, handlers: tuple[Any, ...]) -> None:
        own = handlers[0]._method_handlers
        own = {path: handler._replace(unary_unary=self._route) for path, handler in own.items()}
        handlers[0]._method_handlers = own
        self._server.add_generic_rpc_handlers(handlers)


@pytest.fixture
def serve() -> Iterator[Callable[[Route], grpc.Channel]]:
    """Start a proxy with a routing; a channel to it."""
    loop = asyncio.new_event_loop()
    thread = Thread(target=loop.run_forever)
    thread.start()
    servers: list[grpc.aio.Server] = []
    channels: list[grpc.Channel] = []

    async def begin(route: Route) -> int:
        server = grpc.aio.server()
        add_services(object(), ServeLike(server, route))
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        servers.append(server)
        return port

    def start(route: Route) -> grpc.Channel:
        started: Future[int] = asyncio.run_coroutine_threadsafe(begin(route), loop)
        channels.append(grpc.insecure_channel(f"127.0.0.1:{started.result(60)}"))
        return channels[-1]

    yield start
    for channel in channels:
        channel.close()
    for server in servers:
        asyncio.run_coroutine_threadsafe(server.stop(None), loop).result(60)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def status_when_serve_says(
    serve: Callable[[Route], grpc.Channel], code: grpc.StatusCode, trailing: tuple[Any, ...] = ()
) -> tuple[grpc.StatusCode, str]:
    async def route(_request: PassedRequest, context: Any) -> bytes:
        context.set_code(code)
        context.set_details(_TRACE)
        context.set_trailing_metadata(trailing)
        return b""

    call: Any = serve(route).unary_unary(PredictionService.PREDICT.path)
    with pytest.raises(grpc.RpcError) as failed:
        call(b"", timeout=60)
    return failed.value.code(), failed.value.details() or ""


@pytest.mark.parametrize(
    "code", [code for code in grpc.StatusCode if code is not grpc.StatusCode.OK], ids=lambda code: code.name
)
def test_no_word_of_serves_own_reaches_the_caller(
    serve: Callable[[Route], grpc.Channel], code: grpc.StatusCode
) -> None:
    told, words = status_when_serve_says(serve, code)
    assert told is not grpc.StatusCode.INTERNAL
    assert "Trace" not in words
    assert "10.0.0.7" not in words


def test_a_replica_that_ended_is_a_reason_to_ask_again(serve: Callable[[Route], grpc.Channel]) -> None:
    code, words = status_when_serve_says(serve, grpc.StatusCode.INTERNAL)
    assert code is grpc.StatusCode.UNAVAILABLE
    assert words == "the replica that had this request ended; send it again"


def test_a_full_queue_says_when_to_ask_again(serve: Callable[[Route], grpc.Channel]) -> None:
    """As a replica's own refusal does; without it clients do not try again."""

    async def route(_request: PassedRequest, context: Any) -> bytes:
        context.set_code(grpc.StatusCode.RESOURCE_EXHAUSTED)
        return b""

    call: Any = serve(route).unary_unary(PredictionService.PREDICT.path)
    with pytest.raises(grpc.RpcError) as refused:
        call(b"", timeout=60)
    assert refused.value.details() == (
        "every replica is busy and the proxy's queue is full; send the request again later"
    )
    trailing = {each.key: each.value for each in refused.value.trailing_metadata()}
    assert str(trailing["grpc-retry-pushback-ms"]) == "1000"


def test_a_replicas_own_status_passes_as_it_is(serve: Callable[[Route], grpc.Channel]) -> None:
    trailing = (("x-request-id", "7"),)
    assert status_when_serve_says(serve, grpc.StatusCode.INTERNAL, trailing) == (
        grpc.StatusCode.INTERNAL,
        _TRACE,
    )


def test_the_callers_deadline_goes_along(serve: Callable[[Route], grpc.Channel]) -> None:
    seen: list[PassedRequest] = []

    async def route(request: PassedRequest, context: Any) -> bytes:
        seen.append(request)
        context.set_trailing_metadata((("x-request-id", "7"),))
        return b"answer"

    call: Any = serve(route).unary_unary(PredictionService.PREDICT.path)
    assert call(b"with", timeout=60) == b"answer"
    assert call(b"without") == b"answer"
    remaining = seen[0].remaining_seconds
    assert remaining is not None
    assert 0 < remaining < 61  # gRPC rounds it up on the wire
    assert seen[1] == PassedRequest(b"without", None)
