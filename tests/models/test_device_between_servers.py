"""Two servers and one device: as two containers that mount one lease folder see it."""

from __future__ import annotations

import re
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from accelserve.client import PredictionClient
from tests.kernels.devices.opencl_devices import opencl_parameters
from tests.models.tiny_classifier import PHOTOGRAPHS, publish_tiny_classifier
from tests.server.serve_process import Process

Start = Callable[..., Process]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two models."""
    folder = tmp_path_factory.mktemp("models")
    publish_tiny_classifier(folder, "first")
    return publish_tiny_classifier(folder, "second").parent.parent


@pytest.fixture(params=list(opencl_parameters()))
def start(request: pytest.FixtureRequest, models: Path, tmp_path: Path) -> Iterator[Start]:
    """``start(model, policy)``: a server process on the device, with that option."""
    started: list[Process] = []

    def launch(model: str, policy: str) -> Process:
        device = f"fpga:{request.param},lease_folder={tmp_path / 'leases'},{policy}"
        flags = ("--port=0", f"--device={device}", f"--model_base_path={models / model}")
        started.append(Process(*flags, f"--model_name={model}", f"--cache_dir={tmp_path / 'cache'}"))
        return started[-1]

    yield launch
    for process in started:
        process.end()


def answer(server: Process) -> bytes:
    """Of its only model."""
    with PredictionClient("127.0.0.1", server.port) as client:
        scores = client.score_file(PHOTOGRAPHS[0])
    assert isinstance(scores, np.ndarray)
    return scores.tobytes()


def holder(server: Process) -> str:
    return f"held by first/1 (process {server.process.pid} on {socket.gethostname()})"


@pytest.mark.parametrize("policy", ["policy=refuse", "policy=swap", "others=refuse"])
def test_the_second_is_refused_with_the_name_of_the_holder(start: Start, policy: str) -> None:
    """Swap, the default, sends away models of the same server only."""
    first = start("first", "policy=swap")
    assert answer(first)
    second = start("second", policy)
    second.wait_for(f"Failed to start server. Error: .*{re.escape(holder(first))}")
    assert second.process.wait(240) == 1
    assert answer(first)


@pytest.mark.parametrize("policy", ["policy=cpu", "others=cpu"])
def test_the_second_goes_to_the_cpu_and_gives_the_same_bytes(start: Start, policy: str) -> None:
    first = start("first", "policy=swap")
    right = answer(first)
    second = start("second", policy)
    assert answer(second) == right
    second.wait_for(f"second/1 runs on the CPU: .*{re.escape(holder(first))}")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_the_second_waits_until_the_first_ends(start: Start, number: int) -> None:
    """The next model is the next server: the device changes hands, however the first one ends."""
    first = start("first", "policy=swap")
    right = answer(first)
    second = start("second", "others=queue")
    second.wait_for(f"second/1 waits for fpga:[0-9]+, at most 60 s: {re.escape(holder(first))}")
    first.stop(number)
    assert answer(second) == right
    third = start("first", "policy=swap")
    third.wait_for(f"held by second/1 .process {second.process.pid} on ")
