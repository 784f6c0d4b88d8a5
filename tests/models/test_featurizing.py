"""Features in one call: any device, any number of pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_sample_images

from accelserve import models
from accelserve.kernels.devices.discovery import open_device
from accelserve.kernels.ir import (
    AveragePool,
    Clip,
    Conv2d,
    Dense,
    DType,
    Graph,
    Node,
    Reshape,
    TensorType,
    Window,
)
from accelserve.kernels.preprocess import InvalidImageError, PreprocessSpec, UnknownImageFormatError
from accelserve.models.convert import ConvertOptions, convert
from accelserve.models.importing import export_onnx
from accelserve.models.servable import InputError, Servable

PHOTOGRAPHS = [Path(name) for name in load_sample_images().filenames]
SPEC = PreprocessSpec(
    resize="exact", resize_height=16, resize_width=16, interpolation="bilinear",
    crop_height=16, crop_width=16, color_order="RGB", mean=(128.0, 128.0, 128.0),
)  # fmt: skip


@pytest.fixture(scope="module")
def version(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A convolution, eight pooled features, three classes."""
    random = np.random.default_rng(3)
    nodes = (
        Node("conv", Conv2d(Window(kernel=(3, 3))), ("images", "w"), "c"),
        Node("relu", Clip(), ("c",), "r"),
        Node("pool", AveragePool(Window(kernel=(14, 14))), ("r",), "p"),
        Node("flat", Reshape((1, 8)), ("p",), "f"),
        Node("fc", Dense(), ("f", "v"), "logits"),
    )
    constants = {
        "w": random.standard_normal((8, 3, 3, 3), np.float32) * np.float32(0.02),
        "v": random.standard_normal((3, 8), np.float32),
    }
    inputs = {"images": TensorType((1, 16, 16, 3), DType.F32)}
    folder = tmp_path_factory.mktemp("featurizing")
    (folder / "tiny.onnx").write_bytes(export_onnx(Graph(inputs, nodes, constants, {"logits": "logits"})))
    options = ConvertOptions(
        name="tiny", repository=folder / "models", calibrate=PHOTOGRAPHS[0].parent, preprocess=SPEC
    )
    return convert(folder / "tiny.onnx", options).directory


def test_every_device_gives_the_same_bytes_for_paths_bytes_and_loaded_models(version: Path) -> None:
    pictures = PHOTOGRAPHS * 9  # more than are run at once
    features = models.featurize(version, pictures, device="reference")
    assert features.shape == (18, 1, 1, 8)
    assert features.dtype == np.float32
    assert len(np.unique(features, axis=0)) == 2
    encoded = [picture.read_bytes() for picture in pictures]
    np.testing.assert_array_equal(models.featurize(str(version.parent), encoded, device="cpu"), features)
    servable = Servable.load(version, device=open_device("cpu:generic"))
    for _ in range(2):  # it stays loaded
        np.testing.assert_array_equal(models.featurize(servable, map(str, pictures)), features)
    servable.close()


def test_a_bad_picture_is_named_by_its_place_among_all(version: Path) -> None:
    good = PHOTOGRAPHS[0].read_bytes()
    with pytest.raises(UnknownImageFormatError) as caught:
        models.featurize(version, [good] * 10 + [b"no picture"], device="reference")
    assert caught.value.element == 10
    with pytest.raises(InvalidImageError, match="Element 0 of the batch"):
        models.featurize(version, [good[:5000]], device="reference")
    with pytest.raises(InputError, match="there is no image to featurise"):
        models.featurize(version, [], device="reference")


def test_the_rooms_public_names() -> None:
    assert models.__all__ == ["featurize"]
    with pytest.raises(AttributeError, match="has no attribute 'featurise'"):
        _ = models.featurise
