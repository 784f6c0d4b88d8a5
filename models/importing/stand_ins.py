"""What a refused node would have made: shape and element type, so that the nodes behind it are judged too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import onnx
from onnx import helper, numpy_helper
from onnx.shape_inference import infer_shapes

from accelserve.kernels.ir import DType, TensorType
from accelserve.models.importing.folding import node_proto
from accelserve.models.importing.onnx_file import OnnxNode
from accelserve.models.importing.tensor_data import element_type_name
from accelserve.models.importing.values import Known, Stored, Tensor, Value

_KINDS = {
    **dict.fromkeys(("FLOAT", "FLOAT16", "DOUBLE", "BFLOAT16"), DType.F32),
    "UINT8": DType.U8,
    "INT8": DType.S8,
}
# What shape inference reads of constants are shapes and axes; weights need not be copied for it.
_MOST_ELEMENTS = 1024


def result_types(
    node: OnnxNode, opset: int, operands: Sequence[Value | None], dtypes: Mapping[str, DType]
) -> dict[str, TensorType]:
    """Types of those results that ONNX's shape inference can tell, and that may be values of a graph, in ONNX's axes.

    Args:
        node: the node that was refused.
        opset: of the file.
        operands: what it reads.
        dtypes: element type of every operand that is a tensor, by the name that the file has for it.
    """
    if node.domain or not any(isinstance(value, Tensor) for value in operands):
        return {}  # a result of constants alone would have been a constant itself
    try:
        inferred = infer_shapes(_alone(node, opset, operands, dtypes), data_prop=True)
    except (RuntimeError, ValueError, TypeError):  # a node that is damaged in itself
        return {}
    return {info.name: kind for info in inferred.graph.output if (kind := _type(info)) is not None}


def _alone(
    node: OnnxNode, opset: int, operands: Sequence[Value | None], dtypes: Mapping[str, DType]
) -> onnx.ModelProto:
    """A model of the node alone."""
    inputs, constants = {}, {}
    for name, value in zip(node.inputs, operands, strict=True):
        if isinstance(value, Tensor):
            element = helper.np_dtype_to_tensor_dtype(dtypes[name].numpy)
            inputs[name] = helper.make_tensor_value_info(name, element, value.shape)
        elif isinstance(value, Known) and value.array.size <= _MOST_ELEMENTS:
            constants[name] = numpy_helper.from_array(value.array, name)
        elif isinstance(value, Known | Stored):
            element = helper.np_dtype_to_tensor_dtype(value.array.dtype)
            inputs[name] = helper.make_tensor_value_info(name, element, value.array.shape)
    outputs = [onnx.ValueInfoProto(name=name) for name in node.outputs if name]
    proto = node_proto(node, node.inputs, node.outputs)
    graph = helper.make_graph([proto], "node", list(inputs.values()), outputs, list(constants.values()))
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def _type(info: onnx.ValueInfoProto) -> TensorType | None:
    kind = info.type.tensor_type
    dtype = _KINDS.get(element_type_name(kind.elem_type))
    shape = tuple(int(dim.dim_value) for dim in kind.shape.dim)
    if dtype is None or not kind.HasField("shape") or min(shape, default=1) < 1:
        return None
    return TensorType(shape, dtype)
