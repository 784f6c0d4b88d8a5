"""The whole server as a process: a real quantised network, real flags, real signals."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skimage
from numpy.typing import NDArray

from accelserve.client import ModelSelection, PredictionClient
from accelserve.client.errors import CallError
from accelserve.client.prediction import Scores
from accelserve.kernels.ir import (
    AveragePool,
    Clip,
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
from accelserve.models.repository import MODEL_FILE

PHOTOS = sorted((Path(skimage.__file__).parent / "data").glob("*.jpg"))
SPEC = PreprocessSpec(
    resize="exact", resize_height=32, resize_width=32, interpolation="bilinear",
    crop_height=32, crop_width=32, color_order="RGB", mean=(128.0, 128.0, 128.0),
)  # fmt: skip
CLASSES = ("galaxy", "rocket", "retina", "coffee")


def network() -> Graph:
    """Convolution, ReLU, pooled features, four classes; random weights."""
    rng = np.random.default_rng(7)

    def normal(*shape: int, scale: float) -> NDArray[np.float32]:
        return (rng.standard_normal(shape) * scale).astype(np.float32)

    nodes = (
        Node("conv", Conv2d(Window(kernel=(3, 3), strides=(2, 2))), ("images", "w", "b"), "c"),
        Node("relu", Clip(), ("c",), "r"),
        Node("pool", AveragePool(Window(kernel=(15, 15))), ("r",), "features"),
        Node("flat", Reshape((1, 16)), ("features",), "f"),
        Node("fc", Dense(), ("f", "v", "a"), "logits"),
        Node("softmax", Softmax(1), ("logits",), "probabilities"),
    )
    constants = {
        "w": normal(16, 3, 3, 3, scale=0.02),
        "b": normal(16, scale=0.1),
        "v": normal(4, 16, scale=0.5),
        "a": normal(4, scale=0.1),
    }
    return Graph(
        inputs={"images": TensorType((1, 32, 32, 3), DType.F32)},
        nodes=nodes,
        constants=constants,
        outputs={"probabilities": "probabilities", "features": "features"},
    )


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "accelserve.server.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The float network as an ONNX file, its labels and photographs beside it."""
    folder = tmp_path_factory.mktemp("trained")
    (folder / "tiny.onnx").write_bytes(export_onnx(network()))
    (folder / "labels.txt").write_text("\n".join(CLASSES))
    (folder / "photos").mkdir()
    for photo in PHOTOS:
        (folder / "photos" / photo.name).write_bytes(photo.read_bytes())
    return folder


@pytest.fixture(scope="module")
def repository(trained: Path) -> Path:
    """A repository with version 1 of 'tiny', made by the command."""
    done = run(
        "convert", trained / "tiny.onnx", "--name=tiny", f"--repository={trained}/models",
        f"--calibrate={trained}/photos", f"--labels={trained}/labels.txt", "--tag=owner=tests",
        "--preprocess", json.dumps(SPEC.to_json()),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"published {trained}/models/tiny/1: signatures serving_default, features\n"
    return trained / "models"


def test_convert_refuses_labels_that_do_not_fit(trained: Path) -> None:
    (trained / "two.txt").write_text("a\nb")
    done = run(
        "convert", trained / "tiny.onnx", "--name=other", f"--repository={trained}/models",
        f"--labels={trained}/two.txt", "--preprocess", json.dumps(SPEC.to_json()),
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "accelserve: 2 labels for an output of 4 elements"
    assert not (trained / "models" / "other").exists()


class Process:
    """A server process and what it logged so far."""

    def __init__(self, *flags: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "accelserve.server.cli", "serve", "--grpc_address=127.0.0.1", *flags],
            stderr=subprocess.PIPE,
            text=True,
        )
        self.lines: list[str] = []
        self._grown = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            with self._grown:
                self.lines.append(line)
                self._grown.notify_all()
        with self._grown:
            self._grown.notify_all()

    def wait_for(self, pattern: str) -> re.Match[str]:
        """The first line that matches; fails if the process ends without one."""
        with self._grown:
            assert self._grown.wait_for(lambda: self._find(pattern) or not self._reader.is_alive(), 120), (
                self.lines
            )
            found = self._find(pattern)
        assert found is not None, "".join(self.lines)
        return found

    def _find(self, pattern: str) -> re.Match[str] | None:
        return next((match for line in self.lines if (match := re.search(pattern, line))), None)

    @property
    def port(self) -> int:
        return int(self.wait_for(r"Running gRPC ModelServer at 127\.0\.0\.1:(\d+) \.\.\.$")[1])

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(60)


@pytest.fixture
def start(trained: Path) -> Iterator[Callable[..., Process]]:
    started: list[Process] = []

    def launch(*flags: str) -> Process:
        started.append(Process("--port=0", f"--cache_dir={trained}/cache", *flags))
        return started[-1]

    yield launch
    for one in started:
        if one.process.poll() is None:
            one.process.kill()
        one.process.wait()
        one._reader.join()
        assert one.process.stderr is not None
        one.process.stderr.close()


def test_sigterm_before_the_ports_are_open_ends_it_well_too(
    start: Callable[..., Process], repository: Path
) -> None:
    server = start(f"--model_base_path={repository}/tiny", "--xla_cpu_compilation_enabled")
    server.wait_for("does nothing here")
    assert server.stop() == 0


def one(scores: Scores) -> NDArray[Any]:
    """The array of a model with one output."""
    assert not isinstance(scores, dict)
    return scores


def test_photographs_are_answered_and_sigterm_ends_it_well(
    start: Callable[..., Process], repository: Path
) -> None:
    server = start(f"--model_base_path={repository}/tiny", "--model_name=tiny")
    loaded = server.wait_for(r"tiny/1: (.+), \d+\.\d MB, signatures serving_default, features")
    assert loaded[1].startswith("cpu ")
    with PredictionClient("127.0.0.1", server.port) as client:
        scores = np.stack([one(client.score_file(photo)) for photo in PHOTOS])
        together = one(client.score_images([photo.read_bytes() for photo in PHOTOS]))
        features = one(client.score_file(PHOTOS[0], model=ModelSelection(signature_name="features")))
    np.testing.assert_array_equal(scores, together)
    np.testing.assert_allclose(np.sum(scores, axis=1), 1, rtol=1e-5)
    assert features.shape == (1, 1, 16)
    assert server.stop() == 0
    assert not any("Traceback" in line for line in server.lines)


def test_every_device_answers_with_the_same_bytes(start: Callable[..., Process], repository: Path) -> None:
    answers = []
    for device in ("cpu", "reference"):
        server = start(f"--model_base_path={repository}/tiny", f"--device={device}")
        with PredictionClient("127.0.0.1", server.port) as client:
            answers.append(one(client.score_images([photo.read_bytes() for photo in PHOTOS])))
        assert server.stop(signal.SIGINT) == 0
    np.testing.assert_array_equal(answers[0], answers[1])


def test_a_corrupt_version_is_not_served_and_says_why(
    start: Callable[..., Process], repository: Path, tmp_path: Path
) -> None:
    version = tmp_path / "tiny" / "1"
    version.mkdir(parents=True)
    for file in (repository / "tiny" / "1").iterdir():
        data = bytearray(file.read_bytes())
        if file.name == MODEL_FILE:
            data[len(data) // 2] ^= 1
        (version / file.name).write_bytes(data)
    server = start(f"--model_base_path={tmp_path}/tiny", "--model_name=tiny")
    assert server.process.wait(60) == 1
    failure = server.wait_for(r"Failed to start server\. Error: (.*)$")
    assert "model.onnx has SHA-256" in failure[1]
    assert not any("Traceback" in line for line in server.lines)


def test_sighup_applies_the_configuration_file(
    start: Callable[..., Process], repository: Path, tmp_path: Path
) -> None:
    config = tmp_path / "models.config"
    entry = "config {{ name: '{}' base_path: '{}/tiny' }}"
    config.write_text(f"model_config_list {{ {entry.format('one', repository)} }}")
    server = start(f"--model_config_file={config}", "--device=reference")
    with PredictionClient("127.0.0.1", server.port) as client:
        with pytest.raises(CallError, match=r"Servable not found for request: Latest\(two\)"):
            client.score_file(PHOTOS[0], model=ModelSelection(name="two"))
        both = entry.format("one", repository) + entry.format("two", repository)
        config.write_text(f"model_config_list {{ {both} }}")
        server.process.send_signal(signal.SIGHUP)
        server.wait_for("applied .*: one, two")
        assert one(client.score_file(PHOTOS[0], model=ModelSelection(name="two"))).shape == (4,)
    assert server.stop() == 0


def test_predict_prints_the_models_own_labels(start: Callable[..., Process], repository: Path) -> None:
    server = start(f"--model_base_path={repository}/tiny", "--model_name=tiny", "--device=reference")
    done = run("predict", "--address", f"127.0.0.1:{server.port}", *PHOTOS)
    assert done.returncode == 0, done.stderr
    for name in (*CLASSES, *(photo.name for photo in PHOTOS)):
        assert name in done.stdout
    assert server.stop() == 0
