"""Three servers on one store, asked all the time while versions are published, promoted and rolled back."""

from __future__ import annotations

import threading
from concurrent import futures

import numpy as np
import pytest
from tests.server.serve_process import PHOTOS, Process
from tests.server.waiting import until

from accelserve.client import ModelSelection, PredictionClient
from accelserve.models.registry.registry import Registry

pytest.importorskip("s3fs", reason="these tests have an environment of their own: make test-s3")
pytestmark = pytest.mark.usefixtures("environment")

PHOTO = next(photo for photo in PHOTOS if photo.name == "rocket.jpg").read_bytes()
STABLE = ModelSelection(name="tiny", version_label="stable")


class Caller:
    """Asks one server for the stable version until it is told to stop."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._stop = threading.Event()
        self.last = b""
        self.all: set[bytes] = set()

    def run(self) -> None:
        with PredictionClient("127.0.0.1", self._port) as client:
            while not self._stop.is_set():
                scores = client.score_image(PHOTO, outputs="probabilities", model=STABLE)
                self.last = np.asarray(scores).tobytes()
                self.all.add(self.last)

    def stop(self) -> None:
        self._stop.set()


def test_all_converge_and_none_ever_serves_half_a_version(
    servers: list[Process], uri: str, registry: Registry
) -> None:
    remote = Registry(uri)
    callers = [Caller(server.port) for server in servers]
    with futures.ThreadPoolExecutor(len(callers)) as pool:
        running = [pool.submit(caller.run) for caller in callers]
        try:
            until(lambda: all(caller.last for caller in callers))
            (first,) = {caller.last for caller in callers}
            registry.copy_to(remote, "tiny:2")
            for server in servers:
                server.wait_for("version 2 is in")
            assert {caller.last for caller in callers} == {first}
            remote.promote("tiny:2", "stable")
            until(lambda: first not in {caller.last for caller in callers})
            (second,) = {caller.last for caller in callers}
            remote.roll_back("tiny", "stable")
            until(lambda: {caller.last for caller in callers} == {first})
        finally:
            for caller in callers:
                caller.stop()
        for each in running:
            each.result()  # raises if any call failed
    assert all(caller.all == {first, second} for caller in callers)
    assert [server.stop() for server in servers] == [0, 0, 0]
