"""What comes of a request over HTTP to a server that does not end its answer."""

from __future__ import annotations

import http.server
import threading
import time
from collections.abc import Iterator

import pytest

from accelserve.loadgen.plan import Target
from accelserve.loadgen.requests import Body
from accelserve.loadgen.senders import HttpSender

TIMEOUT_SECONDS = 0.3


class Drips(http.server.BaseHTTPRequestHandler):
    """Promises a long answer and sends a byte of it now and then."""

    ended = threading.Event()

    def do_POST(self) -> None:
        self.send_response(200)
        self.send_header("content-length", str(10**6))
        self.end_headers()
        while not self.ended.wait(0.02):
            try:
                self.wfile.write(b" ")
            except OSError:
                return

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def dripping() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Drips) as listening:
        listening.daemon_threads = True
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{listening.server_port}"
        Drips.ended.set()
        listening.shutdown()


def test_a_timeout_is_of_the_whole_answer(dripping: str) -> None:
    """Not of each of its pieces, as a socket's is: a caller would wait for as long as there are pieces."""
    sender = HttpSender(Target(address=dripping, model="m", timeout_seconds=TIMEOUT_SECONDS), 1)
    begin = time.monotonic()
    outcome = sender.send(Body(content=b"{}"))
    took = time.monotonic() - begin
    sender.close()
    assert outcome.code == "TIMEOUT"
    assert "the answer was not whole within 0.3 s" in outcome.words
    assert took >= TIMEOUT_SECONDS
