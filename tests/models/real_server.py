"""Published models behind a real socket."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from accelserve.client import PredictionClient
from accelserve.server.app import Server
from accelserve.server.config import (
    DeviceConfig,
    GrpcConfig,
    LoadingConfig,
    ModelConfig,
    RequestLimits,
    ServerConfig,
)
from accelserve.server.loading.device import ServableLoader


@dataclass(frozen=True, slots=True)
class Served:
    """A client of the server, and the port for others."""

    client: PredictionClient
    port: int


@contextmanager
def served(*models: Path, device: str = "cpu", cache: Path | None = None) -> Iterator[Served]:
    """A server of these models' folders on a port of its own, and a client of it."""
    chosen = DeviceConfig(name=device, cache=cache)
    config = ServerConfig(
        models=tuple(ModelConfig(name=model.name, base_path=model) for model in models),
        device=chosen,
        grpc=GrpcConfig(address="127.0.0.1", port=0),
        loading=LoadingConfig(poll_seconds=0, retry_seconds=3600),
        drain_seconds=20,
    )
    server = Server(config, ServableLoader(chosen, RequestLimits()))
    server.start()
    try:
        with PredictionClient("127.0.0.1", server.port, timeout_s=240) as client:
            yield Served(client, server.port)
    finally:
        server.stop()
