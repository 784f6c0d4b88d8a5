"""Operators on constants are computed at import, by ONNX's own reference implementation.

Only operators of the table are: arithmetic on shapes and on weights, whose results are bounded before they are made.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import helper
from onnx.reference import ReferenceEvaluator

from accelserve.kernels.ir import Array
from accelserve.models.importing.onnx_file import Attribute, OnnxNode
from accelserve.models.importing.registry import UnsupportedFormError
from accelserve.models.importing.tensor_data import MAX_TENSOR_BYTES

_MANY_STEPS = 1 << 20
"""More than any quantized type has, with its zero point, and far from the ends of int32."""

Bound = Callable[[Sequence[Array]], int]
"""Most elements that a result can have."""


def _broadcast(arrays: Sequence[Array]) -> int:
    try:
        return math.prod(np.broadcast_shapes(*(array.shape for array in arrays)))
    except ValueError:
        return 0  # the evaluation itself will refuse them, with its own words


def _no_more(arrays: Sequence[Array]) -> int:
    return sum(array.size for array in arrays)


def _gathered(arrays: Sequence[Array]) -> int:
    return arrays[0].size * max(arrays[1].size, 1)


def _expanded(arrays: Sequence[Array]) -> int:
    return math.prod(max(int(size), 1) for size in arrays[1].ravel()) * arrays[0].size


def _ranged(arrays: Sequence[Array]) -> int:
    start, limit, delta = (float(array.reshape(())) for array in arrays)
    return max(0, math.ceil((limit - start) / delta)) if delta else 0


_ELEMENTWISE = (
    "Abs Add And Cast Ceil Clip Div Dropout Equal Exp Floor Greater GreaterOrEqual Identity Less LessOrEqual Log Max "
    "Min Mod Mul Neg Not Or Pow Reciprocal Relu Round Sigmoid Sign Sqrt Sub Sum Tanh Where"
)
_STRUCTURE = (
    "Concat Flatten QuantizeLinear ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum Reshape Slice Split Squeeze "
    "Transpose Unsqueeze"
)
FOLDABLE: dict[str, Bound] = {
    **dict.fromkeys(_ELEMENTWISE.split(), _broadcast),
    **dict.fromkeys(_STRUCTURE.split(), _no_more),
    "Gather": _gathered,
    "Expand": _expanded,
    "Tile": _expanded,
    "Range": _ranged,
}


def fold(node: OnnxNode, opset: int, operands: Sequence[Array | None]) -> list[Array]:
    """Results of a node of ``FOLDABLE`` on constants.

    Raises:
        UnsupportedFormError: the result would be absurdly large, or the reference implementation refuses.
    """
    arrays = [operand for operand in operands if operand is not None]
    if FOLDABLE[node.op](arrays) * 8 > MAX_TENSOR_BYTES:
        raise UnsupportedFormError("whose constant result would exceed 2 GB")
    # Warnings of numpy about a division by zero, say, are the file's business: its result is what it is.
    with np.errstate(all="ignore"):
        try:
            results = _evaluate(node, opset, operands)
        except Exception as error:
            # Any error at all: the reference implementation documents none, and a wrong model must be named.
            raise UnsupportedFormError(f"on constants: {error}") from error
    return [np.asarray(result) for result in results]


def _evaluate(node: OnnxNode, opset: int, operands: Sequence[Array | None]) -> list[Array]:
    if node.op == "QuantizeLinear":
        operands = _within_int32(node, operands)
    names = [f"i{i}" if operand is not None else "" for i, operand in enumerate(operands)]
    outputs = [f"o{i}" for i in range(len(node.outputs))]
    proto = node_proto(node, names, outputs)
    graph = helper.make_graph(
        [proto],
        "constants",
        [
            helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(operand.dtype), operand.shape)
            for name, operand in zip(names, operands, strict=True)
            if operand is not None
        ],
        [onnx.ValueInfoProto(name=name) for name in outputs],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    feeds = {name: array for name, array in zip(names, operands, strict=True) if array is not None}
    return list(ReferenceEvaluator(model).run(None, feeds))


def _within_int32(node: OnnxNode, operands: Sequence[Array | None]) -> Sequence[Array | None]:
    """Operands of QuantizeLinear, with values that are far out of the type's range brought to where they still are.

    The reference implementation converts steps to int32 before it saturates, so that more of them than int32 holds would
    saturate at the wrong end. Scales of blocks are left to it.
    """
    values, scale = operands[:2]
    if values is None or scale is None or scale.ndim > 1:
        return operands
    axis = node.attributes.get("axis", 1)
    if scale.size > 1 and isinstance(axis, int) and -values.ndim <= axis < values.ndim:
        sizes = [1] * values.ndim
        sizes[axis] = scale.size
        scale = scale.reshape(sizes)
    limit = np.abs(scale.astype(np.float64)) * _MANY_STEPS
    try:
        return [np.clip(values, -limit, limit).astype(values.dtype), *operands[1:]]
    except ValueError:
        return operands  # shapes that do not fit are the evaluation's to refuse


def node_proto(node: OnnxNode, inputs: Sequence[str], outputs: Sequence[str]) -> onnx.NodeProto:
    """The node as protobuf, between other values; attributes of kinds that no supported operator has are left out."""
    proto = helper.make_node(node.op, inputs, outputs)
    for name, value in node.attributes.items():
        if value is None:
            continue
        # Lists that may be empty are lists of integers, such as axes.
        kind = onnx.AttributeProto.INTS if isinstance(value, tuple) and not value else None
        proto.attribute.append(helper.make_attribute(name, _as_attribute(value), attr_type=kind))
    return proto


def _as_attribute(value: Attribute) -> Any:
    return onnx.numpy_helper.from_array(value) if isinstance(value, np.ndarray) else value
