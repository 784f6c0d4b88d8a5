"""Data movement works on stored integers.

1. ``op(Dequantize(x))``, op of one operand and moving or choosing stored integers -> ``Dequantize(op(x))``.
   Dequantize is increasing, so the greatest integer is the greatest real.
2. ``Pad(Dequantize(x), v)`` where v is a real that x's parameters hold exactly -> ``Dequantize(Pad(x, q(v)))``.
3. ``Concat(Dequantize(x0), Dequantize(x1), ...)``, all with the same parameters -> ``Dequantize(Concat(x0, x1, ...))``.
4. ``Quantize(Concat(Dequantize(x0), ...))`` with other parameters p -> ``Concat(Quantize(Dequantize(x0), p), ...)``.

Pre: parameters are per tensor and uint8. Post: no new float32 tensor.
"""

from __future__ import annotations

from dataclasses import replace

from accelserve.kernels.compiler.driver import graph_pass
from accelserve.kernels.compiler.rewriting import GraphIndex, Replacement, rewrite
from accelserve.kernels.ir import Concat, DType, Graph, Node, OnIntegers, Op, Pad, Quantize


def _more_floats(before: Graph, after: Graph) -> str | None:
    floats = [
        sum(
            graph.type_of(node.output).size_bytes
            for node in graph
            if graph.type_of(node.output).dtype is DType.F32
        )
        for graph in (before, after)
    ]
    return None if floats[1] <= floats[0] else f"float32 results take {floats[1]} bytes, {floats[0]} before"


@graph_pass(ensures=(_more_floats,))
def move_dequantize_down(graph: Graph) -> tuple[Graph, bool]:
    """Apply the rules of this file once to every node; the pipeline repeats until nothing changes."""
    return rewrite(graph, _move)


def _move(index: GraphIndex, node: Node) -> Replacement | None:
    if isinstance(node.op, Pad):
        return _through_pad(index, node)
    if isinstance(node.op, Concat):
        return _through_concat(index, node)
    if isinstance(node.op, Quantize):
        return _into_concat(index, node)
    if node.op.on_integers is OnIntegers.AS_STORED and len(node.inputs) == 1:
        return _through_one(index, node)
    return None


def _through_one(index: GraphIndex, node: Node) -> Replacement | None:
    source = index.dequantized(node.inputs[0])
    return None if source is None else _on_stored(index, node, node.op, (source[0],))


def _through_pad(index: GraphIndex, node: Node) -> Replacement | None:
    source = index.dequantized(node.inputs[0])
    if source is None or not isinstance(node.op, Pad):
        return None
    value, params = source
    stored = node.op.value / params.scale + params.zero_point
    if stored != round(stored) or not 0 <= stored <= 255:
        return None
    return _on_stored(index, node, replace(node.op, value=float(stored)), (value,))


def _on_stored(index: GraphIndex, node: Node, op: Op, stored: tuple[str, ...]) -> Replacement:
    """``op`` on stored integers, then the Dequantize that stood before the node's first operand."""
    dequantize = index.producers[node.inputs[0]]
    result, moved = index.unused(f"{node.output}/stored"), index.unused(f"{node.name}/dequantize")
    return Replacement(
        (
            Node(node.name, op, stored, result),
            Node(moved, dequantize.op, (result, *dequantize.inputs[1:]), node.output),
        )
    )


def _through_concat(index: GraphIndex, node: Node) -> Replacement | None:
    sources = [index.dequantized(value) for value in node.inputs]
    found = [source for source in sources if source is not None]
    if len(found) != len(sources) or len({params for _, params in found}) != 1:
        return None
    return _on_stored(index, node, node.op, tuple(value for value, _ in found))


def _into_concat(index: GraphIndex, node: Node) -> Replacement | None:
    concat = index.producers.get(node.inputs[0])
    if concat is None or not isinstance(concat.op, Concat) or index.params(node) is None:
        return None
    if any(index.dequantized(value) is None for value in concat.inputs):
        return None
    parts = [
        Node(
            index.unused(f"{node.name}/part{i}"),
            node.op,
            (value, *node.inputs[1:]),
            index.unused(f"{node.output}/part{i}"),
        )
        for i, value in enumerate(concat.inputs)
    ]
    joined = Node(node.name, concat.op, tuple(part.output for part in parts), node.output)
    return Replacement((*parts, joined))
