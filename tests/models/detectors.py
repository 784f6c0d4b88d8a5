"""Detectors with random weights, published."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
from sklearn.datasets import load_sample_images

from accelserve.kernels.preprocess import PRESETS
from accelserve.models.architectures import Blueprint, architecture
from accelserve.models.conversion.convert import Converted, ConvertOptions, convert
from accelserve.models.conversion.source import ARCHITECTURE_KEY, PREPROCESS_KEY

PHOTOGRAPHS = [Path(name) for name in load_sample_images().filenames]
CLASSES = 5
WIDTH = 4
HEADS = {"classification_head": np.float32(0.02), "regression_head": np.float32(0.01)}


def weights(blueprint: Blueprint) -> dict[str, np.typing.NDArray[np.float32]]:
    """He's, smaller in the heads, so that classes compete and boxes lie near their anchors."""
    random = np.random.default_rng(1)

    def one(name: str, shape: tuple[int, ...]) -> np.typing.NDArray[np.float32]:
        if name.endswith("scale_weight"):
            return np.full(shape, 20.0, np.float32)  # its value before training
        if len(shape) == 1:
            return np.zeros(shape, np.float32)
        scale = np.float32(np.sqrt(2 / np.prod(shape[1:])))
        scale *= next((factor for kind, factor in HEADS.items() if kind in name), np.float32(1))
        return random.standard_normal(shape, np.float32) * scale

    return {name: one(name, parameter.shape) for name, parameter in blueprint.parameters.items()}


def write_network(path: Path, name: str, **size: int) -> Path:
    """A built-in detector as ONNX, with the metadata that importing its weights would write."""
    described = architecture(name)
    blueprint = described.blueprint(**size).select(described.outputs)
    model = blueprint.to_onnx(weights(blueprint))
    preprocess = json.dumps(PRESETS[described.preprocess].to_json())
    onnx.helper.set_model_props(model, {ARCHITECTURE_KEY: name, PREPROCESS_KEY: preprocess})
    onnx.save(model, path)
    return path


def publish(
    network: Path, name: str, detection: Mapping[str, object] | None = None, **options: object
) -> Converted:
    """Convert beside the network's file, calibrated on two photographs."""
    chosen = ConvertOptions(
        name=name,
        repository=network.parent / "models",
        calibrate=PHOTOGRAPHS[0].parent,
        detection=detection,
        **options,  # type: ignore[arg-type]  # whatever a test wants
    )
    return convert(network, chosen)
