"""Whoever is killed half-way, publisher or server, leaves only whole versions behind, and the next one serves them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import IO

import grpc
import numpy as np
import pytest

from accelserve.models.repository import list_versions, verify
from accelserve.protos import tensorflow_serving as serving
from accelserve.protos.services import PredictionService
from accelserve.protos.tensors import from_array

Serve = Callable[..., SimpleNamespace]
PREDICT = PredictionService.PREDICT
REQUEST = serving.PredictRequest(
    inputs={"images": from_array(np.zeros((1, 8, 8, 3), np.float32))}, output_filter=["brightest"]
)

PUBLISHER = """
import sys
from pathlib import Path
from accelserve.models.repository import Manifest, Provenance, Signature, publish
provenance = Provenance(source="a", source_sha256="b", tool="c", created="2026-01-01T00:00:00Z", opset=21)
def manifest(version):
    signatures = {"serving_default": Signature(inputs={}, outputs={})}
    return Manifest(name="colour", version=version, signatures=signatures, provenance=provenance, files={})
weights = bytes(range(256)) * 4096
while True:
    print("publishing", flush=True)
    publish(Path(sys.argv[1]), manifest, {"gain.txt": b"1.0", "weights": weights}, name="colour")
"""

SERVER = """
import importlib.util, sys, threading
from pathlib import Path
from accelserve.server.app import Server
from accelserve.server.config import GrpcConfig, LoadingConfig, ModelConfig, ServerConfig
found = importlib.util.spec_from_file_location("colour", sys.argv[1])
colour = importlib.util.module_from_spec(found)
sys.modules["colour"] = colour
found.loader.exec_module(colour)
server = Server(
    ServerConfig(
        models=(ModelConfig(name="colour", base_path=Path(sys.argv[2])),),
        grpc=GrpcConfig(address="127.0.0.1", port=0),
        loading=LoadingConfig(poll_seconds=0.001),
    ),
    colour.ColourLoader(),
)
server.start()
print(server.port, flush=True)
threading.Event().wait()
"""


@contextmanager
def running(program: str, *arguments: object) -> Iterator[tuple[subprocess.Popen[str], IO[str]]]:
    command = [sys.executable, "-c", program, *map(str, arguments)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield process, process.stdout
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_a_publisher_that_is_killed_leaves_whole_versions_only(tmp_path: Path, serve: Serve) -> None:
    server = serve(models={"colour": {1: "1.0"}})  # in tmp_path/colour, the publisher's own folder
    models = server.server.config.models
    for rounds in range(6):
        with running(PUBLISHER, tmp_path) as (publisher, said):
            for _ in range(rounds + 1):
                assert said.readline() == "publishing\n"
            publisher.kill()  # in the middle of one, wherever that is
        for version in list_versions(tmp_path, "colour")[1:]:
            verify(tmp_path / "colour" / str(version))
        server.server.registry.reload(models)
        answer = PREDICT.stub(server.channel)(REQUEST, timeout=60)
        assert answer.model_spec.version.value == list_versions(tmp_path, "colour")[-1]


def test_a_server_that_is_killed_in_a_swap_comes_back(
    tmp_path: Path, publish: Callable[..., Path], request: pytest.FixtureRequest
) -> None:
    conftest = request.path.parent.parent / "conftest.py"
    base = tmp_path / "colour"
    publish(base, 1)
    for version in (2, 3):
        with running(SERVER, conftest, base) as (server, said):
            port = int(said.readline())
            with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
                stub = PREDICT.stub(channel)
                assert stub(REQUEST, timeout=60).model_spec.version.value == version - 1
                publish(base, version)  # it looks every millisecond
                server.kill()
    with (
        running(SERVER, conftest, base) as (_, said),
        grpc.insecure_channel(f"127.0.0.1:{int(said.readline())}") as channel,
    ):
        assert PREDICT.stub(channel)(REQUEST, timeout=60).model_spec.version.value == 3
