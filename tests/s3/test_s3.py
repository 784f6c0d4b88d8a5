"""A model repository in S3: a real server process of ours against a real S3 server process."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import skimage
from numpy.typing import NDArray

from accelserve.client import PredictionClient
from accelserve.kernels.ir import (
    AveragePool,
    Conv2d,
    Dense,
    DType,
    Graph,
    Node,
    Reshape,
    Softmax,
    TensorType,
    Window,
)
from accelserve.kernels.preprocess import PreprocessSpec
from accelserve.models.importing import export_onnx

s3fs = pytest.importorskip("s3fs", reason="these tests have an environment of their own: make test-s3")
pytestmark = pytest.mark.usefixtures("environment")

PHOTO = Path(skimage.__file__).parent / "data" / "rocket.jpg"
SPEC = PreprocessSpec(
    resize="exact", resize_height=16, resize_width=16, interpolation="bilinear",
    crop_height=16, crop_width=16, color_order="RGB", mean=(128.0, 128.0, 128.0),
)  # fmt: skip


def network(seed: int) -> Graph:
    rng = np.random.default_rng(seed)

    def normal(*shape: int, scale: float) -> NDArray[np.float32]:
        return (rng.standard_normal(shape) * scale).astype(np.float32)

    return Graph(
        inputs={"images": TensorType((1, 16, 16, 3), DType.F32)},
        nodes=(
            Node("conv", Conv2d(Window(kernel=(3, 3), strides=(2, 2))), ("images", "w", "b"), "c"),
            Node("pool", AveragePool(Window(kernel=(7, 7))), ("c",), "p"),
            Node("flat", Reshape((1, 8)), ("p",), "f"),
            Node("fc", Dense(), ("f", "v", "a"), "logits"),
            Node("softmax", Softmax(1), ("logits",), "probabilities"),
        ),
        constants={
            "w": normal(8, 3, 3, 3, scale=0.02),
            "b": normal(8, scale=0.1),
            "v": normal(4, 8, scale=0.5),
            "a": normal(4, scale=0.1),
        },
        outputs={"probabilities": "probabilities"},
    )


def scores(client: PredictionClient) -> NDArray[np.float32]:
    """Of the photograph, by a model with one output."""
    return np.asarray(client.score_file(PHOTO), np.float32)


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "accelserve.server.cli", *map(str, arguments)]


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Versions 1 and 2 of 'tiny', on the local disk."""
    folder = tmp_path_factory.mktemp("repository")
    for seed in (1, 2):
        (folder / "tiny.onnx").write_bytes(export_onnx(network(seed)))
        subprocess.run(
            command(
                "convert", folder / "tiny.onnx", "--name=tiny", f"--repository={folder}",
                "--preprocess", json.dumps(SPEC.to_json()),
            ),
            check=True, timeout=120,
        )  # fmt: skip
    return folder


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


class Process:
    """A server, and the lines of its log."""

    def __init__(self, *flags: object) -> None:
        self.process = subprocess.Popen(
            command("serve", "--grpc_address=127.0.0.1", "--port=0", "--device=reference", *flags),
            stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def wait_for(self, pattern: str) -> re.Match[str]:
        """The next line that matches; the test's timeout ends a wait for one that never comes."""
        assert self.process.stderr is not None
        seen = []
        for line in self.process.stderr:
            seen.append(line)
            if match := re.search(pattern, line):
                return match
        raise AssertionError("".join(seen))

    def stop(self) -> int:
        self.process.terminate()
        code = self.process.wait(60)
        assert self.process.stderr is not None
        self.process.stderr.close()
        return code


@pytest.fixture
def server(bucket: Bucket, repository: Path, tmp_path: Path) -> Iterator[Process]:
    """Serves version 1 of the bucket, which is looked at often."""
    bucket.put(repository / "tiny" / "1")
    process = Process(
        f"--model_base_path={bucket.uri}", "--model_name=tiny", f"--cache_dir={tmp_path}/cache",
        "--remote_poll_wait_seconds=0.05",
    )  # fmt: skip
    yield process
    if process.process.poll() is None:
        process.process.kill()
        process.process.wait()
        assert process.process.stderr is not None
        process.process.stderr.close()


def test_versions_are_served_from_s3_and_followed(server: Process, bucket: Bucket, repository: Path) -> None:
    port = int(server.wait_for(r"Running gRPC ModelServer at 127\.0\.0\.1:(\d+)")[1])
    with PredictionClient("127.0.0.1", port) as client:
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
    port = int(server.wait_for(r"Running gRPC ModelServer at 127\.0\.0\.1:(\d+)")[1])
    second = repository / "tiny" / "2"
    data = bytearray((second / "model.onnx").read_bytes())
    data[len(data) // 2] ^= 1
    bucket.store.pipe_file(f"{bucket.uri}/2/model.onnx", bytes(data))
    bucket.put(second, "servable.json")
    with PredictionClient("127.0.0.1", port) as client:
        assert scores(client).shape == (4,)
    server.wait_for(r"model\.onnx has \d+ bytes with SHA-256 \w+\.\.\.; servable\.json says")
    assert server.stop() == 0


def test_a_bucket_that_does_not_exist_says_so(tmp_path: Path) -> None:
    server = Process("--model_base_path=s3://nobody-made-this/m", f"--cache_dir={tmp_path}/cache")
    server.wait_for(r"Failed to start server\. Error: s3://nobody-made-this/m cannot be listed")
    assert server.process.wait(60) == 1
    assert server.process.stderr is not None
    server.process.stderr.close()
