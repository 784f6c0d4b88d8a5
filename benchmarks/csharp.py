"""What the C# client costs over the generated stub, and beside the Python client.

    python -m benchmarks.csharp

A grpcio server in a process of its own answers at once. Four contenders send it the same request in turn, round by round:
the C# client and the raw C# stub (one .NET process), the Python client and the raw Python stub (one Python process). A time
is the median of a round's calls; a ratio is the median over the rounds of each round's ratio.
"""

from __future__ import annotations

import argparse
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
from typing import Any

import grpc

from accelserve.client import PredictionClient
from accelserve.protos import tensorflow as tf
from accelserve.protos import tensorflow_serving as serving
from accelserve.protos.services import PredictionService
from benchmarks.results_file import RESULTS, heading, write

PROJECT = Path(__file__).parents[1] / "clients" / "csharp" / "benchmarks" / "ClientBenchmark"
SIZES = {"100 KB": 100_000, "1 MB": 1_000_000}
CONTENDERS = ("client", "stub", "python client", "python stub")
AWAY_SECONDS = 90.0
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
    command = [sys.executable, "-m", "benchmarks.csharp", "--serve", str(port)]
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


def ratios(rounds: Sequence[dict[str, Turn]], ours: str, other: str) -> float:
    """Median over rounds of ours by the other."""
    return statistics.median(each[ours].median_ms / each[other].median_ms for each in rounds)


def one_caller(dotnet: DotNet, address: str, rounds: int, calls: int) -> dict[str, dict[str, float]]:
    """Times and allocations by size."""
    found: dict[str, dict[str, float]] = {}
    with ExitStack() as stack:
        client = stack.enter_context(PredictionClient(address))
        stub = python_stub(address, stack)
        for title, size in SIZES.items():
            taken: list[dict[str, Turn]] = []
            for turn in range(rounds + 1):
                order = CONTENDERS[turn % 4 :] + CONTENDERS[: turn % 4]
                taken.append({
                    name: dotnet.run(name, size, calls)
                    if name in CONTENDERS[:2]
                    else python_turn(stub if name == "python stub" else client.score_image, size, calls)
                    for name in order
                })  # fmt: skip
            taken = taken[1:]  # the first compiles
            medians = {
                f"{name}_ms": statistics.median(each[name].median_ms for each in taken) for name in CONTENDERS
            }
            extra = [each["client"].allocated_bytes - each["stub"].allocated_bytes for each in taken]
            found[title] = medians | {
                "client_by_stub": ratios(taken, "client", "stub"),
                "allocated_beyond_stub_bytes": statistics.median(extra),
                "stub_allocated_bytes": statistics.median(each["stub"].allocated_bytes for each in taken),
                "client_by_python_client": ratios(taken, "client", "python client"),
                "stub_by_python_stub": ratios(taken, "stub", "python stub"),
            }
    return found


def eight_callers(dotnet: DotNet, rounds: int, calls: int) -> dict[str, float]:
    """Requests a second of the client by those of the stub."""
    shares = []
    for turn in range(rounds + 1):
        order = ("client", "stub") if turn % 2 else ("stub", "client")
        rates = {name: calls / dotnet.run(name, SIZES["100 KB"], calls, callers=8).seconds for name in order}
        if turn:
            shares.append(rates["client"] / rates["stub"])
    return {"client_requests_by_stub": statistics.median(shares)}


def back_after(seconds: float) -> dict[str, float]:
    """Seconds until a server that was away, while the client went on asking, is used again."""
    with serving_process() as port:
        dotnet = DotNet(f"127.0.0.1:{port}")
        dotnet.run("client")
    time.sleep(seconds / 2)
    with futures.ThreadPoolExecutor(1) as pool:
        asking = pool.submit(dotnet.run, "reconnect")
        time.sleep(seconds / 2)
        began = time.perf_counter()
        with serving_process(port):
            asking.result()
            used = time.perf_counter() - began
    dotnet.close()
    return {"away_seconds": seconds, "used_after_seconds": used}


def main() -> None:
    """Print the figures, write the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--calls", type=int, default=200)
    parser.add_argument("--away-seconds", type=float, default=AWAY_SECONDS)
    parser.add_argument("--results", type=Path, default=RESULTS / "csharp.json")
    parser.add_argument("--serve", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve is not None:
        serve(options.serve)
        return
    subprocess.run(["dotnet", "build", "-c", "Release", "--nologo", "-v", "quiet", str(PROJECT)], check=True)
    with serving_process() as port:
        dotnet = DotNet(f"127.0.0.1:{port}")
        found: dict[str, Any] = {
            "one_caller": one_caller(dotnet, f"127.0.0.1:{port}", options.rounds, options.calls),
            "eight_callers": eight_callers(dotnet, options.rounds, 4 * options.calls),
        }
        dotnet.close()
    found["back"] = back_after(options.away_seconds)
    runtime = subprocess.run(
        ["dotnet", "--version"], check=True, capture_output=True, text=True
    ).stdout.strip()
    write(
        heading() | {"dotnet_sdk": runtime, "rounds": options.rounds, "calls": options.calls} | found,
        options.results,
    )
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
