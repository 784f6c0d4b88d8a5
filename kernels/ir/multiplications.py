"""How much a node multiplies."""

from __future__ import annotations

from accelserve.kernels.ir.graph import Graph, Node


def macs(graph: Graph, node: Node) -> int:
    """Multiply-accumulates of a node, as its operator's class counts them."""
    return node.op.macs(tuple(graph.type_of(value) for value in node.inputs), graph.type_of(node.output))
