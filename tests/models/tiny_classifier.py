"""A servable that is made in a second: a convolution, eight pooled features, three classes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from sklearn.datasets import load_sample_images

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
from accelserve.kernels.preprocess import PreprocessSpec
from accelserve.models.conversion.convert import ConvertOptions, convert
from accelserve.models.importing import export_onnx

PHOTOGRAPHS = [Path(name) for name in load_sample_images().filenames]
SPEC = PreprocessSpec(
    resize="exact", resize_height=16, resize_width=16, interpolation="bilinear",
    crop_height=16, crop_width=16, color_order="RGB", mean=(128.0, 128.0, 128.0),
)  # fmt: skip


def publish_tiny_classifier(folder: Path, name: str = "tiny") -> Path:
    """Convert it; the folder of the first version, or of the next one."""
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
    (folder / "tiny.onnx").write_bytes(export_onnx(Graph(inputs, nodes, constants, {"logits": "logits"})))
    options = ConvertOptions(
        name=name, repository=folder / "models", calibrate=PHOTOGRAPHS[0].parent, preprocess=SPEC
    )
    return convert(folder / "tiny.onnx", options).directory
