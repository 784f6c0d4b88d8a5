"""Every operator that networks of pictures are made of, between two layers: what runs in int8, and that it is right.

Each file is imported, quantized on a few images and compiled for the CPU, whose answers are those of the reference bit for
bit and near those that onnxruntime gives for the float32 file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from accelserve.kernels.compiler.lower import lower
from accelserve.kernels.devices.cpu import CpuDevice
from accelserve.kernels.ir import Array, Graph
from accelserve.kernels.program import LoadOptions
from accelserve.kernels.reference.evaluator import evaluate
from accelserve.models.importing import import_onnx
from accelserve.models.quantize.quantizer import quantize
from accelserve.models.quantize.simplify import simplify
from tests.models.importing.onnx_models import expected, floats, node, onnx_file

CHANNELS = 8
SIZE = 12
# Steps that only move data, or say how it is to be read.
LAYOUT = {"Reshape", "Transpose", "Quantize", "Dequantize"}


@dataclass(frozen=True)
class Case:
    """Nodes that make ``z`` of ``a``, the result of a convolution, [1, 8, 12, 12].

    Attributes:
        nodes: of the file.
        constants: that they read.
        steps: what the plan runs for them in int8, in order; nothing where they are part of a layer.
        floating: what it runs in float32.
        transposes: how many of the file's transpositions move anything.
        head: whether ``z`` is the network's result, instead of what another layer reads.
    """

    nodes: Sequence[onnx.NodeProto]
    constants: Mapping[str, Array] = field(default_factory=dict)
    steps: Sequence[str] = ()
    floating: Sequence[str] = ()
    transposes: int = 0
    head: bool = False


def conv(outputs: int, channels: int, kernel: int = 3, /, **attributes: Any) -> Case:
    weights = floats(outputs, channels, kernel, kernel, seed=1) / np.float32(np.sqrt(channels) * kernel)
    return Case(
        [node("Conv", "a w b", "z", **attributes)], {"w": weights, "b": floats(outputs, seed=2)}, ["QConv2d"]
    )


VECTORS: dict[str, Array] = {
    "scale": np.abs(floats(CHANNELS, seed=1)) + 0.5,
    "bias": floats(CHANNELS, seed=2),
    "mean": floats(CHANNELS, seed=3),
    "variance": np.abs(floats(CHANNELS, seed=4)) + 0.5,
}
NORMALIZE = "scale bias mean variance"
RELU = node("Relu", "a", "r")
TWO = [node("Relu", "a", "p"), node("AveragePool", "p", "q", kernel_shape=[3, 3], pads=[1, 1, 1, 1])]
FLAT = CHANNELS * SIZE * SIZE

CASES = {
    "Conv": conv(8, 8, pads=[1, 1, 1, 1]),
    "Conv of groups": conv(8, 4, group=2, pads=[1, 1, 1, 1]),
    "Conv by channel": conv(8, 1, group=8, pads=[1, 1, 1, 1]),
    "Conv with dilation": conv(8, 8, pads=[6, 6, 6, 6], dilations=[6, 6]),
    "Conv with asymmetric padding": conv(8, 8, pads=[0, 1, 2, 0], strides=[2, 2]),
    "Conv, same upper": conv(8, 8, 4, auto_pad="SAME_UPPER"),
    "Gemm": Case(
        [node("Flatten", "a", "f"), node("Gemm", "f w b", "g", transB=1), node("Relu", "g", "z")],
        {"w": floats(16, FLAT, seed=1) / np.float32(34), "b": floats(16)},
        steps=["QConv2d"],
    ),
    "MatMul": Case(
        [node("Flatten", "a", "f"), node("MatMul", "f w", "g"), node("Add", "g b", "z")],
        {"w": floats(FLAT, 16, seed=1) / np.float32(34), "b": floats(16)},
        steps=["QConv2d"],
    ),
    "BatchNormalization after a layer": Case([node("BatchNormalization", f"a {NORMALIZE}", "z")], VECTORS),
    "BatchNormalization after Relu": Case([RELU, node("BatchNormalization", f"r {NORMALIZE}", "z")], VECTORS),
    "BatchNormalization before Relu, of a join": Case(
        [
            *TWO, node("Concat", "p q", "j", axis=1), node("BatchNormalization", "j s2 b2 m2 v2", "n"),
            node("Relu", "n", "z"),
        ],
        {"s2": np.tile(VECTORS["scale"], 2), "b2": np.tile(VECTORS["bias"], 2), "m2": floats(16), "v2": np.tile(VECTORS["variance"], 2)},
        steps=["QAveragePool", "Concat", "QChannelAffine"],
    ),
    "BatchNormalization at the end": Case([RELU, node("BatchNormalization", f"r {NORMALIZE}", "z")], VECTORS, floating=["ChannelAffine"], transposes=1, head=True),
    "Relu": Case([node("Relu", "a", "z")]),
    "Clip": Case([node("Clip", "a low high", "z")], {"low": np.array(0, np.float32), "high": np.array(1, np.float32)}),
    "Clip of both signs": Case([node("Clip", "a low high", "z")], {"low": np.array(-0.5, np.float32), "high": np.array(1, np.float32)}),
    "LeakyRelu": Case([node("LeakyRelu", "a", "z", alpha=0.1)], steps=["QLookup"]),
    "Sigmoid": Case([node("Sigmoid", "a", "z")], steps=["QLookup"]),
    "Add": Case([*TWO, node("Add", "p q", "z")], steps=["QAveragePool", "QAdd"]),
    "Add and Relu": Case([node("Conv", "a w", "c"), node("Add", "c a", "s"), node("Relu", "s", "z")], {"w": floats(8, 8, 1, 1) / np.float32(3)}, steps=["QConv2d"]),
    "Sum of two": Case([*TWO, node("Sum", "p q", "z")], steps=["QAveragePool", "QAdd"]),
    "Sum of three": Case([*TWO, node("Sum", "a p q", "z")], steps=["QLookup", "QAveragePool", "QAdd", "QAdd"]),
    "Concat on channels": Case([*TWO, node("Sigmoid", "a", "s"), node("Concat", "p q s", "z", axis=1)], steps=["QLookup", "QAveragePool", "QLookup", "Concat"]),
    "MaxPool": Case([node("MaxPool", "a", "z", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])], steps=["MaxPool"]),
    "MaxPool, rounded up": Case([node("MaxPool", "a", "z", kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1)], steps=["MaxPool"]),
    "AveragePool": Case([node("AveragePool", "a", "z", kernel_shape=[2, 2], strides=[2, 2])], steps=["QAveragePool"]),
    "AveragePool, padding counted": Case([node("AveragePool", "a", "z", kernel_shape=[3, 3], pads=[1, 1, 1, 1], count_include_pad=1)], steps=["QAveragePool"]),
    "GlobalAveragePool": Case([node("GlobalAveragePool", "a", "z")], steps=["QAveragePool"]),
    "ReduceMean": Case([node("ReduceMean", "a", "z", axes=[2, 3], keepdims=0)], steps=["QAveragePool"]),
    "LpNormalization with a learned scale": Case(
        [node("LpNormalization", "a", "n", axis=1, p=2), node("Mul", "n scale", "z")], {"scale": floats(1, 8, 1, 1) + 20},
        floating=["L2Normalize"],
    ),
    "Flatten, Squeeze": Case([node("GlobalAveragePool", "a", "g"), node("Squeeze", "g axes", "z")], {"axes": np.array([2, 3])}, steps=["QAveragePool"]),
    "Transpose and Reshape of a detector's head": Case(
        [
            node("Transpose", "a", "t", perm=[0, 2, 3, 1]), node("Reshape", "t shape", "u"),
            node("MaxPool", "a", "m", kernel_shape=[2, 2], strides=[2, 2]), node("Transpose", "m", "v", perm=[0, 2, 3, 1]),
            node("Reshape", "v shape", "w"), node("Concat", "u w", "z", axis=1),
        ],
        {"shape": np.array([0, -1, 4])}, head=True,
        steps=["MaxPool", "Concat"],
    ),
    "channel shuffle": Case(
        [node("Reshape", "a five", "s"), node("Transpose", "s", "t", perm=[0, 2, 1, 3, 4]), node("Reshape", "t four", "z")],
        {"five": np.array([1, 2, 4, SIZE, SIZE]), "four": np.array([1, 8, SIZE, SIZE])},
        transposes=1,
    ),
    "Pad": Case([node("Pad", "a pads", "z")], {"pads": np.array([0, 0, 1, 2, 0, 0, 3, 0])}),
    "Softmax at the end": Case([node("GlobalAveragePool", "a", "g"), node("Flatten", "g", "f"), node("Softmax", "f", "z", axis=1)], head=True, floating=["AveragePool", "Softmax"]),
    "Identity, Dropout, Cast": Case([node("Identity", "a", "i"), node("Dropout", "i", "d"), node("Cast", "d", "z", to=1)]),
}  # fmt: skip


def network(case: Case) -> tuple[bytes, int]:
    """The case behind a convolution and, unless it is a head, before layers that give 32 numbers; how many they are."""
    nodes = [node("Conv", "x first", "a", pads=[1, 1, 1, 1]), *case.nodes]
    constants: dict[str, Array] = {
        "first": floats(CHANNELS, 3, 3, 3, seed=11) / np.float32(5),
        **case.constants,
    }
    if case.head:
        nodes[-1].output[0] = "y"
        return onnx_file(nodes, {"x": (1, 3, SIZE, SIZE)}, ["y"], constants), 0
    graph = import_onnx(onnx_file(nodes, {"x": (1, 3, SIZE, SIZE)}, ["z"], constants)).graph
    shape = graph.type_of(graph.outputs["z"]).shape
    features, layers = "z", 1
    if len(shape) == 4:
        constants["kernel"] = floats(shape[1], shape[1], 1, 1, seed=12) / np.float32(np.sqrt(shape[1]))
        nodes += [node("Conv", "z kernel", "k"), node("Flatten", "k", "features")]
        features, layers = "features", 2
    elements = int(np.prod(shape[1:]))
    constants["last"] = floats(elements, 32, seed=13) / np.float32(np.sqrt(elements))
    nodes.append(node("Gemm", f"{features} last", "y"))
    return onnx_file(nodes, {"x": (1, 3, SIZE, SIZE)}, ["y"], constants), layers


def images() -> list[Array]:
    return [floats(1, 3, SIZE, SIZE, seed=seed) for seed in range(20, 26)]


def steps(graph: Graph, *, floating: bool) -> list[str]:
    """Operators of a lowered graph that read and make float32, or the others; those that move data left out."""
    return [
        node.op.label
        for node in graph
        if node.op.label not in LAYOUT
        and floating == all(graph.type_of(v).dtype.value == "float32" for v in (node.inputs[0], node.output))
    ]


@pytest.mark.parametrize("name", CASES)
def test_it_runs_in_the_plan(name: str, code_cache: Path) -> None:
    case = CASES[name]
    content, layers_behind = network(case)
    batches = [image.transpose(0, 2, 3, 1) for image in images()]
    quantized = quantize(simplify(import_onnx(content).graph), batches)
    lowered = lower(quantized.graph)
    found = steps(lowered.graph, floating=False)
    assert found == ["QConv2d", *case.steps, *["QConv2d"] * layers_behind]
    assert steps(lowered.graph, floating=True) == list(case.floating)
    assert sum(node.op.label == "Transpose" for node in lowered.graph) == case.transposes
    params = lowered.input_quantization["x"]
    codes = np.clip(np.rint(batches[0] / np.float32(params.scale)) + params.zero_point, 0, 255).astype(
        np.uint8
    )
    reference = evaluate(lowered.graph, {"x": codes})["y"]
    program = CpuDevice().load(lowered, LoadOptions(threads=1, cache=code_cache))
    try:
        np.testing.assert_array_equal(program.run({"x": codes})["y"], reference)
    finally:
        program.close()
    (exact,) = expected(content, {"x": images()[0]})
    assert reference.shape == exact.shape
    assert np.linalg.norm(reference - exact) <= 0.03 * np.linalg.norm(exact)
