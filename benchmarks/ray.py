"""What a Ray cluster costs and brings: replicas behind Ray Serve's proxy beside the server itself, on the same cores.

    .venv-ray/bin/python -m benchmarks.ray

Three questions. How much a replica adds to an empty deployment behind the same proxy: one caller asks both in turns, with a
network so small that its own time does not matter. How the answers of a second grow with the replicas, and how many of the
server's they are: eight callers ask the cluster and an ordinary server of ResNet-50 in turns, since what others do on the
machine takes from both. Rates are those of the best round, ratios the median over rounds.
"""

from __future__ import annotations

import argparse
import io
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path
from typing import Any

import grpc
import numpy as np
from examples.photographs import package_files
from PIL import Image
from rich.console import Console
from rich.table import Table

from accelserve.kernels.ir import (
    AveragePool,
    Clip,
    Conv2d,
    Dense,
    DType,
    Graph,
    Node,
    Reshape,
    TensorType,
    Window,
)
from accelserve.kernels.preprocess import PreprocessSpec
from accelserve.models.conversion.convert import ConvertOptions, convert
from accelserve.models.importing import export_onnx
from accelserve.protos import tensorflow_serving as serving
from accelserve.protos.tensors import from_array
from accelserve.server.cluster.deployment import APPLICATION, ClusterDeployment
from accelserve.server.cluster.options import LOCAL, ClusterOptions
from accelserve.server.cluster.passage import PassedAnswer, PassedRequest
from accelserve.server.cluster.replica import ReplicaSettings
from accelserve.server.config import DeviceConfig, GrpcConfig, ModelConfig, ServerConfig
from accelserve.server.ports import free_port
from accelserve.server.protocols.headers import REQUEST_ID
from benchmarks.arguments import count, positive
from benchmarks.networks import CACHE
from benchmarks.owned_processes import owned_processes
from benchmarks.results_file import RESULTS, heading, write
from benchmarks.serving_process import PREDICT, ServingProcess, jpeg_request, published

LARGE = "resnet50"
SMALL = "small"
EMPTY = "empty"
SIDE = 32
CALLERS = 8
CORES = len(os.sched_getaffinity(0))

Call = Callable[[bytes], bytes]


class Empty:
    """A deployment that answers nothing, at once."""

    async def Predict(self, request: PassedRequest, grpc_context: Any) -> PassedAnswer:  # noqa: N802 - the RPC's name
        """Nothing, marked as a replica's."""
        del request
        grpc_context.set_trailing_metadata([(REQUEST_ID, "empty")])
        return PassedAnswer(b"")


def small_version() -> Path:
    """The folder of a published version of one small convolution."""
    repository = CACHE / "models" / SMALL
    if not (repository / SMALL / "1").is_dir():
        file = CACHE / f"{SMALL}.onnx"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(export_onnx(_small_graph()))
        preprocess = PreprocessSpec(
            resize="exact", resize_height=SIDE, resize_width=SIDE, interpolation="bilinear",
            crop_height=SIDE, crop_width=SIDE, color_order="RGB", mean=(128.0, 128.0, 128.0),
        )  # fmt: skip
        convert(file, ConvertOptions(name=SMALL, repository=repository, version=1, preprocess=preprocess))
    return repository / SMALL / "1"


def _small_graph() -> Graph:
    rng = np.random.default_rng(0)
    pooled = SIDE // 2 - 1
    nodes = (
        Node("conv", Conv2d(Window(kernel=(3, 3), strides=(2, 2))), ("images", "w", "b"), "c"),
        Node("relu", Clip(), ("c",), "r"),
        Node("pool", AveragePool(Window(kernel=(pooled, pooled))), ("r",), "p"),
        Node("flat", Reshape((1, 16)), ("p",), "f"),
        Node("fc", Dense(), ("f", "v", "a"), "logits"),
    )
    shapes = {"w": (16, 3, 3, 3), "b": (16,), "v": (4, 16), "a": (4,)}
    return Graph(
        inputs={"images": TensorType((1, SIDE, SIDE, 3), DType.F32)},
        nodes=nodes,
        constants={
            name: rng.standard_normal(shape).astype(np.float32) * 0.1 for name, shape in shapes.items()
        },
        outputs={"logits": "logits"},
    )


def small_request() -> bytes:
    """A Predict request of one photograph of ``SIDE`` pixels."""
    with Image.open(next(path for path in package_files() if path.suffix == ".jpg")) as photograph:
        file = io.BytesIO()
        photograph.resize((SIDE, SIDE)).save(file, "JPEG")
    request = serving.PredictRequest(model_spec=serving.ModelSpec(name=SMALL))
    request.inputs["images"].CopyFrom(from_array(np.array([file.getvalue()], object)))
    return request.SerializeToString()


class Cluster:
    """Replicas of both networks on a cluster of this machine, and the empty deployment beside them."""

    def __init__(self, cache: Path) -> None:
        """Start it with one replica; returns once that answers."""
        models = tuple(
            ModelConfig(name=folder.parent.name, base_path=folder.parent.resolve())
            for folder in (published(LARGE), small_version())
        )
        config = ServerConfig(
            models=models,
            device=DeviceConfig(threads=1, cache=cache.resolve()),
            grpc=GrpcConfig(port=free_port("127.0.0.1")),
        )
        self._settings = ReplicaSettings(
            config=config, log=_log, version=version("accelserve"), deployment="benchmark"
        )
        self._first = self._with(1)
        self._first.connect()
        self._first.start()
        from ray import serve

        empty: Any = serve.deployment(Empty, ray_actor_options={"num_cpus": 0}, max_ongoing_requests=100)
        serve.run(
            empty.bind(), name=EMPTY, route_prefix="/empty", logging_config={"enable_access_log": False}
        )
        self._channel = grpc.insecure_channel(self._first.address)

    def scale(self, replicas: int) -> None:
        """Have so many replicas; returns once they answer."""
        self._with(replicas).start()

    def _with(self, replicas: int) -> ClusterDeployment:
        options = ClusterOptions(address=LOCAL, min_replicas=replicas, max_replicas=replicas)
        return ClusterDeployment(self._settings, options)

    def application(self, name: str) -> Call:
        """Ask one of the two."""
        predict: grpc.UnaryUnaryMultiCallable[bytes, bytes] = self._channel.unary_unary(PREDICT)

        def call(request: bytes) -> bytes:
            answer: bytes = predict(request, timeout=60, metadata=(("application", name),))
            return answer

        return call

    def stop(self) -> None:
        """End the cluster."""
        self._channel.close()
        self._first.stop()


def _log() -> None:
    logging.basicConfig(level="WARNING", stream=sys.stderr, force=True)


def medians(ways: Mapping[str, Call], request: bytes, requests: int) -> dict[str, float]:
    """Milliseconds of each way, whose requests take turns."""
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(requests):
        for name, call in ways.items():
            began = time.perf_counter()
            call(request)
            taken[name].append((time.perf_counter() - began) * 1e3)
    return {name: float(np.median(times)) for name, times in taken.items()}


def rates(ways: Mapping[str, Call], request: bytes, seconds: float, rounds: int) -> dict[str, list[float]]:
    """Answers a second of each way, by rounds in which the ways take turns."""
    found: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, call in ways.items():
            found[name].append(_answered(call, request, seconds) / seconds)
    return found


def _answered(call: Call, request: bytes, seconds: float) -> int:
    counts = [0] * CALLERS
    end = time.perf_counter() + seconds

    def ask(caller: int) -> None:
        while time.perf_counter() < end:
            call(request)
            counts[caller] += 1

    threads = [threading.Thread(target=ask, args=(caller,)) for caller in range(CALLERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts)


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Everything, one number of replicas after the other, each beside the server itself."""
    large, small, cache = jpeg_request(LARGE), small_request(), CACHE / "serving"
    results: dict[str, Any] = {"latency_ms": {}, "replicas": {}}
    with ExitStack() as stack:
        cluster = Cluster(cache / "ray")  # first, since Ray forks
        stack.callback(cluster.stop)
        ours, empty = cluster.application(APPLICATION), cluster.application(EMPTY)
        _warm({ours: small, empty: small})
        results["latency_ms"] = medians({"replica": ours, "empty": empty}, small, options.requests)
        own = stack.enter_context(ServingProcess(published(LARGE), cache / LARGE))
        for replicas in sorted({1, CORES}):
            cluster.scale(replicas)
            _warm({ours: large, own.predict: large})
            found = rates({"cluster": ours, "server": own.predict}, large, options.seconds, options.rounds)
            results["replicas"][str(replicas)] = {
                "cluster": max(found["cluster"]),
                "server": max(found["server"]),
                "cluster_by_server": float(np.median(np.divide(found["cluster"], found["server"]))),
            }
    return results


def _warm(ways: Mapping[Call, bytes]) -> None:
    for call, request in ways.items():
        for _ in range(50):
            call(request)


def show(results: Mapping[str, Any], console: Console) -> None:
    """Print the table."""
    latency = results["latency_ms"]
    console.print(
        f"one caller, median: empty deployment {latency['empty']:.2f} ms, replica {latency['replica']:.2f} ms, "
        f"added {latency['replica'] - latency['empty']:.2f} ms"
    )
    table = Table(title=f"{LARGE}, {CALLERS} callers, {CORES} cores: answers a second")
    for column in ("replicas", "cluster", "server", "cluster by server"):
        table.add_column(column, justify="right")
    for replicas, row in results["replicas"].items():
        table.add_row(
            replicas, f"{row['cluster']:.0f}", f"{row['server']:.0f}", f"{row['cluster_by_server']:.2f}"
        )
    console.print(table)


@owned_processes()
def main() -> None:
    """Measure, write and show."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--requests", type=count, default=400, help="of each deployment, for the latency")
    parser.add_argument("--rounds", type=count, default=8)
    parser.add_argument("--seconds", type=positive, default=3.0, help="of each way in a round")
    parser.add_argument("--results", type=Path, default=RESULTS / "ray.json")
    options = parser.parse_args()
    results = heading() | {"cores": CORES, "ray": version("ray")} | measure(options)
    write(results, options.results)
    show(results, Console())


if __name__ == "__main__":
    main()
