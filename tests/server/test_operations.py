"""What operators see: health checks, request ids, logs, traces; and how the server starts and stops."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import grpc
import httpx
import numpy as np
import pytest
from grpc_health.v1.health import HealthServicer
from grpc_health.v1.health_pb2 import HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import add_HealthServicer_to_server
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as collector
from tests.ports import held_ports

from accelserve.protos import grpc_health_v1 as health
from accelserve.protos import tensorflow_serving as serving
from accelserve.protos.services import HealthService, PredictionService
from accelserve.protos.tensors import from_array
from accelserve.server.app import Server
from accelserve.server.config import RestConfig
from accelserve.server.core.servable import ServableId

Serve = Callable[..., SimpleNamespace]
PIXEL = from_array(np.zeros((1, 8, 8, 3), np.float32))
REST = RestConfig(address="127.0.0.1", port=0)


def predict(channel: grpc.Channel, *metadata: tuple[str, str]) -> serving.PredictResponse:
    request = serving.PredictRequest(inputs={"images": PIXEL})
    return PredictionService.PREDICT.stub(channel)(request, timeout=60, metadata=metadata)


def healthcheck(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "accelserve.server.cli", "healthcheck", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)


def test_healthcheck_tells_by_its_exit_code(serve: Serve) -> None:
    server = serve()
    address = f"--address=127.0.0.1:{server.server.port}"
    assert healthcheck(address).stdout == "SERVING\n"
    assert healthcheck(address, "--service=colour").returncode == 0
    unknown = healthcheck(address, "--service=unknown")
    assert (unknown.returncode, unknown.stderr) == (1, "accelserve: NOT_FOUND: unknown service unknown\n")
    with held_ports() as (unused,):
        assert healthcheck(f"--address=127.0.0.1:{unused}").returncode == 1


def test_healthcheck_waits_for_a_server_that_starts() -> None:
    """Judge: gRPC's own health servicer, in a server that takes its port only after the first question."""
    with held_ports() as (port,):
        address = f"127.0.0.1:{port}"
        assert healthcheck(f"--address={address}", "--wait=0.3").returncode == 1
        command = [sys.executable, "-m", "accelserve.server.cli", "healthcheck"]
        asking = subprocess.Popen(
            [*command, f"--address={address}", "--wait=120"], stdout=subprocess.PIPE, text=True
        )
        servicer = HealthServicer()
        servicer.set("", HealthCheckResponse.NOT_SERVING)
        server = grpc.server(ThreadPoolExecutor(2))
        add_HealthServicer_to_server(servicer, server)
        assert server.add_insecure_port(address)
        server.start()
        assert healthcheck(f"--address={address}").returncode == 1
        servicer.set("", HealthCheckResponse.SERVING)
        assert asking.communicate(timeout=240)[0] == "SERVING\n"
        assert asking.returncode == 0
        server.stop(None).wait()


def test_request_ids_come_back(serve: Serve) -> None:
    server = serve(rest=RestConfig(address="127.0.0.1", port=0))
    request = serving.PredictRequest(inputs={"images": PIXEL})
    stub = PredictionService.PREDICT.stub(server.channel)
    _, call = stub.with_call(request, timeout=60, metadata=(("x-request-id", "mine-1"),))
    assert dict(call.trailing_metadata())["x-request-id"] == "mine-1"
    _, call = stub.with_call(request, timeout=60)
    assert len(dict(call.trailing_metadata())["x-request-id"]) == 16
    url = f"http://127.0.0.1:{server.server.rest_port}/v1/models"
    assert httpx.get(url, headers={"x-request-id": "mine-2"}, timeout=60).headers["x-request-id"] == "mine-2"
    # What would forge a line of the log is replaced.
    forged = httpx.get(url, headers={"x-request-id": "a b"}, timeout=60).headers["x-request-id"]
    assert forged != "a b"


def test_json_lines_hold_whatever_is_logged(capfd: pytest.CaptureFixture[str]) -> None:
    program = (
        "import logging; from accelserve.server.cli.logging_setup import log_to_stderr as to;"
        "from accelserve.server.core.access import CURRENT_CALL, Call; to('info', as_json=True);"
        "log = logging.getLogger('accelserve.x'); log.info('two\\nlines \"%s\"', 'é');"
        "CURRENT_CALL.set(Call(request_id='abc'))\n"
        "try: 1 / 0\n"
        "except ZeroDivisionError: log.exception('oh')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=240, check=True
    )
    first, second = (json.loads(line) for line in done.stderr.splitlines())
    assert (first["level"], first["logger"], first["message"]) == ("info", "accelserve.x", 'two\nlines "é"')
    assert "request_id" not in first
    assert second["request_id"] == "abc"
    assert "ZeroDivisionError" in second["trace"]


class Collector:
    """An OpenTelemetry collector, as far as traces go: its own protocol on a real port."""

    def __init__(self) -> None:
        self.spans: dict[str, Any] = {}
        self.resource = ""
        self._arrived = threading.Event()
        self._server = grpc.server(ThreadPoolExecutor(1))
        handler = grpc.unary_unary_rpc_method_handler(
            self._export,
            collector.ExportTraceServiceRequest.FromString,
            collector.ExportTraceServiceResponse.SerializeToString,
        )
        service = "opentelemetry.proto.collector.trace.v1.TraceService"
        self._server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(service, {"Export": handler}),)
        )
        self.endpoint = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        self._server.start()

    def _export(self, request: Any, _context: grpc.ServicerContext) -> Any:
        for resource in request.resource_spans:
            self.resource = resource.resource.attributes[-1].value.string_value
            for scope in resource.scope_spans:
                self.spans.update((span.name, span) for span in scope.spans)
        return collector.ExportTraceServiceResponse()

    def stop(self) -> None:
        self._server.stop(0).wait()


@pytest.fixture
def traces() -> Iterator[Collector]:
    running = Collector()
    yield running
    running.stop()


def test_traces_show_where_the_time_went(serve: Serve, traces: Collector) -> None:
    server = serve(server_settings={"otel_endpoint": traces.endpoint})
    trace, parent = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
    predict(server.channel, ("traceparent", f"00-{trace}-{parent}-01"), ("x-request-id", "traced"))
    server.server.backend.close_tracing()  # sends what waits
    assert set(traces.spans) == {"predict", "decode", "preprocess", "queue", "compute", "postprocess"}
    whole = traces.spans.pop("predict")
    assert (whole.trace_id.hex(), whole.parent_span_id.hex()) == (trace, parent)
    said = {item.key: item.value for item in whole.attributes}
    assert said["accelserve.model"].string_value == "colour"
    assert said["accelserve.request_id"].string_value == "traced"
    assert said["accelserve.images"].int_value == 1
    for span in traces.spans.values():
        assert span.parent_span_id == whole.span_id
        assert whole.start_time_unix_nano <= span.start_time_unix_nano
        assert span.end_time_unix_nano <= whole.end_time_unix_nano
    for earlier, later in (("decode", "preprocess"), ("preprocess", "queue")):
        assert traces.spans[earlier].end_time_unix_nano == traces.spans[later].start_time_unix_nano


def test_a_caller_that_does_not_sample_is_not_traced(serve: Serve, traces: Collector) -> None:
    server = serve(server_settings={"otel_endpoint": traces.endpoint})
    predict(server.channel, ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"))
    server.server.backend.close_tracing()
    assert not traces.spans


def test_requests_are_logged_with_their_ids_if_wanted(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    server = serve(rest=REST, server_settings={"log_requests": True})
    predict(server.channel)
    httpx.get(f"http://127.0.0.1:{server.server.rest_port}/v1/models/none", timeout=60)
    with pytest.raises(grpc.RpcError):
        PredictionService.PREDICT.stub(server.channel)(serving.PredictRequest(), timeout=60)
    server.server.stop()  # lines are written after the answers
    around = (".call_interceptor", ".call_middleware")
    lines = [record.getMessage() for record in caplog.records if record.name.endswith(around)]
    method = "/tensorflow.serving.PredictionService/Predict"
    assert sum(line.startswith(f"{method} OK ") for line in lines) == 1
    assert sum(line.startswith(f"{method} INVALID_ARGUMENT ") for line in lines) == 1
    assert sum(line.startswith("GET /v1/models/none 404 ") for line in lines) == 1


def test_ports_may_open_before_the_models_are_loaded(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    start = Server.start

    def asking(self: Server) -> None:
        def ask() -> None:
            with grpc.insecure_channel(f"127.0.0.1:{self.port}") as channel:
                answer = HealthService.CHECK.stub(channel)(health.HealthCheckRequest(), timeout=60)
                seen.append(answer.status)

        start(self, opened=ask)

    monkeypatch.setattr(Server, "start", asking)
    server = serve(server_settings={"start_before_ready": True})
    assert seen == [health.HealthCheckResponse.NOT_SERVING]
    answer = HealthService.CHECK.stub(server.channel)(health.HealthCheckRequest(), timeout=60)
    assert answer.status == health.HealthCheckResponse.SERVING


def test_while_it_drains_it_finishes_what_it_has_and_sends_the_rest_elsewhere(serve: Serve) -> None:
    server = serve(rest=REST)
    network = server.loader.loaded[ServableId("colour", 1)]
    network.open.clear()
    request = serving.PredictRequest(inputs={"images": PIXEL})
    accepted = PredictionService.PREDICT.stub(server.channel).future(request, timeout=60)
    network.entered.acquire()  # it is on the device now
    server.server._frontends.refuse_new()
    with pytest.raises(grpc.RpcError) as caught:
        predict(server.channel)
    words = "the server is shutting down; send the request to another one"
    assert (caught.value.code(), caught.value.details()) == (grpc.StatusCode.UNAVAILABLE, words)
    late = httpx.get(f"http://127.0.0.1:{server.server.rest_port}/v1/models", timeout=60)
    assert (late.status_code, late.json()) == (503, {"error": words})
    network.open.set()
    assert accepted.result().model_spec.version.value == 1
