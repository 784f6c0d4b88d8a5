"""Three servers on one store, asked all the time while versions are published, promoted and rolled back."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent import futures
from pathlib import Path

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


@pytest.fixture
def servers(uri: str, registry: Registry, tmp_path: Path) -> Iterator[list[Process]]:
    """Of version 1, which is labelled stable."""
    remote = Registry(uri)
    registry.copy_to(remote, "tiny:1")
    remote.label("tiny:1", "stable")
    started = [
        Process(
            "--port=0", "--device=reference", f"--cache_dir={tmp_path}/{each}", f"--model_base_path={uri}/tiny",
            "--model_name=tiny", "--remote_poll_wait_seconds=0.1", "--file_system_poll_wait_seconds=0.1",
        )
        for each in range(3)
    ]  # fmt: skip
    yield started
    for server in started:
        server.end()


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
