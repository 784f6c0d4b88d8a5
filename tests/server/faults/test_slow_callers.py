"""Callers that say nothing, or half of something, hold nothing up for long."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from types import SimpleNamespace

import grpc
import httpx
import numpy as np
import pytest

from accelserve.protos import tensorflow_serving as serving
from accelserve.protos.services import PredictionService
from accelserve.protos.tensors import from_array
from accelserve.server.config import RequestLimits, RestConfig

Serve = Callable[..., SimpleNamespace]
PIXEL = from_array(np.zeros((1, 8, 8, 3), np.float32))
REQUEST = serving.PredictRequest(inputs={"images": PIXEL})
PREDICT = PredictionService.PREDICT

# HTTP/2, RFC 9113
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HEADERS, DATA, SETTINGS, RST_STREAM = 1, 0, 4, 3
END_HEADERS = 4


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def literal(name: str, value: str) -> bytes:
    """A header without compression, RFC 7541, 6.2.2; its lengths fit in 7 bits."""
    return b"\x00" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()


def call_headers() -> bytes:
    pairs = {
        ":method": "POST",
        ":scheme": "http",
        ":path": PREDICT.path,
        ":authority": "test",
        "te": "trailers",
        "content-type": "application/grpc",
    }
    return b"".join(literal(name, value) for name, value in pairs.items())


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=60)


def half_a_call(connection: socket.socket, stream: int) -> None:
    """Headers, and the first bytes of a message that promises a thousand."""
    connection.sendall(frame(HEADERS, END_HEADERS, stream, call_headers()))
    connection.sendall(frame(DATA, 0, stream, b"\x00" + struct.pack(">I", 1000) + b"x" * 10))


def frames(connection: socket.socket) -> Iterator[tuple[int, int]]:
    """Kind and stream of what the server sends."""
    stream = connection.makefile("rb")
    while header := stream.read(9):
        stream.read(int.from_bytes(header[:3], "big"))
        yield header[3], int.from_bytes(header[5:9], "big")


@pytest.fixture
def loris(serve: Serve) -> Iterator[Callable[..., tuple[SimpleNamespace, socket.socket]]]:
    """A server, and a connection on which a number of calls have sent half of their message."""
    with ExitStack() as stack:

        def begin(calls: int, **limits: float) -> tuple[SimpleNamespace, socket.socket]:
            server = serve(limits=RequestLimits(**limits), max_threads=4)  # type: ignore[arg-type]
            connection = stack.enter_context(connect(server.server.port))
            connection.sendall(PREFACE + frame(SETTINGS, 0, 0))
            for index in range(calls):
                half_a_call(connection, 2 * index + 1)
            return server, connection

        yield begin


def ended(connection: socket.socket) -> Iterator[int]:
    """Streams in the order in which the server ends them."""
    return (stream for kind, stream in frames(connection) if kind in (HEADERS, RST_STREAM) and stream)


def test_a_message_that_does_not_arrive_ends_its_call(
    loris: Callable[..., tuple[SimpleNamespace, socket.socket]], caplog: pytest.LogCaptureFixture
) -> None:
    _, connection = loris(1, receive_seconds=0.2, late_seconds=0.2)
    assert next(ended(connection)) == 1
    assert "its request message did not arrive in time" in caplog.text


def test_half_sent_calls_cannot_take_every_thread(
    loris: Callable[..., tuple[SimpleNamespace, socket.socket]],
) -> None:
    # Four threads, four calls that would wait for an hour: two are cut off as soon as they are late.
    server, connection = loris(4, receive_seconds=3600, late_seconds=0.2)
    cut_off: set[int] = set()
    for stream in ended(connection):
        cut_off.add(stream)
        if len(cut_off) == 2:  # on a slow machine a call that comes before might be late as well
            break
    answer = PREDICT.stub(server.channel)(REQUEST, timeout=60)
    assert answer.model_spec.version.value == 1


def test_connections_without_a_call_take_no_thread(serve: Serve) -> None:
    server = serve(max_threads=1)
    with ExitStack() as stack:
        for _ in range(50):
            stack.enter_context(connect(server.server.port))
        PREDICT.stub(server.channel)(REQUEST, timeout=60)


def test_a_connection_without_a_handshake_is_closed(serve: Serve) -> None:
    server = serve(channel_arguments=(("grpc.server_handshake_timeout_ms", 1000),))
    with connect(server.server.port) as silent:
        while silent.recv(4096):  # the server's own settings come first
            pass
    # A machine that is too busy for a handshake in time makes another one.
    PREDICT.stub(server.channel)(REQUEST, timeout=60, wait_for_ready=True)


def test_a_peer_that_vanished_is_noticed(serve: Serve) -> None:
    """It answers no pings: after the keepalive's time its calls are dropped and the connection is closed."""
    server = serve(
        channel_arguments=(("grpc.http2.ping_timeout_ms", 1000), ("grpc.keepalive_timeout_ms", 1000)),
    )
    with connect(server.server.port) as vanished:
        vanished.sendall(PREFACE + frame(SETTINGS, 0, 0))
        half_a_call(vanished, 1)
        for _ in frames(vanished):
            pass  # it reads, but never acknowledges; the loop ends when the server hangs up
    PREDICT.stub(server.channel)(REQUEST, timeout=60)


def test_a_client_may_look_after_its_own_connection(serve: Serve) -> None:
    """Pings every ten seconds are common advice; a server with gRPC's defaults answers them by hanging up."""
    server = serve()
    options = [("grpc.keepalive_time_ms", 5000), ("grpc.keepalive_permit_without_calls", 1)]
    with grpc.insecure_channel(f"127.0.0.1:{server.server.port}", options) as channel:
        assert PREDICT.stub(channel)(REQUEST, timeout=60).model_spec.version.value == 1


def test_messages_larger_than_allowed_are_refused(serve: Serve) -> None:
    server = serve(limits=RequestLimits(max_message_bytes=2000))
    large = serving.PredictRequest(inputs={"images": from_array(np.zeros((4, 8, 8, 3), np.float32))})
    with pytest.raises(grpc.RpcError) as caught:
        PREDICT.stub(server.channel)(large, timeout=60)
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    PREDICT.stub(server.channel)(REQUEST, timeout=60)


def test_a_call_without_a_message_is_the_callers_fault(serve: Serve) -> None:
    stub = serve().channel.stream_unary(PREDICT.path)
    with pytest.raises(grpc.RpcError) as caught:
        stub(iter(()), timeout=60)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_half_an_http_request_does_not_hold_the_others_up(serve: Serve) -> None:
    server = serve(rest=RestConfig(address="127.0.0.1", port=0, threads=1, timeout_ms=3000))
    port = server.server.rest_port
    with connect(port) as slow:
        slow.sendall(b"POST /v1/models/colour:predict HTTP/1.1\r\nhost: a\r\ncontent-length: 1000\r\n\r\nx")
        answer = httpx.get(f"http://127.0.0.1:{port}/v1/models/colour", timeout=60)
        assert answer.status_code == 200
        assert slow.makefile("rb").readline().startswith(b"HTTP/1.1 504 ")
