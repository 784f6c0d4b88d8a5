"""Whole networks as the exporters of frameworks write them; layout costs nothing where it can cost nothing."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from accelserve.kernels.ir import Array, DType
from accelserve.kernels.reference.evaluator import evaluate
from accelserve.models.importing import ImportOptions, import_onnx
from tests.models.importing.onnx_models import (
    assert_agrees,
    expected,
    floats,
    node,
    onnx_file,
    operators,
    session,
)
from tests.models.importing.trained import open_nsfw

I64 = np.int64


def weights(**shapes: tuple[int, ...]) -> dict[str, Array]:
    return {name: floats(*shape, seed=i) * np.float32(0.3) for i, (name, shape) in enumerate(shapes.items())}


def test_pytorch_nchw_without_a_single_transpose() -> None:
    content = onnx_file(
        [
            node("Conv", "input w1 b1", "c1", kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
            node("Relu", "c1", "r1"),
            node("MaxPool", "r1", "p1", kernel_shape=[2, 2], strides=[2, 2]),
            node("Conv", "p1 w2 b2", "c2"),
            node("Conv", "p1 w3 b3", "c3"),
            node("Add", "c2 c3", "a"),
            node("Relu", "a", "r2"),
            node("GlobalAveragePool", "r2", "g"),
            node("Flatten", "g", "f"),
            node("Gemm", "f w4 b4", "logits", transB=1),
        ],
        {"input": ("N", 3, 12, 10)},
        ["logits"],
        weights(
            w1=(8, 3, 3, 3), b1=(8,), w2=(8, 8, 1, 1), b2=(8,), w3=(8, 8, 1, 1), b3=(8,), w4=(5, 8), b4=(5,)
        ),
    )
    graph = assert_agrees(content, {"input": floats(1, 3, 12, 10)})
    assert graph.inputs["input"].shape == (1, 12, 10, 3)
    assert import_onnx(content).input_layouts == {"input": "NCHW"}
    assert "Transpose" not in operators(graph)


def test_tf2onnx_nhwc_without_a_single_transpose() -> None:
    content = onnx_file(
        [
            node("Sub", "image:0 mean", "s"),
            node("Transpose", "s", "t", perm=[0, 3, 1, 2]),
            node("Pad", "t pads", "p"),
            node("Conv", "p w1", "c", kernel_shape=[3, 3], strides=[2, 2]),
            node("BatchNormalization", "c scale bias mu var", "n"),
            node("Transpose", "n", "back", perm=[0, 2, 3, 1]),
            node("Relu", "back", "r"),
            node("ReduceMean", "r", "m", axes=[1, 2], keepdims=0),
            node("MatMul", "m w2", "d"),
            node("Add", "d b2", "logits"),
            node("Softmax", "logits", "probs:0", axis=-1),
        ],
        {"image:0": ("unk__1", 9, 8, 3)},
        ["probs:0"],
        {
            **weights(w1=(6, 3, 3, 3), scale=(6,), bias=(6,), mu=(6,), w2=(6, 4), b2=(4,)),
            "var": np.full(6, 0.7, np.float32),
            "mean": np.array([0.1, 0.2, 0.3], np.float32),
            "pads": np.array([0, 0, 1, 1, 0, 0, 1, 1], I64),
        },
    )
    graph = assert_agrees(content, {"image:0": floats(1, 9, 8, 3)})
    assert graph.inputs["image:0"].shape == (1, 9, 8, 3)
    assert import_onnx(content).input_layouts == {"image:0": "NHWC"}
    assert "Transpose" not in operators(graph)


def test_a_transpose_that_no_layer_reads_does_not_make_an_image_of_three_channels_nhwc() -> None:
    """Only the sizes tell what the axes are; after tf2onnx's transpose, a convolution does."""
    content = onnx_file(
        [
            node("MatMul", "x w", "m"),
            node("Transpose", "m", "t", perm=[0, 3, 1, 2]),
            node("Flatten", "t", "y"),
        ],
        {"x": ("N", 3, 8, 4)},
        ["y"],
        weights(w=(4, 5)),
    )
    graph = assert_agrees(content, {"x": floats(1, 3, 8, 4)})
    assert graph.inputs["x"].shape == (1, 8, 4, 3)


def test_a_convolution_says_nchw_though_a_transpose_is_nearer_to_the_input() -> None:
    content = onnx_file(
        [
            node("Transpose", "x", "t", perm=[0, 3, 1, 2]),
            node("Relu", "x", "r"),
            node("Mul", "r r", "m"),
            node("Conv", "m w", "y"),
        ],
        {"x": ("N", 1, 7, 5)},
        ["y", "t"],
        weights(w=(4, 1, 1, 1)),
    )
    assert import_onnx(content).input_layouts == {"x": "NCHW"}
    assert_agrees(content, {"x": floats(1, 1, 7, 5)})


@pytest.mark.parametrize("channels", [3, 4, 9])
def test_a_single_row_of_samples_is_nhwc_if_a_convolution_reads_it_transposed(channels: int) -> None:
    """As of sensors: the sizes alone would say one channel."""
    content = onnx_file(
        [
            node("Sub", "x mean", "s"),
            node("Transpose", "s", "t", perm=[0, 3, 1, 2]),
            node("Conv", "t w", "y", kernel_shape=[1, 3]),
        ],
        {"x": ("N", 1, 16, channels)},
        ["y"],
        weights(w=(5, channels, 1, 3), mean=(channels,)),
    )
    graph = assert_agrees(content, {"x": floats(1, 1, 16, channels)})
    assert graph.inputs["x"].shape == (1, 1, 16, channels)


def caffe2(normalization_results: str) -> bytes:
    return onnx_file(
        [
            node("Conv", "data w1", "c1", kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
            node("BatchNormalization", "c1 g b m v", normalization_results, epsilon=1e-5, momentum=0.9),
            node("Relu", "n1", "r1"),
            node("Conv", "r1 w2", "c2"),
            node("Sum", "c2 r1", "s"),
            node("AveragePool", "s", "p", kernel_shape=[6, 6]),
            node("Reshape", "p shape", "f"),
            node("Gemm", "f w3 b3", "l", transB=1),
            node("Softmax", "l", "prob"),
        ],
        {"data": (1, 3, 6, 6)},
        ["prob"],
        {
            **weights(w1=(4, 3, 3, 3), g=(4,), b=(4,), m=(4,), w2=(4, 4, 1, 1), w3=(5, 4), b3=(5,)),
            "v": np.full(4, 0.4, np.float32),
            "shape": np.array([1, 4], I64),
        },
        opset=8,
    )


def test_caffe2_of_an_old_opset() -> None:
    """Sum, Reshape by constant, Softmax of two axes."""
    assert_agrees(caffe2("n1"), {"data": floats(1, 3, 6, 6)})


def test_training_results_of_batch_normalization_are_left_out() -> None:
    """A served network always uses the running statistics, even if the file still lists the results of training."""
    trained, plain = (
        import_onnx(caffe2("n1 mean var saved_mean saved_var")).graph,
        import_onnx(caffe2("n1")).graph,
    )
    assert operators(trained) == operators(plain)
    feeds = {"data": floats(1, 6, 6, 3)}
    np.testing.assert_array_equal(evaluate(trained, feeds)["prob"], evaluate(plain, feeds)["prob"])


def test_batch_normalization_of_the_oldest_files() -> None:
    content = onnx_file(
        [node("BatchNormalization", "x g b m v", "y", is_test=1, consumed_inputs=[0, 0, 0, 1, 1], spatial=1)],
        {"x": (1, 2, 3, 3)},
        ["y"],
        {k: np.array([0.5, 2.0], np.float32) for k in "gbmv"},
        opset=6,
    )
    image = floats(1, 3, 3, 2)
    half, two = np.float32(0.5), np.float32(2.0)
    factors = np.array([half / np.sqrt(half + 1e-5), two / np.sqrt(two + 1e-5)])
    found = evaluate(import_onnx(content).graph, {"x": image})["y"].transpose(0, 2, 3, 1)
    np.testing.assert_allclose(found, (image - [half, two]) * factors + [half, two], rtol=1e-5, atol=1e-6)


def test_vgg_flattens_without_a_transpose() -> None:
    """The first dense layer's columns are permuted instead."""
    content = onnx_file(
        [
            node("Conv", "x w1", "c"),
            node("Flatten", "c", "f"),
            node("Gemm", "f w2 b2", "h", transB=1),
            node("Relu", "h", "r"),
            node("Dropout", "r", "d"),
            node("Gemm", "d w3 b3", "y", transB=1),
        ],
        {"x": (1, 3, 4, 5)},
        ["y"],
        weights(w1=(6, 3, 1, 1), w2=(7, 120), b2=(7,), w3=(2, 7), b3=(2,)),
    )
    graph = assert_agrees(content, {"x": floats(1, 3, 4, 5)})
    assert operators(graph) == ["Conv2d", "Reshape", "Dense", "Clip", "Dense"]


def test_detector_heads_flatten_in_nhwc_for_free() -> None:
    content = onnx_file(
        [
            node("Conv", "x w", "c"),
            node("Transpose", "c", "t", perm=[0, 2, 3, 1]),
            node("Reshape", "t s", "y"),
        ],
        {"x": (1, 3, 4, 5)},
        ["y"],
        {**weights(w=(12, 3, 1, 1)), "s": np.array([1, -1, 6], I64)},
    )
    assert operators(assert_agrees(content, {"x": floats(1, 3, 4, 5)})) == ["Conv2d", "Reshape"]


def test_a_batch_that_the_file_fixes_becomes_one_image() -> None:
    nodes = [node("Conv", "x w", "c"), node("GlobalAveragePool", "c", "p"), node("Reshape", "p s", "y")]
    constants = {**weights(w=(5, 3, 1, 1)), "s": np.array([8, 5], I64)}
    content = onnx_file(nodes, {"x": (8, 3, 4, 4)}, ["y"], constants)
    images = floats(8, 3, 4, 4)
    found = evaluate(import_onnx(content).graph, {"x": images[:1].transpose(0, 2, 3, 1)})["y"]
    np.testing.assert_allclose(found, expected(content, {"x": images})[0][:1], rtol=1e-5, atol=1e-6)


def test_shapes_that_the_file_leaves_open_are_given_by_the_caller() -> None:
    content = onnx_file([node("Relu", "x", "y")], {"x": ("N", 3, "H", "W")}, ["y"])
    graph = import_onnx(content, ImportOptions(input_shapes={"x": (1, 3, 5, 7)})).graph
    assert graph.inputs["x"].shape == (1, 5, 7, 3)


def test_half_precision_weights_become_float32() -> None:
    nodes = [node("Conv", "x w", "h"), node("Cast", "h", "y", to=onnx.TensorProto.FLOAT)]
    kernel = floats(4, 3, 1, 1).astype(np.float16)
    content = onnx_file(nodes, {"x": (1, 3, 2, 2)}, ["y"], {"w": kernel}, element=onnx.TensorProto.FLOAT16)
    graph = import_onnx(content).graph
    assert graph.inputs["x"].dtype is DType.F32
    image = floats(1, 2, 2, 3)
    expectation = (image @ kernel.astype(np.float32)[:, :, 0, 0].T).transpose(0, 3, 1, 2)
    np.testing.assert_allclose(evaluate(graph, {"x": image})["y"], expectation, rtol=1e-5, atol=1e-6)


def test_pixels_of_uint8_are_dequantized_by_one() -> None:
    nodes = [node("Cast", "x", "f", to=onnx.TensorProto.FLOAT), node("Conv", "f w", "y")]
    content = onnx_file(
        nodes, {"x": (1, 3, 2, 2)}, ["y"], weights(w=(4, 3, 1, 1)), element=onnx.TensorProto.UINT8
    )
    pixels = np.random.default_rng(1).integers(0, 256, (1, 3, 2, 2)).astype(np.uint8)
    found = evaluate(import_onnx(content).graph, {"x": pixels.transpose(0, 2, 3, 1)})["y"]
    np.testing.assert_allclose(found, expected(content, {"x": pixels})[0], rtol=1e-5, atol=1e-4)


def test_local_functions_are_inlined() -> None:
    body = [node("Relu", "a", "r"), node("Add", "r a", "b")]
    function = onnx.helper.make_function(
        "local", "Twice", ["a"], ["b"], body, [onnx.helper.make_opsetid("", 17)]
    )
    model = onnx.ModelProto.FromString(onnx_file([], {"x": (1, 4)}, ["y"]))
    model.graph.node.append(onnx.helper.make_node("Twice", ["x"], ["y"], domain="local"))
    model.functions.append(function)
    model.opset_import.append(onnx.helper.make_opsetid("local", 1))
    assert operators(assert_agrees(model.SerializeToString(), {"x": floats(1, 4)})) == ["Clip", "Add"]


def test_nodes_out_of_order_are_put_in_order() -> None:
    """The standard demands order; some tools do not keep it."""
    nodes = [node("Tanh", "r", "y"), node("Relu", "x", "r")]
    assert operators(import_onnx(onnx_file(nodes, {"x": (1, 4)}, ["y"])).graph) == ["Clip", "Tanh"]


def test_nodes_that_nothing_needs_may_be_anything() -> None:
    nodes = [node("Relu", "x", "y"), node("NonMaxSuppression", "x x", "unused")]
    assert operators(import_onnx(onnx_file(nodes, {"x": (1, 4)}, ["y"])).graph) == ["Clip"]


def test_the_trained_network_agrees_with_onnxruntime() -> None:
    content = open_nsfw().read_bytes()
    imported = import_onnx(open_nsfw())
    assert imported.opset == 9
    assert imported.input_layouts == {"input:0": "NHWC"}
    assert "Transpose" not in operators(imported.graph)
    image = floats(1, 224, 224, 3) * np.float32(60)
    found = evaluate(imported.graph, {"input:0": image}, any_order=True)["outputs"]
    reference = session(content).run(None, {"input:0": image})[0]
    np.testing.assert_allclose(found, reference, atol=1e-4)
