"""A server whose device is lost goes on answering, with the same bytes, and everybody can see that it is."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import grpc
import httpx
import pytest

from accelserve.kernels.opencl.runtime.hybrid import FpgaProgram
from accelserve.protos import grpc_health_v1 as health
from accelserve.protos import tensorflow_serving as serving
from accelserve.protos.services import HealthService, PredictionService
from accelserve.protos.tensors import from_strings
from accelserve.server.app import Server
from accelserve.server.config import (
    DeviceConfig,
    GrpcConfig,
    LoadingConfig,
    ModelConfig,
    RequestLimits,
    RestConfig,
    ServerConfig,
)
from accelserve.server.core.registry import ModelChoice
from accelserve.server.loading.device import ServableLoader
from tests.kernels.devices.opencl_devices import opencl_parameters
from tests.models.tiny_classifier import PHOTOGRAPHS, publish_tiny_classifier


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return publish_tiny_classifier(tmp_path_factory.mktemp("models")).parent


@pytest.fixture(params=list(opencl_parameters()))
def server(request: pytest.FixtureRequest, model: Path, tmp_path: Path) -> Iterator[Server]:
    """A server on an OpenCL device."""
    device = DeviceConfig(name=f"fpga:{request.param},lease_folder={tmp_path}")
    config = ServerConfig(
        models=(ModelConfig(name="tiny", base_path=model),),
        device=device,
        grpc=GrpcConfig(address="127.0.0.1", port=0),
        rest=RestConfig(address="127.0.0.1", port=0),
        loading=LoadingConfig(poll_seconds=0, retry_seconds=3600),
        drain_seconds=20,
    )
    started = Server(config, ServableLoader(device, RequestLimits()))
    started.start()
    yield started
    started.stop()


def end_the_device(server: Server) -> None:
    with server.registry.acquire(ModelChoice(name="tiny")) as handle:
        program = handle.servable._program  # type: ignore[attr-defined]
        assert isinstance(program, FpgaProgram)
        os.kill(program.pid, signal.SIGKILL)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_what_ends_a_server_leaves_it_its_device_for_what_is_in_flight(
    server: Server, number: signal.Signals
) -> None:
    """A terminal, or a service manager, sends the signal to every process."""
    with (
        server.registry.acquire(ModelChoice(name="tiny")) as handle,
        grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel,
    ):
        program = handle.servable._program  # type: ignore[attr-defined]
        assert isinstance(program, FpgaProgram)
        right, before = answer(channel), program.pid
        os.kill(before, number)
        assert answer(channel) == right
        assert program.pid == before
        assert os.getsid(before) != os.getsid(0)


def answer(channel: grpc.Channel) -> bytes:
    request = serving.PredictRequest(
        model_spec=serving.ModelSpec(name="tiny"),
        inputs={"images": from_strings([PHOTOGRAPHS[0].read_bytes()])},
    )
    outputs = PredictionService.PREDICT.stub(channel)(request, timeout=60).outputs
    return b"".join(outputs[name].SerializeToString() for name in sorted(outputs))


def metrics(server: Server) -> dict[str, float]:
    """Of devices: name and what tells series apart -> value."""
    page = httpx.get(f"http://127.0.0.1:{server.rest_port}/monitoring/prometheus/metrics", timeout=60).text
    found: dict[str, float] = {}
    for line in page.splitlines():
        if line.startswith("accelserve_device_"):
            series, _, value = line.rpartition(" ")
            name, _, labels = series.rstrip("}").partition("{")
            assert 'model_name="tiny",version="1",device="fpga:' in labels
            found[f"{name} {labels.rpartition(',')[2]}" if "state" in name or "images" in name else name] = (
                float(value)
            )
    return found


def shown(server: Server) -> dict[str, object]:
    content = httpx.get(f"http://127.0.0.1:{server.rest_port}/status/models", timeout=60).json()
    ((version,),) = [model["versions"] for model in content["models"]]
    found: dict[str, object] = version["serving"]["health"]
    return found


def test_a_lost_device_is_seen_everywhere_but_by_clients(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    with grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        right = answer(channel)
        before = metrics(server)
        assert before['accelserve_device_state state="up"'] == 1
        assert before["accelserve_device_seconds_total"] > 0
        assert shown(server)["state"] == "up"

        end_the_device(server)
        assert answer(channel) == right
        ready = HealthService.CHECK.stub(channel)(health.HealthCheckRequest(service="tiny"), timeout=60)
        assert ready.status == health.HealthCheckResponse.SERVING
        after = metrics(server)
        assert after['accelserve_device_state state="recovering"'] == 1
        assert after['accelserve_device_state state="up"'] == 0
        assert after["accelserve_device_faults_total"] == 1
        by_cpu = 'accelserve_device_images_total answered_by="cpu"'
        assert after[by_cpu] == before[by_cpu] + 1
        assert (shown(server)["state"], shown(server)["faults"]) == ("recovering", 1)
        (line,) = [r.getMessage() for r in caplog.records if "answers in its place" in r.getMessage()]
        assert line.startswith("tiny/1: fpga ")

        assert answer(channel) == right
        assert metrics(server)["accelserve_device_restarts_total"] == 1
        assert shown(server)["state"] == "up"
