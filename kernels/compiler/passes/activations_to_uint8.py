"""Signed activations become unsigned.

1. ``Quantize`` or ``Dequantize`` of a value that is no constant, with an int8 zero point z
   -> the same with uint8 zero point z + 128.

The stored integers move by 128 and so does the point that stands for zero: the reals are the same, exactly. Values
between them (pooling, concatenation, reshaping of stored integers) follow by type inference; their order is kept.

Post: no activation has a per-tensor int8 zero point.
"""

from __future__ import annotations

import numpy as np

from accelserve.kernels.compiler.driver import graph_pass, leaves
from accelserve.kernels.compiler.rewriting import GraphIndex, Replacement, rewrite
from accelserve.kernels.ir import Dequantize, Graph, Node, Quantize


def signed_activation(graph: Graph) -> str | None:
    """The condition that no activation has a per-tensor int8 zero point."""
    index = GraphIndex(graph)
    for node in graph:
        if isinstance(node.op, Quantize | Dequantize) and index.constant(node.inputs[0]) is None:
            zero_point = index.constant(node.inputs[2])
            if zero_point is not None and zero_point.dtype == np.int8 and zero_point.size == 1:
                return f"'{node.name}' quantizes an activation to int8"
    return None


@graph_pass(ensures=(leaves(signed_activation),))
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
