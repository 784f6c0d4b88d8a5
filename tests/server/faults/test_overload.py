"""Two hundred callers at twice the capacity: what is accepted is right and in time, the rest is refused at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import grpc
import numpy as np
import pytest
from tests.server.waiting import until, waiting_images

from accelserve.protos import tensorflow_serving as serving
from accelserve.protos.services import PredictionService
from accelserve.protos.tensors import from_array
from accelserve.server.config import BatchingConfig

Serve = Callable[..., SimpleNamespace]
PREDICT = PredictionService.PREDICT
CALLERS = 200
# The device takes 8 images in 40 ms: 200 a second.
BATCH, SECONDS_PER_BATCH = 8, 0.04


@dataclass
class Tally:
    right: int = 0
    wrong: list[str] = field(default_factory=list)
    refused: int = 0
    hints: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


def request(grey: int) -> serving.PredictRequest:
    pixels = from_array(np.full((1, 8, 8, 3), grey, np.float32))
    return serving.PredictRequest(inputs={"images": pixels}, output_filter=["brightest"])


def call_until(stop: threading.Event, port: int, grey: int, tally: Tally) -> None:
    """One caller: asks, and asks again after what the server's hint or the device's speed says."""
    with grpc.insecure_channel(f"127.0.0.1:{port}", [("grpc.enable_retries", 0)]) as channel:
        stub = PREDICT.stub(channel)
        while not stop.is_set():
            pause = 0.0
            try:
                answer = stub(request(grey), timeout=60)
            except grpc.RpcError as error:
                with tally.lock:
                    if error.code() is not grpc.StatusCode.RESOURCE_EXHAUSTED:
                        tally.wrong.append(f"{error.code()} {error.details()}")
                    tally.refused += 1
                    trailing = {item.key for item in error.trailing_metadata() or ()}
                    tally.hints += "grpc-retry-pushback-ms" in trailing
                pause = 0.2
            else:
                with tally.lock:
                    if list(answer.outputs["brightest"].int_val) == [grey] * 3:
                        tally.right += 1
                    else:
                        tally.wrong.append(f"{grey} became {answer.outputs['brightest'].int_val}")
            stop.wait(pause)


def resident_bytes() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) * 1024
    raise AssertionError("no VmRSS")


def slow(network: type) -> type:
    """A device with a known speed."""

    class Slow(network):  # type: ignore[misc]  # the fixture's class
        def run(self, batch: np.ndarray) -> dict[str, np.ndarray]:
            time.sleep(SECONDS_PER_BATCH)
            return super().run(batch)  # type: ignore[no-any-return]

    return Slow


@pytest.mark.parametrize("seconds", [3, pytest.param(60, marks=pytest.mark.soak)])
def test_twice_the_capacity(serve: Serve, colour_network: type, seconds: float) -> None:
    server = serve(
        network=slow(colour_network),
        batching=BatchingConfig(max_batch_images=BATCH, max_queued_images=32),
    )
    (network,) = server.loader.loaded.values()
    network.open.clear()  # until more came than may wait, however slowly this machine sends
    tally, stop = Tally(), threading.Event()
    callers = [
        threading.Thread(target=call_until, args=(stop, server.server.port, grey, tally))
        for grey in range(1, CALLERS + 1)
    ]
    for caller in callers:
        caller.start()
    until(lambda: tally.refused > 0 or tally.wrong != [])
    network.open.set()
    stop.wait(seconds / 3)
    early = resident_bytes()
    stop.wait(seconds * 2 / 3)
    late = resident_bytes()
    stop.set()
    for caller in callers:
        caller.join()
    assert tally.wrong == []
    assert tally.right > 0
    assert tally.refused > 0
    assert tally.hints == tally.refused
    if seconds > 10:  # the callers' own connections are made by then
        assert late - early < 16 << 20
    # Nothing waits any more, and the next one is answered.
    assert waiting_images(server) == 0
    PREDICT.stub(server.channel)(request(9), timeout=60)
