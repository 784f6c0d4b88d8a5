"""A network that was really trained, quantized on photographs and compared on others; small ones for the rest."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from numpy.typing import NDArray

from accelserve.kernels.ir import Add, Array, AveragePool, Graph, Reshape, Softmax, Window
from accelserve.kernels.reference.evaluator import evaluate
from accelserve.models.conversion.features import with_features
from accelserve.models.errors import CalibrationError
from accelserve.models.importing import export_onnx, import_onnx
from accelserve.models.quantize.noise import measure_noise
from accelserve.models.quantize.quantizer import Quantized, QuantizeOptions, quantize
from tests.models.importing.onnx_models import session
from tests.models.importing.trained import open_nsfw
from tests.models.quantize.float_graphs import Chain, floats, labels
from tests.models.quantize.photographs import calibration, evaluation


@pytest.fixture(scope="module")
def float_graph() -> Graph:
    return with_features(import_onnx(open_nsfw()).graph)


@pytest.fixture(scope="module")
def trained(float_graph: Graph) -> Quantized:
    return quantize(float_graph, [calibration()[:4], calibration()[4:]])


def run(graph: Graph, image: NDArray[np.float32]) -> dict[str, Array]:
    return evaluate(graph, {"input:0": image[None]}, any_order=True)


def cosine(a: Array, b: Array) -> float:
    return float(np.vdot(a, b) / (np.linalg.norm(a) * np.linalg.norm(b)))


def test_scores_and_features_stay_close_to_float32(float_graph: Graph, trained: Quantized) -> None:
    assert trained.images == len(calibration())
    for image in evaluation():
        expected, found = run(float_graph, image), run(trained.graph, image)
        assert abs(expected["outputs"][0, 1] - found["outputs"][0, 1]) < 0.01
        assert cosine(expected["features"], found["features"]) > 0.995


@pytest.mark.parametrize("method", ["minmax", "mse", "entropy"])
def test_every_method_is_usable(float_graph: Graph, method: str) -> None:
    network = quantize(float_graph, [calibration()[:3]], QuantizeOptions(method=method))
    image = evaluation()[0]
    assert cosine(run(float_graph, image)["features"], run(network.graph, image)["features"]) > 0.98


def test_the_exported_file_means_the_same_to_onnxruntime(trained: Quantized) -> None:
    """Unoptimised, onnxruntime does what the nodes say; its sums in another order tip a rounding here and there."""
    early = "Relu_6:0/dequantized"
    graph = replace(trained.graph, outputs={**trained.graph.outputs, "early": early}, _types={})
    step = float(graph.constants["Relu_6:0/scale"])
    runner = session(export_onnx(graph), optimize=False)
    for image in evaluation()[:2]:
        feeds = {"input:0": image[None].transpose(0, 3, 1, 2)}
        outputs, features, stage = runner.run(["outputs", "features", "early"], feeds)
        expected = run(graph, image)
        codes = np.abs(stage - expected["early"]) / step
        assert np.mean(codes > 0.5) < 0.005
        assert codes.max() < 4.5  # a rounding that tips moves sums behind it by more than one code
        assert cosine(features, expected["features"]) > 0.999
        np.testing.assert_allclose(outputs, expected["outputs"], atol=2e-3)


def test_onnxruntime_fuses_every_layer(trained: Quantized, tmp_path: Path) -> None:
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    content = export_onnx(
        replace(trained.graph, outputs={"outputs": trained.graph.outputs["outputs"]}, _types={})
    )
    ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    kinds = Counter(node.op_type for node in onnx.load(tmp_path / "optimised.onnx").graph.node)
    assert kinds["QLinearConv"] == 53
    assert kinds["QLinearAdd"] == 16
    assert kinds["QGemm"] == 1
    assert not kinds.keys() & {"Conv", "Gemm", "Add", "Relu", "DequantizeLinear"}


def test_the_file_comes_back_identical(trained: Quantized) -> None:
    again = import_onnx(export_onnx(trained.graph)).graph
    assert again.nodes == trained.graph.nodes
    assert again.outputs == trained.graph.outputs
    assert all(np.array_equal(again.constants[k], v) for k, v in trained.graph.constants.items())


def test_noise_is_reported_layer_by_layer(trained: Quantized) -> None:
    layers = measure_noise(trained.simplified, trained.graph, [evaluation()[:1]])
    by_name = {layer.name: layer for layer in layers}
    assert by_name["input:0"].sqnr_db > 40
    assert by_name["Relu"].operator == "Clip"
    assert by_name["Relu"].sqnr_db > by_name["Relu_46"].sqnr_db > 10
    assert all(0.9 < layer.cosine <= 1 + 1e-9 for layer in layers)


def test_the_same_images_give_the_same_graph(float_graph: Graph, trained: Quantized) -> None:
    """Whatever the batches."""
    again = quantize(float_graph, list(calibration()[:, None]))
    assert again.graph.nodes == trained.graph.nodes
    assert all(np.array_equal(again.graph.constants[k], v) for k, v in trained.graph.constants.items())


def residual_network() -> Graph:
    chain = Chain(1, 5, 6, 4)
    chain.conv(8)
    shortcut = chain.relu()
    chain.conv(8, 3, padding=1)
    chain.then(Add(), shortcut)
    chain.relu()
    chain.then(AveragePool(Window(kernel=(5, 6))))
    chain.then(Reshape((1, 8)))
    chain.dense(3)
    chain.then(Softmax(1))
    return chain.graph()


IMAGES = floats(6, 5, 6, 4, seed=7)


def test_the_form_that_runtimes_fuse() -> None:
    graph = quantize(residual_network(), [IMAGES]).graph
    kinds = Counter(labels(graph))
    # input, two clips, one branch, pooled and flattened features
    assert kinds["Quantize"] == 6
    # the same and three layers of weights and bias
    assert kinds["Dequantize"] == 6 + 6
    assert {str(graph.type_of(n.inputs[0]).dtype.value) for n in graph if n.op.label == "Dequantize"} == {
        "uint8",
        "int8",
        "int32",
    }


def test_a_kept_layer_has_float_weights() -> None:
    graph = quantize(residual_network(), [IMAGES], QuantizeOptions(keep_float=frozenset(["conv2d0"]))).graph
    assert graph.constants["conv2d0.0"].dtype == np.float32
    assert graph.constants["conv2d2.0"].dtype == np.int8


def test_layers_that_share_weights_keep_their_own_bias_units() -> None:
    chain = Chain(1, 5, 6, 4)
    chain.conv(4)
    chain.relu()
    chain.conv(4)
    graph = chain.graph()
    first, relu, second = graph.nodes
    shared = replace(
        graph, nodes=(first, relu, replace(second, inputs=(second.inputs[0], *first.inputs[1:]))), _types={}
    )
    shared = shared.with_nodes(shared.nodes)
    found = quantize(shared, [IMAGES]).graph
    expected = evaluate(shared, {"x": IMAGES[:1]})
    np.testing.assert_allclose(evaluate(found, {"x": IMAGES[:1]})["conv2d2"], expected["conv2d2"], atol=0.05)


def test_progress_is_told() -> None:
    seen: list[int] = []
    quantize(residual_network(), [IMAGES[:2], IMAGES[2:]], progress=seen.append)
    assert seen == [1, 2, 3, 4, 5, 6]


def test_there_must_be_images() -> None:
    with pytest.raises(CalibrationError, match="there is no image to calibrate on"):
        quantize(residual_network(), [])


def test_images_must_fit() -> None:
    with pytest.raises(CalibrationError, match=r"images of shape \[4, 6, 4\] for an input of \[5, 6, 4\]"):
        quantize(residual_network(), [IMAGES[:, :4]])


def test_what_is_not_finite_is_named() -> None:
    with pytest.raises(CalibrationError, match="'x' is not finite on a calibration image"):
        quantize(residual_network(), [np.full((1, 5, 6, 4), np.nan, np.float32)])


def test_unknown_methods_and_nodes_are_named() -> None:
    with pytest.raises(CalibrationError, match="method 'best' is none of minmax, percentile, entropy, mse"):
        QuantizeOptions(method="best")
    with pytest.raises(CalibrationError, match="no node to keep in float32 is named conv9"):
        quantize(residual_network(), [IMAGES], QuantizeOptions(keep_float=frozenset(["conv9"])))
