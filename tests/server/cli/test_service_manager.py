"""What systemd is told, by the text of sd_notify(3) and sd_watchdog_enabled(3), over the socket it would give."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import grpc
import numpy as np
import pytest
from tests.server.serve_process import Process, publish, train
from tests.server.waiting import until

from accelserve.protos import tensorflow_serving as serving
from accelserve.protos.services import PredictionService
from accelserve.protos.tensors import from_array
from accelserve.server.cli.service_manager import ServiceManager, service_manager
from accelserve.server.cli.watchdog import Watchdog
from accelserve.server.config import RestConfig

PIXEL = from_array(np.zeros((1, 8, 8, 3), np.float32))


class Manager:
    """The receiving end."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.settimeout(120)
        self._socket.bind(str(path))
        self.address = str(path)

    def next(self) -> dict[str, str]:
        """The next message's variables."""
        lines = self._socket.recv(4096).decode().splitlines()
        return dict(line.split("=", 1) for line in lines)

    def until(self, name: str) -> list[dict[str, str]]:
        """Messages up to the first that sets ``name``."""
        messages = [self.next()]
        while name not in messages[-1]:
            messages.append(self.next())
        return messages

    def nothing_waits(self) -> bool:
        self._socket.setblocking(False)
        try:
            self._socket.recv(4096)
        except BlockingIOError:
            return True
        finally:
            self._socket.settimeout(120)
        return False

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def manager(socket_folder: Path) -> Iterator[Manager]:
    opened = Manager(socket_folder / "notify")
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return publish(train(tmp_path_factory.mktemp("trained")))


@pytest.fixture
def served(models: Path, manager: Manager) -> Iterator[Process]:
    environment = {**os.environ, "NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": "200000"}
    process = Process(
        "--port=0", f"--model_base_path={models / 'tiny'}", "--model_name=tiny", env=environment
    )
    yield process
    process.end()


def test_a_service_is_ready_when_its_models_are_and_tells_all_that_follows(
    served: Process, manager: Manager
) -> None:
    *before, ready = manager.until("READY")
    assert ready == {"READY": "1", "STATUS": "serving tiny/1"}
    assert {"STATUS": "loading tiny"} in before
    with grpc.insecure_channel(f"127.0.0.1:{served.port}") as channel:
        grpc.channel_ready_future(channel).result(60)

    assert manager.until("WATCHDOG")[-1] == {"WATCHDOG": "1"}
    served.process.send_signal(signal.SIGHUP)
    reloading = manager.until("RELOADING")[-1]
    assert int(reloading["MONOTONIC_USEC"]) > 0
    assert manager.until("READY")[-1]["STATUS"] == "serving tiny/1"

    served.process.send_signal(signal.SIGTERM)
    assert manager.until("STOPPING")[-1]["STATUS"] == "finishing what is in flight"
    assert served.wait() == 0


def test_a_service_that_cannot_start_says_why(tmp_path: Path, manager: Manager) -> None:
    environment = {**os.environ, "NOTIFY_SOCKET": manager.address}
    process = Process("--port=0", f"--model_base_path={tmp_path / 'none'}", env=environment)
    try:
        assert process.wait() == 1
        messages = manager.until("STATUS")
        while not messages[-1]["STATUS"].startswith("failed to start: "):
            messages = manager.until("STATUS")
        assert str(tmp_path / "none") in messages[-1]["STATUS"]
    finally:
        process.end()


def beats(manager: Manager, server: SimpleNamespace, seconds: float) -> Watchdog:
    watchdog = Watchdog(ServiceManager(manager.address, seconds), server.server.stuck)
    watchdog.start()
    return watchdog


def test_a_batch_that_never_ends_ends_the_signs_of_life(
    serve: Callable[..., SimpleNamespace], manager: Manager, caplog: pytest.LogCaptureFixture
) -> None:
    server = serve()
    watchdog = beats(manager, server, 0.2)
    assert manager.next() == {"WATCHDOG": "1"}
    (network,) = server.loader.loaded.values()
    network.open.clear()
    request = serving.PredictRequest(inputs={"images": PIXEL})
    answer = PredictionService.PREDICT.stub(server.channel).future(request, timeout=60)
    assert network.entered.acquire(timeout=60)
    try:
        until(lambda: "the device has been at one batch for" in caplog.text)
        until(manager.nothing_waits)
        before = len(caplog.records)
        until(lambda: len(caplog.records) >= before + 2)
        assert manager.nothing_waits()
    finally:
        network.open.set()
    answer.result()
    assert manager.next() == {"WATCHDOG": "1"}
    watchdog.stop()


def test_an_event_loop_that_hangs_ends_the_signs_of_life(
    serve: Callable[..., SimpleNamespace], manager: Manager, caplog: pytest.LogCaptureFixture
) -> None:
    server = serve(rest=RestConfig(address="127.0.0.1", port=0))
    listener = server.server._frontends._rest
    until(lambda: listener._server.loop is not None)
    assert server.server.stuck(20, 20) == ""
    free = threading.Event()
    listener._server.loop.call_soon_threadsafe(free.wait)
    said = f"the event loop of HTTP port {server.server.rest_port} has not answered for 0.1 s"
    until(
        lambda: server.server.stuck(20, 0.05) == said
    )  # on a slow machine gRPC's threads may be late as well
    free.set()
    assert server.server.stuck(20, 20) == ""


def test_health_checks_that_nobody_answers_end_the_signs_of_life(
    serve: Callable[..., SimpleNamespace],
) -> None:
    server = serve()
    free = threading.Event()
    threads = server.server.backend.control._max_workers
    waiting = [server.server.backend.control.submit(free.wait) for _ in range(threads)]
    assert server.server.stuck(20, 0.05) == "no thread has answered a health check of gRPC for 0.1 s"
    free.set()
    for each in waiting:
        each.result()
    assert server.server.stuck(20, 20) == ""


def test_a_socket_without_a_file() -> None:
    name = f"accelserve-tests-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(f"\0{name}")
        service_manager({"NOTIFY_SOCKET": f"@{name}"}).ready("a\nb")
        assert receiver.recv(4096) == b"READY=1\nSTATUS=a b"


@pytest.mark.parametrize(
    ("variables", "seconds"),
    [
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, 0.0),
        ({"WATCHDOG_USEC": "soon"}, 0.0),
        ({}, 0.0),
    ],
)
def test_whether_signs_of_life_are_wanted(variables: dict[str, str], seconds: float) -> None:
    environment = {"NOTIFY_SOCKET": "/run/notify", **variables}
    assert service_manager(environment) == ServiceManager("/run/notify", seconds)
    assert environment == {}  # no process of ours speaks in our name


@pytest.mark.parametrize("address", ["", "vsock:2:1234", "relative"])
def test_without_a_socket_that_we_know_nobody_is_told(address: str) -> None:
    service_manager({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "1"}).ready("ready")


def test_a_manager_that_is_gone_costs_one_line(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    ServiceManager(str(tmp_path / "gone")).ready("ready")
    assert "cannot tell the service manager READY=1" in caplog.text
