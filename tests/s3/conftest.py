"""An S3 server, as a process of its own."""

from __future__ import annotations

import json
import os
import re
import subprocess
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.server.serve_process import SPEC, Process, network, run

from accelserve.models.importing import export_onnx
from accelserve.models.registry.registry import Registry

# moto's boto3 and s3fs' aiobotocore want different botocores, so that moto lives in an environment of its own.
MOTO_PYTHON = os.environ.get("ACCELSERVE_MOTO_PYTHON", "")


@pytest.fixture(scope="session")
def endpoint() -> Iterator[str]:
    """URL of moto's server, on a port of the system's choice."""
    if not MOTO_PYTHON:
        pytest.skip("these tests have environments of their own: make test-s3")
    process = subprocess.Popen(
        [MOTO_PYTHON, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    assert process.stderr is not None
    url = next(match[0] for line in process.stderr if (match := re.search(r"http://127\.0\.0\.1:\d+", line)))
    # Whoever logs to a pipe that nobody reads stops when it is full.
    drain = threading.Thread(target=process.stderr.read, daemon=True)
    drain.start()
    yield url
    process.terminate()
    process.wait(240)
    drain.join()
    process.stderr.close()


@pytest.fixture
def environment(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What tells every S3 client where its server is and who it is."""
    for name, value in {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def uri(environment: None) -> str:
    """A repository in a bucket of its own."""
    s3fs = pytest.importorskip("s3fs")
    name = f"bucket-{uuid.uuid4().hex}"
    s3fs.S3FileSystem(use_listings_cache=False, skip_instance_cache=True).mkdir(name)
    return f"s3://{name}/models"


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    """On the local disk: versions 1 and 2 of 'tiny', real servables."""
    folder = tmp_path_factory.mktemp("registry")
    for seed in (1, 2):
        (folder / "tiny.onnx").write_bytes(export_onnx(network(seed)))
        done = run(
            "convert", folder / "tiny.onnx", "--name=tiny", f"--repository={folder}",
            "--preprocess", json.dumps(SPEC.to_json()),
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    return Registry(folder)


@pytest.fixture
def servers(uri: str, registry: Registry, tmp_path: Path) -> Iterator[list[Process]]:
    """Three, of version 1 of ``tiny`` in one store, which is labelled stable; version 2 comes later."""
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
