"""How much a node multiplies."""

from __future__ import annotations

from accelserve.kernels.ir.graph import Graph, Node
from accelserve.kernels.ir.winograd_ops import QWinogradConv2d


def macs(graph: Graph, node: Node) -> int:
    """Multiply-accumulates of a convolution or dense node, as its algorithm makes them; 0 for any other."""
    if node.op.label not in {"Conv2d", "QConv2d", "QWinogradConv2d", "Dense"}:
        return 0
    weights, result = graph.type_of(node.inputs[1]), graph.type_of(node.output)
    if isinstance(node.op, QWinogradConv2d):
        _, rows, columns, _ = result.shape
        return -(-rows // 2) * -(-columns // 2) * weights.elements
    return result.elements * (weights.elements // weights.shape[0])
