"""The end of a server whose client has not read its answer yet."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace

import grpc
import numpy as np
import pytest
from tests.server.conftest import Array, ColourNetwork
from tests.server.waiting import until

from accelserve.protos import tensorflow_serving as serving
from accelserve.protos.services import PredictionService
from accelserve.protos.tensors import from_array, to_array
from accelserve.server.rpc.unsent import unsent_bytes, wait_until_sent

Serve = Callable[..., SimpleNamespace]
FLOATS = 15_000
"""Of an answer: below the 64 KiB that HTTP/2 lets a server send ahead, above what a small receive buffer takes."""
GREETING = 1000
"""Bytes, more than HTTP/2's settings take."""


REQUEST = serving.PredictRequest(
    inputs={"images": from_array(np.ones((1, 8, 8, 3), np.float32))}, output_filter=["output_alias"]
)


class LongAnswers(ColourNetwork):
    """As many floats for each picture."""

    def run(self, batch: Array) -> dict[str, Array]:
        answer = np.arange(FLOATS, dtype=np.float32)
        return {**super().run(batch), "colour/mean:0": np.tile(answer, (len(batch), 1))}


@dataclass
class SlowLine:
    """Between one client and a server: passes on what the client says, and what the server says once it may.

    Attributes:
        port: where the client connects.
        open: what the server says after its first words is passed on.
    """

    port: int
    open: threading.Event = field(default_factory=threading.Event)


@contextmanager
def slow_line(server_port: int) -> Iterator[SlowLine]:
    with socket.create_server(("127.0.0.1", 0)) as listening, socket.socket() as to_server:
        line = SlowLine(listening.getsockname()[1])
        to_server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)  # takes effect before it connects
        to_server.connect(("127.0.0.1", server_port))

        def forth(client: socket.socket) -> None:
            while said := client.recv(65536):
                to_server.sendall(said)

        def back(client: socket.socket) -> None:
            heard = 0
            while said := to_server.recv(4096):
                heard += len(said)
                if heard > GREETING:
                    line.open.wait()
                client.sendall(said)
            client.shutdown(socket.SHUT_WR)

        with ThreadPoolExecutor(3) as pool:

            def connect() -> None:
                with listening.accept()[0] as client:
                    pool.submit(forth, client)
                    back(client)

            pool.submit(connect)
            try:
                yield line
            finally:
                line.open.set()
                with contextlib.suppress(OSError):
                    to_server.shutdown(socket.SHUT_RDWR)


def test_an_answer_that_a_client_reads_slowly_is_sent_whole_before_the_end(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits = threading.Event()

    def wait(port: int, deadline: float) -> None:
        waits.set()
        wait_until_sent(port, deadline)

    monkeypatch.setattr("accelserve.server.frontends.wait_until_sent", wait)
    server = serve(network=LongAnswers)
    port = server.server.port
    with slow_line(port) as line, grpc.insecure_channel(f"127.0.0.1:{line.port}") as channel:
        answer = PredictionService.PREDICT.stub(channel).future(REQUEST, timeout=240)
        until(lambda: answer.done() or unsent_bytes(port) > FLOATS)
        with ThreadPoolExecutor(1) as pool:
            stopped = pool.submit(server.server._frontends.close, time.monotonic() + 240)
            until(lambda: stopped.done() or waits.is_set())
            line.open.set()
            np.testing.assert_array_equal(
                to_array(answer.result().outputs["output_alias"])[0], np.arange(FLOATS)
            )
            stopped.result()


def test_a_client_that_reads_nothing_does_not_keep_a_server_beyond_its_grace(serve: Serve) -> None:
    server = serve(network=LongAnswers)
    port = server.server.port
    with slow_line(port) as line, grpc.insecure_channel(f"127.0.0.1:{line.port}") as channel:
        answer = PredictionService.PREDICT.stub(channel).future(REQUEST, timeout=240)
        until(lambda: answer.done() or unsent_bytes(port) > FLOATS)
        server.server._frontends.close(time.monotonic())
        assert not answer.done()


def test_a_port_without_connections_has_sent_everything() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        assert unsent_bytes(listening.getsockname()[1]) == 0
