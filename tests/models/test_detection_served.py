"""Detections over a real socket: equal to the detector run by hand on the raw tensors that are served."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from accelserve.client import ModelSelection, PredictionClient
from accelserve.kernels.devices.discovery import open_device
from accelserve.kernels.postprocess import DETECTION_PRESETS, DetectionSpec, Detector
from accelserve.models.architectures import architecture
from accelserve.models.detection import detection_document
from accelserve.models.errors import CorruptVersionError
from accelserve.models.repository import MANIFEST_FILE, decode_manifest, encode_manifest, read_manifest
from accelserve.models.serving.servable import Servable
from tests.models.detectors import CLASSES, PHOTOGRAPHS, WIDTH, publish, write_network
from tests.models.real_server import Served, served

Outputs = dict[str, NDArray[np.float32]]
GRIDS = [(37, 4), (19, 6), (10, 6), (5, 6), (3, 4), (1, 4)]
BLOCKS = (4, 7, 8, 9, 10, 11)
THRESHOLD = 0.7  # the preset's is 0.5
LABELS = ("background", "cup", "kite", "lamp", "mouse")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory, code_cache: Path) -> Path:
    """A repository with both detectors, small."""
    folder = tmp_path_factory.mktemp("detectors")
    document = detection_document(json.dumps({"preset": "ssd-vgg-300", "score_threshold": THRESHOLD}))
    azure = write_network(folder / "azure.onnx", "ssd_vgg", classes=CLASSES, width=WIDTH)
    torch = write_network(folder / "torch.onnx", "ssd300_vgg16", classes=CLASSES, width=WIDTH)
    publish(azure, "azure", document, labels=LABELS, cache=code_cache)
    publish(torch, "torch", cache=code_cache)
    return folder / "models"


@pytest.fixture(scope="module")
def server(models: Path, code_cache: Path) -> Iterator[Served]:
    with served(models / "azure", models / "torch", cache=code_cache) as found:
        yield found


@pytest.fixture(scope="module")
def client(server: Served) -> PredictionClient:
    return server.client


def ask(
    client: PredictionClient, model: str, signature: str = "", pictures: list[Path] = PHOTOGRAPHS
) -> Outputs:
    selection = ModelSelection(name=model, signature_name=signature)
    scores = client.score_images([picture.read_bytes() for picture in pictures], model=selection)
    assert isinstance(scores, dict)
    return scores


def spec_of(preset: str, **changes: float) -> DetectionSpec:
    return dataclasses.replace(DETECTION_PRESETS[preset], classes=CLASSES, **changes)  # type: ignore[arg-type] # floats


def logits_and_offsets(raw: Outputs) -> list[list[NDArray[np.float32]]]:
    """The Azure contract's tensors, grid by grid."""
    return [
        [raw[f"ssd_300_vgg/block{block}_box/{tensor}:0"] for block in BLOCKS]
        for tensor in ("Reshape_1", "Reshape")
    ]


def assert_same(found: Outputs, expected: Outputs) -> None:
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        assert found[name].dtype == np.float32
        np.testing.assert_array_equal(found[name], array)


def test_the_azure_contract_is_the_default_signature(client: PredictionClient) -> None:
    raw = ask(client, "azure")
    assert {name: array.shape for name, array in raw.items()} == {
        f"ssd_300_vgg/block{block}_box/{tensor}:0": (2, side, side, anchors, values)
        for tensor, values in (("Reshape_1", CLASSES), ("Reshape", 4))
        for block, (side, anchors) in zip(BLOCKS, GRIDS, strict=True)
    }


def test_azure_detections_are_the_detectors_on_the_raw_tensors(client: PredictionClient) -> None:
    detector = Detector(spec_of("ssd-vgg-300", score_threshold=THRESHOLD))
    expected = detector.run_layers(*logits_and_offsets(ask(client, "azure"))).as_outputs()
    assert expected["num_detections"].min() > 0
    assert expected["detection_scores"][expected["detection_scores"] > 0].min() > THRESHOLD
    assert_same(ask(client, "azure", "detection"), expected)


def test_torchvisions_network_answers_with_detections(client: PredictionClient) -> None:
    raw = ask(client, "torch", "raw")
    anchors = DETECTION_PRESETS["ssd300-torch"].anchors
    assert {name: array.shape for name, array in raw.items()} == {
        "bbox_regression": (2, anchors, 4),
        "cls_logits": (2, anchors, CLASSES),
    }
    expected = Detector(spec_of("ssd300-torch")).run(raw["cls_logits"], raw["bbox_regression"]).as_outputs()
    assert expected["num_detections"].min() > 0
    assert_same(ask(client, "torch"), expected)
    assert_same(ask(client, "torch", "detection"), expected)


def test_a_batch_is_its_pictures(client: PredictionClient) -> None:
    together = ask(client, "torch")
    for index, picture in enumerate(PHOTOGRAPHS):
        assert_same(
            ask(client, "torch", pictures=[picture]), {k: v[index : index + 1] for k, v in together.items()}
        )


def test_only_what_is_asked_for_comes_back(client: PredictionClient) -> None:
    selection = ModelSelection(name="azure", signature_name="detection")
    picture = PHOTOGRAPHS[0].read_bytes()
    scores = client.score_image(picture, outputs=["num_detections", "detection_scores:0"], model=selection)
    assert isinstance(scores, dict)
    assert list(scores) == ["num_detections", "detection_scores:0"]
    assert scores["num_detections"] == np.count_nonzero(scores["detection_scores:0"])


def test_metadata_describes_the_detections(client: PredictionClient) -> None:
    described = client.describe_model(model=ModelSelection(name="azure")).signatures
    assert set(described) == {"serving_default", "detection"}
    shapes = {name: tuple(tensor.shape or ()) for name, tensor in described["detection"].outputs.items()}
    assert shapes == {
        "detection_boxes": (None, 400, 4),
        "detection_scores": (None, 400),
        "detection_classes": (None, 400),
        "num_detections": (None,),
    }


def predict(server: Served, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable,
        "-m",
        "accelserve.server.cli",
        "predict",
        "--address",
        f"127.0.0.1:{server.port}",
    ]
    return subprocess.run(
        [*command, *map(str, arguments)], capture_output=True, text=True, timeout=240, check=False
    )


def test_predict_draws_what_was_found(server: Served, tmp_path: Path) -> None:
    best = ask(server.client, "azure", "detection", PHOTOGRAPHS[:1])
    done = predict(
        server, "--model=azure", "--draw", tmp_path / "drawn", "--min-score", THRESHOLD, "--top=1", PHOTOGRAPHS[0],
        PHOTOGRAPHS[0],
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert f"{best['detection_scores'][0, 0]:.4f}" in done.stdout
    label = LABELS[int(best["detection_classes"][0, 0])]
    with Image.open(PHOTOGRAPHS[0]) as opened:
        before = np.asarray(opened.convert("RGB"), np.int64)
    height, width = before.shape[:2]
    top, left, bottom, right = best["detection_boxes"][0, 0] * [height, width, height, width]
    assert f"{label} at {left:.0f},{top:.0f} to {right:.0f},{bottom:.0f}" in done.stdout
    assert sorted(path.name for path in (tmp_path / "drawn").iterdir()) == ["china-2.jpg", "china.jpg"]
    with Image.open(tmp_path / "drawn" / "china.jpg") as opened:
        after = np.asarray(opened, np.int64)
    assert after.shape == before.shape
    # The surest box lies on top: its left edge is drawn over its whole height, but for what the label covers.
    column = slice(round(left), round(left) + 2)
    edge = np.abs(after - before)[round(top) + 40 : round(bottom) - 5, column].max(axis=(1, 2))
    assert np.median(edge) > 30


def test_predict_without_detections_says_so(server: Served, tmp_path: Path) -> None:
    nothing = predict(server, "--model=torch", "--min-score=0.9999", PHOTOGRAPHS[0])
    assert nothing.returncode == 0, nothing.stderr
    assert "none of 0.9999 or more" in nothing.stdout
    refused = predict(server, "--model=torch", "--signature=raw", "--draw", tmp_path / "x", PHOTOGRAPHS[0])
    assert refused.returncode == 2
    assert "--draw needs detections and the model answered with bbox_regression, cls_logits" in refused.stderr
    assert not (tmp_path / "x").exists()


def test_detection_that_reads_a_tensor_the_network_lacks_is_not_loaded(models: Path, tmp_path: Path) -> None:
    original, version = models / "torch" / "1", tmp_path / "torch" / "1"
    version.mkdir(parents=True)
    for file in original.iterdir():
        (version / file.name).write_bytes(file.read_bytes())
    manifest = decode_manifest((version / MANIFEST_FILE).read_bytes())
    broken = msgspec.structs.replace(
        manifest, detection={**(manifest.detection or {}), "logits": ["scores:0"]}
    )
    (version / MANIFEST_FILE).write_bytes(encode_manifest(broken))
    with pytest.raises(CorruptVersionError, match=r"detection reads \['scores:0'\], which the network lacks"):
        Servable.load(version, device=open_device("cpu"))


def test_the_whole_azure_network_at_full_size(tmp_path: Path, code_cache: Path) -> None:
    network = write_network(tmp_path / "ssd_vgg.onnx", "ssd_vgg")
    made = publish(network, "ssd", calibrate_limit=1, cache=code_cache)
    manifest = read_manifest(made.directory)
    assert manifest.labels[15] == "person"
    with served(made.directory.parent, cache=code_cache) as server:
        raw = ask(server.client, "ssd", pictures=PHOTOGRAPHS[:1])
        found = ask(server.client, "ssd", "detection", PHOTOGRAPHS[:1])
    assert set(raw) == set(architecture("ssd_vgg").outputs)
    logits, offsets = logits_and_offsets(raw)
    for tensors, values in ((logits, 21), (offsets, 4)):
        assert [array.shape for array in tensors] == [
            (1, side, side, anchors, values) for side, anchors in GRIDS
        ]
    expected = Detector(DETECTION_PRESETS["ssd-vgg-300"]).run_layers(logits, offsets)
    assert_same(found, expected.as_outputs())
