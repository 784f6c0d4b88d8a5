"""Every network at its full size: quantized, exported, and run beside onnxruntime on the very same file.

Weights are random (seeded), which no arithmetic minds; the photograph is none of those that calibrated. Where sums are
taken in another order roundings tip here and there, so probabilities may differ a little. Small networks of each
family are held to the reference device bit for bit, at every value.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import skimage
from numpy.typing import NDArray
from sklearn.datasets import load_sample_images

from accelserve.kernels.compiler.lower import lower
from accelserve.kernels.devices.cpu import CpuDevice
from accelserve.kernels.ir import Array, Graph, Quantize, QuantParams
from accelserve.kernels.postprocess.classification import softmax
from accelserve.kernels.preprocess import preprocess_float, preprocess_spec, transform_float
from accelserve.kernels.program import LoadOptions
from accelserve.kernels.reference.evaluator import evaluate
from accelserve.kernels.reference.operators import EVALUATORS
from accelserve.models.architectures import Blueprint, architecture, random_weights
from accelserve.models.importing import export_onnx, import_onnx
from accelserve.models.quantize.quantizer import QuantizeOptions, quantize
from tests.models.architectures.small import SMALL, small
from tests.models.importing.onnx_models import session

NETWORKS = ["resnet50", "resnet152", "densenet121", "vgg16", "ssd300_vgg16", "ssd_vgg"]
CALIBRATION = [Path(name) for name in load_sample_images().filenames]
PHOTOGRAPH = Path(skimage.__file__).parent / "data/astronaut.png"


def quantized(blueprint: Blueprint, name: str, images: list[NDArray[np.float32]]) -> Graph:
    described = architecture(name)
    chosen = blueprint.select(described.outputs)
    weights = random_weights(chosen, 0, pixel_scale=described.pixel_scale)
    graph = import_onnx(chosen.to_onnx(weights).SerializeToString()).graph
    return quantize(graph, [image[None] for image in images], QuantizeOptions(method="minmax")).graph


def stored(image: NDArray[np.float32], params: QuantParams) -> Array:
    operands = [image, np.array(params.scale, np.float32), np.array(params.zero_point, np.uint8)]
    return EVALUATORS[Quantize](Quantize(), operands)


def by_onnxruntime(content: bytes, image: NDArray[np.float32], *, optimize: bool = True) -> dict[str, Array]:
    runner = session(content, optimize=optimize)
    feeds = {runner.get_inputs()[0].name: image.transpose(0, 3, 1, 2)}
    return dict(zip([o.name for o in runner.get_outputs()], runner.run(None, feeds), strict=True))


def by_cpu(content: bytes, image: NDArray[np.float32], cache: Path) -> dict[str, Array]:
    lowered = lower(import_onnx(content).graph)
    (name,) = lowered.graph.inputs
    program = CpuDevice().load(lowered, LoadOptions(cache=cache))
    try:
        return program.run({name: stored(image, lowered.input_quantization[name])})
    finally:
        program.close()


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_at_full_size_it_answers_as_onnxruntime_does(name: str, code_cache: Path) -> None:
    described = architecture(name)
    spec = preprocess_spec(described.preprocess)
    images = [preprocess_float(spec, path.read_bytes()) for path in CALIBRATION]
    content = export_onnx(quantized(described.blueprint(), name, images))
    image = preprocess_float(spec, PHOTOGRAPH.read_bytes())[None]
    expected, found = by_onnxruntime(content, image), by_cpu(content, image, code_cache)
    literal = by_onnxruntime(content, image, optimize=False) if described.detection is not None else expected
    assert expected.keys() == found.keys() == set(described.outputs)
    for output, array in expected.items():
        assert found[output].shape == array.shape
        if output == "probabilities":
            assert np.argmax(found[output]) == np.argmax(array)
            assert np.abs(found[output] - array).max() <= 0.02
        elif array.shape[-1] == described.classes:
            assert_same_detections(found[output].astype(np.float32), array, literal[output])
        else:
            assert_close(found[output], array, literal[output])


def assert_same_detections(found: Array, expected: Array, literal: Array) -> None:
    """Logits of thousands of anchors, each of which may be the one where roundings tip.

    Their largest difference in probability is at most 0.02, or half as much again as between onnxruntime optimised and
    onnxruntime doing literally what the nodes say (which reaches 0.03), if that is more.
    """
    probabilities = softmax(expected)
    bound = max(0.02, 1.5 * float(np.abs(softmax(literal) - probabilities).max()))
    assert np.abs(softmax(found) - probabilities).max() <= bound
    second, best = np.sort(probabilities, axis=-1)[..., -2:].transpose(-1, *range(probabilities.ndim - 1))
    clear = best - second > 2 * bound
    assert (np.argmax(found, -1) == np.argmax(expected, -1))[clear].all()


def assert_close(found: Array, expected: Array, literal: Array) -> None:
    """Offsets of boxes: root mean square within two hundredths of their spread, or within onnxruntime's own as above."""
    bound = max(0.02 * float(expected.std()), 1.5 * root_mean_square(literal - expected))
    assert root_mean_square(found - expected) <= bound


def root_mean_square(array: Array) -> float:
    return float(np.sqrt(np.mean(np.square(array, dtype=np.float64))))


@pytest.mark.parametrize("name", SMALL)
def test_every_value_of_a_small_one_is_the_references(name: str, code_cache: Path) -> None:
    blueprint = small(name)
    described = architecture(name)
    _, rows, columns, _ = blueprint.images.shape
    spec = replace(
        preprocess_spec(described.preprocess),
        resize_height=rows, resize_width=columns, crop_height=rows, crop_width=columns,
    )  # fmt: skip
    photographs = [transform_float(spec, array) for array in load_sample_images().images]
    lowered = lower(quantized(blueprint, name, photographs))
    # Every value that the network computes becomes an output.
    values = {node.output: node.output for node in lowered.graph}
    graph = replace(lowered.graph, outputs={**lowered.graph.outputs, **values}, _types={})
    (name_of_input,) = graph.inputs
    image = {name_of_input: stored(photographs[0][None], lowered.input_quantization[name_of_input])}
    program = CpuDevice().load(replace(lowered, graph=graph), LoadOptions(cache=code_cache))
    try:
        found = program.run(image)
    finally:
        program.close()
    for output, array in evaluate(graph, image).items():
        np.testing.assert_array_equal(found[output], array, err_msg=output, strict=True)
