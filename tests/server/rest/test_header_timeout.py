"""Connections that take their time: half open, byte by byte, or too many."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace

import httpx
import pytest
import uvicorn
from starlette.responses import PlainTextResponse
from uvicorn.server import ServerState

from accelserve.server.config import RestConfig
from accelserve.server.rest.header_timeout import with_header_timeout

Serve = Callable[..., SimpleNamespace]
QUICK = RestConfig(address="127.0.0.1", port=0, header_seconds=0.3, timeout_ms=300)


def connect(server: SimpleNamespace) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.server.rest_port), timeout=60)


def until_closed(connection: socket.socket) -> bytes:
    received = b""
    try:
        while part := connection.recv(4096):
            received += part
    except ConnectionResetError:
        pass
    return received


@pytest.mark.parametrize("begun", [b"", b"GET / HTTP/1.1\r\nHost:"], ids=["silent", "half-a-header"])
def test_a_connection_without_a_request_is_closed(serve: Serve, begun: bytes) -> None:
    with connect(serve(rest=QUICK)) as connection:
        connection.sendall(begun)
        assert until_closed(connection) == b""


def test_so_is_one_that_falls_silent_after_a_request(serve: Serve) -> None:
    with connect(serve(rest=RestConfig(address="127.0.0.1", port=0, header_seconds=2))) as connection:
        connection.sendall(b"GET /v2/health/live HTTP/1.1\r\nHost: x\r\n\r\nGET /v2")
        assert until_closed(connection).startswith(b"HTTP/1.1 200 ")


def test_a_body_that_does_not_come_is_given_up(serve: Serve) -> None:
    # Time for the header, which a busy machine sends some time after it has connected.
    with connect(serve(rest=replace(QUICK, header_seconds=3))) as connection:
        connection.sendall(
            b"POST /v1/models/colour:predict HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n{"
        )
        answer = until_closed(connection)
    assert answer.startswith(b"HTTP/1.1 504 ")
    assert b"the body did not arrive within 0.3 s" in answer


def test_connections_are_bounded(serve: Serve) -> None:
    limited = RestConfig(address="127.0.0.1", port=0, max_connections=3)
    server = serve(rest=limited)
    with connect(server), connect(server), connect(server):
        response = httpx.get(f"http://127.0.0.1:{server.server.rest_port}/v2/health/live", timeout=60)
        assert response.status_code == 503


def test_the_server_answers_others_meanwhile(serve: Serve) -> None:
    server = serve(rest=RestConfig(address="127.0.0.1", port=0))
    slow = [connect(server) for _ in range(50)]
    for connection in slow:
        connection.sendall(
            b"POST /v1/models/colour:predict HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n{"
        )
    response = httpx.get(f"http://127.0.0.1:{server.server.rest_port}/v1/models/colour", timeout=60)
    assert response.status_code == 200
    for connection in slow:
        connection.close()


def test_answers_do_not_wait_for_acknowledgements() -> None:
    async def accepted() -> list[int]:
        config = uvicorn.Config(PlainTextResponse("x"), lifespan="off", log_config=None)
        state = ServerState()
        loop = asyncio.get_running_loop()
        listening = socket.create_server(("127.0.0.1", 0))
        server = await loop.create_server(lambda: with_header_timeout(10)(config, state, {}), sock=listening)
        reader, writer = await asyncio.open_connection(*listening.getsockname())
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        await reader.readuntil(b"\r\n\r\nx")
        sockets = [connection.transport.get_extra_info("socket") for connection in state.connections]
        options = [one.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) for one in sockets]
        writer.close()
        server.close()
        await server.wait_closed()
        return options

    assert asyncio.run(accepted()) == [1]
