"""`accelserve serve --cluster local`: a cluster of this machine's own, which ends with the command."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import tempfile
import uuid
from collections.abc import Callable, Iterator
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import grpc
import pytest
from tests.ray.conftest import ClusterCommand, Repository, free_ports, predict_request, until
from tests.ray.load import Load
from tests.ray.nodes import MARK, kill, marked

from accelserve.protos.services import PredictionService

Start = Callable[..., ClusterCommand]


class Machine:
    """Where a local cluster runs: a port, a folder for what it keeps, and a mark on its processes."""

    def __init__(self) -> None:
        self.mark = uuid.uuid4().hex
        self.folder = Path(tempfile.mkdtemp(prefix="ray-", dir="/tmp"))  # paths of sockets have 107 bytes
        (self.port,) = free_ports(1)

    def start(self, *flags: str) -> ClusterCommand:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
        environment |= {MARK: self.mark, "TMPDIR": str(self.folder)}
        return ClusterCommand("--cluster=local", f"--port={self.port}", *flags, env=environment)

    def replicas(self) -> int:
        return sum("ServeReplica:accelserve" in command for command in marked(self.mark).values())


@pytest.fixture
def machine() -> Iterator[Machine]:
    if find_spec("ray") is None:
        pytest.skip("these tests have an environment of their own: make test-ray")
    machine = Machine()
    yield machine
    kill(machine.mark)
    shutil.rmtree(machine.folder)


def test_replicas_grow_with_the_load_and_end_with_the_command(
    machine: Machine, repository: Repository
) -> None:
    command = machine.start(
        f"--model_base_path={repository.models}/tiny", "--model_name=tiny",
        "--max_replicas=2", "--target_ongoing_requests=1",
    )  # fmt: skip
    try:
        command.wait_for(r"Running gRPC ModelServer at 127\.0\.0\.1:\d+ \.\.\.$")
        assert machine.replicas() == 1
        command.wait_for(
            r"\(ServeReplica:accelserve:replica pid=\d+\) .* tiny/\d: cpu .*, signatures serving_default"
        )
        with grpc.insecure_channel(f"127.0.0.1:{machine.port}") as channel:
            call = partial(PredictionService.PREDICT.stub(channel), predict_request(), timeout=60)
            with Load([(call, call)] * 4) as load:
                until(lambda: machine.replicas() == 2, "no second replica is started")
                load.wait_for(50)
        assert load.lost == []
        assert command.stop() == 0, command.lines
        assert not marked(machine.mark)
        assert list(machine.folder.iterdir()) == []
    finally:
        command.end()


def test_a_start_that_fails_says_why_in_one_line_and_leaves_nothing(machine: Machine) -> None:
    command = machine.start("--model_base_path=/nowhere", "--model_name=tiny")
    try:
        said = command.wait_for("Failed to start server").string
        assert "/nowhere" in said
        assert "Traceback" not in said
        assert command.wait() == 1
        assert not marked(machine.mark)
        assert list(machine.folder.iterdir()) == []
    finally:
        command.end()


def test_a_port_that_is_in_use_is_found_before_anything_is_started(machine: Machine) -> None:
    with socket.create_server(("127.0.0.1", machine.port)):
        command = machine.start("--model_base_path=/nowhere", "--model_name=tiny")
        try:
            command.wait_for(f"cannot listen on .*:{machine.port}: Address already in use")
            assert command.wait() == 1
        finally:
            command.end()


def test_a_command_that_is_killed_takes_its_cluster_with_it(machine: Machine, repository: Repository) -> None:
    command = machine.start(f"--model_base_path={repository.models}/tiny", "--model_name=tiny")
    try:
        command.wait_for("Running gRPC ModelServer")
        command.process.send_signal(signal.SIGKILL)
        until(lambda: not marked(machine.mark), "the cluster's processes stay behind")
    finally:
        command.end()
