"""A Ray cluster of two nodes, replicas on it, and a server of the same models without a cluster as the judge."""

from __future__ import annotations

import os
import random
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from tests.ray.nodes import Node
from tests.server.serve_process import PHOTOS, Process, publish, train

import accelserve
from accelserve.protos import tensorflow_serving as serving
from accelserve.protos.tensors import from_array
from accelserve.server.cluster.connection import NODE_ENVIRONMENT
from accelserve.server.config import BatchingConfig, GrpcConfig, SecurityConfig, ServerConfig
from accelserve.server.config_files.models import models_of_file

CLI = (sys.executable, "-m", "accelserve.server.cli")
MOST_QUEUED = 8


def free_ports(count: int) -> list[int]:
    """Ports that nobody gets by chance: above those of Ray's workers and clients, below those that Linux gives out.

    They are not held, since Ray takes none that somebody has bound, and it asks Linux for dozens while it starts.
    """
    with ExitStack() as probes:
        found: list[int] = []
        for port in random.SystemRandom().sample(range(25_000, 32_768), 1000):
            with suppress(OSError):
                probes.enter_context(socket.create_server(("127.0.0.1", port)))
                found.append(port)
            if len(found) == count:
                break
        return found


@dataclass(frozen=True, slots=True)
class Repository:
    """Two models and keys for them.

    Attributes:
        models: folder of the models ``tiny`` and ``closed``, of one network.
        config: their model configuration file.
        keys: keys file.
        key: opens ``tiny``.
    """

    models: Path
    config: Path
    keys: Path
    key: str


def write_config(file: Path, models: Path, labels: str = "") -> None:
    """The two models; ``labels`` are of ``tiny``."""
    entries = (("tiny", labels), ("closed", ""))
    file.write_text(
        "model_config_list {"
        + "".join(
            f"config {{ name: '{name}' base_path: '{models}/{name}' {extra} }} " for name, extra in entries
        )
        + "}"
    )


@pytest.fixture(scope="session")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    folder = tmp_path_factory.mktemp("repository")
    models = publish(train(folder))
    shutil.copytree(models / "tiny", models / "closed")
    write_config(folder / "models.config", models)
    made = subprocess.run(
        [*CLI, "keys", "add", "tests", "--model=tiny", f"--file={folder}/keys.toml"],
        capture_output=True,
        text=True,
        check=True,
    )
    return Repository(models, folder / "models.config", folder / "keys.toml", made.stdout.split()[-1])


@pytest.fixture(scope="session")
def server(repository: Repository) -> Iterator[str]:
    """Address of a server without a cluster."""
    config = ServerConfig(
        models=models_of_file(repository.config),
        grpc=GrpcConfig(address="127.0.0.1", port=0),
        batching=BatchingConfig(max_queued_images=MOST_QUEUED),
        security=SecurityConfig(keys_file=repository.keys),
    )
    with accelserve.Server(config) as running:
        yield running.address


@dataclass(frozen=True, slots=True)
class Cluster:
    """Two nodes of one CPU each.

    Attributes:
        head: the node whose end is the cluster's.
        worker: the other one.
        client: ``ray://`` address.
        ports: of the gRPC proxies on the head and on the worker.
    """

    head: Node
    worker: Node
    client: str
    ports: tuple[int, int]


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    if find_spec("ray") is None:
        pytest.skip("these tests have an environment of their own: make test-ray")
    gcs, client, grpc_head, grpc_worker, http_worker = free_ports(5)
    token = secrets.token_hex(32)
    folder = tempfile.mkdtemp(prefix="ray-", dir="/tmp")  # paths of sockets have 107 bytes
    environment = {
        **NODE_ENVIRONMENT,
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": token,
        "RAY_USAGE_STATS_ENABLED": "0",
        # Nodes have a machine each, but here.
        "RAY_SERVE_WORKER_PROXY_GRPC_PORT": str(grpc_worker),
        "RAY_SERVE_WORKER_PROXY_HTTP_PORT": str(http_worker),
        "PYTHONPATH": str(Path.cwd()),
    }
    os.environ.update(RAY_AUTH_MODE="token", RAY_AUTH_TOKEN=token)
    each = ["--num-cpus=1", "--object-store-memory=100000000"]
    head = worker = None
    try:
        head = Node(
            "--head", "--node-ip-address=127.0.0.1", f"--port={gcs}", f"--ray-client-server-port={client}",
            "--include-dashboard=false", f"--temp-dir={folder}", *each, environment=environment,
        )  # fmt: skip
        worker = Node(
            f"--address=127.0.0.1:{gcs}", "--node-ip-address=127.0.0.1", *each, environment=environment
        )
        yield Cluster(head, worker, f"ray://127.0.0.1:{client}", (grpc_head, grpc_worker))
    finally:
        for node in (worker, head):
            if node is not None:
                node.end()
        shutil.rmtree(folder, ignore_errors=True)


class ClusterCommand(Process):
    """`accelserve serve --cluster`."""

    ALWAYS = ()


@pytest.fixture(scope="session")
def flags(cluster: Cluster, repository: Repository) -> list[str]:
    """Of the command: a replica on each node."""
    return [
        f"--cluster={cluster.client}",
        f"--port={cluster.ports[0]}",
        f"--model_config_file={repository.config}",
        f"--auth_keys_file={repository.keys}",
        f"--max_queued_images={MOST_QUEUED}",
        "--min_replicas=2",
        "--max_replicas=2",
        "--file_system_poll_wait_seconds=0.5",
    ]


@pytest.fixture(scope="session")
def command(flags: list[str]) -> Iterator[Process]:
    """The command that keeps the replicas."""
    yield from _running(*flags)


@pytest.fixture(scope="session")
def successor(command: Process, flags: list[str]) -> Iterator[Process]:
    """The same command with another flag, started beside the first one."""
    yield from _running(*flags, "--max_batch_images=4")


def _running(*flags: str) -> Iterator[Process]:
    process = ClusterCommand(*flags)
    try:
        process.wait_for(r"Running gRPC ModelServer at 127\.0\.0\.1:(\d+) \.\.\.$")
        yield process
    finally:
        process.end()


@dataclass(frozen=True, slots=True)
class Caller:
    """A client's channels to both proxies, and its key."""

    channels: tuple[grpc.Channel, grpc.Channel]
    metadata: tuple[tuple[str, str], ...]


@pytest.fixture(scope="session")
def caller(command: Process, cluster: Cluster, repository: Repository) -> Iterator[Caller]:
    with ExitStack() as stack:
        head, worker = (
            stack.enter_context(grpc.insecure_channel(f"127.0.0.1:{port}")) for port in cluster.ports
        )
        grpc.channel_ready_future(worker).result(240)
        yield Caller((head, worker), (("authorization", f"Bearer {repository.key}"),))


def predict_request(photos: int = 1, **spec: Any) -> serving.PredictRequest:
    """Photographs for ``tiny``."""
    request = serving.PredictRequest()
    request.model_spec.name = spec.get("name", "tiny")
    request.model_spec.signature_name = spec.get("signature", "")
    encoded = [each.read_bytes() for each in PHOTOS[:photos]]
    request.inputs["images"].CopyFrom(from_array(np.array(encoded, object)))
    return request


def until(holds: Callable[[], bool], what: str) -> None:
    """Return once it holds."""
    deadline = time.monotonic() + 240
    while not holds():
        assert time.monotonic() < deadline, what
        threading.Event().wait(0.1)
