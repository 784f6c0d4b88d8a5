"""Equal computations are made once.

1. Two nodes with equal operators and the same operands, where constants of equal bytes count as the same
   -> the first; readers of the second read the first.

Exporters write a Quantize for every edge, each with its own copy of scale and zero point.
"""

from __future__ import annotations

from accelserve.kernels.compiler.rewriting import substitute
from accelserve.kernels.ir import Graph, Op

SMALL_BYTES = 4096
"""Larger constants are weights, which are not shared in practice; hashing them would only cost time."""


def merge_equal_nodes(graph: Graph) -> tuple[Graph, bool]:
    """Apply the rule of this file; see the module's docstring."""
    identity: dict[str, object] = {}
    for name, array in graph.constants.items():
        small = array.nbytes <= SMALL_BYTES
        identity[name] = (array.dtype.str, array.shape, array.tobytes()) if small else name
    first: dict[tuple[Op, tuple[object, ...]], str] = {}
    same: dict[str, str] = {}
    for node in graph:
        operands = tuple(identity.get(same.get(i, i), same.get(i, i)) for i in node.inputs)
        kept = first.setdefault((node.op, operands), node.output)
        if kept != node.output:
            same[node.output] = kept
    return (substitute(graph, same), True) if same else (graph, False)
