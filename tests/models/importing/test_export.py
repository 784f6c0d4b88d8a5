"""Exported files: standard, taken by onnxruntime, and taken back as the same graph."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import onnx
import pytest

from accelserve.kernels.errors import UnsupportedNodesError
from accelserve.kernels.ir import (
    Add,
    Array,
    AveragePool,
    ChannelAffine,
    Clip,
    Concat,
    Conv2d,
    Dense,
    Dequantize,
    DType,
    Graph,
    HardSigmoid,
    HardSwish,
    L2Normalize,
    LeakyRelu,
    LocalResponseNorm,
    MaxPool,
    Mul,
    Node,
    Op,
    Pad,
    QLookup,
    Quantize,
    Reshape,
    Sigmoid,
    Slice,
    Softmax,
    Tanh,
    TensorType,
    Transpose,
    Window,
)
from accelserve.kernels.reference.evaluator import evaluate
from accelserve.models.errors import ConversionError
from accelserve.models.importing import ExportOptions, export_onnx, import_onnx
from accelserve.models.importing.onnx_writer import EMITTERS
from tests.models.importing.onnx_models import floats, session
from tests.models.importing.trained import open_nsfw

IMAGE = (1, 5, 6, 4)


def graph_of(
    op: Op, constants: dict[str, Array] | None = None, shape: tuple[int, ...] = IMAGE, *others: str
) -> Graph:
    """One operator on input ``x`` (and others), then constants in order."""
    constants = constants or {}
    node = Node("op", op, ("x", *others, *constants), "y")
    return Graph({"x": TensorType(shape, DType.F32)}, (node,), constants, {"y": "y"})


def scalars(scale: float, zero_point: int) -> dict[str, Array]:
    return {"s": np.array(scale, np.float32), "z": np.array(zero_point, np.uint8)}


def qdq() -> Graph:
    """Weights in integers with a scale per channel, activations through Quantize and Dequantize."""
    scale = np.array([0.01, 0.02, 0.03], np.float32)
    constants: dict[str, Array] = {
        **scalars(0.05, 120),
        "w": np.random.default_rng(0).integers(-127, 128, (3, 1, 1, 4)).astype(np.int8),
        "w/scale": scale,
        "w/zero_point": np.zeros(3, np.int8),
        "b": np.array([100, -50, 7], np.int32),
        "b/scale": scale * np.float32(0.05),
        "b/zero_point": np.zeros(3, np.int32),
    }
    nodes = (
        Node("q", Quantize(), ("x", "s", "z"), "q"),
        Node("d", Dequantize(), ("q", "s", "z"), "d"),
        Node("w/dequantized", Dequantize(0), ("w", "w/scale", "w/zero_point"), "w/dequantized"),
        Node("b/dequantized", Dequantize(0), ("b", "b/scale", "b/zero_point"), "b/dequantized"),
        Node("conv", Conv2d(Window(kernel=(1, 1))), ("d", "w/dequantized", "b/dequantized"), "y/nhwc"),
        Node("flat", Reshape((1, 90)), ("y/nhwc",), "y"),
    )
    return Graph({"x": TensorType(IMAGE, DType.F32)}, nodes, constants, {"y": "y"})


OPERATORS: dict[str, Callable[[], Graph]] = {
    "conv": lambda: graph_of(
        Conv2d(Window(kernel=(3, 2), strides=(2, 1), padding=(1, 0, 2, 1), dilations=(1, 2)), groups=2),
        {"w": floats(6, 3, 2, 2), "b": floats(6)},
    ),
    "dense": lambda: graph_of(Dense(), {"w": floats(3, 7), "b": floats(3)}, (1, 7)),
    "channel affine": lambda: graph_of(ChannelAffine(), {"m": floats(4), "a": floats(4, seed=1)}),
    "channel affine of a vector": lambda: graph_of(ChannelAffine(), {"m": floats(7), "a": floats(7)}, (1, 7)),
    "relu": lambda: graph_of(Clip()),
    "clip": lambda: graph_of(Clip(-0.5, 0.75)),
    "clip from below": lambda: graph_of(Clip(0.25, math.inf)),
    "clip from above": lambda: graph_of(Clip(-math.inf, 0.25)),
    "leaky relu": lambda: graph_of(LeakyRelu(0.125)),
    "sigmoid": lambda: graph_of(Sigmoid()),
    "hard sigmoid": lambda: graph_of(HardSigmoid(0.25, 0.5)),
    "hard swish": lambda: graph_of(HardSwish()),
    "tanh": lambda: graph_of(Tanh()),
    "add a constant": lambda: graph_of(Add(), {"c": floats(1, 5, 1, 1)}),
    "multiply by itself": lambda: graph_of(Mul(), {}, IMAGE, "x"),
    "concat channels": lambda: graph_of(Concat(3), {}, IMAGE, "x"),
    "concat rows": lambda: graph_of(Concat(1), {}, IMAGE, "x"),
    "max pool": lambda: graph_of(MaxPool(Window(kernel=(2, 3), strides=(2, 1), padding=(0, 1, 1, 1), dilations=(2, 1)))),
    "average pool": lambda: graph_of(AveragePool(Window(kernel=(2, 3), padding=(1, 0, 0, 1)))),
    "average pool that counts padding": lambda: graph_of(
        AveragePool(Window(kernel=(2, 3), padding=(1, 0, 0, 1)), count_padding=True)
    ),
    "global average pool": lambda: graph_of(AveragePool(Window(kernel=(5, 6)))),
    "local response norm": lambda: graph_of(LocalResponseNorm(3, 0.5, 0.75, 1.0)),
    "l2 normalize": lambda: graph_of(L2Normalize(0.25)),
    "softmax over channels": lambda: graph_of(Softmax(3)),
    "softmax over rows": lambda: graph_of(Softmax(1)),
    "transpose": lambda: graph_of(Transpose((0, 3, 1, 2))),
    "reshape": lambda: graph_of(Reshape((1, 120))),
    "reshape to a pixel": lambda: graph_of(Reshape((1, 1, 1, 7)), {}, (1, 7)),
    "pad": lambda: graph_of(Pad((0, 1, 2, 0), (0, 0, 1, 3), 0.5)),
    "slice": lambda: graph_of(Slice((0, 1, 0, 1), (1, 5, 6, 3), (1, 2, 1, 1))),
    "slice of nothing away": lambda: graph_of(Slice((0, 0, 0, 0), IMAGE, (1, 1, 1, 1))),
    "quantized layer": qdq,
}  # fmt: skip


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("name", OPERATORS)
def test_onnxruntime_computes_what_the_reference_computes(name: str, layout: str) -> None:
    graph = OPERATORS[name]()
    content = export_onnx(graph, ExportOptions(input_layout="NHWC" if layout == "NHWC" else "NCHW"))
    onnx.checker.check_model(onnx.ModelProto.FromString(content), full_check=True)
    image = floats(*graph.inputs["x"].shape, seed=4)
    fed = image.transpose(0, 3, 1, 2) if layout == "NCHW" and image.ndim == 4 else image
    found = session(content).run(None, {"x": fed})[0]
    expected = evaluate(graph, {"x": image})["y"]
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", OPERATORS)
def test_the_importer_takes_it_back(name: str) -> None:
    graph = OPERATORS[name]()
    again = import_onnx(export_onnx(graph)).graph
    image = floats(*graph.inputs["x"].shape, seed=4)
    # Where the file has other operators for one of ours, the numbers are the same and the graph need not be.
    np.testing.assert_allclose(
        evaluate(again, {"x": image})["y"], evaluate(graph, {"x": image})["y"], rtol=1e-6, atol=1e-6
    )


def test_every_operator_that_can_be_written_has_a_case() -> None:
    """Those of the graph; what architectures write beside them is held by the tests of architectures."""
    written = {type(node.op) for make in OPERATORS.values() for node in make()}
    assert {op for op in EMITTERS if op.__module__.startswith("accelserve.kernels.ir")} == written


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_a_whole_network_comes_back_identical(layout: str) -> None:
    graph = import_onnx(open_nsfw()).graph
    again = import_onnx(
        export_onnx(graph, ExportOptions(input_layout="NHWC" if layout == "NHWC" else "NCHW"))
    ).graph
    assert again.nodes == graph.nodes
    assert again.inputs == graph.inputs
    assert again.outputs == graph.outputs
    assert set(again.constants) == set(graph.constants)
    assert all(np.array_equal(again.constants[k], graph.constants[k]) for k in graph.constants)


def test_quantized_layers_come_back_identical() -> None:
    graph = qdq()
    again = import_onnx(export_onnx(graph)).graph
    assert again.nodes == graph.nodes
    assert all(np.array_equal(again.constants[k], graph.constants[k]) for k in graph.constants)
    assert {str(again.constants[k].dtype) for k in ("w", "b")} == {"int8", "int32"}


def test_the_batch_is_left_open() -> None:
    content = export_onnx(import_onnx(open_nsfw()).graph)
    images = floats(3, 3, 224, 224) * np.float32(50)
    several = session(content).run(None, {"input:0": images})[0]
    single = session(content).run(None, {"input:0": images[1:2]})[0]
    assert several.shape == (3, 2)
    np.testing.assert_allclose(several[1:2], single, atol=1e-6)


def test_a_network_that_mixes_images_keeps_its_batch_of_one() -> None:
    content = export_onnx(graph_of(Reshape((5, 24))))
    dimension = onnx.ModelProto.FromString(content).graph.input[0].type.tensor_type.shape.dim[0]
    assert dimension.dim_value == 1


def test_the_same_bytes_every_time() -> None:
    graph = import_onnx(open_nsfw()).graph
    assert export_onnx(graph) == export_onnx(import_onnx(open_nsfw()).graph)


def test_outputs_may_be_known_by_other_names() -> None:
    node = Node("relu", Clip(), ("x",), "value")
    graph = Graph({"x": TensorType(IMAGE, DType.F32)}, (node,), {}, {"first": "value", "x2": "value"})
    content = export_onnx(graph)
    assert [output.name for output in onnx.ModelProto.FromString(content).graph.output] == ["first", "x2"]
    again = import_onnx(content).graph
    assert list(again.outputs) == ["first", "x2"]
    image = floats(*IMAGE)
    np.testing.assert_array_equal(evaluate(again, {"x": image})["x2"], np.maximum(image, 0))


def test_lowered_operators_are_refused() -> None:
    table = np.zeros(256, np.uint8)
    node = Node("look", QLookup(), ("x", "t"), "y")
    graph = Graph({"x": TensorType((1, 4), DType.U8)}, (node,), {"t": table}, {"y": "y"})
    with pytest.raises(UnsupportedNodesError, match=r"look \(QLookup\)"):
        export_onnx(graph)


def test_dilated_average_pools_are_refused() -> None:
    with pytest.raises(ConversionError, match="AveragePool 'op' has dilations"):
        export_onnx(graph_of(AveragePool(Window(kernel=(2, 2), dilations=(2, 1)))))
