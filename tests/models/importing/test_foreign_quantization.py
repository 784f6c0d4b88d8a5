"""Files that other tools quantized are served as they are: onnxruntime's here, stored ones of NNCF and Neural Compressor.

Expected values are onnxruntime's on the very same file, unoptimised, so that it does what the nodes say.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from sklearn.datasets import load_sample_images

from accelserve.kernels.compiler.lower import lower
from accelserve.kernels.devices.cpu import CpuDevice
from accelserve.kernels.preprocess import PreprocessSpec, transform_float
from accelserve.kernels.program import LoadOptions
from accelserve.models.architectures import random_weights
from accelserve.models.conversion.convert import ConvertOptions, convert
from accelserve.models.importing import import_onnx
from accelserve.models.serving.servable import Servable
from tests.models.architectures.small import small
from tests.models.importing.onnx_models import session

SIZE = 64
SPEC = PreprocessSpec.from_json(
    {
        "resize": "exact", "resize_height": SIZE, "resize_width": SIZE, "interpolation": "bilinear",
        "crop_height": SIZE, "crop_width": SIZE, "color_order": "RGB", "mean": [120.0, 115.0, 105.0],
        "scale": [0.017, 0.017, 0.017],
    }
)  # fmt: skip
FAMILIES = ["resnet50", "densenet121", "tf_efficientnet_lite0"]


class Photographs(CalibrationDataReader):  # type: ignore[misc] # onnxruntime ships no types
    """Two photographs, NCHW."""

    def __init__(self, name: str) -> None:
        self._feeds: Iterator[dict[str, NDArray[np.float32]]] = iter(
            [{name: image[None].transpose(0, 3, 1, 2)} for image in photographs()]
        )

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        return next(self._feeds, None)


def photographs() -> list[NDArray[np.float32]]:
    return [transform_float(SPEC, array) for array in load_sample_images().images]


@pytest.fixture(scope="module", params=FAMILIES)
def float_file(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    blueprint = small(request.param).select(["probabilities"])
    path = tmp_path_factory.mktemp("float") / f"{request.param}.onnx"
    onnx.save(blueprint.to_onnx(random_weights(blueprint, 0)), path)
    return path


def by_onnxruntime(content: bytes, image: NDArray[np.float32]) -> NDArray[np.float32]:
    runner = session(content, optimize=False)
    feeds = {runner.get_inputs()[0].name: image[None].transpose(0, 3, 1, 2)}
    result: NDArray[np.float32] = runner.run(None, feeds)[0]
    return result


def served(path: Path, repository: Path, cache: Path, image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Convert without calibration, load on the CPU, and answer a client's tensor."""
    options = ConvertOptions(name="foreign", repository=repository, preprocess=SPEC, cache=cache)
    converted = convert(path, options)
    assert converted.network is None
    assert converted.manifest.provenance.calibration is None
    servable = Servable.load(
        converted.directory, device=CpuDevice(), options=LoadOptions(cache=options.cache)
    )
    try:
        results = servable.run(servable.quantize(image[None]))
    finally:
        servable.close()
    return np.asarray(next(iter(results.values())), np.float32)


def float_operators(path: Path) -> set[str]:
    """Operators that lowering leaves in float32, but for what follows the last layer."""
    graph = lower(import_onnx(path).graph).graph
    labels = {node.op.label for node in graph if graph.type_of(node.output).dtype.value == "float32"}
    return labels - {"QConv2d", "Reshape", "Softmax", "Dequantize"}


@pytest.mark.parametrize(
    ("per_channel", "activations", "symmetric"),
    [
        (True, QuantType.QUInt8, False),
        (True, QuantType.QInt8, True),
        (False, QuantType.QUInt8, False),
        (False, QuantType.QInt8, True),
    ],
    ids=["u8 per channel", "s8 per channel", "u8 per tensor", "s8 per tensor"],
)
def test_onnxruntimes_files_are_served_as_they_are(
    float_file: Path,
    tmp_path: Path,
    code_cache: Path,
    per_channel: bool,
    activations: QuantType,
    symmetric: bool,
) -> None:
    path = tmp_path / "quantized.onnx"
    name = onnx.load(float_file).graph.input[0].name
    quantize_static(
        float_file,
        path,
        Photographs(name),
        quant_format=QuantFormat.QDQ,
        per_channel=per_channel,
        activation_type=activations,
        weight_type=QuantType.QInt8,
        extra_options={"ActivationSymmetric": symmetric},
    )
    image = photographs()[0]
    expected, found = (
        by_onnxruntime(path.read_bytes(), image),
        served(path, tmp_path / "models", code_cache, image),
    )
    assert np.argmax(found) == np.argmax(expected)
    # The file stores even its probabilities in steps of up to 1 / 127.
    assert np.abs(found - expected).max() <= 0.02 + 1 / 127
    assert float_operators(path) == set()


# Of resnet18 with width 4, depths of 1, 10 classes, pictures of 64 pixels and random weights, all of them.
# nncf 3.4.0's post-training quantization, presets MIXED and PERFORMANCE; it leaves batch normalization behind the
# convolutions.
# Intel's Neural Compressor, onnx-neural-compressor 1.0 beside onnxruntime 1.19.2: quantize() with StaticQuantConfig,
# quant_format QDQ, weight_type QInt8, two photographs; activation_type and per_channel are in the name, s8 with
# ActivationSymmetric. It folds batch normalization, and one scale for all channels is a list of one. The weights that it
# wrote to a file beside the network were put into it.
@pytest.mark.parametrize(
    "how",
    ["nncf_mixed", "nncf_performance", "neural_compressor_u8_per_channel", "neural_compressor_s8_per_tensor"],
)
def test_files_of_nncf_and_neural_compressor_are_served_as_they_are(
    how: str, tmp_path: Path, code_cache: Path
) -> None:
    path = Path(__file__).parent / f"data/resnet18_width4_{how}.onnx"
    image = photographs()[0]
    expected, found = by_onnxruntime(path.read_bytes(), image), served(path, tmp_path, code_cache, image)
    assert np.argmax(found) == np.argmax(expected)
    assert np.abs(found - expected).max() <= 0.02
    assert float_operators(path) == set()
