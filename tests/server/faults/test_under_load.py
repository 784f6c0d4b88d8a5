"""While requests come without a pause, versions come, go, vanish and break; no request notices."""

from __future__ import annotations

import gc
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Self

import grpc
import numpy as np
import pytest
from tests.server.waiting import until, waiting_images

from accelserve.protos import tensorflow_serving as serving
from accelserve.protos.services import PredictionService
from accelserve.protos.tensors import from_array
from accelserve.server.core.servable import ServableId

Serve = Callable[..., SimpleNamespace]
Publish = Callable[..., Path]
GREY = from_array(np.full((1, 8, 8, 3), 100.0, np.float32))
REQUEST = serving.PredictRequest(
    model_spec=serving.ModelSpec(name="colour"), inputs={"images": GREY}, output_filter=["output_alias"]
)
PREDICT = PredictionService.PREDICT


class Load:
    """Callers that never pause. ``answers`` holds the mean colour that each version answered with."""

    def __init__(self, port: int, callers: int) -> None:
        self.errors: list[str] = []
        self.answers: set[tuple[int, float]] = set()
        self.count = 0
        self._grown = threading.Condition()
        self._stop = threading.Event()
        self._channel = grpc.insecure_channel(f"127.0.0.1:{port}")
        self._threads = [threading.Thread(target=self._call) for _ in range(callers)]

    def _call(self) -> None:
        stub = PREDICT.stub(self._channel)
        while not self._stop.is_set():
            try:
                answer = stub(REQUEST, timeout=60)
            except grpc.RpcError as error:
                with self._grown:
                    self.errors.append(f"{error.code()} {error.details()}")
                    self._grown.notify_all()
                continue
            mean = round(answer.outputs["output_alias"].float_val[0], 3)
            with self._grown:
                self.count += 1
                self.answers.add((answer.model_spec.version.value, mean))
                self._grown.notify_all()

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()
        self._channel.close()

    def answer_more(self, count: int = 5) -> None:
        """Go on only when more requests have been answered."""
        with self._grown:
            target = self.count + count
            self._grown.wait_for(lambda: self.count >= target or self.errors)


@contextmanager
def load(server: SimpleNamespace, callers: int = 4) -> Iterator[Load]:
    with Load(server.server.port, callers) as running:
        yield running
    assert running.errors == []
    assert running.count > 0


def resident_bytes() -> int:
    gc.collect()
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) * 1024
    raise AssertionError("no VmRSS")


def reload_often(serve: Serve, publish: Publish, reloads: int) -> tuple[int, int]:
    """Publish and load version after version under load; resident bytes after a third and at the end."""
    server = serve()
    registry, models = server.server.registry, server.server.config.models
    base = server.folder / "colour"
    settled = 0
    with load(server) as callers:
        for version in range(2, reloads + 2):
            publish(base, version, f"{version}.0")
            registry.reload(models)
            shutil.rmtree(base / str(version - 1))
            server.loader.loaded.pop(ServableId("colour", version - 2), None)  # the test's own memory
            if version == reloads // 3:
                settled = resident_bytes()
        callers.answer_more()
        end = resident_bytes()
    assert all(mean == pytest.approx(100.0 * version) for version, mean in callers.answers)
    assert max(callers.answers)[0] == reloads + 1
    assert len(registry.states.of("colour")) <= registry.states.remembered + 1
    return settled, end


@pytest.mark.parametrize("reloads", [400, pytest.param(10_000, marks=pytest.mark.soak)])
def test_reloads_under_load_fail_no_request_and_take_no_memory(
    serve: Serve, publish: Publish, reloads: int
) -> None:
    settled, end = reload_often(serve, publish, reloads)
    assert end - settled < 8 << 20


def test_a_version_deleted_under_load(serve: Serve, publish: Publish) -> None:
    server = serve(models={"colour": {1: "1.0", 2: "2.0"}})
    registry, models = server.server.registry, server.server.config.models
    with load(server) as callers:
        for _ in range(20):
            callers.answer_more()
            shutil.rmtree(server.folder / "colour" / "2")
            registry.reload(models)
            callers.answer_more()
            publish(server.folder / "colour", 2, "2.0")
            registry.reload(models)
        # Even the last one, and the folder with it: what is loaded goes on answering.
        shutil.rmtree((server.folder / "colour").rename(server.folder / "gone"))
        server.server.registry._source.look()
        callers.answer_more(50)
    assert {version for version, _ in callers.answers} == {1, 2}


def test_corrupt_versions_under_load_replace_nothing(serve: Serve, publish: Publish) -> None:
    server = serve()
    registry, models = server.server.registry, server.server.config.models
    with load(server) as callers:
        for version in range(2, 22):
            publish(server.folder / "colour", version, "damaged")
            registry.reload(models)
            callers.answer_more()
    assert {version for version, _ in callers.answers} == {1}


def test_the_wall_clock_may_jump(serve: Serve, publish: Publish, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything that waits or expires in the server is measured on the monotonic clock."""
    server = serve()
    registry, models = server.server.registry, server.server.config.models
    network = server.loader.loaded[ServableId("colour", 1)]
    true_time = time.time
    network.open.clear()
    in_flight = [PREDICT.stub(server.channel).future(REQUEST, timeout=60) for _ in range(8)]
    until(lambda: waiting_images(server) == len(in_flight))
    for jump in (86_400.0, -86_400.0, 10 * 365 * 86_400.0):
        monkeypatch.setattr(time, "time", lambda jump=jump: true_time() + jump)
        publish(server.folder / "colour", int(abs(jump)) if jump > 0 else 2, "1.0")
        registry.reload(models)
    network.open.set()
    monkeypatch.setattr(time, "time", true_time)
    for call in in_flight:
        assert call.result().model_spec.version.value == 1
    PREDICT.stub(server.channel)(REQUEST, timeout=60)
