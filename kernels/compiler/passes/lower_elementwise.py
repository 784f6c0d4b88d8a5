"""Functions of one stored integer become tables.

1. ``Quantize(Dequantize(x, p), p)`` -> ``x``.
2. ``Quantize(f(...f(Dequantize(x))))`` with every f an operator of one element -> ``QLookup(x, table)``;
   with no f in between this is a requantization.

Post: no value is dequantized to be quantized again by the same parameters.
The table is what the reference evaluators give for all 256 stored values.
"""

from __future__ import annotations

import numpy as np

from accelserve.kernels.compiler.driver import graph_pass, leaves
from accelserve.kernels.compiler.rewriting import GraphIndex, Replacement, rewrite, substitute
from accelserve.kernels.ir import Graph, Node, QLookup, Quantize
from accelserve.kernels.ir.float_ops import Elementwise
from accelserve.kernels.reference.operators import EVALUATORS


def _round_trips(graph: Graph) -> str | None:
    index = GraphIndex(graph)
    left = next((node for node in graph if _round_trip(index, node) is not None), None)
    return None if left is None else f"'{left.name}' quantizes what was dequantized by the same parameters"


@graph_pass(ensures=(leaves(_round_trips),))
def lower_elementwise(graph: Graph) -> tuple[Graph, bool]:
    """Apply the rules of this file; see the module's docstring."""
    index = GraphIndex(graph)
    same = {node.output: source for node in graph if (source := _round_trip(index, node)) is not None}
    if same:
        return substitute(graph, same), True
    return rewrite(graph, _table)


def _round_trip(index: GraphIndex, node: Node) -> str | None:
    if not isinstance(node.op, Quantize):
        return None
    source = index.dequantized(node.inputs[0])
    if source is None or index.params(node) != source[1]:
        return None
    return source[0]


def _table(index: GraphIndex, node: Node) -> Replacement | None:
    if not isinstance(node.op, Quantize) or index.params(node) is None:
        return None
    chain: list[Node] = [node]
    value = node.inputs[0]
    while (source := index.dequantized(value)) is None:
        producer = index.producers.get(value)
        if producer is None or not isinstance(producer.op, Elementwise):
            return None
        chain.append(producer)
        value = producer.inputs[0]
    chain.append(index.producers[value])
    table: np.ndarray[tuple[int, ...], np.dtype[np.generic]] = np.arange(256, dtype=np.uint8)
    for link in reversed(chain):
        parameters = [index.graph.constants[name] for name in link.inputs[1:]]
        table = EVALUATORS[type(link.op)](link.op, [table, *parameters])
    name = index.unused(f"{node.name}/table")
    return Replacement((Node(node.name, QLookup(), (source[0], name), node.output),), {name: table})
