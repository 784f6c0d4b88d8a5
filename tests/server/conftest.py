"""A real but tiny image network, and servers on ephemeral ports that serve it."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import grpc
import numpy as np
import pytest
import skimage
from numpy.typing import NDArray

from accelserve.kernels.device_health import DeviceHealth
from accelserve.kernels.preprocess import DecodedBatch, Preprocessor, PreprocessSpec, StageClock
from accelserve.server.app import Server
from accelserve.server.config import (
    BatchingConfig,
    GrpcConfig,
    LoadingConfig,
    ModelConfig,
    RequestLimits,
    RestConfig,
    ServerConfig,
)
from accelserve.server.core.servable import ServableId
from accelserve.server.errors import LoadError

Array = NDArray[np.generic]
SIDE = 8


@dataclass(frozen=True, slots=True)
class TensorSpec:
    name: str
    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Signature:
    inputs: Mapping[str, TensorSpec]
    outputs: Mapping[str, TensorSpec]
    method_name: str = "tensorflow/serving/predict"


_IMAGES = TensorSpec("images:0", "string", (-1,))
_SIGNATURES = {
    "serving_default": Signature(
        {"images": _IMAGES},
        {
            "output_alias": TensorSpec("colour/mean:0", "float32", (-1, 3)),
            "brightest": TensorSpec("colour/max:0", "uint8", (-1, 3)),
        },
    ),
    "features": Signature(
        {"images": _IMAGES}, {"output_alias": TensorSpec("colour/mean:0", "float32", (-1, 3))}
    ),
}


class ColourNetwork:
    """Mean and maximal colour of the 8 x 8 picture, times ``gain``. ``open`` can be cleared to hold compute back."""

    signatures = _SIGNATURES
    labels = ("red", "green", "blue")
    description = "numpy, 1 thread"
    memory_bytes = 0
    side_by_side: int | None = None
    health: DeviceHealth | None = None
    input_shape = (SIDE, SIDE, 3)

    def __init__(self, gain: float) -> None:
        self.gain = gain
        self.closed = False
        self.open = threading.Event()
        self.open.set()
        self.entered = threading.Semaphore(0)
        self.batches: list[int] = []
        spec = PreprocessSpec(
            resize="exact",
            resize_height=SIDE,
            resize_width=SIDE,
            interpolation="bilinear",
            crop_height=SIDE,
            crop_width=SIDE,
            color_order="RGB",
            mean=(0.0, 0.0, 0.0),
        )
        self._preprocessor = Preprocessor(spec, input_scale=1.0, input_zero_point=0)

    def decode(self, images: Sequence[bytes], clock: StageClock | None = None) -> DecodedBatch[np.generic]:
        return self._preprocessor.run_each(images, clock=clock)

    def quantize(self, tensor: NDArray[np.float32]) -> Array:
        return self._preprocessor.quantize(tensor)

    def run(self, batch: Array) -> dict[str, Array]:
        assert not self.closed, "a version was closed while a request held it"
        self.batches.append(len(batch))
        self.entered.release()
        self.open.wait()
        means = batch.astype(np.float32).mean(axis=(1, 2), dtype=np.float32)
        return {"colour/mean:0": means * np.float32(self.gain), "colour/max:0": batch.max(axis=(1, 2))}

    def respond(
        self, signature: str, results: Mapping[str, Array], wanted: Sequence[str]
    ) -> dict[str, Array]:
        outputs = self.signatures[signature].outputs
        return {alias: results[outputs[alias].name] for alias in wanted}

    def warm_up(self) -> None:
        """Numpy is as fast the first time."""

    def close(self) -> None:
        self.closed = True


_SCORING_SIGNATURES = {
    **_SIGNATURES,
    "classify": Signature(
        {"inputs": _IMAGES},
        {"scores": TensorSpec("colour/mean:0", "float32", (-1, 3))},
        "tensorflow/serving/classify",
    ),
    "brightness": Signature(
        {"inputs": _IMAGES},
        {"outputs": TensorSpec("colour/brightness:0", "float32", (-1, 1))},
        "tensorflow/serving/regress",
    ),
    "detection": Signature(
        {"images": _IMAGES},
        {
            "detection_boxes": TensorSpec("detection_boxes:0", "float32", (-1, 2, 4)),
            "detection_scores": TensorSpec("detection_scores:0", "float32", (-1, 2)),
            "detection_classes": TensorSpec("detection_classes:0", "float32", (-1, 2)),
            "num_detections": TensorSpec("num_detections:0", "float32", (-1,)),
        },
    ),
}


class ScoringNetwork(ColourNetwork):
    """Takes Classify and Regress as well, and finds the whole picture, as an object of its brightest colour."""

    signatures = _SCORING_SIGNATURES

    def run(self, batch: Array) -> dict[str, Array]:
        results = super().run(batch)
        means = np.asarray(results["colour/mean:0"], np.float32)
        count = len(batch)
        boxes = np.zeros((count, 2, 4), np.float32)
        boxes[:, 0] = (0.25, 0.1, 0.75, 0.9)
        scores = np.zeros((count, 2), np.float32)
        scores[:, 0] = means.max(axis=1) / 255
        classes = np.zeros((count, 2), np.float32)
        classes[:, 0] = means.argmax(axis=1)
        return {
            **results,
            "colour/brightness:0": means.mean(axis=1, keepdims=True, dtype=np.float32),
            "detection_boxes:0": boxes,
            "detection_scores:0": scores,
            "detection_classes:0": classes,
            "num_detections:0": np.ones(count, np.float32),
        }


class ColourLoader:
    """Loads a folder that holds ``gain.txt``; remembers what it loaded."""

    def __init__(self, network: type[ColourNetwork] = ColourNetwork) -> None:
        self.loaded: dict[ServableId, ColourNetwork] = {}
        self._network = network

    def load(self, servable_id: ServableId, path: Path) -> ColourNetwork:
        text = (path / "gain.txt").read_text()
        try:
            network = self._network(float(text))
        except ValueError as error:
            raise LoadError(f"{path} cannot be served: gain.txt holds {text!r}") from error
        self.loaded[servable_id] = network
        return network


@pytest.fixture
def colour_loader() -> type[ColourLoader]:
    return ColourLoader


@pytest.fixture
def colour_network() -> type[ColourNetwork]:
    return ColourNetwork


@pytest.fixture
def scoring_network() -> type[ScoringNetwork]:
    return ScoringNetwork


def publish(base: Path, version: int, gain: str = "1.0") -> Path:
    """A version appears whole, as publishers do it."""
    hidden = base / f".unfinished-{version}"
    hidden.mkdir(parents=True)
    (hidden / "gain.txt").write_text(gain)
    return hidden.rename(base / str(version))


@pytest.fixture(name="publish")
def _publish() -> Callable[..., Path]:
    return publish


@pytest.fixture(scope="session")
def photo() -> bytes:
    """A colour photograph, 512 x 512 PNG."""
    return ((Path(skimage.__file__).parent / "data") / "astronaut.png").read_bytes()


@pytest.fixture(scope="session")
def jpeg() -> bytes:
    """A JPEG photograph."""
    return ((Path(skimage.__file__).parent / "data") / "rocket.jpg").read_bytes()


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., SimpleNamespace]]:
    """``serve(models={name: {version: gain}}, ...)``: a running server, its channel, its loader, its folders."""
    with ExitStack() as stack:

        def start(
            models: Mapping[str, Mapping[int, str]] | None = None,
            *,
            batching: BatchingConfig | None = None,
            limits: RequestLimits | None = None,
            rest: RestConfig | None = None,
            network: type[ColourNetwork] = ColourNetwork,
            server_settings: Mapping[str, object] | None = None,
            **grpc_settings: object,
        ) -> SimpleNamespace:
            wanted = models or {"colour": {1: "1.0"}}
            for name, versions in wanted.items():
                for version, gain in versions.items():
                    publish(tmp_path / name, version, gain)
            config = ServerConfig(
                models=tuple(ModelConfig(name=name, base_path=tmp_path / name) for name in wanted),
                grpc=dataclasses.replace(GrpcConfig(address="127.0.0.1", port=0), **grpc_settings),  # type: ignore[arg-type]
                loading=LoadingConfig(poll_seconds=0, retry_seconds=3600),
                batching=batching or BatchingConfig(),
                rest=rest or RestConfig(),
                limits=limits or RequestLimits(),
                drain_seconds=20,
            )
            loader = ColourLoader(network)
            server = Server(dataclasses.replace(config, **(server_settings or {})), loader)  # type: ignore[arg-type]
            server.start()
            stack.callback(server.stop)
            channel = stack.enter_context(grpc.insecure_channel(f"127.0.0.1:{server.port}"))
            return SimpleNamespace(server=server, channel=channel, loader=loader, folder=tmp_path)

        yield start
