"""Health as orchestrators ask for it, with the official client."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import grpc
import numpy as np
import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub

from accelserve.protos import grpc_health_v1 as health
from accelserve.protos import tensorflow_serving as serving
from accelserve.protos.services import PredictionService
from accelserve.protos.tensors import from_array
from accelserve.server.core.servable import ServableId
from accelserve.server.core.states import ServableStateMonitor
from accelserve.server.readiness import Phase, Readiness
from accelserve.server.rpc.health import Health
from accelserve.server.rpc.streams import MAX_STREAMS, OpenStreams

Serve = Callable[..., SimpleNamespace]
UP, DOWN = HealthCheckResponse.SERVING, HealthCheckResponse.NOT_SERVING


def stub_of(server: SimpleNamespace) -> Any:
    return HealthStub(server.channel)  # its methods are set at run time


def check(server: SimpleNamespace, service: str = "") -> int:
    return int(stub_of(server).Check(HealthCheckRequest(service=service), timeout=60).status)


@pytest.mark.parametrize("service", ["", "tensorflow.serving.PredictionService", "colour"])
def test_a_server_that_serves(serve: Serve, service: str) -> None:
    assert check(serve(), service) == UP


def test_an_unknown_service_is_not_found(serve: Serve) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        check(serve(), "nobody")
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


def test_a_model_without_a_version_is_down_and_so_is_the_server(serve: Serve) -> None:
    server = serve(models={"colour": {1: "1.0"}, "other": {1: "1.0"}})
    (server.folder / "other" / "1").rename(server.folder / "elsewhere")
    with pytest.raises(Exception, match="No versions of servable other"):
        server.server.registry.reload(server.server.registry.models())
    assert server.server.registry.states.wait_until(lambda: not server.server.readiness.model("other"), 240)
    assert (check(server), check(server, "other"), check(server, "colour")) == (DOWN, DOWN, UP)


def test_watch_follows_every_change(serve: Serve, publish: Callable[..., Path]) -> None:
    server = serve()
    watch = stub_of(server).Watch(HealthCheckRequest(service="second"), timeout=60)
    assert next(watch).status == HealthCheckResponse.SERVICE_UNKNOWN
    publish(server.folder / "second", 1)
    (known,) = server.server.registry.models()
    second = type(known)(name="second", base_path=server.folder / "second")
    server.server.registry.reload([known, second])
    while (status := next(watch).status) != UP:
        assert status == DOWN
    server.server.registry.reload([known])
    while (status := next(watch).status) != HealthCheckResponse.SERVICE_UNKNOWN:
        assert status == DOWN


def test_watchers_hear_of_the_end_and_do_not_delay_it(serve: Serve) -> None:
    server = serve(server_settings={"drain_seconds": 3600})
    watch = stub_of(server).Watch(HealthCheckRequest(), timeout=60)
    assert next(watch).status == UP
    stopping = threading.Thread(target=server.server.stop)
    stopping.start()
    assert [response.status for response in watch] == [DOWN]
    stopping.join(60)
    assert not stopping.is_alive()


def test_an_end_that_begins_while_a_status_is_sent_is_told_too() -> None:
    readiness = Readiness(ServableStateMonitor(), list)
    readiness.enter(Phase.RUNNING)
    context = SimpleNamespace(add_callback=lambda _: True, is_active=lambda: True)
    told = Health(readiness, (), OpenStreams()).watch(health.HealthCheckRequest(), context)  # type: ignore[arg-type]
    assert next(told).status == UP
    readiness.enter(Phase.DRAINING)
    assert [response.status for response in told] == [DOWN]


def test_watchers_cannot_take_every_thread(serve: Serve) -> None:
    server = serve()
    stub = stub_of(server)
    watchers = [stub.Watch(HealthCheckRequest(), timeout=60) for _ in range(MAX_STREAMS)]
    for watcher in watchers:
        assert next(watcher).status == UP
    with pytest.raises(grpc.RpcError) as caught:
        next(stub.Watch(HealthCheckRequest(), timeout=60))
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert check(server) == UP
    for watcher in watchers:
        watcher.cancel()


def test_health_answers_while_predictions_fill_the_server(serve: Serve) -> None:
    server = serve(max_threads=2)
    network = server.loader.loaded[ServableId("colour", 1)]
    network.open.clear()
    request = serving.PredictRequest(inputs={"images": from_array(np.zeros((1, 8, 8, 3), np.float32))})
    calls = [PredictionService.PREDICT.stub(server.channel).future(request, timeout=60) for _ in range(8)]
    network.entered.acquire()
    assert check(server) == UP
    network.open.set()
    for call in calls:
        call.result()
