"""The five networks, quantized on photographs, as devices get them. Random weights: only the bytes are compared."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import sklearn.datasets

from accelserve.kernels.compiler.lower import lower
from accelserve.kernels.ir import Array
from accelserve.kernels.preprocess import Preprocessor, preprocess_float, preprocess_spec
from accelserve.kernels.program import Lowered
from accelserve.models.architectures import architecture, random_weights
from accelserve.models.importing import import_onnx
from accelserve.models.quantize.quantizer import quantize

Options = dict[str, object]

SMALL: dict[str, Options] = {
    "resnet50": {"classes": 10, "image_size": 64, "depths": (1, 2, 1, 1), "width": 8},
    "resnet152": {"classes": 10, "image_size": 48, "depths": (1, 1, 3, 1), "width": 12},
    "densenet121": {"classes": 10, "image_size": 64, "depths": (2, 2, 2, 2), "growth": 8, "width": 16},
    "vgg16": {"classes": 10, "image_size": 64, "width": 8, "hidden": 32},
    "ssd_vgg": {"classes": 5, "width": 4},
}
"""Architecture -> options of its small variant, which has every kind of layer of the large one."""


def photograph(name: str = "china.jpg") -> bytes:
    """A photograph that scikit-learn ships."""
    return (Path(sklearn.datasets.__file__).parent / "images" / name).read_bytes()


def network(name: str, options: Options) -> tuple[Lowered, dict[str, Array]]:
    """An architecture with random weights, quantized on two photographs, and one of them as its input."""
    chosen = architecture(name)
    blueprint = chosen.blueprint(**options)  # type: ignore[arg-type] # options differ by architecture
    weights = random_weights(blueprint, 0, pixel_scale=chosen.pixel_scale)
    graph = import_onnx(blueprint.select(chosen.outputs).to_onnx(weights).SerializeToString()).graph
    (kind,) = graph.inputs.values()
    _, height, width, _ = kind.shape
    spec = replace(
        preprocess_spec(chosen.preprocess),
        resize="exact",
        resize_height=height,
        resize_width=width,
        crop_height=height,
        crop_width=width,
    )
    pictures = [preprocess_float(spec, photograph(each))[None] for each in ("china.jpg", "flower.jpg")]
    lowered = lower(quantize(graph, pictures).graph)
    ((value, params),) = lowered.input_quantization.items()
    preprocessor = Preprocessor(spec, input_scale=params.scale, input_zero_point=params.zero_point)
    return lowered, {value: preprocessor.run([photograph()])}
