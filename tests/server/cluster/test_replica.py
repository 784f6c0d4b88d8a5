"""A replica by itself: what Ray Serve calls, called by the test; without Ray."""

from __future__ import annotations

import asyncio
import gc
import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from tests.server.serve_process import publish, train
from tests.server.waiting import until

from accelserve.models.registry.in_use import in_use
from accelserve.protos import tensorflow_serving as serving
from accelserve.protos.services import PredictionService
from accelserve.server.cluster.passage import PASSED, REFUSED, PassedAnswer, PassedRequest
from accelserve.server.cluster.replica import Replica, ReplicaSettings, ReplicaStartError
from accelserve.server.config import DeviceConfig, GrpcConfig, ModelConfig, RestConfig, ServerConfig
from accelserve.server.ports import free_port

PREDICT = PredictionService.PREDICT


class Carried:
    """What a replica sees of Serve's ``RayServegRPCContext``."""

    def __init__(self, *metadata: tuple[str, str]) -> None:
        self.metadata = metadata
        self.trailing: list[tuple[str, str]] = []
        self.status: tuple[grpc.StatusCode | None, str] = (None, "")

    def invocation_metadata(self) -> Any:
        return self.metadata

    def peer(self) -> str:
        return "ipv4:127.0.0.1:1"

    def code(self) -> grpc.StatusCode | None:
        return self.status[0]

    def set_code(self, code: grpc.StatusCode) -> None:
        self.status = (code, self.status[1])

    def set_details(self, details: str) -> None:
        self.status = (self.status[0], details)

    def set_trailing_metadata(self, metadata: list[tuple[str, str]]) -> None:
        self.trailing = metadata


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return publish(train(tmp_path_factory.mktemp("replica")))


@pytest.fixture
def start(models: Path) -> Iterator[Callable[..., Replica]]:
    def make(base_path: Path = models / "tiny", **settings: Any) -> Replica:
        config = ServerConfig(
            models=(ModelConfig(name="tiny", base_path=base_path),),
            device=DeviceConfig(threads=1),
            **settings,
        )
        return Replica(_settings(config))

    yield make
    gc.collect()  # a replica ends when Serve lets go of it


def _settings(config: ServerConfig) -> ReplicaSettings:
    return ReplicaSettings(
        config=config, log=lambda: None, version=version("accelserve"), deployment="of-the-test"
    )


def ask(replica: Replica, carried: Carried, message: bytes = b"") -> PassedAnswer:
    method: Any = getattr(replica, PREDICT.name)
    answer: PassedAnswer = asyncio.run(method(PassedRequest(message, 20.0), grpc_context=carried))
    return answer


def test_every_method_of_the_server_is_passed_or_refused(start: Callable[..., Replica]) -> None:
    assert set(start()._handlers) == {method.path for method in PASSED} | set(REFUSED)
    assert len({method.name for method in PASSED}) == len(PASSED)


def test_what_nobody_foresaw_reaches_the_caller_as_an_id(
    start: Callable[..., Replica], monkeypatch: pytest.MonkeyPatch
) -> None:
    replica = start()

    def fail(_raw: bytes, _context: object) -> bytes:
        raise ZeroDivisionError("secret")

    monkeypatch.setitem(replica._handlers, PREDICT.path, fail)
    carried = Carried(("x-request-id", "mine"))
    assert ask(replica, carried).SerializeToString() == b""
    code, details = carried.status
    assert code is grpc.StatusCode.INTERNAL
    assert details.startswith("internal error ")
    assert "secret" not in details
    assert carried.trailing == [("x-request-id", "mine")]


def test_a_request_is_answered_under_its_id(start: Callable[..., Replica]) -> None:
    carried = Carried(("x-request-id", "mine"))
    unknown = serving.PredictRequest(model_spec=serving.ModelSpec(name="none")).SerializeToString()
    ask(start(), carried, unknown)
    assert carried.status == (grpc.StatusCode.NOT_FOUND, "Servable not found for request: Latest(none)")
    assert carried.trailing == [("x-request-id", "mine")]


def test_replicas_of_one_node_share_its_ports_for_metrics(start: Callable[..., Replica]) -> None:
    first = free_port("127.0.0.1")
    replicas = [start(metrics_port=first, rest=RestConfig(address="127.0.0.1")) for _ in range(2)]
    ports = [replica._metrics_listener.port for replica in replicas]
    assert first <= ports[0] < ports[1]
    ask(replicas[1], Carried())
    pages = [
        httpx.get(f"http://127.0.0.1:{port}/monitoring/prometheus/metrics", timeout=60).text for port in ports
    ]
    refused = ':tensorflow:serving:request_count{model_name="tiny",status="INVALID_ARGUMENT"} 1'
    assert [refused in page for page in pages] == [False, True]
    for replica in replicas:
        replica._metrics_listener.stop(1)


def test_a_replica_notes_what_it_has_loaded_and_takes_that_back(
    start: Callable[..., Replica], models: Path
) -> None:
    replica = start(grpc=GrpcConfig(port=8765), usage_notes=True)
    until(lambda: in_use(str(models / "tiny")) != [])
    (note,) = in_use(str(models / "tiny"))
    assert note.server == f"{socket.gethostname()}:8765"
    assert note.versions == (1,)
    replica.__del__()  # as Serve does
    assert in_use(str(models / "tiny")) == []


def test_a_replica_that_cannot_load_says_why_in_one_sentence(
    start: Callable[..., Replica], tmp_path: Path
) -> None:
    with pytest.raises(ReplicaStartError, match=r"base path|version") as failed:
        start(tmp_path / "none")
    assert "\n" not in str(failed.value)


def test_a_node_with_another_version_is_refused(models: Path) -> None:
    config = ServerConfig(models=(ModelConfig(name="tiny", base_path=models / "tiny"),))
    config = replace(config, device=DeviceConfig(threads=1))
    with pytest.raises(ReplicaStartError, match=r"the command has 0\.0\.7; install one version everywhere"):
        Replica(replace(_settings(config), version="0.0.7"))
