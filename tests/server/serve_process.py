"""A small trained network, its repository, and servers of it as processes."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import skimage
from numpy.typing import NDArray

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
from accelserve.server.cli.group import run as run_command

PHOTOS = sorted((Path(skimage.__file__).parent / "data").glob("*.jpg"))
SPEC = PreprocessSpec(
    resize="exact", resize_height=32, resize_width=32, interpolation="bilinear",
    crop_height=32, crop_width=32, color_order="RGB", mean=(128.0, 128.0, 128.0),
)  # fmt: skip
CLASSES = ("galaxy", "rocket", "retina", "coffee")


def network(seed: int = 7) -> Graph:
    """Convolution, ReLU, pooled features, four classes; random weights."""
    rng = np.random.default_rng(seed)

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
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)


def run_here(*arguments: object) -> subprocess.CompletedProcess[str]:
    """As ``run``, in this process: for the many commands that need no interpreter of their own."""
    words = [*map(str, arguments)]
    with redirect_stdout(StringIO()) as output, redirect_stderr(StringIO()) as errors:
        code = run_command(words)
    return subprocess.CompletedProcess(words, code, output.getvalue(), errors.getvalue())


def train(folder: Path) -> Path:
    """The float network as an ONNX file, its labels and photographs beside it."""
    (folder / "tiny.onnx").write_bytes(export_onnx(network()))
    (folder / "labels.txt").write_text("\n".join(CLASSES))
    (folder / "photos").mkdir()
    for photo in PHOTOS:
        (folder / "photos" / photo.name).write_bytes(photo.read_bytes())
    return folder


def publish(trained: Path) -> Path:
    """A repository with version 1 of 'tiny', made by the command."""
    done = run_here(
        "convert", trained / "tiny.onnx", "--name=tiny", f"--repository={trained}/models",
        f"--calibrate={trained}/photos", f"--labels={trained}/labels.txt", "--tag=owner=tests",
        "--preprocess", json.dumps(SPEC.to_json()),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"published {trained}/models/tiny/1: signatures serving_default, features\n"
    return trained / "models"


PATIENCE = 240
"""Seconds after which something is wrong, on the slowest machine."""
SERVE = (sys.executable, "-m", "accelserve.server.cli", "serve")


class Process:
    """A server process and what it logged so far."""

    ALWAYS: tuple[str, ...] = ("--grpc_address=127.0.0.1",)

    def __init__(self, *flags: str, command: Sequence[str] = SERVE, **settings: Any) -> None:
        self.process = subprocess.Popen(
            [*command, *self.ALWAYS, *flags],
            stderr=subprocess.PIPE,
            text=True,
            **settings,
        )
        self.lines: list[str] = []
        self._grown = threading.Condition()
        self._complete = False
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            with self._grown:
                self.lines.append(line)
                self._grown.notify_all()
        with self._grown:
            self._complete = True
            self._grown.notify_all()

    def wait_for(self, pattern: str) -> re.Match[str]:
        """The first line that matches; fails if the process ends without one."""
        with self._grown:
            assert self._grown.wait_for(lambda: self._find(pattern) or self._complete, PATIENCE), self.lines
            found = self._find(pattern)
        assert found is not None, "".join(self.lines)
        return found

    def _find(self, pattern: str) -> re.Match[str] | None:
        return next((match for line in self.lines if (match := re.search(pattern, line))), None)

    @property
    def port(self) -> int:
        return int(self.wait_for(r"Running gRPC ModelServer at 127\.0\.0\.1:(\d+) \.\.\.$")[1])

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Its exit code, once all that it said is in ``lines``."""
        self.process.send_signal(number)
        return self.wait()

    def wait(self) -> int:
        """For the end that it comes to by itself, as ``stop``."""
        code = self.process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        return code

    def end(self) -> None:
        """Kill it if it runs, and let go of what belongs to it; a test that failed shows what it said."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._reader.join()
        print("".join(self.lines))
        assert self.process.stderr is not None
        self.process.stderr.close()
