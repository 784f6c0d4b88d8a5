"""A server of one network in a process of its own, as users start it, and what the system says of that process."""

from __future__ import annotations

import fcntl
import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import grpc
import numpy as np
from examples.photographs import package_files

from accelserve.kernels.preprocess import preprocess_spec
from accelserve.models.architectures import architecture
from accelserve.models.conversion.convert import ConvertOptions, convert
from accelserve.protos import grpc_health_v1 as health
from accelserve.protos import tensorflow_serving as serving
from accelserve.protos.services import HealthService
from accelserve.protos.tensors import from_array
from benchmarks.networks import CACHE, NETWORKS, quantized_network

PREDICT = "/tensorflow.serving.PredictionService/Predict"
_READY = re.compile(r"Running gRPC ModelServer at \S+:(\d+)")
_MEGA = 1e6


def published(name: str) -> Path:
    """The folder of a published version of a network of ``benchmarks.networks``; made once and kept."""
    model = quantized_network(name)
    repository = CACHE / "models" / model.stem
    repository.mkdir(parents=True, exist_ok=True)
    with (repository / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two runs may want it at once
        if not (repository / name / "1").is_dir():
            preprocess = preprocess_spec(architecture(NETWORKS[name]).preprocess)
            convert(model, ConvertOptions(name=name, repository=repository, version=1, preprocess=preprocess))
    return repository / name / "1"


def jpeg_request(name: str) -> bytes:
    """A Predict request of one photograph, ready to be sent."""
    photograph = next(path for path in package_files() if path.suffix == ".jpg")
    request = serving.PredictRequest()
    request.model_spec.name = name
    request.inputs["images"].CopyFrom(from_array(np.array([photograph.read_bytes()], object)))
    return request.SerializeToString()


@dataclass(frozen=True, slots=True)
class ProcessMemory:
    """What the system counts, in MB (10**6 bytes).

    Attributes:
        peak: resident at most, so far (VmHWM).
        resident: now (VmRSS), which is the sum of the next two.
        private: of the process alone (RssAnon).
        mapped: of files, libraries and packed weights, which processes share (RssFile).
    """

    peak: float
    resident: float
    private: float
    mapped: float

    @classmethod
    def of(cls, pid: int) -> ProcessMemory:
        """Of a process."""
        status = Path(f"/proc/{pid}/status").read_text()
        found = {key: int(value) * 1024 / _MEGA for key, value in re.findall(r"(\w+):\s+(\d+) kB", status)}
        return cls(found["VmHWM"], found["VmRSS"], found["RssAnon"], found["RssFile"])


class ServingProcess:
    """``accelserve serve`` of one model, from its start until ready.

    Attributes:
        ready_seconds: from the start of the process until it listens.
        log: its lines until then.
        port: of gRPC.
        channel: to it.
    """

    def __init__(
        self, model: Path, cache: Path, *flags: str, program: Sequence[str] = ("accelserve.server.cli",)
    ) -> None:
        """Start it; returns once it is ready.

        Args:
            model: folder of a published version.
            cache: of the server.
            flags: more of them.
            program: module that stands for the command line, and what comes before ``serve``.

        Raises:
            RuntimeError: it ended instead.
        """
        name = model.parent.name
        command = [sys.executable, "-m", *program, "serve", "--port=0", f"--model_name={name}"]
        command += [f"--model_base_path={model.parent.resolve()}", f"--cache_dir={cache.resolve()}", *flags]
        began = time.perf_counter()
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.log: list[str] = []
        self.port = self._await_port()
        self.ready_seconds = time.perf_counter() - began
        self.channel = grpc.insecure_channel(f"127.0.0.1:{self.port}")
        grpc.channel_ready_future(self.channel).result(timeout=10)
        self.predict: grpc.UnaryUnaryMultiCallable[bytes, bytes] = self.channel.unary_unary(PREDICT)

    def _await_port(self) -> int:
        for line in self._process.stdout or ():
            self.log.append(line.rstrip())
            if found := _READY.search(line):
                return int(found[1])
        raise RuntimeError("the server ended early:\n" + "\n".join(self.log))

    def check_health(self) -> None:
        """Ask whether it serves; RuntimeError if it says no."""
        answer = HealthService.CHECK.stub(self.channel)(health.HealthCheckRequest(), timeout=10)
        if answer.status != health.HealthCheckResponse.SERVING:
            raise RuntimeError(f"the server says {answer.status}")

    def memory(self) -> ProcessMemory:
        """Of the process now."""
        return ProcessMemory.of(self._process.pid)

    def milliseconds(self, request: bytes) -> float:
        """Of one request."""
        began = time.perf_counter()
        self.predict(request)
        return (time.perf_counter() - began) * 1e3

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.channel.close()
        self._process.send_signal(signal.SIGTERM)
        self._process.communicate(timeout=60)
