"""Four servers behind one client, under load: one is killed, one drains, and no call fails."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from concurrent import futures
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
from tests.server.serve_process import PHOTOS, Process, publish, train

from accelserve.client import ModelSelection, PredictionClient, RetryPolicy

CALLERS = 4
PHOTO = next(photo for photo in PHOTOS if photo.name == "rocket.jpg").read_bytes()


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return publish(train(tmp_path_factory.mktemp("four"))) / "tiny"


@pytest.fixture
def servers(model: Path, tmp_path: Path) -> Iterator[list[Process]]:
    with ExitStack() as stack:
        flags = (
            "--port=0", f"--model_base_path={model}", "--model_name=tiny", "--device=reference",
            f"--cache_dir={tmp_path}", "--drain_delay_seconds=1",
        )  # fmt: skip
        started = [Process(*flags) for _ in range(4)]
        for server in started:
            stack.callback(server.end)
        yield started


class Load:
    """Callers that go on asking until they are told to stop."""

    def __init__(self, client: PredictionClient) -> None:
        self._client = client
        self._stop = threading.Event()
        self._grown = threading.Condition()
        self.answered = 0

    def run(self) -> list[bytes]:
        """Whatever was answered, each answer once."""
        different: set[bytes] = set()
        while not self._stop.is_set():
            scores = self._client.score_image(
                PHOTO, outputs="probabilities", model=ModelSelection(name="tiny")
            )
            different.add(np.asarray(scores).tobytes())
            with self._grown:
                self.answered += 1
                self._grown.notify_all()
        return list(different)

    def wait_for_more(self, calls: int) -> None:
        with self._grown:
            goal = self.answered + calls
            assert self._grown.wait_for(lambda: self.answered >= goal, 60)

    def stop(self) -> None:
        self._stop.set()


def test_no_call_fails_when_one_is_killed_and_one_drains(servers: list[Process]) -> None:
    addresses = [f"127.0.0.1:{server.port}" for server in servers]
    retry = RetryPolicy(max_attempts=2, initial_backoff_s=0.01)
    with PredictionClient(addresses, retry=retry) as client, futures.ThreadPoolExecutor(CALLERS) as pool:
        load = Load(client)
        callers = [pool.submit(load.run) for _ in range(CALLERS)]
        try:
            load.wait_for_more(100)
            servers[0].process.kill()
            load.wait_for_more(100)
            assert servers[1].stop(signal.SIGTERM) == 0
            load.wait_for_more(100)
        finally:
            load.stop()
        answers = {answer for caller in callers for answer in caller.result()}
    assert len(answers) == 1  # a call that failed would have raised; four servers answer alike
    assert [server.process.poll() for server in servers[2:]] == [None, None]
