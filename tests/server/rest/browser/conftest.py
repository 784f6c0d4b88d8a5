"""Windows of a headless Chromium, and a server of real networks for them.

`make test-browser` installs Chromium and runs these tests.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from tests.models.detectors import CLASSES, WIDTH, publish, write_network
from tests.server.rest.browser.chromium import NEEDS, Browser, chromedriver, window

from accelserve.models.samples import sample_network, write_sample_photographs
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
from accelserve.server.loading.device import ServableLoader

DETECTOR_LABELS = ("background", "cup", "kite", "lamp", "mouse")


@pytest.fixture(scope="session")
def driver() -> Iterator[httpx.Client]:
    if not all(map(shutil.which, NEEDS)):
        pytest.skip("needs Chromium and its driver: apt-get install chromium chromium-driver")
    with chromedriver() as client:
        yield client


@pytest.fixture
def browser(driver: httpx.Client) -> Iterator[Browser]:
    """One window."""
    with window(driver) as opened:
        yield opened


@dataclass(frozen=True, slots=True)
class RealServer:
    """Serves ``classifier``, which is trained, and ``detector``, whose weights are random; and some photographs."""

    url: str
    photographs: dict[str, Path]


@pytest.fixture(scope="session")
def real(driver: httpx.Client, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealServer]:
    folder = tmp_path_factory.mktemp("real")
    photographs = {path.stem: path for path in write_sample_photographs(folder / "photographs")}
    sample_network().save(folder / "classifier.onnx")
    publish(folder / "classifier.onnx", "classifier")
    detector = write_network(folder / "detector.onnx", "ssd300_vgg16", classes=CLASSES, width=WIDTH)
    publish(detector, "detector", labels=DETECTOR_LABELS)
    device = DeviceConfig(name="cpu")
    config = ServerConfig(
        models=tuple(
            ModelConfig(name=name, base_path=folder / "models" / name) for name in ("classifier", "detector")
        ),
        device=device,
        grpc=GrpcConfig(address="127.0.0.1", port=0),
        rest=RestConfig(address="127.0.0.1", port=0),
        loading=LoadingConfig(poll_seconds=0, retry_seconds=3600),
    )
    server = Server(config, ServableLoader(device, RequestLimits()))
    server.start()
    try:
        yield RealServer(f"http://127.0.0.1:{server.rest_port}/", photographs)
    finally:
        server.stop()
