"""Who calls in the benchmark of the C# client, and the server that they call.

    python -m benchmarks.csharp_contenders PORT

is the server: it answers every Predict at once, until killed.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent import futures
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc

from accelserve.protos import tensorflow as tf
from accelserve.protos import tensorflow_serving as serving
from accelserve.protos.services import PredictionService

PROJECT = Path(__file__).parents[1] / "clients" / "csharp" / "benchmarks" / "ClientBenchmark"
"""The program that holds the contenders of .NET."""

_UNLIMITED = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What one contender did in one round: milliseconds a call, seconds in all, bytes allocated a call."""

    ms: Sequence[float]
    seconds: float
    allocated_bytes: float = 0.0

    @property
    def median_ms(self) -> float:
        """Of the calls."""
        return statistics.median(self.ms)


def serve(port: int) -> None:
    """Answer every Predict at once with ten scores, until killed; prints the port."""
    scores = tf.TensorProto(dtype=tf.DataType.DT_FLOAT, float_val=[0.1] * 10)
    scores.tensor_shape.dim.add(size=1)
    scores.tensor_shape.dim.add(size=10)
    response = serving.PredictResponse()
    response.outputs["output_alias"].CopyFrom(scores)
    answer = response.SerializeToString()
    handler: grpc.RpcMethodHandler[bytes, bytes] = grpc.unary_unary_rpc_method_handler(
        lambda _request, _context: answer
    )
    handlers = {PredictionService.PREDICT.path.rpartition("/")[2]: handler}
    server = grpc.server(futures.ThreadPoolExecutor(8), options=_UNLIMITED)
    server.add_generic_rpc_handlers(
        [grpc.method_handlers_generic_handler("tensorflow.serving.PredictionService", handlers)]
    )
    print(server.add_insecure_port(f"127.0.0.1:{port}"), flush=True)
    server.start()
    server.wait_for_termination()


@contextmanager
def serving_process(port: int = 0) -> Iterator[int]:
    """A server that answers at once; gives its port."""
    command = [sys.executable, "-m", "benchmarks.csharp_contenders", str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.kill()


class DotNet:
    """The .NET process: the client and the stub."""

    def __init__(self, address: str) -> None:
        binary = PROJECT.parents[1] / "artifacts" / "bin" / PROJECT.name / "release" / f"{PROJECT.name}.dll"
        self._process = subprocess.Popen(
            ["dotnet", str(binary), address], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def run(self, contender: str, size: int = 1, calls: int = 1, callers: int = 1) -> Turn:
        """One contender's turn."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        task = {"contender": contender, "bytes": size, "calls": calls, "callers": callers}
        print(json.dumps(task), file=self._process.stdin, flush=True)
        found = json.loads(self._process.stdout.readline())
        return Turn(ms=found["ms"], seconds=found["seconds"], allocated_bytes=found["allocatedBytes"])

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()


def python_turn(call: Callable[[bytes], object], size: int, calls: int) -> Turn:
    """The Python contenders' turn, in this process."""
    image = bytes(size)
    call(image)
    times = []
    begin = time.perf_counter()
    for _ in range(calls):
        started = time.perf_counter()
        call(image)
        times.append((time.perf_counter() - started) * 1e3)
    return Turn(ms=times, seconds=time.perf_counter() - begin)


def python_stub(address: str, stack: ExitStack) -> Callable[[bytes], object]:
    """The raw stub of Python with the same request."""
    channel = stack.enter_context(grpc.insecure_channel(address, options=_UNLIMITED))
    predict = PredictionService.PREDICT.stub(channel)

    def call(image: bytes) -> object:
        request = serving.PredictRequest()
        tensor = request.inputs["images"]
        tensor.dtype = tf.DataType.DT_STRING
        tensor.tensor_shape.dim.add(size=1)
        tensor.string_val.append(image)
        return predict(request, timeout=30)

    return call


if __name__ == "__main__":
    serve(int(sys.argv[1]))
