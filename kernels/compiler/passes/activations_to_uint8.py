"""Signed activations become unsigned.

1. ``Quantize`` or ``Dequantize`` of a value that is no constant, with an int8 zero point z
   -> the same with uint8 zero point z + 128.

The stored integers move by 128 and so does the point that stands for zero: the reals are the same, exactly. Values
between them (pooling, concatenation, reshaping of stored integers) follow by type inference; their order is kept.
"""

from __future__ import annotations

import numpy as np

from accelserve.kernels.compiler.rewriting import GraphIndex, Replacement, rewrite
from accelserve.kernels.ir import Dequantize, Graph, Node, Quantize


def activations_to_uint8(graph: Graph) -> tuple[Graph, bool]:
    """Apply the rule of this file; see the module's docstring."""
    return rewrite(graph, _unsigned)


def _unsigned(index: GraphIndex, node: Node) -> Replacement | None:
    if not isinstance(node.op, Quantize | Dequantize) or index.constant(node.inputs[0]) is not None:
        return None
    zero_point = index.constant(node.inputs[2])
    if zero_point is None or zero_point.dtype != np.int8 or zero_point.size != 1:
        return None
    name = index.unused(f"{node.name}/uint8_zero_point")
    moved = (zero_point.astype(np.int16).reshape(()) + 128).astype(np.uint8)
    inputs = (node.inputs[0], node.inputs[1], name)
    return Replacement((Node(node.name, node.op, inputs, node.output),), {name: np.asarray(moved)})
