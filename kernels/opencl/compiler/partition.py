"""Which nodes of a lowered graph run on the engine and which on the host, as an alternation of segments."""

from __future__ import annotations

from collections.abc import Iterable

from accelserve.kernels.ir import (
    Concat,
    DType,
    Graph,
    MaxPool,
    Node,
    QAdd,
    QAveragePool,
    QChannelAffine,
    QConv2d,
    QLookup,
    Reshape,
    Slice,
    Transpose,
)
from accelserve.kernels.opencl.engine.segment import Segment

COMPUTES = (QConv2d, QAdd, QChannelAffine, QLookup, QAveragePool, MaxPool)
REARRANGES = (Concat, Reshape, Slice, Transpose)


def partition(graph: Graph) -> tuple[Segment, ...]:
    """Segments in an order that respects data flow, as few as a greedy walk finds.

    A node goes to the engine if it computes uint8 results from constants and image values; one that only
    rearranges bytes stays with its operands.
    """
    placed = _placement(graph)
    made = {*graph.inputs, *graph.constants}
    waiting = list(graph)
    parts: list[tuple[list[Node], bool]] = []
    on_device = True
    while waiting:
        taken: list[Node] = []
        kept: list[Node] = []
        for node in waiting:
            if placed[node.name] is on_device and made.issuperset(node.inputs):
                taken.append(node)
                made.add(node.output)
            else:
                kept.append(node)
        if taken:
            # Bytes that are only rearranged are not worth two trips.
            parts.append((taken, on_device and any(isinstance(node.op, COMPUTES) for node in taken)))
        waiting = kept
        on_device = not on_device
    return tuple(Segment(_subgraph(graph, nodes), side) for nodes, side in parts)


def _placement(graph: Graph) -> dict[str, bool]:
    placed: dict[str, bool] = {}
    near = {name for name, kind in graph.inputs.items() if kind.dtype is DType.U8}
    for node in graph:
        placed[node.name] = _fits(graph, node, near)
        if placed[node.name]:
            near.add(node.output)
    return placed


def _fits(graph: Graph, node: Node, near: set[str]) -> bool:
    images = [i for i in node.inputs if i not in graph.constants]
    if isinstance(node.op, REARRANGES):
        return len(images) == len(node.inputs) and near.issuperset(images)
    if not isinstance(node.op, COMPUTES):
        return False
    constants = _constant_operands(node)
    if not all(node.inputs[i] in graph.constants for i in constants):
        return False
    if any(value in graph.constants for i, value in enumerate(node.inputs) if i not in constants):
        return False
    return all(graph.type_of(i).dtype is DType.U8 for i in images)


def _constant_operands(node: Node) -> tuple[int, ...]:
    """Positions of the operands that the engine wants packed at load time."""
    if isinstance(node.op, QConv2d):
        return (1, 2, 3)
    if isinstance(node.op, QChannelAffine):
        return (1, 2)
    return (1,) if isinstance(node.op, QLookup | QAveragePool) else ()


def _subgraph(graph: Graph, nodes: Iterable[Node]) -> Graph:
    inside = tuple(nodes)
    made = {node.output for node in inside}
    read = dict.fromkeys(value for node in inside for value in node.inputs)
    elsewhere = {value for node in graph if node.output not in made for value in node.inputs}
    wanted = elsewhere | set(graph.outputs.values())
    return Graph(
        inputs={v: graph.type_of(v) for v in read if v not in made and v not in graph.constants},
        nodes=inside,
        constants={v: graph.constants[v] for v in read if v in graph.constants},
        outputs={node.output: node.output for node in inside if node.output in wanted},
    )
