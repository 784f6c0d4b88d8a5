"""Equal computations are made once.

1. Two nodes with equal operators and the same operands, where constants of equal bytes count as the same
   -> the first; readers of the second read the first.

Exporters write a Quantize for every edge, each with its own copy of scale and zero point.

Post: no two nodes have equal operators and the same operands.
"""

from __future__ import annotations

from accelserve.kernels.compiler.driver import graph_pass, leaves
from accelserve.kernels.compiler.rewriting import substitute
from accelserve.kernels.ir import Graph, Op

SMALL_BYTES = 4096
"""Larger constants are weights, which are not shared in practice; hashing them would only cost time."""


def _equal_nodes(graph: Graph) -> str | None:
    identity = _identities(graph)
    first: dict[tuple[Op, tuple[object, ...]], str] = {}
    for node in graph:
        twin = first.setdefault((node.op, tuple(identity.get(i, i) for i in node.inputs)), node.name)
        if twin != node.name:
            return f"'{twin}' and '{node.name}' compute the same"
    return None


@graph_pass(ensures=(leaves(_equal_nodes),))
def merge_equal_nodes(graph: Graph) -> tuple[Graph, bool]:
    """Apply the rule of this file; see the module's docstring."""
    identity = _identities(graph)
    first: dict[tuple[Op, tuple[object, ...]], str] = {}
    same: dict[str, str] = {}
    for node in graph:
        operands = tuple(identity.get(same.get(i, i), same.get(i, i)) for i in node.inputs)
        kept = first.setdefault((node.op, operands), node.output)
        if kept != node.output:
            same[node.output] = kept
    return (substitute(graph, same), True) if same else (graph, False)


def _identities(graph: Graph) -> dict[str, object]:
    """Constant -> what it has in common with those that count as the same."""
    return {
        name: (array.dtype.str, array.shape, array.tobytes()) if array.nbytes <= SMALL_BYTES else name
        for name, array in graph.constants.items()
    }
