"""A store, and versions to put into it."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import fsspec
import pytest

from accelserve.models.repository import Manifest, Provenance, Signature, publish
from accelserve.server.app import Server
from accelserve.server.config import GrpcConfig, LoadingConfig, ServerConfig, model_at
from accelserve.server.core.registry import ModelChoice

PROVENANCE = Provenance(source="a", source_sha256="b", tool="c", created="2026-01-01T00:00:00Z", opset=21)


class Bucket:
    """A model's base path in a store."""

    def __init__(self, uri: str, built: Path, **options: object) -> None:
        self.uri = uri
        self._built = built
        self.store, self.root = fsspec.core.url_to_fs(uri, **options)

    def build(self, version: int, gain: str) -> Path:
        """A version as it is published, on the local disk."""

        def manifest(number: int) -> Manifest:
            signatures = {"serving_default": Signature(inputs={}, outputs={})}
            return Manifest(
                name="colour", version=number, signatures=signatures, provenance=PROVENANCE, files={}
            )

        repository = self._built / uuid.uuid4().hex
        return publish(repository, manifest, {"gain.txt": gain.encode()}, name="colour", version=version)

    def put(self, folder: Path, *names: str) -> None:
        """Upload some files of a version, or all."""
        for name in names or [path.name for path in folder.iterdir()]:
            self.store.pipe_file(f"{self.root}/{folder.name}/{name}", (folder / name).read_bytes())

    def upload(self, version: int, gain: str) -> None:
        """Upload a whole version."""
        self.put(self.build(version, gain))

    def write(self, path: str, data: bytes) -> None:
        self.store.pipe_file(f"{self.root}/{path}", data)

    def delete(self, path: str) -> None:
        self.store.rm(f"{self.root}/{path}", recursive=True)


@pytest.fixture
def bucket(tmp_path: Path) -> Iterator[Bucket]:
    made = Bucket(f"memory://bucket-{uuid.uuid4().hex}/models/colour", tmp_path / "built")
    yield made
    made.store.store.clear()


@pytest.fixture
def serve_remote(
    tmp_path: Path, colour_loader: Callable[..., object]
) -> Iterator[Callable[..., SimpleNamespace]]:
    """Serve a remote base path; ``gain()`` tells which version answers."""
    servers: list[Server] = []

    def start(uri: str, **model: object) -> SimpleNamespace:
        loader = colour_loader()
        config = ServerConfig(
            models=(model_at("colour", uri, **model),),
            grpc=GrpcConfig(address="127.0.0.1", port=0),
            loading=LoadingConfig(
                poll_seconds=0, remote_poll_seconds=0, retry_seconds=3600, remote_cache=tmp_path / "cache"
            ),
            drain_seconds=20,
        )
        server = Server(config, loader)  # type: ignore[arg-type]
        server.start()
        servers.append(server)
        mirror, states = server.registry._mirror, server.registry.states
        assert mirror is not None

        def look() -> None:
            """A poll, and what follows from it."""
            mirror.look()
            states.wait_until(
                lambda: all(report.settled and report.state != 40 for report in states.all()), 240
            )

        def gain() -> float:
            with server.registry.acquire(ModelChoice(name="colour")) as handle:
                return float(handle.servable.gain)  # type: ignore[attr-defined]

        return SimpleNamespace(server=server, look=look, gain=gain, mirror=mirror, cache=tmp_path / "cache")

    yield start
    for server in servers:
        server.stop()
