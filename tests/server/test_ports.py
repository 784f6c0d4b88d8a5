"""Addresses that cannot be listened on are found before anything is loaded, and IPv6 ones are addresses like others."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import grpc
import httpx
import pytest

from accelserve.protos import grpc_health_v1 as health
from accelserve.protos.services import HealthService
from accelserve.server.app import Server
from accelserve.server.config import GrpcConfig, ModelConfig, RestConfig, ServerConfig
from accelserve.server.core.servable import ServableId
from accelserve.server.errors import ConfigurationError
from accelserve.server.ports import PortReservation
from accelserve.server.rest.listener import RestListener
from accelserve.server.rpc.listener import GrpcListener

Serve = Callable[..., SimpleNamespace]


class NothingIsLoaded:
    def load(self, servable_id: ServableId, path: Path) -> Any:
        raise AssertionError(f"{servable_id} was loaded")


def refused(folder: Path, grpc_config: GrpcConfig, **settings: Any) -> str:
    (folder / "colour" / "1").mkdir(parents=True)
    model = ModelConfig(name="colour", base_path=folder / "colour")
    server = Server(ServerConfig(models=(model,), grpc=grpc_config, **settings), NothingIsLoaded())
    with pytest.raises(ConfigurationError) as caught:
        server.start()
    return str(caught.value)


@pytest.fixture
def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


@pytest.mark.parametrize("frontend", ["rest", "metrics"])
def test_a_port_for_two_frontends_is_refused(tmp_path: Path, free_port: int, frontend: str) -> None:
    rest = RestConfig(address="127.0.0.1", port=free_port if frontend == "rest" else None)
    metrics = free_port if frontend == "metrics" else None
    words = refused(
        tmp_path, GrpcConfig(address="127.0.0.1", port=free_port), rest=rest, metrics_port=metrics
    )
    assert words.startswith(f"cannot listen on 127.0.0.1:{free_port} twice; ")


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("192.0.2.1", "cannot listen on 192.0.2.1:0: Cannot assign requested address"),  # RFC 5737
        ("2001:db8::1", "cannot listen on [2001:db8::1]:0: "),  # RFC 3849
        ("nowhere.invalid", "cannot listen on nowhere.invalid:0: "),  # RFC 6761
        ("", "the address to listen on is empty; "),
    ],
)
def test_an_address_of_another_machine_is_refused(tmp_path: Path, address: str, words: str) -> None:
    assert refused(tmp_path, GrpcConfig(address=address, port=0)).startswith(words)


def test_where_no_socket_can_be_made_is_refused(tmp_path: Path, socket_folder: Path) -> None:
    (socket_folder / "file").touch()
    places = {
        socket_folder / "nowhere" / "socket": f"there is no folder {socket_folder / 'nowhere'}",
        socket_folder / "file": "something else is there",
        socket_folder / ("x" * 108): "its path is longer than 107 bytes",
    }
    for number, (path, reason) in enumerate(places.items()):
        config = GrpcConfig(address="127.0.0.1", port=0, socket_path=str(path))
        words = refused(tmp_path / str(number), config)
        assert words == f"cannot listen on unix:{path}: {reason}"


def test_a_port_is_held_until_the_server_listens_on_it(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """In between somebody else might get it."""
    order: list[str] = []

    def note(kind: type, method: str) -> None:
        call = getattr(kind, method)

        def noted(self: Any, *given: Any) -> Any:
            order.append(kind.__name__)
            return call(self, *given)

        monkeypatch.setattr(kind, method, noted)

    note(GrpcListener, "start")
    note(RestListener, "start")
    note(PortReservation, "release")
    serve(rest=RestConfig(address="127.0.0.1", port=0))
    assert order == ["GrpcListener", "RestListener", "PortReservation"]


def has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


@pytest.mark.skipif(not has_ipv6(), reason="needs IPv6")
@pytest.mark.parametrize("address", ["::1", "[::1]"])
def test_both_frontends_listen_on_ipv6(serve: Serve, address: str) -> None:
    started = serve(address=address, rest=RestConfig(address=address, port=0)).server
    with grpc.insecure_channel(f"[::1]:{started.port}") as channel:
        answer = HealthService.CHECK.stub(channel)(health.HealthCheckRequest(), timeout=60)
    assert answer.status == health.HealthCheckResponse.SERVING
    assert httpx.get(f"http://[::1]:{started.rest_port}/v2/health/live", timeout=60).json() == {"live": True}
