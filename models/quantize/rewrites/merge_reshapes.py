"""Of reshapes in a row only the last counts; two transpositions in a row are one."""

from __future__ import annotations

from accelserve.kernels.compiler.rewriting import GraphIndex, Replacement, rewrite
from accelserve.kernels.ir import Graph, Node, Reshape, Transpose


def merge_reshapes(graph: Graph) -> tuple[Graph, bool]:
    """Skip the inner one of a pair.

    1. Reshape of Reshape: the outer one reads the inner one's operand.
    2. Transpose of Transpose: their composition.
    """
    return rewrite(graph, _rule)


def _rule(index: GraphIndex, node: Node) -> Replacement | None:
    inner = index.producers.get(node.inputs[0]) if node.inputs else None
    match (inner.op if inner else None, node.op):
        case (Reshape(), Reshape()) if inner:
            return Replacement((Node(node.name, node.op, inner.inputs, node.output),))
        case (Transpose(first), Transpose(second)) if inner:
            composed = Transpose(tuple(first[axis] for axis in second))
            return Replacement((Node(node.name, composed, inner.inputs, node.output),))
        case _:
            return None
