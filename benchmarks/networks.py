"""The networks that benchmarks time: at full size, with seeded random weights, quantized on real photographs.

Random weights make a benchmark that anyone can run without downloads. What weights mean does not change the time; on AVX2
their distribution does, since some pairs of large ones are multiplied in steps of their own (docs/numerics.md), and normal
weights have more such pairs than trained ones.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
from examples.photographs import package_files
from numpy.typing import NDArray

from accelserve.kernels.preprocess import preprocess_float, preprocess_spec
from accelserve.models.architectures import architecture, random_weights
from accelserve.models.conversion.convert import winograd_file
from accelserve.models.importing import export_onnx, import_onnx
from accelserve.models.quantize.fast import choose_fast
from accelserve.models.quantize.quantizer import QuantizeOptions, quantize
from accelserve.models.repository.numerics import WinogradFile, encode

NETWORKS = {
    "resnet50": "resnet50",
    "resnet152": "resnet152",
    "densenet121": "densenet121",
    "vgg16": "vgg16",
    "ssd-vgg": "ssd300_vgg16",
}
"""Name in the results -> architecture."""

CACHE = Path(".cache/benchmarks")
CALIBRATION_IMAGES = 4
SEED = 0


def float_network(name: str) -> bytes:
    """The float32 ONNX file of a network with random weights."""
    network = architecture(NETWORKS[name])
    blueprint = network.blueprint().select(network.outputs)
    weights = random_weights(blueprint, SEED, pixel_scale=network.pixel_scale)
    return blueprint.to_onnx(weights).SerializeToString()


def photographs(name: str) -> list[NDArray[np.float32]]:
    """Every packaged photograph as the network sees it, float32 [H, W, 3]."""
    spec = preprocess_spec(architecture(NETWORKS[name]).preprocess)
    return [preprocess_float(spec, path.read_bytes()) for path in package_files()]


def quantized_network(name: str) -> Path:
    """The QDQ file of a network, made once and kept; the same file is given to every contender."""
    sources = [Path(module) for module in Path("models").rglob("*.py")] + [Path(__file__)]
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(sources))).hexdigest()[:12]
    path = CACHE / f"{name}-{digest}.onnx"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        batches = [image[None] for image in photographs(name)[:CALIBRATION_IMAGES]]
        graph = import_onnx(float_network(name)).graph
        path.write_bytes(export_onnx(quantize(graph, batches, QuantizeOptions(method="minmax")).graph))
    return path


def fast_layers(name: str) -> Path:
    """Beside the QDQ file of a network: every layer that could gain computes in the Winograd domain.

    Weights are random, so that no budget would mean anything; what fast numerics cost is measured on trained networks,
    by ``benchmarks.accuracy``.
    """
    model = quantized_network(name)
    path = model.with_suffix(".winograd.json")
    if not path.exists():
        batches = [image[None] for image in photographs(name)[:CALIBRATION_IMAGES]]
        file = winograd_file(choose_fast(import_onnx(model).graph, batches, budget=2.0))
        path.write_bytes(
            encode(WinogradFile(layers={}, budget=2.0, cosine=1.0, pictures=0) if file is None else file)
        )
    return path


def photograph_tensor(name: str) -> Path:
    """A photograph that calibration has not seen, as a float32 ``.npy`` file [1, H, W, 3]."""
    path = CACHE / f"{name}-photograph.npy"
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, photographs(name)[CALIBRATION_IMAGES][None])
    return path
