"""From a graph to a standard ONNX file, which runtimes fuse and our importer takes back to the same graph."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version
from typing import Literal

import onnx
from onnx import helper

from accelserve.kernels.errors import UnsupportedNodesError
from accelserve.kernels.ir import Concat, Graph, Node, Pad, Reshape, Slice, Softmax, TensorType, Transpose
from accelserve.models.errors import ConversionError
from accelserve.models.importing import onnx_emitters
from accelserve.models.importing.onnx_writer import EMITTERS, NCHW, OnnxWriter

__all__ = ["ExportOptions", "export_onnx", "onnx_emitters", "onnx_model"]

OPSET = 17
# The oldest that opset 17 allows: older runtimes read the file too.
IR_VERSION = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportOptions:
    """How the file is to be written.

    Attributes:
        input_layout: of image inputs. NCHW is what other exporters write and runtimes expect; with NHWC the file's
            input has the graph's own shape, at the price of one transposition.
        name: of the graph in the file.
    """

    input_layout: Literal["NCHW", "NHWC"] = "NCHW"
    name: str = "network"


def export_onnx(graph: Graph, options: ExportOptions | None = None) -> bytes:
    """A graph as the bytes of an ONNX file, the same bytes every time; the rest as of ``onnx_model``."""
    return bytes(onnx_model(graph, options).SerializeToString(deterministic=True))


def onnx_model(graph: Graph, options: ExportOptions | None = None) -> onnx.ModelProto:
    """A graph of float32 and Quantize / Dequantize nodes as an ONNX model of opset 17.

    The batch is left open where the graph allows it. Outputs have the graph's own shapes.

    Raises:
        UnsupportedNodesError: operators that ONNX has not, such as the lowered integer ones.
        ConversionError: the file would exceed 2 GB.
    """
    options = options or ExportOptions()
    lacking = [(node.name, node.op.label) for node in graph if type(node.op) not in EMITTERS]
    if lacking:
        raise UnsupportedNodesError(lacking)
    to = OnnxWriter(graph, batchable=all(_keeps_batch(graph, node) for node in graph))
    inputs = [_input(to, name, kind, options) for name, kind in graph.inputs.items()]
    for node in graph:
        EMITTERS[type(node.op)](to, node, node.op)
    outputs = [_output(to, public, value) for public, value in graph.outputs.items()]
    model = helper.make_model(
        helper.make_graph(to.nodes, options.name, inputs, outputs, to.initializers),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="accelserve",
        producer_version=version("accelserve"),
    )
    if model.ByteSize() >= 2**31:
        raise ConversionError("the network exceeds the 2 GB that one ONNX file can hold")
    return model


def _keeps_batch(graph: Graph, node: Node) -> bool:
    """Whether a node treats the leading axis as a batch of independent images."""
    shape = graph.type_of(node.inputs[0]).shape
    match node.op:
        case Reshape(target):
            return bool(target) and shape[:1] == target[:1] == (1,)
        case Transpose(permutation):
            return permutation[:1] == (0,)
        case Concat(axis) | Softmax(axis):
            return axis != 0
        case Slice(start, stop, step):
            return (start[0], stop[0], step[0]) == (0, shape[0], 1)
        case Pad(before, after):
            return before[0] == after[0] == 0
        case _:
            return True


def _input(to: OnnxWriter, name: str, kind: TensorType, options: ExportOptions) -> onnx.ValueInfoProto:
    axes = NCHW if len(kind.shape) == 4 and options.input_layout == "NCHW" else to.plain(name)
    to.hold(name, axes, to.unused(name))
    return _value_info(to, name, kind, tuple(kind.shape[axis] for axis in axes))


def _output(to: OnnxWriter, public: str, value: str) -> onnx.ValueInfoProto:
    kind = to.type_of(value)
    name = to.read(value, to.plain(value))
    if name != public:
        to.release(public)
        to.write("Identity", [name], f"{public}/output", public)
    return _value_info(to, public, kind, kind.shape)


def _value_info(to: OnnxWriter, name: str, kind: TensorType, shape: tuple[int, ...]) -> onnx.ValueInfoProto:
    element = helper.np_dtype_to_tensor_dtype(kind.dtype.numpy)
    sizes: list[str | int | None] = ["N", *shape[1:]] if to.batchable and shape[:1] == (1,) else list(shape)
    return helper.make_tensor_value_info(name, element, sizes)
