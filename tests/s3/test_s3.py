"""A model repository in S3: a real server process of ours against a real S3 server process."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.server.serve_process import PHOTOS, Process

from accelserve.client import PredictionClient
from accelserve.models.registry.registry import Registry

s3fs = pytest.importorskip("s3fs", reason="these tests have an environment of their own: make test-s3")
pytestmark = pytest.mark.usefixtures("environment")

PHOTO = next(photo for photo in PHOTOS if photo.name == "rocket.jpg")


def scores(client: PredictionClient) -> NDArray[np.float32]:
    """Of the photograph, by a model with one output."""
    return np.asarray(client.score_file(PHOTO), np.float32)


@pytest.fixture(scope="module")
def repository(registry: Registry) -> Path:
    """Versions 1 and 2 of 'tiny', on the local disk."""
    return Path(registry.repository)


class Bucket:
    def __init__(self) -> None:
        self.store = s3fs.S3FileSystem(use_listings_cache=False, skip_instance_cache=True)
        self.name = f"bucket-{uuid.uuid4().hex}"
        self.store.mkdir(self.name)
        self.uri = f"s3://{self.name}/models/tiny"

    def put(self, version: Path, *names: str) -> None:
        for name in names or [path.name for path in version.iterdir()]:
            self.store.put_file(str(version / name), f"{self.uri}/{version.name}/{name}")


@pytest.fixture
def bucket() -> Bucket:
    return Bucket()


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Process]]:
    """``serve(uri, flag, ...)``: a server of a remote model."""
    with ExitStack() as stack:

        def start(uri: str, *flags: str) -> Process:
            process = Process(
                "--port=0", "--device=reference", f"--cache_dir={tmp_path}/cache", f"--model_base_path={uri}", *flags
            )  # fmt: skip
            stack.callback(process.end)
            return process

        yield start


@pytest.fixture
def server(bucket: Bucket, repository: Path, serve: Callable[..., Process]) -> Process:
    """Serves version 1 of the bucket, which is looked at often."""
    bucket.put(repository / "tiny" / "1")
    return serve(bucket.uri, "--model_name=tiny", "--remote_poll_wait_seconds=0.05")


def test_versions_are_served_from_s3_and_followed(server: Process, bucket: Bucket, repository: Path) -> None:
    with PredictionClient("127.0.0.1", server.port) as client:
        first = scores(client)
        # Half an upload: everything but what says that the rest is there.
        second = repository / "tiny" / "2"
        names = [path.name for path in second.iterdir() if path.name != "servable.json"]
        bucket.put(second, *names)
        server.wait_for(r"tiny/2 has no servable\.json yet; upload it last")
        np.testing.assert_array_equal(scores(client), first)
        bucket.put(second, "servable.json")
        server.wait_for(r"unloaded tiny/1")
        assert not np.array_equal(scores(client), first)
    assert server.stop() == 0


def test_a_damaged_upload_is_never_served(server: Process, bucket: Bucket, repository: Path) -> None:
    port = server.port
    second = repository / "tiny" / "2"
    data = bytearray((second / "model.onnx").read_bytes())
    data[len(data) // 2] ^= 1
    bucket.store.pipe_file(f"{bucket.uri}/2/model.onnx", bytes(data))
    bucket.put(second, "servable.json")
    with PredictionClient("127.0.0.1", port) as client:
        assert scores(client).shape == (4,)
    server.wait_for(r"model\.onnx has \d+ bytes with SHA-256 \w+\.\.\.; servable\.json says")
    assert server.stop() == 0


def test_a_bucket_that_does_not_exist_says_so(serve: Callable[..., Process]) -> None:
    server = serve("s3://nobody-made-this/m")
    server.wait_for(r"Failed to start server\. Error: s3://nobody-made-this/m cannot be listed")
    assert server.process.wait(240) == 1
