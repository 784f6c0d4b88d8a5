"""Bodies as they arrive: too large, announced too large, cut off, compressed in parts."""

from __future__ import annotations

import base64
import gzip
import io
import json
import socket
import threading
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPResponse
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from PIL import Image
from tests.server.waiting import until

from accelserve.server.config import RestConfig
from accelserve.server.rest import bodies

Rest = Callable[..., tuple[SimpleNamespace, httpx.Client]]
PREDICT = "/v1/models/colour:predict"


def body() -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (40, 30), (1, 2, 3)).save(stream, "PNG")
    return json.dumps({"inputs": {"b64": base64.b64encode(stream.getvalue()).decode()}}).encode()


def limited(max_body_bytes: int) -> RestConfig:
    return RestConfig(address="127.0.0.1", port=0, max_body_bytes=max_body_bytes)


def connected(client: httpx.Client) -> socket.socket:
    return socket.create_connection((client.base_url.host, client.base_url.port or 0), timeout=60)


def head(*fields: str) -> bytes:
    return "\r\n".join([f"POST {PREDICT} HTTP/1.1", "Host: x", *fields, "", ""]).encode()


def test_an_announced_body_over_the_limit_is_refused_before_it_is_sent(rest: Rest) -> None:
    """RFC 9110, 10.1.1: who is told 413 does not send what it announced with ``Expect: 100-continue``."""
    _, client = rest()
    with connected(client) as connection:
        connection.sendall(head("Content-Length: 99999999999999", "Expect: 100-continue"))
        answer = b"".join(iter(lambda: connection.recv(1000), b""))
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"connection: close" in answer


def test_an_announced_body_within_the_limit_is_asked_for(rest: Rest) -> None:
    _, client = rest()
    with connected(client) as connection:
        connection.sendall(
            head(f"Content-Length: {len(body())}", "Expect: 100-continue", "Connection: close")
        )
        assert connection.recv(1000).startswith(b"HTTP/1.1 100 ")
        connection.sendall(body())
        assert b"".join(iter(lambda: connection.recv(1000), b"")).startswith(b"HTTP/1.1 200 ")


def test_a_body_that_is_not_announced_is_read_up_to_the_limit(rest: Rest) -> None:
    _, client = rest(rest=limited(1000))
    response = client.post(PREDICT, content=iter([b" " * 600] * 2))
    assert response.status_code == 413
    assert response.json() == {"error": "the body is larger than 1000 bytes; send fewer images"}


def test_a_connection_is_used_further_after_a_body_that_was_too_large(rest: Rest) -> None:
    _, client = rest(rest=limited(1000))
    with connected(client) as connection:
        connection.sendall(head("Content-Length: 5000") + b" " * 5000)
        refusal = HTTPResponse(connection)
        refusal.begin()
        assert refusal.status == 413
        assert refusal.read() == b'{"error":"the body is larger than 1000 bytes; send fewer images"}'
        connection.sendall(head(f"Content-Length: {len(body())}", "Connection: close") + body())
        assert b"".join(iter(lambda: connection.recv(1000), b"")).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("path", [PREDICT, "/v2/models/colour/infer"])
def test_a_caller_that_leaves_in_the_middle_of_its_upload_cancelled_it(
    rest: Rest, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    _, client = rest()
    with connected(client) as connection:
        connection.sendall(head("Content-Length: 1000").replace(PREDICT.encode(), path.encode()) + b"{")

    def counted() -> list[str]:
        page = client.get("/monitoring/prometheus/metrics").text.splitlines()
        return [line for line in page if "request_count" in line and 'status="' in line]

    until(lambda: any('status="CANCELLED"' in line for line in counted()))
    assert not any("INTERNAL" in line for line in counted())
    assert not [record for record in caplog.records if record.exc_info]


def test_a_gzip_body_of_several_members(rest: Rest) -> None:
    """RFC 1952, 2.2: they "simply appear one after another in the file"."""
    _, client = rest()
    content = gzip.compress(body()[:99]) + gzip.compress(b"") + gzip.compress(body()[99:])
    response = client.post(PREDICT, content=content, headers={"content-encoding": "gzip"})
    assert response.json()["outputs"]["brightest"] == [[1, 2, 3]]


def test_a_member_that_is_cut_short_is_refused(rest: Rest) -> None:
    _, client = rest()
    content = gzip.compress(body()) + gzip.compress(b" ")[:-4]
    response = client.post(PREDICT, content=content, headers={"content-encoding": "gzip"})
    assert (response.status_code, response.json()["error"]) == (400, "the gzip body is cut short")


def test_members_of_a_bomb_count_together(rest: Rest) -> None:
    _, client = rest(rest=limited(1 << 20))
    bomb = gzip.compress(b" " * (600 << 10)) * 2
    response = client.post(PREDICT, content=bomb, headers={"content-encoding": "gzip"})
    assert response.status_code == 400
    assert "holds more than" in response.json()["error"]


def test_a_body_of_many_compressed_members_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """zlib copies what is behind a member: with the whole body behind each, the work would be the square of its size."""
    members = 20_000
    compressed = gzip.compress(b"") * members + gzip.compress(body())
    copied = 0
    real = zlib.decompressobj

    class Counting:
        def __init__(self, window: int) -> None:
            self._stream = real(window)

        def __getattr__(self, name: str) -> Any:
            value = getattr(self._stream, name)
            if name == "unused_data":
                nonlocal copied
                copied += len(value)
            return value

    monkeypatch.setattr(zlib, "decompressobj", Counting)
    assert bodies.decompress(compressed, "gzip", RestConfig()) == body()
    assert 0 < copied < 1000 * members


def test_compressed_bodies_are_decompressed_beside_the_event_loop(
    rest: Rest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who asks for health meanwhile is answered."""
    began, go_on = threading.Event(), threading.Event()

    def slow(raw: bytes, *_: object) -> bytes:
        began.set()
        assert go_on.wait(60)
        return gzip.decompress(raw)

    monkeypatch.setattr(bodies, "decompress", slow)
    _, client = rest()
    with ThreadPoolExecutor(1) as pool:
        compressed = gzip.compress(body())
        answer = pool.submit(client.post, PREDICT, content=compressed, headers={"content-encoding": "gzip"})
        assert began.wait(60)
        assert client.get("/v2/health/live").status_code == 200
        go_on.set()
        assert answer.result().status_code == 200


def test_x_gzip_is_gzip(rest: Rest) -> None:
    """RFC 9110, 8.4.1.3."""
    _, client = rest()
    response = client.post(PREDICT, content=gzip.compress(body()), headers={"content-encoding": "x-gzip"})
    assert response.status_code == 200
