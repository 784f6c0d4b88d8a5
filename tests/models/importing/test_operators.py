"""Every operator handler against onnxruntime."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
import pytest

from accelserve.kernels.ir import Array
from accelserve.models.importing.registry import HANDLERS
from tests.models.importing.onnx_models import assert_agrees, floats, node, onnx_file

I64 = np.int64


@dataclass(frozen=True)
class Case:
    """Nodes that make ``y`` of ``x``."""

    nodes: Sequence[onnx.NodeProto]
    shape: tuple[int, ...] = (1, 6, 9, 8)
    constants: Mapping[str, Array] = field(default_factory=dict)
    opset: int = 17
    outputs: tuple[str, ...] = ("y",)


def one(op: str, shape: tuple[int, ...] = (1, 6, 9, 8), opset: int = 17, /, **attributes: Any) -> Case:
    return Case([node(op, "x", "y", **attributes)], shape, {}, opset)


def with_constants(
    op: str,
    constants: Mapping[str, Array],
    /,
    shape: tuple[int, ...] = (1, 6, 9, 8),
    opset: int = 17,
    **attributes: Any,
) -> Case:
    return Case([node(op, " ".join(["x", *constants]), "y", **attributes)], shape, constants, opset)


def conv(weights: tuple[int, ...], shape: tuple[int, ...] = (1, 6, 9, 8), /, **attributes: Any) -> Case:
    constants = {"w": floats(*weights, seed=1), "b": floats(weights[0], seed=2)}
    return with_constants("Conv", constants, shape, **attributes)


BN: dict[str, Array] = {
    "scale": floats(6, seed=1),
    "bias": floats(6, seed=2),
    "mean": floats(6, seed=3),
    "variance": np.abs(floats(6, seed=4)) + 0.1,
}

CASES = {
    "conv 1x1": conv((4, 6, 1, 1)),
    "conv 3x3 same by pads": conv((4, 6, 3, 3), pads=[1, 1, 1, 1]),
    "conv asymmetric pads": conv((4, 6, 3, 3), pads=[0, 1, 2, 1]),
    "conv strides and dilations": conv((4, 6, 3, 2), strides=[2, 1], dilations=[1, 3], pads=[1, 0, 1, 2]),
    "conv SAME_UPPER": conv((4, 6, 3, 3), strides=[2, 2], auto_pad="SAME_UPPER"),
    "conv SAME_LOWER": conv((4, 6, 4, 3), strides=[2, 2], auto_pad="SAME_LOWER"),
    "conv VALID": conv((4, 6, 3, 3), auto_pad="VALID"),
    "conv grouped": conv((4, 3, 3, 3), group=2),
    "conv depthwise": conv((12, 1, 3, 3), group=6, pads=[1, 1, 1, 1]),
    "conv without bias": with_constants("Conv", {"w": floats(5, 6, 3, 3)}),
    "gemm": with_constants("Gemm", {"w": floats(7, 5), "b": floats(5)}, (1, 7)),
    "gemm transposed and scaled": with_constants(
        "Gemm", {"w": floats(5, 7), "b": floats(1, 5)}, (1, 7), transB=1, alpha=0.5, beta=2.0
    ),
    "gemm scalar addend": with_constants("Gemm", {"w": floats(7, 5), "b": floats(1)}, (1, 7)),
    "gemm without addend": with_constants("Gemm", {"w": floats(7, 5)}, (1, 7)),
    "matmul": with_constants("MatMul", {"w": floats(7, 5)}, (1, 7)),
    "matmul of more axes": with_constants("MatMul", {"w": floats(8, 5)}),
    "batch normalization": with_constants("BatchNormalization", BN, epsilon=1e-3),
    "batch normalization of a vector": with_constants("BatchNormalization", BN, (1, 6)),
    "batch normalization of rank 3": with_constants("BatchNormalization", BN, (1, 6, 5)),
    "relu": one("Relu"),
    "clip by attributes": one("Clip", (1, 6, 9, 8), 9, min=-0.5, max=0.75),
    "clip by operands": with_constants(
        "Clip", {"low": np.array(-0.5, np.float32), "high": np.array(0.75, np.float32)}
    ),
    "clip from below only": Case([node("Clip", "x low", "y")], constants={"low": np.array(0.25, np.float32)}),
    "clip from above only": Case(
        [node("Clip", "x _ high", "y")], constants={"high": np.array(0.25, np.float32)}
    ),
    "leaky relu": one("LeakyRelu", alpha=0.125),
    "prelu of one slope": with_constants("PRelu", {"slope": np.full((6, 1, 1), 0.3, np.float32)}),
    "prelu of a slope per channel": with_constants("PRelu", {"slope": floats(6, 1, 1)}),
    "sigmoid": one("Sigmoid"),
    "hard sigmoid": one("HardSigmoid", alpha=0.3, beta=0.4),
    "hard swish": one("HardSwish"),
    "tanh": one("Tanh"),
    "max with a bound": with_constants("Max", {"bound": np.array(0.1, np.float32)}),
    "min with a bound": Case([node("Min", "bound x", "y")], constants={"bound": np.array([0.1], np.float32)}),
    "add per channel": with_constants("Add", {"c": floats(6, 1, 1)}),
    "add a scalar": with_constants("Add", {"c": floats(1)}),
    "add per row": with_constants("Add", {"c": floats(9, 1)}),
    "add a widening constant": with_constants("Add", {"c": floats(1, 6, 9, 8)}, (1, 6, 1, 1)),
    "add, constant first": Case([node("Add", "c x", "y")], constants={"c": floats(6, 1, 1)}),
    "add to itself": Case([node("Add", "x x", "y")]),
    "subtract a constant": with_constants("Sub", {"c": floats(6, 1, 1)}),
    "subtract from a constant": Case([node("Sub", "c x", "y")], constants={"c": floats(1)}),
    "subtract from a vector": Case([node("Sub", "c x", "y")], constants={"c": floats(6, 1, 1)}),
    "subtract tensors": Case([node("Relu", "x", "r"), node("Sub", "x r", "y")]),
    "multiply per channel": with_constants("Mul", {"c": floats(6, 1, 1)}),
    "multiply with itself": Case([node("Mul", "x x", "s"), node("Relu", "s", "y")]),
    "multiply tensors": Case([node("Sigmoid", "x", "g"), node("Mul", "x g", "y")]),
    "squeeze and excite": Case(
        [node("GlobalAveragePool", "x", "p"), node("Sigmoid", "p", "g"), node("Mul", "g x", "y")]
    ),
    "divide": with_constants("Div", {"c": np.abs(floats(6, 1, 1)) + 0.5}),
    "negate": one("Neg"),
    "sum of three": Case([node("Relu", "x", "r"), node("Tanh", "x", "t"), node("Sum", "x r t", "y")]),
    "sum of one": one("Sum"),
    "broadcast a vector to an image": Case(
        [
            node("ReduceMean", "x", "m", axes=[2, 3], keepdims=0),
            node("Unsqueeze", "m ax", "u"),
            node("Add", "x u", "y"),
        ],
        constants={"ax": np.array([2, 3], I64)},
    ),
    "broadcast to a higher rank": Case(
        [node("Reshape", "x s", "v"), node("Add", "v x", "y")], (1, 1, 9, 8), {"s": np.array([9, 8], I64)}
    ),
    "max pool": one("MaxPool", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]),
    "max pool ceil": one("MaxPool", kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1),
    "max pool ceil that drops a window": one(
        "MaxPool", kernel_shape=[1, 2], strides=[3, 3], pads=[0, 1, 0, 1], ceil_mode=1
    ),
    "max pool dilated": one("MaxPool", kernel_shape=[2, 3], dilations=[3, 2]),
    "max pool SAME_UPPER": one("MaxPool", kernel_shape=[3, 3], strides=[2, 2], auto_pad="SAME_UPPER"),
    "average pool": one("AveragePool", kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
    "average pool that counts padding": one(
        "AveragePool", kernel_shape=[3, 3], pads=[1, 0, 1, 2], count_include_pad=1
    ),
    "average pool ceil": one("AveragePool", kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1),
    "average pool ceil that counts padding": one(
        "AveragePool",
        (1, 6, 9, 7),
        19,
        kernel_shape=[3, 3],
        strides=[2, 2],
        pads=[1, 1, 0, 0],
        count_include_pad=1,
        ceil_mode=1,
    ),
    "global average pool": one("GlobalAveragePool"),
    "global max pool": one("GlobalMaxPool"),
    "mean of rows and columns": one("ReduceMean", axes=[2, 3], keepdims=1),
    "mean, axes dropped": one("ReduceMean", axes=[-1, -2], keepdims=0),
    "mean of rows only": one("ReduceMean", axes=[2], keepdims=0),
    "mean, axes as operand": with_constants("ReduceMean", {"axes": np.array([2, 3], I64)}, opset=18),
    "max of rows and columns": one("ReduceMax", axes=[2, 3], keepdims=1),
    "lrn": one("LRN", size=5, alpha=0.01, beta=0.75, bias=1.5),
    "softmax along channels": one("Softmax", axis=1),
    "softmax along the last axis": one("Softmax"),
    "softmax of old opsets": one("Softmax", (1, 6, 9, 8), 9, axis=1),
    "softmax of old opsets on a vector": one("Softmax", (1, 6), 9),
    "softmax of old opsets on pixels": one("Softmax", (1, 6, 1, 1), 9),
    "lp normalization": one("LpNormalization", axis=1, p=2),
    "transpose": one("Transpose", perm=[0, 2, 3, 1]),
    "transpose without perm": one("Transpose", (1, 6, 9)),
    "reshape splits channels": with_constants("Reshape", {"s": np.array([0, 2, 3, 9, 8], I64)}),
    "reshape merges rows and columns": with_constants("Reshape", {"s": np.array([1, 6, -1], I64)}),
    "reshape merges channels and rows": with_constants("Reshape", {"s": np.array([1, -1, 8], I64)}),
    "reshape merges everything": with_constants("Reshape", {"s": np.array([-1], I64)}),
    "channel shuffle": Case(
        [
            node("Reshape", "x s", "a"),
            node("Transpose", "a", "b", perm=[0, 2, 1, 3, 4]),
            node("Reshape", "b t", "c"),
            node("Relu", "c", "y"),
        ],
        constants={"s": np.array([0, 2, 3, 9, 8], I64), "t": np.array([0, 6, 9, 8], I64)},
    ),
    "flatten": one("Flatten"),
    "flatten at another axis": one("Flatten", axis=2),
    "flatten at a negative axis": one("Flatten", axis=-1),
    "flatten, activation, gemm": Case(
        [node("Flatten", "x", "f"), node("Relu", "f", "r"), node("Gemm", "r w b", "y")],
        constants={"w": floats(432, 5), "b": floats(5)},
    ),
    "flatten, matmul": Case(
        [node("Flatten", "x", "f"), node("MatMul", "f w", "y")], constants={"w": floats(432, 5)}
    ),
    "flatten, scale per element": Case(
        [node("Flatten", "x", "f"), node("Mul", "f c", "y")], constants={"c": floats(432)}
    ),
    "squeeze": with_constants("Squeeze", {"ax": np.array([2, 3], I64)}, (1, 6, 1, 1)),
    "squeeze everything": one("Squeeze", (1, 6, 1, 1)),
    "squeeze by attribute": one("Squeeze", (1, 6, 1, 1), 11, axes=[3]),
    "unsqueeze": with_constants("Unsqueeze", {"ax": np.array([2, -1], I64)}, (1, 6)),
    "unsqueeze by attribute": one("Unsqueeze", (1, 6), 11, axes=[0, 3]),
    "identity": one("Identity"),
    "dropout": one("Dropout"),
    "dropout of old opsets": one("Dropout", (1, 6, 9, 8), 9, ratio=0.3),
    "cast to float": one("Cast", to=1),
    "concat": Case([node("Relu", "x", "r"), node("Concat", "x r", "y", axis=1)]),
    "concat along rows": Case([node("Relu", "x", "r"), node("Concat", "x r x", "y", axis=-2)]),
    "concat with a constant": Case([node("Concat", "x c", "y", axis=1)], constants={"c": floats(1, 2, 9, 8)}),
    "slice": with_constants(
        "Slice",
        {
            "s": np.array([1, -3], I64),
            "e": np.array([5, 2**62], I64),
            "a": np.array([1, -1], I64),
            "t": np.array([2, 1], I64),
        },
    ),
    "slice by attributes": one("Slice", (1, 6, 9, 8), 9, starts=[2, 0], ends=[5, -1], axes=[1, 2]),
    "split": Case(
        [node("Split", "x s", "a b", axis=1), node("Relu", "a", "y"), node("Relu", "b", "z")],
        constants={"s": np.array([2, 4], I64)},
        outputs=("y", "z"),
    ),
    "split evenly": Case([node("Split", "x", "a b c", axis=1), node("Sum", "a b c", "y")]),
    "split by attribute": Case(
        [node("Split", "x", "y z", axis=2, split=[4, 5])], opset=11, outputs=("y", "z")
    ),
    "gather one channel": with_constants("Gather", {"i": np.array(3, I64)}, axis=1),
    "gather channels reversed": with_constants(
        "Gather", {"i": np.array([2, 1, 0], I64)}, (1, 3, 4, 4), axis=1
    ),
    "pad": with_constants(
        "Pad", {"p": np.array([0, 0, 1, 2, 0, 0, 3, 0], I64), "v": np.array(0.5, np.float32)}
    ),
    "pad some axes": Case(
        [node("Pad", "x p _ a", "y")],
        constants={"p": np.array([1, 2], I64), "a": np.array([3], I64)},
        opset=18,
    ),
    "pad by attribute": one("Pad", (1, 6, 9, 8), 9, pads=[0, 1, 0, 0, 0, 0, 2, 0], value=-1.0),
    "expand to the same shape": with_constants("Expand", {"s": np.array([1, 1, 9, 8], I64)}),
    "shape arithmetic": Case(
        [
            node("Shape", "x", "s"),
            node("Gather", "s zero", "n"),
            node("Unsqueeze", "n axes", "u"),
            node("Concat", "u minus", "t", axis=0),
            node("Reshape", "x t", "y"),
        ],
        constants={"zero": np.array(0, I64), "axes": np.array([0], I64), "minus": np.array([-1], I64)},
    ),
    "size": Case(
        [node("Size", "x", "n"), node("Unsqueeze", "n a", "s"), node("Reshape", "x s", "y")],
        constants={"a": np.array([0], I64)},
    ),
    "constants of nodes": Case(
        [
            node("Constant", "", "c", value_float=0.5),
            node("Constant", "", "shape", value=onnx.numpy_helper.from_array(np.array([6, 1, 1], I64))),
            node(
                "ConstantOfShape",
                "shape",
                "d",
                value=onnx.numpy_helper.from_array(np.array([2.0], np.float32)),
            ),
            node("Mul", "x c", "m"),
            node("Add", "m d", "y"),
        ]
    ),
    "l2 norm of torch": Case(
        [
            node("ReduceL2", "x", "n", axes=[1], keepdims=1),
            node("Clip", "n e", "c"),
            node("Shape", "x", "s"),
            node("Expand", "c s", "w"),
            node("Div", "x w", "y"),
        ],
        constants={"e": np.array(1e-12, np.float32)},
    ),
    "l2 norm of tensorflow": Case(
        [
            node("Mul", "x x", "q"),
            node("ReduceSum", "q a", "s", keepdims=1),
            node("Max", "s e", "m"),
            node("Sqrt", "m", "r"),
            node("Reciprocal", "r", "i"),
            node("Mul", "x i", "y"),
        ],
        constants={"a": np.array([1], I64), "e": np.array(1e-12, np.float32)},
    ),
    "l2 norm of ssd.pytorch": Case(
        [
            node("Pow", "x two", "q"),
            node("ReduceSum", "q a", "s", keepdims=1),
            node("Sqrt", "s", "r"),
            node("Add", "r e", "m"),
            node("Div", "x m", "d"),
            node("Mul", "g d", "y"),
        ],
        constants={
            "two": np.array(2, np.float32),
            "a": np.array([1], I64),
            "e": np.array(1e-10, np.float32),
            "g": floats(1, 6, 1, 1),
        },
    ),
    "l2 norm by sum of squares": Case(
        [node("ReduceSumSquare", "x", "s", axes=[1]), node("Pow", "s h", "r"), node("Div", "x r", "y")],
        constants={"h": np.array(0.5, np.float32)},
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_it_computes_what_onnxruntime_computes(name: str) -> None:
    case = CASES[name]
    content = onnx_file(case.nodes, {"x": case.shape}, case.outputs, case.constants, opset=case.opset)
    assert_agrees(content, {"x": floats(*case.shape, seed=9)})


def quantized_cases() -> dict[str, bytes]:
    """QuantizeLinear and DequantizeLinear in the forms that tools write."""
    scale, point = np.array(0.05, np.float32), np.array(7, np.uint8)
    activation = [node("QuantizeLinear", "x s z", "q"), node("DequantizeLinear", "q s z", "d")]
    weights = np.random.default_rng(3).integers(-127, 128, (4, 6, 3, 3)).astype(np.int8)
    scales = np.linspace(0.01, 0.04, 4).astype(np.float32)
    per_channel: dict[str, Array] = {
        "s": scale,
        "z": point,
        "w": weights,
        "ws": scales,
        "wz": np.zeros(4, np.int8),
        "b": np.array([5, -90, 300, 0], np.int32),
        "bs": scale * scales,
    }
    dense = {"s": scale, "z": point, "w": weights[0, 0], "ws": scales[:3], "wz": np.zeros(3, np.int8)}
    return {
        "uint8 activation": onnx_file(
            [*activation, node("Relu", "d", "y")], {"x": (1, 6, 9, 8)}, ["y"], {"s": scale, "z": point}
        ),
        "int8 activation": onnx_file(
            [*activation, node("Relu", "d", "y")],
            {"x": (1, 6, 9, 8)},
            ["y"],
            {"s": scale, "z": np.array(-3, np.int8)},
        ),
        "zero point left out": onnx_file(
            [node("QuantizeLinear", "x s", "q"), node("DequantizeLinear", "q s", "y")],
            {"x": (1, 6, 9, 8)},
            ["y"],
            {"s": scale},
        ),
        "weights per channel, int32 bias": onnx_file(
            [
                *activation,
                node("DequantizeLinear", "w ws wz", "wd", axis=0),
                node("DequantizeLinear", "b bs", "bd", axis=0),
                node("Conv", "d wd bd", "y"),
            ],
            {"x": (1, 6, 9, 8)},
            ["y"],
            per_channel,
        ),
        "weights along the second axis": onnx_file(
            [*activation, node("DequantizeLinear", "w ws wz", "wd", axis=1), node("MatMul", "d wd", "y")],
            {"x": (1, 3)},
            ["y"],
            dense,
        ),
        "weights transposed after dequantization": onnx_file(
            [
                *activation,
                node("DequantizeLinear", "w ws wz", "wd", axis=0),
                node("Transpose", "wd", "wt", perm=[1, 0]),
                node("MatMul", "d wt", "y"),
            ],
            {"x": (1, 3)},
            ["y"],
            dense,
        ),
        "weights quantized in the file": onnx_file(
            [
                *activation,
                node("QuantizeLinear", "w ws wz", "wq", axis=0),
                node("DequantizeLinear", "wq ws wz", "wd", axis=0),
                node("Conv", "d wd", "y"),
            ],
            {"x": (1, 6, 9, 8)},
            ["y"],
            {**{k: per_channel[k] for k in ("s", "z", "ws", "wz")}, "w": floats(4, 6, 3, 3)},
        ),
        "flattened before a quantized gemm": onnx_file(
            [
                node("QuantizeLinear", "x s z", "q"),
                node("DequantizeLinear", "q s z", "d"),
                node("Flatten", "d", "f"),
                node("QuantizeLinear", "f s z", "fq"),
                node("DequantizeLinear", "fq s z", "fd"),
                node("DequantizeLinear", "w ws wz", "wd", axis=0),
                node("Gemm", "fd wd", "y", transB=1),
            ],
            {"x": (1, 2, 3, 4)},
            ["y"],
            {
                "s": scale,
                "z": point,
                "w": np.random.default_rng(5).integers(-127, 128, (3, 24)).astype(np.int8),
                "ws": scales[:3],
                "wz": np.zeros(3, np.int8),
            },
        ),
    }


@pytest.mark.parametrize("name", quantized_cases())
def test_quantized_files_compute_what_onnxruntime_computes(name: str) -> None:
    content = quantized_cases()[name]
    shape = [
        dim.dim_value for dim in onnx.ModelProto.FromString(content).graph.input[0].type.tensor_type.shape.dim
    ]
    graph = assert_agrees(content, {"x": floats(*shape, seed=9)})
    assert "Dequantize" in {each.op.label for each in graph}


def test_quantized_weights_stay_integers() -> None:
    graph = assert_agrees(quantized_cases()["weights per channel, int32 bias"], {"x": floats(1, 6, 9, 8)})
    kinds = {str(array.dtype) for array in graph.constants.values()}
    assert {"int8", "int32"} <= kinds


def test_before_opset_7_the_second_operand_may_stand_at_an_axis() -> None:
    """onnxruntime no longer runs opset 6, so the expectation is the old standard's own words."""
    from accelserve.kernels.reference.evaluator import evaluate
    from accelserve.models.importing import import_onnx

    added, bias = floats(1, 6, 9, 8), floats(6, seed=1)
    content = onnx_file(
        [node("Add", "x c", "y", broadcast=1, axis=1)], {"x": (1, 6, 9, 8)}, ["y"], {"c": bias}, opset=6
    )
    found = evaluate(import_onnx(content).graph, {"x": added.transpose(0, 2, 3, 1)})["y"]
    np.testing.assert_array_equal(found, added + bias[:, None, None])


def test_every_handler_has_a_case() -> None:
    covered = {each.op_type for case in CASES.values() for each in case.nodes}
    covered |= {
        each.op_type
        for content in quantized_cases().values()
        for each in onnx.ModelProto.FromString(content).graph.node
    }
    assert set(HANDLERS) - covered == set()
